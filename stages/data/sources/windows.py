"""Windows by days: which rows are learned from, which are the pilot, and what one step more would bring."""

from __future__ import annotations

import calendar
import datetime as dt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stages.data.sources import Schema
from stages.errors import DataError
from stages.params import Collect

MIN_PILOT_DAYS = 7
DAY = dt.timedelta(days=1)
Days = npt.NDArray[np.datetime64]


class Windows(NamedTuple):
    """The window [start, end) and the pilot [end, pilot_end), in days."""

    start: dt.date
    end: dt.date
    pilot_end: dt.date


def windows_of(collect: Collect, first: dt.date, after: dt.date) -> Windows:
    """Return the windows that ``data.collect`` asks for in data that go from ``first`` to the day before ``after``.

    Raises
    ------
    DataError
        If they leave no day for the window or the pilot.
    """
    start = collect.start or first
    end = collect.end or after - dt.timedelta(days=collect.pilot_days)
    if not first <= start < end < after:
        raise DataError(
            f"the window {start} to {end} does not lie within the data with room for a pilot",
            where="params.yaml: data.collect",
            expected=f"{first} <= start < end < {after}",
            todo="edit data.collect.start or data.collect.end",
        )
    return Windows(start, end, min(end + dt.timedelta(days=collect.pilot_days), after))


def ahead(days: Days, found: Windows, pilot_days: int, after: dt.date) -> Schema:
    """Return the params that make the window larger, and by how many rows.

    Parameters
    ----------
    days : ndarray of datetime64[D], shape (n_rows,)
        The day of every row there is, also after the pilot.
    found : Windows
        The present ones.
    pilot_days : int
        Length of a pilot; what follows the window must keep at least this, or a week, for the next one.
    after : date
        The day after the last one of the data.

    Returns
    -------
    dict
        ``more``: the next step of the window, a month (more where months are empty); ``more_rows``: the rows that it
        adds; ``include_pilot``: the window takes the pilot in. The two patches are empty where data end before.
        ``longer_pilot``: the ``days`` that a pilot could have as far as is known, and the ``rows`` of those after it.
    """
    least = dt.timedelta(days=min(MIN_PILOT_DAYS, pilot_days))
    larger, added = found.end, 0
    while not added and larger < after:
        larger = next_month(larger)
        added = int(((days >= np.datetime64(found.end)) & (days < np.datetime64(larger))).sum())
    more = added > 0 and larger + least <= after
    follows = found.pilot_end + least <= after
    later = int((days >= np.datetime64(found.pilot_end)).sum())
    return {
        "more": {"data.collect.end": str(larger)} if more else {},
        "more_rows": added if more else 0,
        "include_pilot": {"data.collect.end": str(found.pilot_end)} if follows else {},
        "longer_pilot": {"days": (after - found.end).days, "rows": later} if later else {},
    }


def reach(end: dt.date, pilot_days: int) -> dt.date:
    """Return the day up to which a source must be read to know what one step more of the window would bring."""
    length = dt.timedelta(days=max(pilot_days, MIN_PILOT_DAYS))
    return max(next_month(end), end + length) + length


def next_month(day: dt.date) -> dt.date:
    """Return the same day of the next month, or its last day."""
    year, month = (day.year + 1, 1) if day.month == 12 else (day.year, day.month + 1)
    return dt.date(year, month, min(day.day, calendar.monthrange(year, month)[1]))
