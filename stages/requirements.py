"""How far a measurement is from what the charter requires: one rule for planning, training and deployment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from stages.params import Requirement

Figure = Mapping[str, float | None]
Interval = tuple[float, float, float]


def shortfall(bound: Requirement, figure: Figure) -> Interval:
    """Return how far a figure is on the wrong side of its bound, as a share of the bound: value, low and high.

    Positive is missed, negative is met with room to spare. What is not known misses by the whole bound, and an end of
    an interval that is not known is NaN, of which a signal cannot tell.
    """
    sign = 1.0 if bound.side == "at_least" else -1.0
    scale = abs(bound.bound) or 1.0
    value, low, high = (
        np.nan if figure.get(key) is None else sign * (bound.bound - float(figure[key] or 0.0)) / scale
        for key in ("value", "low", "high")
    )
    return (1.0 if np.isnan(value) else value), min(low, high), max(low, high)


def worst(shortfalls: Iterable[Interval]) -> Interval:
    """Return the largest shortfall; its interval holds when all the intervals hold together. Zero for none."""
    value, low, high = np.max([*shortfalls] or [(0.0, 0.0, 0.0)], axis=0)
    return float(value), float(low), float(high)
