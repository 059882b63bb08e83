"""What predictions must be, whatever the data and the model: numbers, varied, in range, and steady."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from stages.signals import Signal
from stages.training.findings import counted, measured, wilson
from stages.training.metrics import Array

Predict = Callable[[pd.DataFrame], Array]
MIN_ROWS, TINY, LONE = 50, 1e-6, 8


def sound_predictions(task: str, prediction: Array, again: Array, train_target: Array, max_far: float) -> list[Signal]:
    """Return whether predictions are numbers, not all the same and, of a regression, in the range of the target.

    A constant is a bug only when the same candidate, fitted again, does vary (``again``: its predictions of the same
    rows); else it may be held back too much, which is no bug. Far out of range is ten times the width of the training
    target's range.
    """
    rows = prediction.reshape(len(prediction), -1)
    broken = int((~np.isfinite(rows).all(axis=1)).sum())
    found = [counted("numbers", broken, f"{broken} of {len(rows)} predictions are not numbers")]
    if broken:
        return found
    least = TINY * (float(np.std(train_target)) if task == "regression" else 1.0)
    spread, other = (float(np.ptp(one.reshape(len(rows), -1), axis=0).max()) for one in (prediction, again))
    flat = len(rows) >= MIN_ROWS and spread <= least < other
    found.append(counted("varied", int(flat), "the same prediction for every row" if flat else "predictions vary"))
    if task == "regression":
        low, high = float(np.min(train_target)), float(np.max(train_target))
        far = int((np.abs(prediction - (low + high) / 2) > 10.5 * (high - low)).sum())
        says = f"{far} of {len(rows)} predictions lie more than ten times the target's range outside it"
        found.append(measured("in_range", dict(wilson(far, len(rows))), max_far, "above", "of the rows", says))
    return found


def steady(model: Predict, rows: pd.DataFrame, scale: float) -> list[Signal]:
    """Return whether a prediction depends on what it must not: the order of the columns, the rows beside it."""
    batch = model(rows)
    turned = model(rows[list(rows.columns[::-1])])
    lone = rows.iloc[:LONE]
    singly = np.concatenate([model(lone.iloc[[at]]) for at in range(len(lone))])
    found = []
    for name, one, two, what in (
        ("column_order", batch, turned, "change with the order of the columns"),
        ("row_alone", batch[: len(lone)], singly, "differ between a row alone and a row among others"),
    ):
        apart = np.abs(one - two).reshape(len(one), -1).max(axis=1) > TINY * scale
        found.append(counted(name, int(apart.sum()), f"{int(apart.sum())} of {len(one)} predictions {what}"))
    return found
