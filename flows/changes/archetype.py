"""Less autonomy: a person decides the rows that the model would get wrong too often."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flows.situation import Patch, Situation
from stages.params import HUMAN
from stages.requirements import bound_words

# What a person at the side can cure: which share of the decisions is wrong.
OF_ERRORS = ("failure_bound", "failure_rate", "accuracy")
KEY = "planning.requirements"


def less_autonomous(situation: Situation) -> Iterator[tuple[Patch, str]]:
    """Yield how a person may be taken into the loop, each way as a patch and what it says.

    Where too many decisions are wrong, only those are kept of which no more are wrong than is asked: as many as the
    validation rows say, with their interval. Where the model does not beat a rule, it advises and replaces nothing.
    """
    expected = situation.evidence("answering") or {}
    if "max_error" in expected:
        yield _answering_some(expected["max_error"])
    if situation.params.planning.archetype == HUMAN:
        return
    if situation.fires("no_better_than_rule"):
        yield {"planning.archetype": HUMAN}, "make it less autonomous: the rule stays, and the model helps a person"
    missed = {str(item["metric"]): item for item in situation.missed}
    for name in OF_ERRORS:
        found = expected.get(name)
        if name not in missed or not found:
            continue
        if (found["coverage"]["value"] or 0.0) > 0:
            yield _kept(situation, found["max_error"]), _says(missed[name], found)
        elif "least" in found:
            yield _at_least(situation, found["least"]), _says(missed[name], found["least"], found["max_error"])


def _answering_some(found: dict[str, Any]) -> tuple[Patch, str]:
    """Where nothing is sure enough to be answered, allow as many wrong answers as lets some be."""
    most = found["max_error"]
    says = f"allow {100 * most:.3g}% of the answers to be wrong: {_share(found)} of the rows are then answered"
    return {"planning.answering.max_error": most, f"{KEY}.failure_rate.at_most": most}, says


def _kept(situation: Situation, most: float) -> Patch:
    """Return the patch: the share of wrong answers is held on what is answered, and bounds on all rows are wishes."""
    patch: Patch = {"planning.archetype": HUMAN, "planning.answering.max_error": most}
    own = situation.params.planning.requirements
    patch |= {f"{KEY}.{name}.hard": False for name in ("failure_bound", "accuracy") if name in own and own[name].hard}
    if "failure_rate" not in own or own["failure_rate"].bound > most:
        patch[f"{KEY}.failure_rate.at_most"] = most
    return patch


def _at_least(situation: Situation, found: dict[str, Any]) -> Patch:
    """Return the patch where nothing is answered at the error that is asked for: what is answered may err more."""
    return _kept(situation, found["max_error"]) | {f"{KEY}.failure_rate.at_most": found["max_error"]}


def _says(item: dict[str, Any], found: dict[str, Any], nobody_at: float | None = None) -> str:
    """Say what is answered; ``nobody_at`` is the share of wrong answers at which nothing would be."""
    least = "" if nobody_at is None else f" (at {100 * nobody_at:.3g}% nothing would be answered)"
    return (
        f"make it less autonomous: {_share(found)} of the rows are answered, of which no more than "
        f"{100 * found['max_error']:.3g}% are wrong{least}, and a person decides the others; instead of "
        f"{item['metric']} {bound_words(item['side'], item['bound'])} on all rows"
    )


def _share(found: dict[str, Any]) -> str:
    value, low, high = (found["coverage"][key] for key in ("value", "low", "high"))
    ends = "" if low is None or high is None else f" ({100 * low:.0f} … {100 * high:.0f}%)"
    return f"{100 * value:.0f}%{ends}"
