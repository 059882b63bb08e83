"""Which rows the project is about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flows.situation import Patch, Situation
from stages.params import Within
from stages.requirements import number, surely
from stages.signals import Direction

SCOPE = "data.collect.scope"


def narrowed(situation: Situation) -> Iterator[tuple[Patch, str]]:
    """Yield each part of the rows in which every requirement is met, as a patch and in words."""
    for part in situation.evidence("narrow") or []:
        patch = {SCOPE: scope_with(situation, part["condition"])}
        reached = ", ".join(_reached(item) for item in part["figures"])
        says = f"{_kept(part)}: {part['share']:.0%} of the rows; by this model there {reached}"
        if situation.params.data.collect.scope:
            says += f"; {share_outside(part, situation):.0%} of all rows then lie outside"
        if "judged_by" in part:
            says += f", by the rows of {part['judged_by']}, which are then no longer unseen"
        yield patch, says


def scope_with(situation: Situation, condition: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the scope with one condition more; of the values of a column the present ones, a part of those before."""
    before = [item.model_dump(mode="json", exclude_none=True) for item in situation.params.data.collect.scope]
    if "values" in condition:
        before = [item for item in before if item["column"] != condition["column"] or "values" not in item]
    return [*before, dict(condition)]


def refusal(patch: Patch, situation: Situation) -> str:
    """Return why a narrower scope is left to a person; nothing where it may be taken when nobody is there.

    Only a miss that is sure tells that a part of the rows is at fault: a near one comes and goes with the rows that
    judge, and a group that is left out for it was mostly not the reason. For the same cause a column narrows once.
    """
    part = next(p for p in situation.evidence("narrow") if scope_with(situation, p["condition"]) == patch[SCOPE])
    column, most = part["condition"]["column"], situation.params.planning.max_outside
    if column in [item.column for item in situation.params.data.collect.scope]:
        return f"the scope is narrowed by {column} already"
    if share_outside(part, situation) > most:
        return f"{share_outside(part, situation):.0%} of the rows would lie outside, {most:.0%} may"
    return "" if _surely_missed(situation) else "the miss is not sure: its interval holds the bound"


def share_outside(part: dict[str, Any], situation: Situation) -> float:
    """Return which share of all rows lies outside of the scope when it is narrowed to a part."""
    return 1 - (1 - (situation.evidence("outside") or 0.0)) * float(part["share"])


def _surely_missed(situation: Situation) -> bool:
    sides: dict[str, Direction] = {"at_least": "below", "at_most": "above"}
    low = situation.signals.get("outcome_low")
    poor = low is not None and low.threshold is not None and surely(low.model_dump(), "below", low.threshold)
    return poor or any(surely(item, sides[item["side"]], item["bound"]) for item in situation.missed)


def _kept(part: dict[str, Any]) -> str:
    """Return what is kept, or what is left out where that is less to say."""
    condition, without = part["condition"], part.get("without", [])
    if without and len(without) < len(condition["values"]):
        return f"without {Within(column=condition['column'], values=without).words}"
    return f"only {Within(**condition).words}"


def _reached(item: dict[str, Any]) -> str:
    low, high = item.get("low"), item.get("high")
    sure = f" ({number(low)} … {number(high)})" if low is not None and high is not None else ""
    return f"{item['metric']} {number(item['value'])}{sure} instead of {number(item['was'])}"
