"""What the charter asks for, revised; and what only a person knows."""

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


def relax_missed(situation: Situation) -> Patch:
    """Set each missed offline requirement to the value that was reached, rounded to the easier side."""
    patch: Patch = {}
    for item in situation.missed:
        patch |= relaxing(item) if relaxable(item, situation) else {}
    return patch


def relaxing(item: dict[str, Any]) -> Patch:
    """Return the patch that sets a missed requirement to the value that was reached, rounded to the easier side."""
    return {bound_key(item): easier(item["value"], item["side"])}


def bound_key(item: dict[str, Any]) -> str:
    """Return the key of the params that holds a missed requirement's bound."""
    return f"planning.requirements.{item['metric']}.{item['side']}"


def relaxable(item: dict[str, Any], situation: Situation) -> bool:
    """Tell whether a missed requirement stands in the params and a value was reached."""
    return item.get("value") is not None and item["metric"] in situation.params.planning.required


def easier(value: float, side: str) -> float:
    """Return a value in three digits, rounded to the side on which a bound is met more easily."""
    digits = 2 - math.floor(math.log10(abs(value))) if value else 0
    scale = 10.0**digits
    return round((math.floor if side == "at_least" else math.ceil)(value * scale) / scale, max(digits, 0))
