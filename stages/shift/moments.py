"""All features together by their moments: many small moves at once, and pairs of features that go together otherwise.

A classifier learns such things from the rows only as far as there are many; a mean or a product of two features needs
no learning. Every feature is scored by its rank among all rows, so that outliers and units do not matter.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from stages.data.blocks import Blocks
from stages.shift.comparing import enough
from stages.shift.sides import Array, Sides

# Rows, or whole blocks, are dealt to at most so many lots; the spread of the lots' means tells the error.
LOTS = 200


def moments_p(sides: Sides, seed: int) -> dict[str, float]:
    """Return the p-values of "the means are the same" and of "the products are the same"; 1 where it cannot tell.

    Means: Hotelling's T2 (1931), which adds up what all features show. Products of two features' scores: the largest
    Student's t with Bonferroni's correction.
    """
    found = {"means": 1.0, "pairs": 1.0}
    scores = _scores(sides)
    rows = (slice(0, len(sides.before)), slice(len(sides.before), None))
    if scores.shape[1] == 0 or not all(
        enough(len(scores[part]), side) for part, side in zip(rows, sides.blocks, strict=True)
    ):
        return found
    lots = [_lots(len(scores[part]), side, seed) for part, side in zip(rows, sides.blocks, strict=True)]
    means = [_by_lot(scores[part], lot) for part, lot in zip(rows, lots, strict=True)]
    found["means"] = _hotelling(*means)
    if scores.shape[1] > 1:
        found["pairs"] = _largest(*(_products(scores[part], lot) for part, lot in zip(rows, lots, strict=True)))
    return found


def _scores(sides: Sides) -> Array:
    """Return the standardised ranks of the features, (n, those that vary); 0 where a value is missing."""
    found = []
    for values in sides.matrix.T:
        known = ~np.isnan(values)
        codes = values[known].astype(np.intp)
        counts = np.bincount(codes) if len(codes) else np.zeros(1)
        rank = (np.cumsum(counts) - counts / 2) / max(1, len(codes)) - 0.5
        score = np.zeros(len(values))
        score[known] = rank[codes]
        if score.std() > 0:
            found.append(score / score.std())
    return np.column_stack(found) if found else np.empty((len(sides), 0))


def _lots(rows: int, blocks: Blocks | None, seed: int) -> Blocks:
    """Return the lot of each row, (rows,), blocks whole."""
    units = np.arange(rows) if blocks is None else np.unique(blocks, return_inverse=True)[1]
    count = int(units.max()) + 1
    return np.asarray(np.random.default_rng(seed).permutation(count)[units] % min(LOTS, count), dtype=np.intp)


def _by_lot(values: Array, lot: Blocks) -> tuple[Array, Array]:
    """Return the mean of each column, (k,), and each lot's influence on it, (lots, k)."""
    order = np.argsort(lot, kind="stable")
    starts = np.searchsorted(lot[order], np.arange(int(lot.max()) + 1))
    mean = values.mean(axis=0)
    return mean, np.add.reduceat((values - mean)[order], starts, axis=0) / len(values)


def _products(scores: Array, lot: Blocks) -> tuple[Array, Array]:
    """Return the mean product of each pair of columns, and each lot's influence on it."""
    upper = np.triu_indices(scores.shape[1], 1)
    order = np.argsort(lot, kind="stable")
    sorted_scores = scores[order]
    ends = np.r_[np.searchsorted(lot[order], np.arange(int(lot.max()) + 1)), len(lot)]
    sums = np.asarray([(part.T @ part)[upper] for part in np.split(sorted_scores, ends[1:-1])])
    mean = sums.sum(axis=0) / len(scores)
    return mean, (sums - np.diff(ends)[:, None] * mean) / len(scores)


def _hotelling(one: tuple[Array, Array], two: tuple[Array, Array]) -> float:
    moved = two[0] - one[0]
    k, count = len(moved), min(len(one[1]), len(two[1]))
    if count < 3 * k:  # the covariance is not known well enough
        return 1.0
    covariance = sum(len(lots) / (len(lots) - 1) * lots.T @ lots for _, lots in (one, two))
    squared = float(moved @ np.linalg.pinv(covariance, hermitian=True) @ moved)
    freedom = count - 1
    return float(stats.f.sf(squared * (freedom - k + 1) / (freedom * k), k, freedom - k + 1))


def _largest(one: tuple[Array, Array], two: tuple[Array, Array]) -> float:
    errors = np.sqrt(sum(len(lots) / (len(lots) - 1) * np.sum(lots**2, axis=0) for _, lots in (one, two)))
    known = errors > 0
    if not known.any():
        return 1.0
    largest = float(np.max(np.abs(two[0] - one[0])[known] / errors[known]))
    freedom = min(len(one[1]), len(two[1])) - 1
    p = 2 * float(stats.t.sf(largest, freedom)) * int(known.sum())
    return min(1.0, p) if math.isfinite(p) else 1.0
