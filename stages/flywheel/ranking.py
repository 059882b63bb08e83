"""In which order rows are labelled: those with most against them first, and no two alike."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from stages.training.metrics import Array

SMOOTH = 60  # the constant of Cormack et al., found on pilot data and left alone since
LOOKED_AT = 5_000  # the rows with most against them, among which unlike ones are sought


def fused(scores: Array) -> Array:
    """Return how much speaks for each row, (n,), from several scores that no scale has in common.

    Reciprocal rank fusion (Cormack, Clarke & Büttcher 2009): the sum over the scores of 1 / (60 + rank). Rows with
    equal scores share the mean of their ranks, so that what is said of many rows counts for little in each.

    Parameters
    ----------
    scores : array of shape (n, criteria)
        The larger the more there is to learn; a row of which a criterion says nothing has 0 there, and gets nothing.

    Examples
    --------
    >>> fused(np.array([[0.9, 0.0], [0.5, 1.0], [0.0, 0.0]])).round(4).tolist()
    [0.0164, 0.0325, 0.0]
    """
    found = np.zeros(len(scores))
    for score in scores.T:
        told = score > 0
        found[told] += 1 / (SMOOTH + rankdata(-score[told], method="average"))
    return found


def ranked(
    relevance: Array, rows: pd.DataFrame, features: Mapping[str, str], lots: Array, count: int, weight: float
) -> list[int]:
    """Return which rows to label, the first first: relevant ones, each unlike those before it.

    Maximal marginal relevance (Carbonell & Goldstein 1998): the next row is the one with the largest ``weight`` times
    its relevance less ``1 - weight`` times its likeness to the most alike of those taken.

    Parameters
    ----------
    relevance : array of shape (n,)
        How much speaks for each row; one with 0 is not taken.
    rows : DataFrame of n rows
        Their features.
    features : mapping of str to str
        Column -> "number" or "category".
    lots : array of shape (n,)
        Each row's own number, which decides between equal ones, so that the order of the rows decides nothing.
    count : int
        How many are wanted. Of rows with the same features one is taken, so there may be fewer.
    weight : float
        From 0 to 1.
    """
    order = np.lexsort([lots, -relevance])
    order = order[relevance[order] > 0][: max(LOOKED_AT, count)]
    if not len(order):
        return []
    alike = Likeness(rows.iloc[order], features)
    worth = relevance[order] / relevance[order[0]]
    nearest, free, taken = np.zeros(len(order)), np.ones(len(order), dtype=bool), list[int]()
    while len(taken) < count and free.any():
        gain = np.where(free, weight * worth - (1 - weight) * nearest, -np.inf)
        at = int(np.argmax(gain))
        taken.append(int(order[at]))
        likeness = alike.to(at)
        nearest = np.maximum(nearest, likeness)
        free &= likeness < 1
    return taken


class Likeness:
    """How alike rows are, from 0 to 1: one less the distance of Gower (1971). A missing value is a value of its own.

    Numbers are compared on the range of their middle nine tenths, so that one far value does not make all others alike.
    """

    def __init__(self, rows: pd.DataFrame, features: Mapping[str, str]) -> None:
        numbers = [name for name, kind in features.items() if kind == "number"]
        others = [name for name, kind in features.items() if kind != "number"]
        self.numbers: Array = rows[numbers].to_numpy(dtype="float64").reshape(len(rows), len(numbers))
        codes = [pd.factorize(rows[name])[0] for name in others]
        self.codes: NDArray[np.intp] = np.array(codes, dtype=np.intp).reshape(len(others), len(rows)).T
        self.span = np.array([_span(column) for column in self.numbers.T])
        self.features = max(1, len(numbers) + len(others))

    def to(self, at: int) -> Array:
        """Return how alike each row is to one of them, (n,); exactly 1 where all features are the same."""
        mine, gone = self.numbers[at], np.isnan(self.numbers)
        with np.errstate(invalid="ignore"):
            apart = np.minimum(1.0, np.abs(self.numbers - mine) / self.span)
        apart = np.where(gone | np.isnan(mine), gone != np.isnan(mine), apart)
        differ = self.codes != self.codes[at]
        far = apart.sum(axis=1) + differ.sum(axis=1)
        same = ~(apart > 0).any(axis=1) & ~differ.any(axis=1)
        return np.where(same, 1.0, np.minimum(1 - far / self.features, np.nextafter(1.0, 0.0)))


def _span(column: Array) -> float:
    known = column[np.isfinite(column)]
    if not len(known):
        return 1.0
    low, high = np.quantile(known, [0.05, 0.95])
    return float(high - low) or float(known.max() - known.min()) or 1.0
