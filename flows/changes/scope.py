"""Which rows the project is about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flows.situation import Patch, Situation
from stages.params import Within
from stages.requirements import number

SCOPE = "data.collect.scope"


def narrowed(situation: Situation) -> Iterator[tuple[Patch, str]]:
    """Yield each part of the rows in which every requirement is met, as a patch and in words."""
    for part in situation.evidence("narrow") or []:
        patch = {SCOPE: scope_with(situation, part["condition"])}
        reached = ", ".join(_reached(item) for item in part["figures"])
        says = f"{_kept(part)}: {part['share']:.0%} of the rows; by this model there {reached}"
        if "judged_by" in part:
            says += f", by the rows of {part['judged_by']}, which are then no longer unseen"
        yield patch, says


def scope_with(situation: Situation, condition: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the scope with one condition more; of the values of a column the present ones, a part of those before."""
    before = [item.model_dump(mode="json", exclude_none=True) for item in situation.params.data.collect.scope]
    if "values" in condition:
        before = [item for item in before if item["column"] != condition["column"] or "values" not in item]
    return [*before, dict(condition)]


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
