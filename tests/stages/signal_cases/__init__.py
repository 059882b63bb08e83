"""One case a signal: how to make its fault at a severity, and how to measure it. tests/stages/test_signal_laws.py."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stages.signals import Signal


@dataclass(frozen=True)
class Case:
    """A signal, and the fault it is there for.

    Attributes
    ----------
    signal : str
        Its name.
    make : callable
        (severity, rows, seed) -> inputs. Severity 0 is no fault; the inputs are a dict of keyword arguments.
    measure : callable
        Takes the inputs by keyword and returns the signal.
    severities : tuple of float
        Rising; the signal must not fire at the first and must fire at the last.
    rows : int
        Rows at which it can tell.
    tiny : int or None
        Rows at which it cannot tell; None for a count that is exact on any number of rows.
    large : int
        Rows that `benchmarks/signals.py` times it on.
    """

    signal: str
    make: Callable[[float, int, int], dict[str, Any]]
    measure: Callable[..., Signal]
    severities: tuple[float, ...] = (0.0, 0.5, 1.0)
    rows: int = 3000
    tiny: int | None = 8
    large: int = 1_000_000


def every_case() -> list[Case]:
    """Return the ``CASES`` of every module beside this one."""
    names = [found.name for found in pkgutil.iter_modules(__path__)]
    return [case for name in names for case in importlib.import_module(f"{__name__}.{name}").CASES]
