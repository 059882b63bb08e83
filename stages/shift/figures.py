"""Figures as plain values, ``{"value", "low", "high"}``, None where one is not known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Figure = dict[str, float | None]


def within_one(figure: Figure) -> Figure:
    """Return a share or a distance with its interval within [0, 1]."""
    return {key: None if end is None else min(1.0, max(0.0, end)) for key, end in figure.items()}


def size(figure: Mapping[str, Any]) -> Figure:
    """Return the size of a change, without its sign."""
    value, low, high = figure["value"], figure["low"], figure["high"]
    if value is None or low is None or high is None:
        return {"value": None if value is None else abs(value), "low": None, "high": None}
    ends = sorted((abs(low), abs(high)))
    return {"value": abs(value), "low": 0.0 if low < 0 < high else ends[0], "high": ends[1]}
