"""Put labels from elsewhere into the rows of a part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

ROW = "row."  # a feature of a reviewed row, beside what is known of the review


def with_labels(frame: pd.DataFrame, labels: pd.DataFrame, part: str, schema: dict[str, Any]) -> pd.DataFrame:
    """Return the rows of a part with their final labels.

    Parameters
    ----------
    frame : DataFrame, shape (n_rows, n_columns)
        The valid rows of the part, as the label step saw them.
    labels : DataFrame
        Content of ``data/labels.parquet``: ``part``, ``row`` and ``value`` (class code, or number).
    part : {"window", "pilot"}
        Which of them the rows are.
    schema : dict
        Content of ``data/schema.json``.
    """
    mine = labels[labels["part"] == part]
    if mine.empty:
        return frame
    target, classes = schema["target"], schema["classes"]
    values = mine["value"].tolist() if classes is None else [classes[int(code)] for code in mine["value"]]
    column = frame[target].astype("object").to_numpy().copy()
    column[mine["row"].to_numpy(dtype=np.intp)] = np.array(values, dtype="object")
    dtype: Any = frame[target].dtype if classes is not None else "float64"
    return frame.assign(**{target: pd.Series(column, index=frame.index).astype(dtype)})
