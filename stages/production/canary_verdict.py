"""Whether a model beside the release is no worse than it, and how many labelled rows would tell: pure functions."""

from __future__ import annotations

import math
from statistics import NormalDist

from stages.training.metrics import Figure

NOT_INFERIOR, INFERIOR, CANNOT_TELL = "not inferior", "inferior", "cannot tell yet"
POWER = 0.8


def verdict(gain: Figure, margin: float) -> str:
    """Tell on which side of the margin the whole interval of a gain lies (Wellek 2010, section 1.5).

    Parameters
    ----------
    gain : figure
        By how much the model beside is better in the charter's metric.
    margin : float
        By how much it may be worse.

    Examples
    --------
    >>> verdict({"value": 0.0, "low": -0.004, "high": 0.004}, margin=0.01)
    'not inferior'
    >>> verdict({"value": 0.0, "low": -0.04, "high": 0.04}, margin=0.01)
    'cannot tell yet'
    """
    low, high = gain["low"], gain["high"]
    if low is None or high is None:
        return CANNOT_TELL
    return NOT_INFERIOR if low > -margin else INFERIOR if high < -margin else CANNOT_TELL


def more_rows(gain: Figure, margin: float, rows: int, level: float, power: float = POWER) -> int | None:
    """Return about how many more labelled rows tell on which side of the margin a gain lies.

    Parameters
    ----------
    gain : figure
        What ``rows`` labelled rows say.
    margin : float
        By how much the model beside may be worse.
    rows : int
        How many rows are labelled.
    level, power : float
        Of the interval; and how likely it should be that it tells.

    Returns
    -------
    int or None
        0 where they tell already; None where they do not say how much they vary, or the gain lies on the margin itself,
        which no number of rows tells apart from it.

    Notes
    -----
    The standard error shrinks with the root of the rows (Chow, Shao & Wang 2008, section 3.2), and it is that of these
    rows, so what hangs together stays in it. A gain above zero is planned for as none: what looks better by luck would
    promise too much.

    Examples
    --------
    >>> more_rows({"value": 0.0, "low": -0.02, "high": 0.02}, margin=0.01, rows=1000, level=0.95)
    7173
    """
    value, low, high = gain["value"], gain["low"], gain["high"]
    if value is None or low is None or high is None:
        return None
    if verdict(gain, margin) != CANNOT_TELL:
        return 0
    normal = NormalDist()
    sure = normal.inv_cdf((1 + level) / 2)
    error = (value - low if value > -margin else high - value) / sure
    distance = abs(margin + min(value, 0.0))
    if not distance or not error:
        return None
    wanted = rows * (error * (sure + normal.inv_cdf(power)) / distance) ** 2
    return max(1, math.ceil(wanted) - rows) if wanted < 1e12 else None
