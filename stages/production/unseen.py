"""What labelled rows have not shown yet: a difference of decisions keeps the error of a row that nobody has seen."""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist

import numpy as np

from stages.metric_names import DECIDED, FAILURES, larger_is_better
from stages.training.metrics import Array, Figure, Scorer


def wide_enough(
    gain: Figure, one: Scorer, other: Scorer, metric: str, level: float, worth: tuple[Array, Array]
) -> Figure:
    """Return a gain in decisions whose interval is no shorter than one more row of each kind would make it.

    Where two models decide alike on all of few rows, no resample of these rows varies, and an interval without length
    would say that they are surely alike. One more row that only one of them has right is what Agresti & Min (2005) add
    to a paired difference, for the same reason; of a metric of classes it is of that class in which it counts most.

    Parameters
    ----------
    gain : figure
        By how much ``one`` is better than ``other``.
    one, other : Scorer
        What they said of rows, the same or others.
    metric : str
        The one that they are compared in; one that is not made of decisions varies by itself.
    level : float
        Of the interval.
    worth : pair of array
        What each row counts for, by model.
    """
    value, low, high = gain["value"], gain["low"], gain["high"]
    if metric not in DECIDED | FAILURES or value is None or low is None or high is None:
        return gain
    sign = 1.0 if larger_is_better(one.task, metric) else -1.0

    def shifted(right: bool) -> list[float]:
        """Return the gain with one more row, of each class in turn, that only one of the models has right."""
        found = []
        for code in range(one.prediction.shape[1] if one.task == "classification" else 1):
            mine, its = _more(one, code, right=right), _more(other, code, right=not right)
            scores = [
                scorer.score([metric], np.append(weight, 1.0))[metric]
                for scorer, weight in zip((mine, its), worth, strict=True)
            ]
            found.append(sign * (scores[0] - scores[1]))
        return [item for item in found if np.isfinite(item)] or [value]

    sure = NormalDist().inv_cdf((1 + level) / 2)
    below, above = value - min(shifted(right=False)), max(shifted(right=True)) - value
    return {"value": value, "low": min(low, value - sure * below), "high": max(high, value + sure * above)}


def _more(scorer: Scorer, code: int, *, right: bool) -> Scorer:
    """Return the scorer with one more row, of a class or a value of 0, that is decided rightly or wrongly."""
    if scorer.task == "classification":
        classes = scorer.prediction.shape[1]
        said = np.eye(classes)[code if right else (code + 1) % classes][None, :]
    else:
        said = np.array([0.0 if right else 2 * (scorer.failing.tolerance or 0.0) + 1])
    return replace(
        scorer,
        target=np.append(scorer.target, float(code)),
        prediction=np.concatenate([scorer.prediction, said]),
        answered=np.append(scorer.answers, True),
        blocks=None,
    )
