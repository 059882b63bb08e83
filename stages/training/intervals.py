"""Intervals from sums over rows: whole blocks drawn at once for any number of rows, widened where blocks are few."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from stages.data.blocks import MIN_BLOCKS, Blocks
from stages.training.metrics import Array, Figure

MIN_ROWS = 20  # rows without blocks; fewer do not tell how much they vary
MAX_BLOCKS = 1000  # more rows than this are dealt to as many blocks: the same spread, and quick for any number of rows


def units(rows: int, blocks: Blocks | None) -> int:
    """Return how many blocks, or rows, there are to draw from; 0 when they are too few to tell how much they vary."""
    count = rows if blocks is None else int(np.count_nonzero(np.bincount(blocks)))
    return count if count >= (MIN_ROWS if blocks is None else MIN_BLOCKS) else 0


def widening(count: int, level: float) -> float:
    """Return the factor by which a percentile interval from ``count`` units is too narrow.

    Student's t over the normal, and the root of n / (n - 1): "expanded percentile" (Hesterberg 2015, section 5.2).
    """
    ratio = float(student.ppf((1 + level) / 2, count - 1)) / NormalDist().inv_cdf((1 + level) / 2)
    return float(ratio * (count / (count - 1)) ** 0.5)


def spread(value: float, draws: Array, count: int, level: float) -> Figure:
    """Return a value with the percentile interval of its draws, widened for few units; unknown where it is not finite.

    Parameters
    ----------
    value, draws, level
        The estimate, its bootstrap draws, and the coverage wanted.
    count : int
        How many units were drawn from, see `units`; 0 when they are too few to tell.
    """
    known = draws[np.isfinite(draws)]
    if not np.isfinite(value):
        return {"value": None, "low": None, "high": None}
    if not count or len(known) < len(draws) / 2:
        return {"value": value, "low": None, "high": None}
    wide = value + (known - value) * widening(count, level)
    low, high = np.quantile(wide, [(1 - level) / 2, (1 + level) / 2])
    return {"value": value, "low": min(float(low), value), "high": max(float(high), value)}


def block_draws(columns: Array, blocks: Blocks | None, n: int, seed: int) -> Array:
    """Return ``n`` bootstrap draws of the sums of some columns of rows, (n, columns): whole blocks are drawn.

    Rows that are independent are dealt at random to at most a thousand blocks, which keeps the spread of the sums.
    """
    rows = len(columns)
    random = np.random.default_rng(seed)
    if blocks is None and rows > MAX_BLOCKS:
        blocks = random.permutation(rows) % MAX_BLOCKS
    if blocks is not None:
        columns = np.column_stack([np.bincount(blocks, weights=column) for column in columns.T])
    count = len(columns)
    times: NDArray[np.int64] = random.multinomial(count, np.full(count, 1 / count), size=n)
    return np.asarray(times @ columns)
