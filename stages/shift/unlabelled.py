"""What the model will lose on rows whose labels are not there yet, estimated in two ways.

Neither sees a change of the outcome at equal inputs: where labels arrive, compare them with what they then show.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import stats
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from stages.shift.comparing import Pair, difference, enough, units
from stages.shift.drop import MIN_EFFECTIVE, Losses, effective_rows
from stages.shift.sides import Array
from stages.training.metrics import TINY, Figure, standard_error

# Weights above this quantile are cut to it: a little bias for much less variance (Ionides 2008).
CUT = 0.99


def loss_by_confidence(held: Losses, prediction: Array, blocks: Pair, *, level: float) -> Figure:
    """Return the mean loss on the later rows that calibrated probabilities predict, with an interval.

    A probability says how often it will be wrong (confidence-based performance estimation, CBPE): each class's loss,
    weighted by its calibrated probability. They are calibrated on held-out rows by logistic regression on the log
    probabilities (Platt 1999, Kull et al. 2019). The interval is for what will be measured on as many rows.

    Parameters
    ----------
    held : Losses
        n classification rows that the model has not seen.
    prediction : array of shape (m, k)
        Probabilities for the later rows.
    blocks : pair of blocks
        Which rows hang together, a side each.
    level : float
        Coverage of the intervals.
    """
    codes = held.target.astype(np.intp)
    if held.task != "classification" or len(np.unique(codes)) < held.prediction.shape[1]:
        return {"value": None, "low": None, "high": None}
    inner = [np.log(np.clip(side, TINY, 1.0)) for side in (held.prediction, prediction)]
    with threadpool_limits(limits=1):
        fitted = LogisticRegression(C=100.0, max_iter=300).fit(inner[0], codes)
        chance = [fitted.predict_proba(side) for side in inner]
    expected = [-(c * i).sum(axis=1) for c, i in zip(chance, inner, strict=True)]
    left = held.model - expected[0]
    value = float(expected[1].mean())
    if not all(enough(len(rows), side) for rows, side in zip(expected, blocks, strict=True)):
        return {"value": value, "low": None, "high": None}
    of_calibration = standard_error(left - left.mean(), blocks[0])
    n, m = units(len(left), blocks[0]), units(len(prediction), blocks[1])
    of_rows = of_calibration * math.sqrt(n / m)  # what is left open will be as large among the later rows
    error = math.hypot(standard_error(expected[1] - value, blocks[1]), of_calibration, of_rows)
    half = float(stats.t.ppf((1 + level) / 2, min(n, m) - 1)) * error
    return {"value": value, "low": max(0.0, value - half), "high": value + half}


def loss_by_importance(held: Losses, chance: Array, blocks: Pair, *, level: float) -> dict[str, Any]:
    """Return the mean loss of the held-out rows, weighted to look like the later ones, with an interval.

    Importance weighting (Shimodaira 2000) by the odds of the two-sample classifier, self-normalised and cut. Holds as
    far as the two sides overlap, which ``effective_rows`` tells; with fewer than 30 the interval is unknown.

    Parameters
    ----------
    held : Losses
        n rows that the model has not seen.
    chance : array of shape (n,)
        `joint.overlap` of these rows.
    blocks : pair of blocks
        Which rows hang together; the first is used.
    level : float
        Coverage of the interval.
    """
    odds = chance / (1 - chance)
    weight = np.minimum(odds, np.quantile(odds, CUT))
    weight /= weight.mean()
    value, effective = float(np.mean(weight * held.model)), effective_rows(weight)
    side = blocks[0] if effective >= MIN_EFFECTIVE else np.zeros(len(weight), dtype=np.intp)  # one block: cannot tell
    return difference(value, (weight * (held.model - value),), (side,)).figure(level) | {"effective_rows": effective}
