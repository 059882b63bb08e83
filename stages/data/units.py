"""Does a column of numbers hold the old values times a constant? Then its unit changed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import stdtrit

from stages.data.profiles import MIN_SLICE, SLICES, distance, log_ratio

# What a value in the first unit is multiplied by to be in the second (NIST SP 811).
UNITS: tuple[tuple[str, str, float], ...] = (
    ("miles", "kilometres", 1.609344),
    ("nautical miles", "kilometres", 1.852),
    ("feet", "metres", 0.3048),
    ("inches", "centimetres", 2.54),
    ("inches", "millimetres", 25.4),
    ("miles an hour", "metres a second", 0.44704),
    ("kilometres an hour", "metres a second", 1 / 3.6),
    ("knots", "metres a second", 0.514444),
    ("pounds", "kilograms", 0.45359237),
    ("ounces", "grams", 28.349523),
    ("gallons (US)", "litres", 3.785412),
    ("inches of mercury", "hectopascals", 33.86389),
    ("millimetres of mercury", "kilopascals", 0.1333224),
    ("pounds per square inch", "kilopascals", 6.894757),
    ("kilocalories", "kilojoules", 4.184),
    ("hours", "minutes", 60.0),
    ("hours", "seconds", 3600.0),
    ("days", "hours", 24.0),
    ("days", "minutes", 1440.0),
    ("weeks", "days", 7.0),
    ("minutes", "days", 1 / 1440),
    ("shares", "percents", 100.0),
    ("thousands", "ones", 1000.0),
    ("millions", "ones", 1e6),
    ("tens", "ones", 10.0),
)
NAMED_WITHIN = (math.log(1.03), math.log(1.1))
CERTAIN = 0.9975  # quantile of Student's t: 4.0 deviations by eight slices, 7.5 by four
SAMPLING = 1.36  # times the root of 1/n + 1/m: what the distance of two samples is below in 95% of cases
SMALLEST_SPREAD = 0.01
UNNAMED_FACTOR = 3.0
SPREADS = math.log(10)  # a deviation does not grow tenfold by itself


def unit_change(old: dict[str, Any], new: dict[str, Any], min_factor: float, max_distance: float) -> dict[str, Any]:
    """Judge whether a column's values are the old ones times a constant.

    Parameters
    ----------
    old, new : dict
        The column in two profiles, see `stages.data.profiles.profile_of`.
    min_factor : float
        A smaller factor (or its inverse) is no change of unit.
    max_distance : float
        The largest Kolmogorov-Smirnov distance that may be left once the new values are divided by the factor.

    Returns
    -------
    dict
        ``judged`` is False where rows are too few: below 28 nothing is told, below 240 only that there is a change. A
        change has ``factor`` (old value x factor = new value), ``low`` and ``high``, ``distance`` before and ``left``
        after, and ``units`` and their exact ``conversion`` when the factor is a known one.

    Notes
    -----
    The factor's logarithm is the median over 100 quantiles of the logarithm of their ratio. Its interval is Student's,
    of the spread of the same figure over slices of either side, so a column whose scale wanders, or has few rows, needs
    a larger factor. A mean or a deviation that moves by itself is told apart by the fit: the factor must leave less
    than half the distance that no change, a shift, and (below a factor of ten) a change of spread about the same median
    leave. A factor that is no known conversion must be at least 3, as prices and counts do double.
    """
    before, after = np.asarray(old["values"]), np.asarray(new["values"])
    if not (old["enough"] and new["enough"]):
        return {"judged": False}
    unchanged = {"judged": min(old["count"], new["count"]) >= SLICES * MIN_SLICE}
    log = log_ratio(before, after) if None not in (old["spread"], new["spread"]) else None
    if log is None or before[0] == before[-1]:
        return unchanged
    wanders = max(_wanders(side) for side in (old, new))
    half = max(_half(side) for side in (old, new))
    max_distance += SAMPLING * math.sqrt(sum(1 / side["count"] for side in (old, new)))
    left, apart = distance(before * math.exp(log), after), distance(before, after)
    rivals = min(apart, _shifted(before, after), *([_spread(before, after)] if abs(log) < SPREADS else []))
    known = _known(log, wanders, half)
    least = math.log(min_factor if known else max(min_factor, UNNAMED_FACTOR))
    if abs(log) < least or abs(log) - half < math.log(min_factor) or left > max_distance or left > rivals / 2:
        return unchanged
    units, conversion = known or (None, None)
    found = {"factor": math.exp(log), "low": math.exp(log - half), "high": math.exp(log + half)}
    return {"judged": True, **found, "distance": apart, "left": left, "units": units, "conversion": conversion}


def _half(side: dict[str, Any]) -> float:
    return float(stdtrit(side["slices"] - 1, CERTAIN)) * _wanders(side)


def _wanders(side: dict[str, Any]) -> float:
    return max(float(side["spread"]), SMALLEST_SPREAD)


def _shifted(before: Any, after: Any) -> float:
    return distance(before - np.median(before) + np.median(after), after)


def _spread(before: Any, after: Any) -> float:
    middle = np.median(before)
    wide = [float(np.subtract(*np.quantile(side, [0.75, 0.25]))) for side in (before, after)]
    return distance(middle + (before - middle) * (wide[1] / wide[0] if wide[0] else 1.0), after)


def _known(log: float, wanders: float, half: float) -> tuple[list[str], float] | None:
    """Return the old and the new unit, and the factor, of the known conversion that is meant; None when none is.

    It is the nearest one within 3%, or within what the scale wanders by itself up to 10%; or, of a factor that is a
    change of unit anyway, the only one in its interval.
    """
    ways = [(sign * math.log(factor), sign, one, two) for one, two, factor in UNITS for sign in (1, -1)]
    near = min(ways, key=lambda way: abs(log - way[0]))
    inside = {round(way[0], 9) for way in ways if abs(log - way[0]) <= half}
    only = len(inside) == 1 and abs(log) >= math.log(UNNAMED_FACTOR)
    if abs(log - near[0]) > min(max(wanders, NAMED_WITHIN[0]), NAMED_WITHIN[1]) and not only:
        return None
    exact, sign, one, two = near
    return ([one, two] if sign > 0 else [two, one]), math.exp(exact)
