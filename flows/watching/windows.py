"""Which days a look is at: from where the one before ended, or the pilot of the release, to the next boundary."""

from __future__ import annotations

import datetime as dt
from typing import Literal

Every = Literal["day", "week", "month"]
DAYS = {"day": 1, "week": 7, "month": 28}
DAY = dt.timedelta(days=1)


def next_end(start: dt.date, every: Every) -> dt.date:
    """Return the end of the window that begins on a day: the first boundary that leaves at least half a length.

    Boundaries are every day, Mondays, or the first days of months.

    Examples
    --------
    >>> next_end(dt.date(2013, 3, 1), "month"), next_end(dt.date(2013, 2, 26), "month")
    (datetime.date(2013, 4, 1), datetime.date(2013, 4, 1))
    >>> next_end(dt.date(2026, 11, 26), "week")
    datetime.date(2026, 11, 30)
    """
    end = start + DAY
    while not _boundary(end, every) or (end - start).days < DAYS[every] / 2:
        end += DAY
    return end


def _boundary(day: dt.date, every: Every) -> bool:
    return every == "day" or (every == "week" and day.weekday() == 0) or (every == "month" and day.day == 1)
