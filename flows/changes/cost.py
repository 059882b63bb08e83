"""What rows and labels may cost: fewer of them, or a larger budget."""

from __future__ import annotations

import math

from flows.changes.rows import ROWS
from flows.situation import Patch, Situation

MONEY = "planning.budgets.money"


def afford(situation: Situation) -> Patch:
    """Take as few rows as the budget of money allows, when they are enough labels; else raise the budget to the cost.

    The flights come by days, so only their budget can change.
    """
    left = affordable_rows(situation)
    if left and enough_labels(situation, left):
        return {ROWS: left}
    needed = needed_money(situation)
    return {MONEY: needed} if needed is not None else {}


def affordable_rows(situation: Situation) -> int:
    """Return how many rows of the window the budget of money holds beside the pilot; 0 where it cannot be fewer."""
    cost, money = situation.signals["label_cost"].evidence.get("cost"), situation.params.planning.budgets.money
    if money is None or not cost or situation.params.data.source.kind == "nycflights13":
        return 0
    window = situation.evidence("rows") or 0
    left = math.floor(cost["rows"] * min(1.0, money / cost["money"])) - (cost["rows"] - window)
    return left if 0 < left < window else 0


def enough_labels(situation: Situation, rows: int) -> bool:
    """Tell whether so many rows of the window bring the labels that ``data.minimum`` asks for."""
    few, window = situation.signals.get("labels_too_few"), situation.evidence("rows") or 0
    return few is not None and few.value is not None and window > 0 and few.value * rows / window >= 1


def needed_money(situation: Situation) -> float | None:
    """Return the budget of money that the plan needs, None where no cost is known."""
    evidence = situation.signals["label_cost"].evidence
    if situation.params.planning.budgets.money is None or not evidence.get("cost"):
        return None
    return float(math.ceil(max(evidence["cost"]["money"], evidence.get("needed_money") or 0.0)))


def fewer_rows(situation: Situation) -> tuple[Patch, str] | None:
    """Take as many rows as the budget holds, and ask for no more labels than they bring; a patch and its words."""
    left, window = affordable_rows(situation), situation.evidence("rows") or 0
    if not left:
        return None
    patch: Patch = {ROWS: left}
    says = f"{left:,} rows instead of {window:,}, as the budget holds them"
    if not enough_labels(situation, left):
        few, minimum = situation.signals.get("labels_too_few"), situation.params.data.minimum
        evidence = few.evidence if few else {}
        labels = int((evidence.get("train_rows") or 0) * left / window)
        rarest = int(min((evidence.get("classes") or {"": minimum.per_class}).values()) * left / window)
        if labels < 1 or rarest < 1:
            return None
        patch["data.minimum.rows"] = min(minimum.rows, labels)
        patch["data.minimum.per_class"] = min(minimum.per_class, rarest)
        says += f"; they bring about {labels:,} labels to learn from, {minimum.rows:,} were asked for"
    return patch, says


def larger_budget(situation: Situation) -> tuple[Patch, str, float] | None:
    """Raise the budget to what the plan needs; a patch, its words, and what it costs beyond what is spent."""
    needed = needed_money(situation)
    if needed is None:
        return None
    cost, budget = situation.signals["label_cost"].evidence["cost"], situation.params.planning.budgets.money
    says = f"a budget of {needed:,g} instead of {budget:,g}: {cost['rows']:,} rows and {cost['labels']:,} labels "
    says += "are kept" if needed <= math.ceil(cost["money"]) else "are too few, and data.minimum needs more"
    return {MONEY: needed}, says, max(0.0, needed - float(cost["money"]))
