"""The target's own distribution: how far its mean or its classes' shares moved, with labels and without."""

from __future__ import annotations

from typing import Any

import numpy as np

from stages.shift.comparing import Estimate, Pair, difference, mean_difference
from stages.shift.figures import within_one
from stages.shift.sides import Array
from stages.training.metrics import Figure

# Of a confusion matrix worse conditioned than this, the inverse is noise.
MAX_CONDITION = 1e3


def rate_change(
    before: Array, after: Array, classes: list[Any] | None, blocks: Pair, *, level: float
) -> dict[str, Any]:
    """Return the change of the target's mean in its standard deviations, with an interval.

    Of more than two classes, the one whose share changed most, with Bonferroni's correction for having looked at all.

    Parameters
    ----------
    before, after : arrays
        Class codes or values.
    classes : list or None
        Names of the classes; None for a regression.
    blocks : pair of blocks
        Which rows hang together, a side each.
    level : float
        Coverage of the intervals.
    """
    codes = list(range(len(classes))) if classes is not None and len(classes) > 2 else [None]
    found = []
    for code in codes:
        one, two = (before, after) if code is None else ((before == code).astype(float), (after == code).astype(float))
        moved, deviation = mean_difference(one, two, blocks), one.std() or two.std() or 1.0
        scaled = Estimate(moved.value / deviation, moved.error / deviation, moved.freedom)
        name = None if code is None or classes is None else classes[code]
        found.append(scaled.figure(1 - (1 - level) / len(codes)) | {"class": name})
    return max(found, key=lambda item: abs(item["value"] or 0.0))


def estimated_shares(
    target: Array, prediction: tuple[Array, Array], blocks: Pair, *, level: float
) -> list[Figure] | None:
    """Return the shares of the classes among the later rows, estimated without their labels.

    Black-box shift estimation (Lipton, Wang & Smola 2018) with probabilities for predictions: if what rows of a class
    look like has not changed, the mean prediction is the confusion matrix times the new shares. The matrix's own error
    and that of the mean both enter the interval, by the first order.

    Parameters
    ----------
    target : array of shape (n,)
        Class codes of rows that the model has not seen.
    prediction : arrays of shape (n, k) and (m, k)
        Probabilities for these rows, and for the later ones.
    blocks : pair of blocks
        Which rows hang together, a side each.
    level : float
        Coverage of the intervals.

    Returns
    -------
    list of figures, or None
        One a class. None where a class is absent, or the model tells the classes apart too little for an answer.
    """
    one, two = prediction
    k = one.shape[1]
    codes = target.astype(np.intp)
    counts = np.bincount(codes, minlength=k)
    if (counts == 0).any():
        return None
    member = np.eye(k)[codes]
    by_class = one.T @ member / counts  # (k, k): mean prediction of each class's rows
    if np.linalg.cond(by_class) > MAX_CONDITION:
        return None
    inverse = np.linalg.inv(by_class)
    shares = inverse @ two.mean(axis=0)
    # d shares = inverse (d mean - d matrix shares)
    scale = len(codes) * (shares / counts)[codes]
    on_one = -(scale[:, None] * (one - by_class.T[codes])) @ inverse.T
    on_two = (two - two.mean(axis=0)) @ inverse.T
    found = [difference(float(shares[c]), (on_one[:, c], on_two[:, c]), blocks).figure(level) for c in range(k)]
    return [within_one(item) for item in found]
