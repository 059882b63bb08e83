"""All features together: a classifier that tells the later rows from the earlier ones (Lopez-Paz & Oquab 2017).

How well it does is the test. How sure it is of a row tells where the two sides overlap, which is what the parts of a
drop, importance weights and concept shift are made from.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from stages.shift.comparing import Estimate, difference
from stages.shift.sides import Array, Rows, Sides, draw, folds_of

# Each fold's classifier learns from at most so many rows a side; all rows are scored.
TRAIN_ROWS, FOLDS = 5000, 3
SMALL = {"max_iter": 40, "max_leaf_nodes": 8, "min_samples_leaf": 20, "early_stopping": False}
EDGE = 1e-3


def two_sample_scores(sides: Sides, seed: int, extra: Array | None = None) -> Array | None:
    """Return for each stacked row the chance that it is of the later side, (n,), were both sides equally many.

    Out of fold, and blocks are whole in the folds: the classifier would know the rows of a block again, and tell apart
    what is the same. None where a side has fewer blocks than folds.

    Parameters
    ----------
    sides : Sides
        The rows of both sides.
    seed : int
        Seed of every choice.
    extra : array of shape (n, k), optional
        Further columns, such as a model's prediction.
    """
    fold = paired_folds(sides, seed)
    if fold is None:
        return None
    matrix = sides.matrix if extra is None else np.column_stack([sides.matrix, extra])
    label = sides.is_after.astype(float)
    weight = np.where(sides.is_after, len(sides) / label.sum(), len(sides) / (1 - label).sum()) / 2
    return cross_fit(matrix, label, fold, learning_rows(sides, seed), sides.categorical, seed, weight, classify=True)


def auc(sides: Sides, scores: Array, weight: Array | None = None) -> Estimate:
    """Return the ROC AUC of the scores: the chance that a later row outranks an earlier one; 0.5 for no difference.

    The error is DeLong's (1988), from each row's placement among the other side's, summed by blocks. ``weight`` counts
    the earlier rows, as when they are made to have the later ones' labels.
    """
    late = sides.is_after
    one, two = scores[~late], scores[late]
    weight = np.ones(len(one)) if weight is None else weight / weight.mean()
    order = np.argsort(one, kind="stable")
    total = np.r_[0.0, np.cumsum(weight[order])]
    lower, upper = (total[np.searchsorted(one[order], two, side)] for side in ("left", "right"))
    of_two = (lower + upper) / 2 / total[-1]
    two = np.sort(two)
    of_one = 1 - (np.searchsorted(two, one, "left") + np.searchsorted(two, one, "right")) / 2 / len(two)
    value = float(of_two.mean())
    return difference(value, (weight * (of_one - value), of_two - value), sides.blocks)


def overlap(sides: Sides, scores: Array) -> Array:
    """Return the scores as calibrated chances, (n,), within (0, 1).

    Platt's logistic (1999) on out-of-fold scores, its slope not below zero: a classifier that tells nothing gives every
    row the same chance, and so every weight made from it is one.
    """
    inner = logit(np.clip(scores, EDGE, 1 - EDGE))
    label = sides.is_after
    weight = np.where(label, len(sides) / label.sum(), len(sides) / (~label).sum()) / 2
    with threadpool_limits(limits=1):
        platt = LogisticRegression().fit(inner[:, None], label, sample_weight=weight)
    slope, base = float(platt.coef_[0, 0]), float(platt.intercept_[0])
    if slope <= 0:
        return np.full(len(sides), 0.5)
    return np.asarray(np.clip(expit(slope * inner + base), EDGE, 1 - EDGE))


def paired_folds(sides: Sides, seed: int) -> Rows | None:
    """Return the fold of each stacked row, each side spread evenly over the folds; None for too few blocks."""
    parts = [
        folds_of(len(frame), blocks, FOLDS, seed)
        for frame, blocks in zip((sides.before, sides.after), sides.blocks, strict=True)
    ]
    return None if parts[0] is None or parts[1] is None else np.concatenate([parts[0], parts[1]])


def learning_rows(sides: Sides, seed: int) -> NDArray[np.bool_]:
    """Return which stacked rows are learned from, (n,): a seeded choice, as many of one side as of the other."""
    most = TRAIN_ROWS * FOLDS // (FOLDS - 1)
    chosen = np.zeros(len(sides), dtype=bool)
    chosen[draw(len(sides.before), most, seed)] = True
    chosen[len(sides.before) + draw(len(sides.after), most, seed)] = True
    return chosen


def cross_fit(
    matrix: Array,
    target: Array,
    fold: Rows,
    learn: NDArray[np.bool_],
    categorical: list[bool],
    seed: int,
    weight: Array | None = None,
    *,
    classify: bool = False,
) -> Array:
    """Return the out-of-fold predictions of a small boosting, (n,): values, or the chance of class 1.

    Boosting takes numbers, categories and missing values as they are, and finds what only several features tell.
    """
    kind = HistGradientBoostingClassifier if classify else HistGradientBoostingRegressor
    extra = [False] * (matrix.shape[1] - len(categorical))
    found = np.empty(len(target))
    for turn in range(int(fold.max()) + 1):
        here, there = fold == turn, (fold != turn) & learn
        model = kind(**SMALL, categorical_features=[*categorical, *extra], random_state=seed)
        columns = ~np.isnan(matrix[there]).all(axis=0)  # a column without any value cannot be binned
        rows = np.where(columns, matrix, 0.0)
        with threadpool_limits(limits=1):
            model.fit(rows[there], target[there], sample_weight=None if weight is None else weight[there])
            found[here] = model.predict_proba(rows[here])[:, 1] if classify else model.predict(rows[here])
    return found
