"""Slices in which the model loses more than elsewhere: found on one half of the rows, confirmed on the other.

SliceLine (Sagadeeva & Boehm 2021) looks through all conjunctions of one and two conditions. Of so many some are bad by
chance, and the worst is bad by chance most of all, so nothing is believed of the rows it was found on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from stages.data.blocks import MIN_BLOCKS, Blocks
from stages.training.metrics import Array, standard_error
from stages.training.sampling import random_order, renumbered

MANY_VALUES, BINS = 10, 5
CONDITIONS, MOST, IMPORTANCE = 2, 10, 0.95  # at most two conditions; so many slices; the paper's alpha
SEARCHED = 5_000  # rows; the search takes memory and time by their number
MISSING, REST = "missing", "rest"


@dataclass(frozen=True)
class Condition:
    """A condition on one column: a value, a range (above ``low``, up to ``high``), or that it is missing."""

    column: str
    value: str | None = None
    low: float | None = None
    high: float | None = None

    def holds(self, rows: pd.DataFrame) -> NDArray[np.bool_]:
        """Tell of which rows it holds, (n,)."""
        column = rows[self.column]
        if self.value is not None:
            return np.asarray(column.astype("str").eq(self.value) & column.notna(), dtype=bool)
        if self.low is None and self.high is None:
            return np.asarray(column.isna(), dtype=bool)
        number = column.to_numpy(dtype="float64")
        low, high = -np.inf if self.low is None else self.low, np.inf if self.high is None else self.high
        return np.asarray((number > low) & (number <= high))

    @property
    def says(self) -> str:
        """The condition in words."""
        if self.value is not None:
            return f"{self.column} = {self.value}"
        if self.low is None and self.high is None:
            return f"{self.column} is missing"
        ends = [] if self.low is None else [f"> {self.low:.4g}"]
        ends += [] if self.high is None else [f"≤ {self.high:.4g}"]
        return f"{self.column} {' and '.join(ends)}"


@dataclass(frozen=True)
class Slice:
    """A slice that was found, and what the other half of the rows says of it.

    Attributes
    ----------
    conditions : tuple of Condition
        All of them hold in it.
    rows, found_on : int
        How many rows it has in the half that confirms, and in the one it was found on.
    excess, low, high : float or None
        By how much the loss is higher inside than outside, as a share of the mean loss, with an interval that holds for
        all slices found together; of the half that confirms.
    confirmed : bool
        Whether it is surely higher.
    """

    conditions: tuple[Condition, ...]
    rows: int
    found_on: int
    excess: float | None
    low: float | None
    high: float | None

    @property
    def confirmed(self) -> bool:
        """Whether the loss is surely higher inside."""
        return self.low is not None and self.low > 0

    @property
    def says(self) -> str:
        """The slice in words."""
        return " and ".join(condition.says for condition in self.conditions)

    def holds(self, rows: pd.DataFrame) -> NDArray[np.bool_]:
        """Tell which rows lie in it, (n,)."""
        return np.asarray(np.logical_and.reduce([item.holds(rows) for item in self.conditions]), dtype=bool)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        names = ("rows", "found_on", "excess", "low", "high", "confirmed")
        return {"says": self.says} | {name: getattr(self, name) for name in names}


def find_slices(
    rows: pd.DataFrame,
    losses: Array,
    features: Mapping[str, str],
    blocks: Blocks | None,
    *,
    min_rows: int,
    level: float,
    seed: int,
) -> list[Slice]:
    """Return slices of high loss, the surest first; none where there are too few rows to halve.

    Parameters
    ----------
    rows : DataFrame of n rows
        Their features.
    losses : array of shape (n,)
        The loss of each, of a model that did not learn from it.
    features : mapping of str to str
        Column -> "number" or "category".
    blocks : array of shape (n,), optional
        Which rows hang together; a block lies in one half.
    min_rows : int
        The smallest slice, in each half.
    level : float
        Of the intervals, of all slices together (Bonferroni; Dunn 1961).
    seed : int
        Of the halves.
    """
    order = random_order(len(rows), blocks, seed)
    half = _middle(order, blocks)
    one, other = np.sort(order[:half]), np.sort(order[half:])
    if min(len(one), len(other)) < 2 * min_rows:
        return []
    one = one[:SEARCHED]
    found = _searched(rows.iloc[one], losses[one], features, min_rows)
    inside = {conditions: Slice(conditions, 0, 0, None, None, None).holds(rows) for conditions in found}
    large = {conditions: mask for conditions, mask in inside.items() if mask[other].sum() >= min_rows}
    slices = [
        Slice(
            conditions,
            int(mask[other].sum()),
            int(mask[one].sum()),
            *_excess(losses[other], mask[other], renumbered(blocks, other), level, len(large)),
        )
        for conditions, mask in large.items()
    ]
    return sorted(slices, key=lambda item: (-(item.low if item.low is not None else -np.inf), item.says))


def _middle(order: NDArray[np.intp], blocks: Blocks | None) -> int:
    """Return where to cut an order into halves without tearing a block."""
    half = len(order) // 2
    if blocks is not None:
        while half < len(order) and half and blocks[order[half]] == blocks[order[half - 1]]:
            half += 1
    return half


def _excess(
    losses: Array, inside: NDArray[np.bool_], blocks: Blocks | None, level: float, slices: int
) -> tuple[float | None, float | None, float | None]:
    """Return by how much the loss inside is higher than outside, as a share of the mean, with an interval."""
    share, mean = inside.mean(), losses.mean()
    if share in (0, 1) or not mean > 0:
        return None, None, None
    within, beyond = losses[inside].mean(), losses[~inside].mean()
    excess = float((within - beyond) / mean)
    units = int(inside.sum()) if blocks is None else len(np.unique(blocks[inside]))
    if units < MIN_BLOCKS:
        return excess, None, None
    influence = np.where(inside, (losses - within) / share, -(losses - beyond) / (1 - share))
    error = standard_error(influence, blocks) / mean
    half = float(student.ppf(1 - (1 - level) / 2 / slices, units - 1) * error)
    return excess, excess - half, excess + half


def _searched(
    rows: pd.DataFrame, losses: Array, features: Mapping[str, str], min_rows: int
) -> list[tuple[Condition, ...]]:
    """Return the slices that the search finds."""
    from sliceline.slicefinder import Slicefinder

    cuts = {name: _conditions(rows[name], kind, min_rows) for name, kind in features.items()}
    cuts = {name: conditions for name, conditions in cuts.items() if len(conditions) > 1}
    if not cuts or not losses.sum() > 0:
        return []
    codes = np.zeros((len(rows), len(cuts)), dtype=np.intp)  # 0: in none of them
    for at, conditions in enumerate(cuts.values()):
        for code, condition in enumerate(conditions, start=1):
            codes[condition.holds(rows), at] = code
    finder = Slicefinder(alpha=IMPORTANCE, k=MOST, max_l=CONDITIONS, min_sup=min_rows, verbose=False)
    finder.fit(codes, losses)
    names = list(cuts)
    found = []
    for top in finder.top_slices_:
        picked = [(names[at], int(code)) for at, code in enumerate(top) if code is not None]
        if picked and all(code > 0 for _, code in picked):
            found.append(tuple(cuts[name][code - 1] for name, code in picked))
    return found[:MOST]


def _conditions(column: pd.Series[Any], kind: str, min_rows: int) -> list[Condition]:
    """Return the conditions on a column: its values, those that are frequent enough, or fifths of its numbers."""
    name = str(column.name)
    gone = [Condition(name)] if column.isna().sum() >= min_rows else []
    if kind == "number":
        known = column.dropna().to_numpy(dtype="float64")
        edges = np.unique(known)
        if len(edges) > MANY_VALUES:
            edges = np.unique(np.quantile(known, np.arange(1, BINS) / BINS, method="inverted_cdf"))
        else:
            edges = edges[:-1]
        ends = [None, *map(float, edges), None]
        return [Condition(name, None, low, high) for low, high in pairwise(ends) if low != high] + gone
    counts = column.dropna().astype("str").value_counts()
    return [Condition(name, value) for value in sorted(counts[counts >= min_rows].index)] + gone
