"""Files of labels: annotations and delayed truth, joined to the rows by their key."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.data.sources.columns import Place, as_text
from stages.data.sources.reading import read_table
from stages.errors import DataError, ParamsError

FOLDER = "labels/"


class Coder:
    """Turns labels as people write them into what the target holds: codes of the classes, or numbers.

    Parameters
    ----------
    classes : list or None
        The schema's classes; None for a regression.
    """

    def __init__(self, classes: Sequence[Any] | None) -> None:
        self.classes = classes
        self._codes = {str(label): code for code, label in enumerate(classes or [])}
        self._numeric = bool(classes) and all(isinstance(label, int | float) for label in classes or [])
        if self._numeric:
            self._codes |= {repr(float(label)): code for code, label in enumerate(classes or [])}

    @property
    def expected(self) -> str:
        """What a label may be, in words."""
        return "a number" if self.classes is None else "one of " + ", ".join(map(str, self.classes))

    def code(self, label: str) -> float | None:
        """Return the code or the number of one label, None when it is none."""
        if self.classes is None or self._numeric:
            try:
                number = float(label)
            except ValueError:
                return None
            if self.classes is None:
                return number if np.isfinite(number) else None
            label = repr(number)
        found = self._codes.get(label)
        return None if found is None else float(found)

    def codes(self, labels: pd.Series[Any], name: str, place: Place) -> pd.Series[Any]:
        """Return the codes or numbers of a column of text, NaN where it is missing.

        Raises
        ------
        DataError
            Naming the first row whose label is none.
        """
        known = {label: self.code(label) for label in labels.dropna().unique()}
        found = labels.map(known).astype("float64")
        bad = found.isna() & labels.notna()
        if bad.any():
            raise place.error(name, f"label {labels[bad].iloc[0]!r} is unknown", self.expected, "correct it", bad)
        return found


def read_annotations(project: Path, path: str, key: str, coder: Coder) -> pd.DataFrame:
    """Return the annotations: ``item``, ``annotator``, ``label`` (code or number); the last of one person on an item.

    Raises
    ------
    DataError
        If the file, a column or a cell cannot be used.
    """
    frame, place = _read(project, path, "annotations", [key, "annotator", "label"])
    found = pd.DataFrame(
        {
            "item": _whole(frame, key, place),
            "annotator": _whole(frame, "annotator", place),
            "label": coder.codes(_whole(frame, "label", place), "label", place),
        }
    )
    return found.drop_duplicates(["item", "annotator"], keep="last").reset_index(drop=True)


def read_truth(project: Path, path: str, key: str, coder: Coder, known_by: str | None) -> pd.Series[Any]:
    """Return the labels known by then, by key; a label known later replaces an earlier one.

    Raises
    ------
    DataError
        If the file, a column or a cell cannot be used.
    """
    frame, place = _read(project, path, "truth", [key, "label", "known_at"])
    text = _whole(frame, "known_at", place)
    known_at = pd.to_datetime(text, utc=True, format="ISO8601", errors="coerce")
    if known_at.isna().any():
        raise place.error("known_at", "is no time", "ISO 8601, such as 2024-05-01", "correct it", known_at.isna())
    found = pd.DataFrame(
        {"item": _whole(frame, key, place), "label": coder.codes(as_text(frame["label"]), "label", place)}
    ).assign(known_at=known_at)
    if known_by is not None:
        found = found[found["known_at"] < pd.to_datetime(known_by, utc=True)]
    found = found.dropna(subset="label").sort_values("known_at", kind="stable")
    return found.drop_duplicates("item", keep="last").set_index("item")["label"]


def _read(project: Path, path: str, option: str, columns: list[str]) -> tuple[pd.DataFrame, Place]:
    where = f"params.yaml: data.labels.{option}"
    if Path(path).parts[:1] != ("labels",) or ".." in Path(path).parts:
        raise ParamsError(
            f"{path!r} lies elsewhere",
            where=where,
            expected=f"a file under {FOLDER}, which DVC watches",
            todo="move it",
        )
    frame, lines = read_table(project / path, path)
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise DataError(
            f"has no column {', '.join(map(repr, missing))}",
            where=path,
            expected=f"the columns {', '.join(columns)}",
            todo="rename its columns",
        )
    return frame, Place(path, lines)


def _whole(frame: pd.DataFrame, name: str, place: Place) -> pd.Series[Any]:
    text = as_text(frame[name])
    if text.isna().any():
        raise place.error(name, "is empty", "a value in every row", "fill it in, or drop the row", text.isna())
    return text
