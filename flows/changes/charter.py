"""What the charter asks for, revised; and what only a person knows."""

from __future__ import annotations

import math
from typing import Any

from flows.changes.ladder import dropped
from flows.situation import Patch, Situation
from stages.metric_names import FAILURES, KNOWN_IN_TRAINING, OF_A_CONSTANT, SERVING

MEASURED = frozenset(SERVING) - KNOWN_IN_TRAINING
ROOM = 1.2  # a fifth more than was measured


def nothing(situation: Situation) -> Patch:
    """Change nothing; for rows that stop."""
    return {}


def by_person(situation: Situation) -> Patch:
    """Return the person's own changes."""
    return dict(situation.signals["manual"].evidence.get("patch", {}))


def relax_missed(situation: Situation) -> Patch:
    """Set each missed requirement to the value that was reached (see `nearest`), rounded to the easier side."""
    patch: Patch = {}
    for item in nearest(situation):
        patch |= relaxing(item) if relaxable(item, situation) else {}
    return patch


def alone(patch: Patch) -> Patch:
    """Return what of a patch may be taken when nobody is there: all of it, or nothing where it raises a budget."""
    return {} if any(key.startswith("planning.budgets.") for key in patch) else dict(patch)


def relaxing(item: dict[str, Any]) -> Patch:
    """Return the patch that sets a missed requirement to the value that was reached, rounded to the easier side.

    What is measured on a machine is another value the next time: it gets room, and two digits.
    """
    if item["metric"] in MEASURED:
        return {bound_key(item): easier(item["value"] * ROOM, item["side"], 2)}
    return {bound_key(item): easier(item["value"], item["side"])}


def bound_key(item: dict[str, Any]) -> str:
    """Return the key of the params that holds a missed requirement's bound."""
    return f"planning.requirements.{item['metric']}.{item['side']}"


def relaxable(item: dict[str, Any], situation: Situation) -> bool:
    """Tell whether a missed requirement stands in the charter and a value was reached that is worth requiring."""
    if item.get("value") is None or item["metric"] not in situation.params.planning.required:
        return False
    return worth_requiring(item["metric"], easier(item["value"], item["side"]))


def worth_requiring(metric: str, bound: float) -> bool:
    """Tell whether a bound asks for anything: for more than a constant reaches, for fewer failures than all."""
    if metric in OF_A_CONSTANT:
        return bound > OF_A_CONSTANT[metric]
    return metric not in FAILURES or bound < 1


def nearest(situation: Situation) -> list[dict[str, Any]]:
    """Return what the candidate nearest to a release misses: the present one, or one that was dropped before it.

    What is left when the better ones failed is mostly the worst: of the dropped ones, ``by`` names the candidate and
    ``where`` the stage that judged it. One that was held against another charter does not count.
    """
    found, least = situation.missed, situation.distance
    for past in dropped(situation):
        asked = [situation.params.planning.required.get(str(item["metric"])) for item in past.missed]
        same = all(a is not None and a.bound == item["bound"] for a, item in zip(asked, past.missed, strict=True))
        if past.missed and same and past.distance is not None and past.distance < (least or 0.0):
            told = {"by": past.chosen, "where": past.stage}
            found, least = [dict(item) | told for item in past.missed], past.distance
    return found


def easier(value: float, side: str, significant: int = 3) -> float:
    """Return a value in three digits, rounded to the side on which a bound is met more easily."""
    digits = significant - 1 - math.floor(math.log10(abs(value))) if value else 0
    scale = 10.0**digits
    return round((math.floor if side == "at_least" else math.ceil)(value * scale) / scale, max(digits, 0))
