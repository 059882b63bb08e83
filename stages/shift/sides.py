"""Two tables of the same columns, before and after, and how their rows are drawn, coded and torn into folds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.data.blocks import Blocks

Array = NDArray[np.float64]
Rows = NDArray[np.intp]
# More rows than this make no effect visible that matters: the distance of two shares is then known to 0.005.
MAX_ROWS = 50_000
# HistGradientBoosting takes at most 255 categories.
MAX_CATEGORIES = 200
BINS = 128


@dataclass(frozen=True)
class Sides:
    """Rows of two times, to be compared.

    Attributes
    ----------
    before, after : DataFrame
        The rows of each side; they have every column that ``features`` names.
    features : mapping of str to {"number", "category"}
    blocks : pair of arrays or None
        Which rows of each side hang together; see `stages.data.blocks`.
    """

    before: pd.DataFrame
    after: pd.DataFrame
    features: Mapping[str, str]
    blocks: tuple[Blocks | None, Blocks | None] = (None, None)

    def __len__(self) -> int:
        return len(self.before) + len(self.after)

    @cached_property
    def is_after(self) -> NDArray[np.bool_]:
        """Which of the stacked rows are of the later side, (n,)."""
        return np.arange(len(self)) >= len(self.before)

    @cached_property
    def joined_blocks(self) -> Blocks | None:
        """The block of each stacked row, (n,); a block of one side is none of the other's."""
        one, two = self.blocks
        return None if one is None or two is None else np.concatenate([one, two + one.max(initial=-1) + 1])

    @property
    def count(self) -> tuple[int, int]:
        """How many independent units each side has: blocks, or rows where there are none."""
        one, two = self.blocks
        if one is None or two is None:
            return len(self.before), len(self.after)
        return len(np.unique(one)), len(np.unique(two))

    def take(self, before: Rows, after: Rows) -> Sides:
        """Return the sides with only these rows."""
        one, two = self.blocks
        blocks = (None if one is None else one[before], None if two is None else two[after])
        names = list(self.features)
        return Sides(self.before[names].iloc[before], self.after[names].iloc[after], self.features, blocks)

    def sampled(self, most: int, seed: int) -> Sides:
        """Return the sides with at most ``most`` rows each; see `draw`."""
        return self.take(draw(len(self.before), most, seed), draw(len(self.after), most, seed))

    @cached_property
    def matrix(self) -> Array:
        """The features of the stacked rows, (n, features): see `columns`."""
        return np.column_stack([np.concatenate(self.columns[name]) for name in self.features])

    @cached_property
    def columns(self) -> dict[str, tuple[Array, Array]]:
        """Each feature's codes before and after: the bins of numbers, or categories; NaN where missing."""
        return {name: self._column(name, kind) for name, kind in self.features.items()}

    @property
    def categorical(self) -> list[bool]:
        """Which columns of the matrix are categories."""
        return [kind == "category" for kind in self.features.values()]

    def _column(self, name: str, kind: str) -> tuple[Array, Array]:
        one, two = self.before[name], self.after[name]
        if kind == "category":
            return coded(one, two)
        return binned(*(side.to_numpy(dtype=float, na_value=np.nan) for side in (one, two)))


def coded(before: pd.Series[Any], after: pd.Series[Any]) -> tuple[Array, Array]:
    """Return the codes of two columns of categories, (n,) each: the frequent ones from 0, one for all the rare.

    Codes follow the sorted names, so that they do not hang on the order of the rows.
    """
    joined = pd.concat([before.astype(object), after.astype(object)], ignore_index=True)
    codes, names = pd.factorize(joined, use_na_sentinel=True)
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    order = np.lexsort((np.asarray([str(name) for name in names], dtype=str), -counts)) if len(names) else np.arange(0)
    rank = np.empty(len(names), dtype=float)
    rank[order] = np.minimum(np.arange(len(names)), MAX_CATEGORIES)
    found = np.full(len(joined), np.nan)
    found[codes >= 0] = rank[codes[codes >= 0]]
    return found[: len(before)], found[len(before) :]


def binned(before: Array, after: Array) -> tuple[Array, Array]:
    """Return which of at most 128 bins each value lies in, (n,) a side; NaN stays.

    The earlier values make the bins, of equal counts, and an edge lies midway between two of them: readings on a grid
    that move by a hundredth of its width stay where they are, though every one of them is a value never seen before.
    Boosting bins its columns anyway; done once, the many fits cost a fraction.
    """
    known = np.sort(before[~np.isnan(before)])
    if not len(known):
        known = np.sort(after[~np.isnan(after)])
    at = np.unique(known[(np.arange(1, BINS) * len(known)) // BINS]) if len(known) else known
    following = known[np.minimum(np.searchsorted(known, at, "right"), len(known) - 1)]
    edges = at[following > at] / 2 + following[following > at] / 2
    if len(known) and known[0] == known[-1]:  # a column that was constant: below, at and above its value
        edges = np.nextafter(known[0], [-np.inf, np.inf])
    return _codes(before, edges), _codes(after, edges)


def _codes(values: Array, edges: Array) -> Array:
    return np.where(np.isnan(values), np.nan, np.searchsorted(edges, values, "right"))


def draw(rows: int, most: int, seed: int) -> Rows:
    """Return at most ``most`` of ``rows`` rows, in their order.

    Rows are drawn and not whole blocks: every block stays in with a part of its rows, and the number of blocks is what
    an interval hangs on.
    """
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False, shuffle=False))


def folds_of(rows: int, blocks: Blocks | None, folds: int, seed: int) -> Rows | None:
    """Return the fold of each row, (n,), blocks whole and folds near equal in rows; None for too few blocks or rows."""
    units = np.arange(rows) if blocks is None else np.unique(blocks, return_inverse=True)[1]
    sizes = np.bincount(units)
    if len(sizes) < folds:
        return None
    order = np.random.default_rng(seed).permutation(len(sizes))
    middle = np.cumsum(sizes[order]) - sizes[order] / 2
    fold = np.empty(len(sizes), dtype=np.intp)
    fold[order] = np.minimum((middle * folds / rows).astype(np.intp), folds - 1)
    if len(np.unique(fold)) < folds:  # one block holds most of the rows
        fold[order] = np.arange(len(sizes)) % folds
    return fold[units]
