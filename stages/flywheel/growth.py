"""Do more users bring more data? Predictions and labels by day or week since the first prediction."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import theilslopes
from sqlalchemy import func, select

from stages.production.log import GIVEN, PREDICTIONS, PredictionLog
from stages.training.metrics import Array, Figure

FEWEST = 8  # days or weeks; fewer do not tell a slope
WEEK = 7
UNKNOWN: Figure = {"value": None, "low": None, "high": None}


def predictions_by_day(log: PredictionLog) -> dict[dt.date, int]:
    """Return how many predictions were given on each day (UTC) that has some."""
    day = func.substr(PREDICTIONS.c.at, 1, 10).label("day")
    found = log.read(select(day, func.count().label("n")).where(GIVEN).group_by(day))
    return {dt.date.fromisoformat(str(entry["day"])): int(entry["n"]) for entry in found}


def growth(predictions: Mapping[dt.date, int], labelled: Iterable[dt.date], level: float) -> dict[str, Any]:
    """Return how use and labels grow, and whether more of the one comes with more of the other.

    Parameters
    ----------
    predictions : mapping of date to int
        Of each day that has some.
    labelled : iterable of date
        The day on which each label became known. One known before its row was first predicted counts on the first day.
    level : float
        Of the intervals.

    Returns
    -------
    dict
        ``unit`` (day or week), ``periods`` (a list of ``start``, ``predictions``, ``labels``), the slopes
        ``predictions``, ``labels`` and ``labels_per_prediction`` by the unit, ``by_use`` (labels more by a prediction
        more), ``yes`` (None: cannot tell yet) and ``says``.

    Notes
    -----
    Slopes are medians over all pairs (Theil 1950; Sen 1968), which a day of many labels cannot turn. Their intervals
    take periods for independent; weeks are the unit as soon as there are eight of them.
    """
    periods, unit = periods_of(predictions, labelled)
    made, came = (np.array([item[name] for item in periods], dtype=float) for name in ("predictions", "labels"))
    at = np.arange(len(periods), dtype=float)
    used = made > 0
    found = {
        "predictions": slope(at, made, level),
        "labels": slope(at, came, level),
        "labels_per_prediction": slope(at[used], came[used] / made[used], level),
        "by_use": slope(made, came, level),
    }
    by_use = found["by_use"]
    yes = None if by_use["low"] is None or by_use["high"] is None else sign(by_use)
    total = {"predictions": int(made.sum()), "labels": int(came.sum())}
    return {"unit": unit, "periods": periods, **found, "total": total, "yes": yes, "says": _says(total, unit, periods)}


def periods_of(predictions: Mapping[dt.date, int], labelled: Iterable[dt.date]) -> tuple[list[dict[str, Any]], str]:
    """Return the days since the first prediction, or the whole weeks where there are enough, and which of the two."""
    if not predictions:
        return [], "day"
    first = min(predictions)
    labels = Counter(max(day, first) for day in labelled)
    last = max([*predictions, *labels])
    days = (last - first).days + 1
    length, unit = (WEEK, "week") if days >= FEWEST * WEEK else (1, "day")
    found: list[dict[str, Any]] = [
        {"start": (first + dt.timedelta(days=start)).isoformat(), "predictions": 0, "labels": 0}
        for start in range(0, days - days % length, length)
    ]
    for name, counts in (("predictions", predictions), ("labels", labels)):
        for day, count in counts.items():
            at = (day - first).days // length
            if at < len(found):  # the week that is not over yet is left out
                found[at][name] += count
    return found, unit


def slope(x: Array, y: Array, level: float) -> Figure:
    """Return the median slope with its interval; unknown with few points or where nothing varies."""
    if len(x) < FEWEST or len(np.unique(x)) < 2:
        return UNKNOWN
    value, _, low, high = theilslopes(y, x, alpha=level)
    if not np.isfinite([value, low, high]).all():
        return UNKNOWN
    return {"value": float(value), "low": float(min(low, value)), "high": float(max(high, value))}


def sign(found: Figure) -> bool | None:
    """Return whether a figure is surely above zero, surely not, or cannot be told."""
    low, high = found["low"], found["high"]
    if low is None or high is None:
        return None
    return True if low > 0 else False if high <= 0 else None


def _says(total: Mapping[str, int], unit: str, periods: Sequence[Any]) -> str:
    units = unit if len(periods) == 1 else f"{unit}s"
    words = f"{total['predictions']:,} predictions and {total['labels']:,} labels in {len(periods)} {units}"
    return words if len(periods) >= FEWEST else f"{words}; {FEWEST} tell a slope"
