"""What a section of the page is made of: sentences, pictures, and the tables that tell the same."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flows.words import figure, interval


@dataclass(frozen=True)
class Table:
    """Rows of words under a head; the first column names the row."""

    caption: str
    head: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Picture:
    """A drawing, what it is called, how it is read, and its figures as a table."""

    title: str
    svg: str
    table: Table | None = None
    says: str = ""


@dataclass(frozen=True)
class Section:
    """One section of the page. ``earlier`` holds pictures of earlier iterations, folded away."""

    key: str
    title: str
    says: list[str] = field(default_factory=list)
    legend: list[tuple[str, str]] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    earlier: list[Picture] = field(default_factory=list)


def told(found: Mapping[str, Any] | None) -> str:
    """Return a figure with its interval, in one cell.

    Examples
    --------
    >>> told({"value": 0.7, "low": 0.65, "high": 0.75})
    '0.7 (0.65 … 0.75)'
    """
    if not found or found.get("value") is None:
        return "–"
    low, high = found.get("low"), found.get("high")
    return figure(found["value"]) + ("" if low is None or low == high else f" ({interval(low, high)})")


def percent(found: Mapping[str, Any] | None) -> str:
    """Return a share with its interval, in percent.

    Examples
    --------
    >>> percent({"value": 0.0132, "low": -0.0021, "high": 0.2})
    '1.3% (−0.2% … 20.0%)'
    """
    if not found or found.get("value") is None:
        return "–"
    value, low, high = (None if found.get(k) is None else _share(found[k]) for k in ("value", "low", "high"))
    return f"{value}" if low is None or low == high else f"{value} ({low} … {high or '–'})"


def bound_sign(side: str, bound: float) -> str:
    """Return a bound in signs.

    Examples
    --------
    >>> bound_sign("at_most", 100.0)
    '≤ 100'
    """
    return f"{'≥' if side == 'at_least' else '≤'} {figure(bound)}"


def day(moment: str) -> str:
    """Return the day of a recorded moment with its weekday.

    Examples
    --------
    >>> day("2026-11-25T17:48:45+00:00")
    'Wed 25 Nov 2026'
    """
    found = dt.datetime.fromisoformat(moment)
    return f"{DAYS[found.weekday()]} {found.day} {MONTHS[found.month - 1]} {found.year}"


def clock(moment: str) -> str:
    """Return the hour and minute of a recorded moment, which is in UTC."""
    return moment[11:16]


def span(seconds: float) -> str:
    """Return a length of time as people say it.

    Examples
    --------
    >>> [span(s) for s in (4.21, 75, 7320)]
    ['4.2 s', '1.2 min', '2.0 h']
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def counted(count: int, word: str) -> str:
    """Return a count with its word, in the plural where it is due."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


# Not strftime: its words follow the machine's language, and the same record must give the same page.
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _share(value: float) -> str:
    return f"{100 * value:.1f}%".replace("-", "\N{MINUS SIGN}")
