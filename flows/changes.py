"""What a way back changes: functions from a situation to a params patch (dotted key -> new value).

An empty patch means there is nothing left to change that way, and the row is refused.
"""

from __future__ import annotations

import math
from typing import Any

from flows.situation import Patch, Situation


def nothing(situation: Situation) -> Patch:
    """Change nothing; for rows that stop."""
    return {}


def by_person(situation: Situation) -> Patch:
    """Return the person's own changes."""
    return dict(situation.signals["manual"].evidence.get("patch", {}))


def collect_more(situation: Situation) -> Patch:
    """Take one step more of the source, as far as the label budget allows."""
    more, rows = situation.evidence("more") or {}, situation.evidence("rows") or 0
    added = situation.evidence("more_rows") or 0
    return {} if rows + added > situation.params.planning.budgets.labels else dict(more)


def include_pilot(situation: Situation) -> Patch:
    """Move the window's end so that it takes the pilot window in."""
    rows = situation.evidence("rows") or 0
    moved = situation.evidence("include_pilot") or {}
    return {} if rows > situation.params.planning.budgets.labels else dict(moved)


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


def simpler_candidate(situation: Situation) -> Patch:
    """Add the rung below the lowest one tried."""
    ladder, used = _ladder(situation)
    lowest = min(ladder.index(name) for name in used)
    return _use([ladder[lowest - 1], *used], ladder) if lowest > 0 else {}


def larger_candidate(situation: Situation) -> Patch:
    """Add the rung above the highest one tried."""
    ladder, used = _ladder(situation)
    highest = max(ladder.index(name) for name in used)
    return _use([*used, ladder[highest + 1]], ladder) if highest + 1 < len(ladder) else {}


def other_candidate(situation: Situation) -> Patch:
    """Add a simpler rung, or a larger one when the ladder has no simpler."""
    return simpler_candidate(situation) or larger_candidate(situation)


def without_chosen(situation: Situation) -> Patch:
    """Drop the chosen candidate; when it was the only one, try the next rung instead."""
    ladder, used = _ladder(situation)
    chosen = situation.evidence("chosen")
    others = [name for name in used if name != chosen]
    if others:
        return _use(others, ladder)
    unseen = other_candidate(situation)
    return _use([name for name in unseen["training.use"] if name != chosen], ladder) if unseen else {}


def better_features(situation: Situation) -> Patch:
    """Add the first feature group that is not used yet."""
    unused = situation.evidence("unused_groups") or []
    return {"data.collect.features": [*situation.params.data.collect.features, unused[0]]} if unused else {}


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
            patch[key] = _easier(reached, item["side"])
    return patch


def _easier(value: float, side: str) -> float:
    digits = 2 - math.floor(math.log10(abs(value))) if value else 0
    scale = 10.0**digits
    return round((math.floor if side == "at_least" else math.ceil)(value * scale) / scale, max(digits, 0))


def _ladder(situation: Situation) -> tuple[list[str], list[str]]:
    return list(situation.params.training.candidates), list(situation.params.training.use)


def _use(names: list[str], ladder: list[str]) -> dict[str, Any]:
    return {"training.use": sorted(set(names), key=ladder.index)}
