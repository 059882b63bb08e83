"""How many rows a pilot needs to tell, and whether the one there is has told enough for a release.

A requirement is held against the estimate. Beside that the pilot has to rule out that much less is true: the
unfavourable end of its interval must lie within a margin of the bound. This is the form of a non-inferiority trial, and
so is the number of rows, n s^2 (z(level) + z(power))^2 / (distance + margin)^2, with the standard error s that the
pilot itself has found (Julious 2004, "Sample sizes for clinical trials with Normal data").
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from stages.data.blocks import MIN_BLOCKS, Blocks
from stages.params import Pilot
from stages.requirements import bound_words, number
from stages.signals import Signal
from stages.training.intervals import MIN_ROWS, widening
from stages.training.metrics import Figure

Entry = Mapping[str, Any]
FARTHEST = 1e6  # intervals wider than so many distances are not told by any number of rows worth naming


@dataclass(frozen=True)
class Size:
    """How large a pilot is, and how sure it has to be.

    Attributes
    ----------
    rows : int
        Its rows.
    units : int
        What of them is independent: blocks where rows hang together, else rows.
    blocks : bool
        Whether they hang together.
    level, power : float
        Coverage of the intervals, and the chance that a pilot of the size that is needed tells.
    """

    rows: int
    units: int
    blocks: bool
    level: float = 0.95
    power: float = 0.8

    @classmethod
    def of(cls, rows: int, blocks: Blocks | None, level: float, power: float) -> Size:
        """Return the size of some rows, of which some hang together."""
        return cls(rows, rows if blocks is None else len(set(blocks.tolist())), blocks is not None, level, power)

    @property
    def least(self) -> int:
        """How many units an interval takes at least."""
        return MIN_BLOCKS if self.blocks else MIN_ROWS

    @property
    def tells(self) -> bool:
        """Whether there are enough units for any interval."""
        return self.units >= self.least

    @property
    def words(self) -> str:
        """What there is, for people."""
        return f"{self.rows:,} row{'s' * (self.rows != 1)}" + (self._blocks(self.units) if self.blocks else "")

    def times(self, wanted: float) -> int:
        """Return as many rows as ``wanted`` times those there are, and no fewer than an interval takes."""
        return math.ceil(self.rows * max(wanted, self.least / max(1, self.units)))

    def needed_words(self, rows: int | None) -> str:
        """Return how many rows are needed, in two digits, for people."""
        if rows is None:
            return "no number of rows is enough"
        blocks = self._blocks(math.ceil(rows / self.rows * self.units)) if self.blocks else ""
        return f"about {about(rows):,}{blocks} are needed"

    @staticmethod
    def _blocks(count: int) -> str:
        return f" in {count:,} block{'s' * (count != 1)} that hang together"


def about(count: int) -> int:
    """Return a count rounded up to two digits.

    Examples
    --------
    >>> about(231), about(17), about(1)
    (240, 17, 1)
    """
    scale: int = 10 ** max(0, len(str(count)) - 2)
    return math.ceil(count / scale) * scale


def rows_needed(size: Size, distance: float, half: float) -> int | None:
    """Return how many rows tell a value from one that lies ``distance`` away; None where no number does.

    Parameters
    ----------
    size : Size
        Of the pilot.
    distance : float
        How far the estimate lies on the good side of what is to be ruled out.
    half : float
        From the estimate to the unfavourable end of its interval.

    Examples
    --------
    >>> size = Size(rows=100, units=100, blocks=False)
    >>> rows_needed(size, 0.1, 0.1), rows_needed(size, 0.2, 0.1), rows_needed(size, 0.0, 0.1)
    (205, 52, None)
    """
    if not distance > 0 or half > distance * FARTHEST:
        return None
    normal = NormalDist()
    reach = 1 + normal.inv_cdf(size.power) / normal.inv_cdf((1 + size.level) / 2)
    return size.times((reach * half / distance) ** 2)


def half_width(size: Size, figure: Mapping[str, Any], *, larger: bool, scale: float = 1.0) -> float:
    """Return how far the unfavourable end of an interval lies from its estimate; infinite where there is no interval.

    Few units make a percentile interval too narrow, by a known factor. Where no resample varies at all, as when every
    row is right, as many units without exception still leave a share of 1 - alpha^(1/n) (the rule of three: Hanley &
    Lippman-Hand 1983), counted in ``scale``.
    """
    value, end = figure.get("value"), figure.get("low" if larger else "high")
    if value is None or end is None or not size.tells:
        return math.inf
    half = max(0.0, float(value - end if larger else end - value)) * widening(size.units, size.level)
    return half or float(scale * (1 - ((1 - size.level) / 2) ** (1 / size.units)))


def judged(item: Entry, constant: float | None, size: Size, margin: float) -> dict[str, Any]:
    """Return a requirement that is met by its estimate, with what the pilot tells of it.

    Parameters
    ----------
    item : mapping
        ``metric``, ``value``, ``low``, ``high``, ``bound`` and ``side``.
    constant : float or None
        What the constant reaches of it; None where that is not known.
    size : Size
        Of the pilot.
    margin : float
        ``deployment.pilot.margin``, a share of what is asked for beyond the constant.

    Returns
    -------
    dict
        ``least``: what the unfavourable end must reach; ``told``: whether it does; ``rows_needed`` to tell the value
        from it, whichever side it is on.
    """
    larger, bound = item["side"] == "at_least", float(item["bound"])
    sign = 1.0 if larger else -1.0
    asked = 0.0 if constant is None or not math.isfinite(constant) else sign * (bound - constant)
    room = margin * (asked if asked > 0 else abs(bound))
    least = bound - sign * room
    distance, scale = sign * (float(item["value"]) - least), 1.0 if abs(bound) <= 1 else abs(bound)
    half = half_width(size, item, larger=larger, scale=scale)
    # On the bad side of it the other end of the interval is the one that has to be told from it.
    nearer = half if distance > 0 else half_width(size, item, larger=not larger, scale=scale)
    kept = {key: item[key] for key in ("metric", "value", "low", "high", "bound", "side")}
    return {**kept, "least": least, "told": half <= distance, "rows_needed": rows_needed(size, abs(distance), nearer)}


def gained(name: str, gain: Figure, beyond: float, size: Size) -> dict[str, Any]:
    """Return the same of a gain that is to be surely larger than a limit, of which nothing may be missing."""
    item = {"metric": name, **gain, "bound": beyond, "side": "at_least"}
    return judged(item, None, size, 0.0) | {"gain": True}


def needed_for(gain: Figure, beyond: float, size: Size, margin: float = 0.0) -> str:
    """Return how many rows tell a gain from a limit less a margin, for people."""
    if gain["value"] is None or not size.tells:
        return f"{size.least} {'blocks' if size.blocks else 'rows'} are needed at least"
    distance = gain["value"] - beyond + margin
    half = half_width(size, gain, larger=distance > 0)
    return size.needed_words(rows_needed(size, abs(distance), half)) + " to tell"


def pilot_unsure(
    entries: Sequence[Entry],
    size: Size,
    settings: Pilot,
    *,
    waits: bool,
    missed: bool = False,
    evidence: Mapping[str, Any] | None = None,
) -> Signal:
    """Fire while the pilot is too small to tell, and what it cannot tell is to be waited for.

    The value is how far the estimate that is nearest to it lies from what the pilot has to rule out, as a share of the
    bound; it fires unless the whole interval lies before that.

    Parameters
    ----------
    entries : sequence of mapping
        What is met by its estimate, as `judged` and `gained` return it.
    size : Size
        Of the pilot.
    settings : Pilot
        ``deployment.pilot``.
    waits : bool
        Whether an unsure pilot waits; one without any interval does in any case.
    missed : bool
        Whether a requirement is missed, which comes first.
    evidence : mapping, optional
        What the loop may change.
    """
    unsure = [item for item in entries if not item["told"]]
    told = [*_told(unsure, size)] if size.tells else [_too_small(size)]
    fires = not missed and (not size.tells or bool(unsure and waits))
    value, low, high = _nearest(entries) if size.tells else (None, None, None)
    says = "; ".join(told) or f"the pilot has {size.words}, enough to tell what is required"
    if unsure and size.tells and not fires and not missed:
        says += f"; it is not waited for (deployment.pilot.unsure: {settings.unsure})"
    return Signal(
        name="pilot_unsure",
        value=value,
        low=low,
        high=high,
        threshold=0.0,
        direction="above",
        unit="of the bound",
        fires=fires,
        says="a requirement is missed, which comes first" if missed else says,
        evidence={
            **(evidence or {}),
            "interval": size.tells,
            "needed": [dict(item) for item in entries],
            "pilot_needs": _rows(unsure, size),
            "pilot_has": {"rows": size.rows, "units": size.units, "blocks": size.blocks},
            "unsure": [] if missed else told,
        },
    )


def _told(unsure: Sequence[Entry], size: Size) -> list[str]:
    found = []
    for item in unsure:
        ends = f" ({number(item['low'])} … {number(item['high'])})" if item["low"] is not None else ""
        least = "" if item["least"] == item["bound"] else f", to rule out {number(item['least'])}"
        found.append(
            f"the pilot has {size.words}; {size.needed_words(item['rows_needed'])} to tell {item['metric']} "
            f"{number(item['value'])}{ends} from {_asked(item)}{least}"
        )
    return found


def _asked(item: Entry) -> str:
    return number(item["bound"]) if "gain" in item else f"the required {bound_words(item['side'], item['bound'])}"


def _too_small(size: Size) -> str:
    what = "blocks that hang together" if size.blocks else "rows"
    return f"the pilot has {size.words}, too few for any interval; {size.least} {what} are needed at least"


def _rows(unsure: Sequence[Entry], size: Size) -> int | None:
    """Return how many rows all of it takes, None where no number is enough."""
    if not size.tells:
        return size.times(0.0)
    needed = [item["rows_needed"] for item in unsure]
    return None if None in needed else max([size.rows, *needed])


def _nearest(entries: Sequence[Entry]) -> tuple[float | None, float | None, float | None]:
    """Return the shortfall that is nearest to what is to be ruled out, with its interval; None for none."""
    found = []
    for item in entries:
        sign, scale = (1.0 if item["side"] == "at_least" else -1.0), abs(item["bound"]) or 1.0
        if item["low"] is not None and item["high"] is not None:
            value, *ends = (sign * (item["least"] - item[key]) / scale for key in ("value", "low", "high"))
            found.append((value, min(ends), max(ends)))
    return max(found) if found else (None, None, None)
