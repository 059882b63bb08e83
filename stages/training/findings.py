"""What one check found: a signal of its own, which fires when something is broken."""

from __future__ import annotations

import math

from stages.signals import Direction, Signal
from stages.training.metrics import Figure


def counted(name: str, count: int, says: str) -> Signal:
    """Return a finding that counts rows, and fires at the first."""
    return Signal.measured(name, float(count), threshold=0.0, direction="above", unit="rows", says=says)


def measured(name: str, found: Figure, threshold: float, direction: Direction, unit: str, says: str) -> Signal:
    """Return a finding that holds a figure against a limit; it cannot tell when the interval is not known."""
    value, low, high = (found[key] for key in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return Signal(name=name, threshold=threshold, direction=direction, says=f"{says} (too few rows to tell)")
    low, high = min(low, value), max(high, value)
    return Signal.measured(name, value, low, high, threshold=threshold, direction=direction, unit=unit, says=says)


def percent(found: Figure) -> str:
    """Return a figure as a percentage in words."""
    return "an unknown share" if found["value"] is None else f"{100 * found['value']:.0f}%"


def wilson(count: int, of: int, z: float = 1.959964) -> dict[str, float]:
    """Return a share with its 95% interval (Wilson 1927), which is of use at 0 and at 1 too."""
    share, extra = count / of, z * z / of
    middle = (share + extra / 2) / (1 + extra)
    half = z * math.sqrt(share * (1 - share) / of + extra / (4 * of)) / (1 + extra)
    return {"value": share, "low": max(0.0, min(share, middle - half)), "high": min(1.0, max(share, middle + half))}
