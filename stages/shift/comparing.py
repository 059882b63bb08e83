"""Estimates with intervals and p-values that respect blocks, for the difference of two sides."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from stages.data.blocks import MIN_BLOCKS, Blocks
from stages.shift.sides import Array
from stages.training.metrics import Figure, standard_error

MIN_ROWS = 30
Pair = tuple[Blocks | None, Blocks | None]


@dataclass(frozen=True)
class Estimate:
    """A value, its standard error, and the degrees of freedom of Student's t; the error is NaN for too few rows."""

    value: float
    error: float
    freedom: float

    def figure(self, level: float) -> Figure:
        """Return ``{"value", "low", "high"}``; None where it is not known."""
        if not math.isfinite(self.value):
            return {"value": None, "low": None, "high": None}
        if not math.isfinite(self.error):
            return {"value": self.value, "low": None, "high": None}
        half = float(stats.t.ppf((1 + level) / 2, self.freedom)) * self.error
        return {"value": float(self.value), "low": self.value - half, "high": self.value + half}

    def p_above(self, null: float = 0.0) -> float:
        """Return the one-sided p-value of "no more than ``null``"; 1 where it cannot tell."""
        if not math.isfinite(self.value) or not math.isfinite(self.error):
            return 1.0
        if self.error == 0:
            return float(self.value <= null)
        return float(stats.t.sf((self.value - null) / self.error, self.freedom))

    def p_other(self) -> float:
        """Return the two-sided p-value of "zero"; 1 where it cannot tell."""
        return min(1.0, 2 * min(self.p_above(), Estimate(-self.value, self.error, self.freedom).p_above()))


def difference(value: float, influence: Sequence[Array], blocks: Sequence[Blocks | None]) -> Estimate:
    """Return an estimate from each row's influence on it, (n,) a side; the sides, one or more, are independent.

    The errors are those of Liang & Zeger (1986), the degrees of freedom Welch's, so that a side of few blocks makes the
    interval as wide as it has to be. A side with fewer than five blocks, or 30 rows, leaves the error unknown.
    """
    errors = [
        standard_error(part, side) if enough(len(part), side) else math.nan
        for part, side in zip(influence, blocks, strict=True)
    ]
    squares = np.square(errors)
    total = float(squares.sum())
    if not math.isfinite(total) or total == 0:
        return Estimate(value, math.sqrt(total) if total == 0 else math.nan, 1.0)
    spare = [units(len(part), side) - 1 for part, side in zip(influence, blocks, strict=True)]
    return Estimate(value, math.sqrt(total), float(total**2 / np.sum(squares**2 / spare)))


def units(rows: int, blocks: Blocks | None) -> int:
    """Return how many independent units there are: blocks, or rows where there are none."""
    return rows if blocks is None else int(np.count_nonzero(np.bincount(blocks)))


def enough(rows: int, blocks: Blocks | None) -> bool:
    """Tell whether a side says how much it varies."""
    return rows >= MIN_ROWS and units(rows, blocks) >= MIN_BLOCKS


def mean_difference(before: Array, after: Array, blocks: Pair) -> Estimate:
    """Return the difference of two means."""
    one, two = before.mean(), after.mean()
    return difference(float(two - one), (one - before, after - two), blocks)
