"""Which metric is to be as good as possible."""

from __future__ import annotations

from collections.abc import Iterator

from flows.changes.charter import easier, worth_requiring
from flows.situation import Patch, Situation
from stages.requirements import number

OPTIMISE, NEXT = "planning.optimise", "planning.optimise_next"


def next_metric(situation: Situation) -> Patch:
    """Optimise the next metric of the charter's list; the present one has its requirement, and keeps it."""
    listed = situation.params.planning.optimise_next
    return {OPTIMISE: listed[0], NEXT: listed[1:]} if listed else {}


def swapped(situation: Situation) -> Iterator[tuple[Patch, str]]:
    """Yield for each missed metric the charter that optimises it, with the present one a threshold, and its words.

    The threshold is what the candidate that is best by the other metric reaches. Where no candidate meets the missed
    requirement, it is what that one reaches, too: the metric is then to be as good as possible, and no worse than that.
    """
    planning = situation.params.planning
    if planning.combine.by != "threshold":
        return
    for item in situation.evidence("swap") or []:
        name, given_up = str(item["metric"]), item["instead_of"]
        bound = planning.requirements.get(name)
        if bound is None or given_up["metric"] != planning.optimise or name == planning.optimise:
            continue
        patch: Patch = {OPTIMISE: name}
        says = f"optimise {name} instead: {item['candidate']} is best by it, {number(item['value'])} instead of "
        says += f"{number(item['was'])} on the validation rows, and {given_up['metric']} goes from "
        says += f"{number(given_up['was'])} to {number(given_up['value'])}"
        if given_up["metric"] not in planning.requirements:
            limit = easier(given_up["value"], given_up["side"])
            if not worth_requiring(given_up["metric"], limit):
                continue
            patch[f"planning.requirements.{given_up['metric']}"] = {given_up["side"]: limit}
            says += f", which it then must keep ({given_up['side'].replace('_', ' ')} {limit:g})"
        if not bound.met_by(item["value"]):
            if not worth_requiring(name, easier(item["value"], bound.side)):
                continue
            patch[f"planning.requirements.{name}.{bound.side}"] = easier(item["value"], bound.side)
            says += f"; nothing reaches {bound.bound:g}"
        if name in planning.optimise_next:
            patch[NEXT] = [other for other in planning.optimise_next if other != name]
        yield patch, says
