"""How far a measurement is from what the charter requires: one rule for planning, training and deployment."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from stages.params import Requirement
from stages.signals import Direction, Signal, verdict

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
        math.nan if figure.get(key) is None else sign * (bound.bound - float(figure[key] or 0.0)) / scale
        for key in ("value", "low", "high")
    )
    return (1.0 if math.isnan(value) else value), min(low, high), max(low, high)


def worst(shortfalls: Iterable[Interval]) -> Interval:
    """Return the largest shortfall; its interval holds when all the intervals hold together. Zero for none."""
    value, low, high = (
        math.nan if any(map(math.isnan, ends)) else max(ends)
        for ends in zip(*([*shortfalls] or [(0.0, 0.0, 0.0)]), strict=True)
    )
    return value, low, high


def surely(figure: Figure, direction: Direction, threshold: float) -> bool:
    """Tell whether the whole interval of a figure lies beyond a threshold; an unknown one does not."""
    low, high = figure.get("low"), figure.get("high")
    return low is not None and high is not None and verdict(low, high, threshold, direction) is True


def number(value: float | None) -> str:
    """Return a figure in four digits."""
    return "unknown" if value is None else f"{value:.4g}"


def bound_words(side: str, bound: float) -> str:
    """Return a bound as people read it.

    Examples
    --------
    >>> bound_words("at_least", 0.7)
    'at least 0.7'
    """
    return f"{side.replace('_', ' ')} {bound:.4g}"


def serving_missed(entries: list[dict[str, Any]], chosen: str) -> Signal:
    """Fire when a requirement on size or latency is missed: no data, and no better fit, make a model smaller."""
    missed = [item for item in entries if not item["met"]]
    told = [f"{item['metric']} misses {bound_words(item['side'], item['bound'])}" for item in missed]
    return Signal.measured(
        "serving_missed",
        float(len(missed)),
        threshold=0.0,
        direction="above",
        unit="requirements",
        says="; ".join(told) or f"size and latency: {len(entries)} of {len(entries)} requirements are met",
        evidence={"missed": missed, "chosen": chosen},
    )
