"""A share of rows with an interval, rows that hang together counting for fewer."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.data.blocks import Blocks
from stages.training.intervals import units
from stages.training.metrics import Figure, standard_error


def share(hits: NDArray[Any], blocks: Blocks | None, level: float) -> Figure:
    """Return the share of rows that are hit; without interval where rows, or blocks, are too few to tell.

    Wilson's interval (1927), which does not shrink to nothing at 0 and 1, with as many rows as would have the standard
    error that the blocks give (the effective sample size of Korn & Graubard 1998), though never more than there are.

    Examples
    --------
    >>> found = share(np.arange(1000) < 20, None, 0.95)
    >>> found["value"], round(found["low"], 3), round(found["high"], 3)
    (0.02, 0.013, 0.031)
    """
    count = len(hits)
    value = float(np.mean(hits)) if count else float("nan")
    if not count or not units(count, blocks):
        return {"value": value if count else None, "low": None, "high": None}
    error = standard_error(np.asarray(hits, dtype=float) - value, blocks)
    effective = min(count, value * (1 - value) / error**2) if error > 0 else float(count)
    z = NormalDist().inv_cdf((1 + level) / 2)
    centre = (value + z**2 / (2 * effective)) / (1 + z**2 / effective)
    half = z / (1 + z**2 / effective) * (value * (1 - value) / effective + z**2 / (4 * effective**2)) ** 0.5
    return {"value": value, "low": min(value, max(0.0, centre - half)), "high": max(value, min(1.0, centre + half))}
