"""Which rows the project is about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flows.situation import Patch, Situation
from stages.requirements import number

SCOPE = "data.collect.scope"


def narrowed(situation: Situation) -> Iterator[tuple[Patch, str]]:
    """Yield each part of the rows in which every requirement is met, as a patch and in words."""
    for part in situation.evidence("narrow") or []:
        patch = {SCOPE: scope_with(situation, part["condition"])}
        reached = ", ".join(_reached(item) for item in part["figures"])
        says = f"only {in_words(part['condition'])}: {part['share']:.0%} of the rows; by this model there {reached}"
        if "judged_by" in part:
            says += f", by the rows of {part['judged_by']}, which are then no longer unseen"
        yield patch, says


def scope_with(situation: Situation, condition: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the scope with one condition more; of the values of a column the present ones, a part of those before."""
    before = [item.model_dump(mode="json", exclude_none=True) for item in situation.params.data.collect.scope]
    if "values" in condition:
        before = [item for item in before if item["column"] != condition["column"] or "values" not in item]
    return [*before, dict(condition)]


def in_words(condition: dict[str, Any]) -> str:
    """Return a condition as people read it.

    Examples
    --------
    >>> in_words({"column": "origin", "values": ["EWR", "LGA"]})
    'origin in (EWR, LGA)'
    >>> in_words({"column": "distance", "at_least": 500, "at_most": 1000})
    'distance at least 500 and at most 1000'
    """
    if "values" in condition:
        listed = ", ".join(map(str, condition["values"]))
        return f"{condition['column']} in ({listed})"
    ends = [f"{key.replace('_', ' ')} {condition[key]:g}" for key in ("at_least", "at_most") if key in condition]
    return f"{condition['column']} {' and '.join(ends)}"


def _reached(item: dict[str, Any]) -> str:
    low, high = item.get("low"), item.get("high")
    sure = f" ({number(low)} … {number(high)})" if low is not None and high is not None else ""
    return f"{item['metric']} {number(item['value'])}{sure} instead of {number(item['was'])}"
