"""The rule baseline: what a person with a table of averages would predict. No model is fitted."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from stages.data.cutting import By, cut
from stages.errors import ParamsError
from stages.training.metrics import row_losses

Floats = npt.NDArray[np.float64]
MAX_VALUES = 30
BINS = 10
PRIOR_ROWS = 10.0
FITTED_SHARE = 0.7


class Rule:
    """Predict the mean target of the rows with the same values in a few columns.

    Parameters
    ----------
    columns : list of str
        The columns that make the cells; numbers with more than 30 values are cut at their deciles. Empty: a constant.
    n_classes : int or None
        Number of classes, the target being their codes; None for regression.
    prior_rows : float
        A cell's mean is shrunk towards the overall mean as if so many more rows had been seen there (m-estimate,
        Cestnik 1990), so that a cell of one row is no certainty. Cells never seen get the overall mean.
    """

    def __init__(self, columns: list[str], n_classes: int | None, *, prior_rows: float = PRIOR_ROWS) -> None:
        self.columns, self.n_classes, self.prior_rows = columns, n_classes, prior_rows
        self.edges: dict[str, Floats] = {}
        self.cells: dict[Any, int] = {}
        self.means: Floats = np.empty((0, 1))

    def fit(self, frame: pd.DataFrame, target: pd.Series) -> Rule:
        """Learn the mean of each cell."""
        for name in self.columns:
            if pd.api.types.is_numeric_dtype(frame[name].dtype) and frame[name].nunique() > MAX_VALUES:
                self.edges[name] = np.unique(frame[name].dropna().quantile(np.arange(1, BINS) / BINS).to_numpy())
        y = target.to_numpy()
        values = y[:, None].astype("float64") if self.n_classes is None else np.eye(self.n_classes)[y.astype("int64")]
        keys = self._keys(frame)
        codes, names = pd.factorize(keys, sort=True)
        self.cells = {name: code for code, name in enumerate(names)}
        overall = values.mean(axis=0)
        sums = np.column_stack([np.bincount(codes, weights=column, minlength=len(names)) for column in values.T])
        counts = np.bincount(codes, minlength=len(names))[:, None]
        self.means = np.vstack([(sums + self.prior_rows * overall) / (counts + self.prior_rows), overall])
        return self

    def predict(self, frame: pd.DataFrame) -> Floats:
        """Return the predictions: class probabilities of shape (n_rows, n_classes), or values of shape (n_rows,)."""
        codes = self._keys(frame).map(self.cells).fillna(len(self.means) - 1).astype("int64").to_numpy()
        predicted = self.means[codes]
        return predicted[:, 0] if self.n_classes is None else predicted

    def _keys(self, frame: pd.DataFrame) -> pd.Series:
        key = pd.Series("", index=frame.index, dtype="str")
        for name in self.columns:
            column = frame[name]
            if name in self.edges:
                binned = np.searchsorted(self.edges[name], column.to_numpy(dtype="float64"), side="right")
                column = pd.Series(binned, index=frame.index).where(column.notna())
            key = key + "|" + column.astype("str").fillna("missing")
        return key


def rule_columns(asked: list[str], train: pd.DataFrame, schema: dict[str, Any], seed: int) -> list[str]:
    """Return the columns of the rule: those asked for, or the single one with the least loss on held-out rows.

    Raises
    ------
    ParamsError
        If a column asked for is no feature.
    """
    unknown = [name for name in asked if name not in schema["features"]]
    if unknown:
        raise ParamsError(
            f"unknown column {', '.join(map(repr, unknown))}",
            where="params.yaml: planning.rule",
            expected="features: " + ", ".join(schema["features"]),
            todo="edit planning.rule",
        )
    if asked:
        return list(asked)
    target, classes = schema["target"], schema["classes"]
    # A single group cannot be held out from itself.
    group = schema["group"] if schema["group"] and train[schema["group"]].nunique() > 1 else None
    by = By(schema["time"], group, target if classes else None)
    fitted, held = cut(train, [FITTED_SHARE, 1 - FITTED_SHARE], by, seed)
    n_classes = len(classes) if classes else None
    y = held[target].to_numpy(dtype="float64")
    task = "classification" if classes else "regression"

    def loss(name: str) -> float:
        made = Rule([name], n_classes).fit(fitted, fitted[target]).predict(held)
        return float(row_losses(task, y, made).mean())

    return [min(schema["features"], key=loss)]
