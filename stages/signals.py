"""Signals: measurements that explain themselves and say whether they fire.

A signal compares an interval, not a point, with its threshold: it fires when the whole interval lies beyond, it does
not when the whole interval lies before, and otherwise it cannot tell. "Cannot tell" never moves the loop silently.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from stages.files import read_json, write_json

Direction = Literal["above", "below"]


class Signal(BaseModel):
    """One measurement and its verdict.

    Attributes
    ----------
    name : str
        The name the transition table knows it by.
    value, low, high : float or None
        Estimate and the two ends of its 95% interval, in ``unit``; equal when the value is exact.
    threshold : float or None
        The value it is compared with, from ``params.yaml``.
    direction : {"above", "below"}
        The side of the threshold on which it fires.
    fires : bool or None
        True, False, or None for "cannot tell".
    says : str
        The measurement in one sentence, for people.
    evidence : dict
        What the transition needs and a reader may check: figures, names, files.

    Examples
    --------
    >>> Signal.measured("gap", 0.20, 0.15, 0.25, threshold=0.1, direction="above").fires
    True
    >>> Signal.measured("gap", 0.12, 0.05, 0.19, threshold=0.1, direction="above").fires is None
    True
    >>> Signal.measured("rows", 90, threshold=100, direction="below").fires
    True
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    threshold: float | None = None
    direction: Direction = "above"
    unit: str = ""
    fires: bool | None = None
    says: str = ""
    evidence: dict[str, Any] = Field(default_factory=dict)

    @field_validator("value", "low", "high")
    @classmethod
    def _finite(cls, value: float | None) -> float | None:
        """Take what is no number for unknown: JSON has neither NaN nor infinity."""
        return value if value is not None and math.isfinite(value) else None

    @classmethod
    def measured(
        cls,
        name: str,
        value: float,
        low: float | None = None,
        high: float | None = None,
        *,
        threshold: float,
        direction: Direction,
        unit: str = "",
        says: str = "",
        evidence: dict[str, Any] | None = None,
    ) -> Signal:
        """Build a signal whose verdict follows from its interval and threshold."""
        low = value if low is None else low
        high = value if high is None else high
        return cls(
            name=name,
            value=value,
            low=low,
            high=high,
            threshold=threshold,
            direction=direction,
            unit=unit,
            fires=verdict(low, high, threshold, direction),
            says=says,
            evidence=evidence or {},
        )

    @classmethod
    def of_figure(
        cls, name: str, figure: Mapping[str, float | None], *, threshold: float, direction: Direction, **told: Any
    ) -> Signal:
        """Build a signal from ``{"value", "low", "high"}``; one without an interval cannot tell."""
        value, low, high = figure["value"], figure["low"], figure["high"]
        if value is None or low is None or high is None:
            return cls(name=name, value=value, threshold=threshold, direction=direction, **told)
        return cls.measured(name, value, low, high, threshold=threshold, direction=direction, **told)


def verdict(low: float, high: float, threshold: float, direction: Direction) -> bool | None:
    """Tell whether the interval [low, high] lies beyond the threshold; None when it straddles it or is not a number."""
    if not (low <= high):  # also NaN
        return None
    if direction == "above":
        return True if low > threshold else (False if high <= threshold else None)
    return True if high < threshold else (False if low >= threshold else None)


def write_signals(path: Path, signals: list[Signal]) -> None:
    """Write the signals of one stage to a JSON file."""
    write_json(path, [signal.model_dump() for signal in signals])


def read_signals(path: Path) -> dict[str, Signal]:
    """Return the signals of one stage by name."""
    return {item["name"]: Signal(**item) for item in read_json(path)}
