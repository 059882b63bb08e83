"""What predictions bring in the world: let it choose, or ask for less of it."""

from __future__ import annotations

from flows.changes.charter import easier
from flows.situation import Patch, Situation
from stages.requirements import number


def choose_by_outcome(situation: Situation) -> Patch:
    """Let the outcome itself choose among the candidates."""
    planning = situation.params.planning
    return {"planning.combine.by": "outcome"} if planning.measured_outcome and planning.combine.by != "outcome" else {}


def accept_outcome(situation: Situation) -> Patch:
    """Ask for no more of the outcome than was reached, rounded to the easier side."""
    reached = situation.signals["outcome_low"].value
    if reached is None or not situation.params.planning.outcome:
        return {}
    return {"planning.outcome.at_least": easier(reached, "at_least")}


def accept_gain(situation: Situation) -> Patch:
    """Ask for no more beyond the rule than was reached; of a model that brings less than the rule there is none."""
    flat, wanted = situation.signals.get("outcome_flat"), situation.params.planning.outcome
    if flat is None or flat.value is None or wanted is None or not 0 < flat.value < wanted.min_gain:
        return {}
    return {"planning.outcome.min_gain": easier(flat.value, "at_least")}


def reached_words(situation: Situation, name: str) -> str:
    """Return what was reached of the outcome, or of the gain beyond the rule, beside what was wanted."""
    signal = situation.signals[name]
    sure = f" ({number(signal.low)} … {number(signal.high)})" if signal.low is not None else ""
    what = "a gain beyond the rule" if name == "outcome_flat" else "an outcome"
    return f"{what} of {number(signal.value)}{sure} {signal.unit} instead of {number(signal.threshold)}"


def best_words(situation: Situation) -> str:
    """Return what the candidate that is best by the outcome brings on the validation rows, where that is known."""
    best = situation.evidence("by_outcome")
    if not best:
        return ""
    return (
        f"on the validation rows {best['candidate']} brings {number(best['value'])} a row, and the one chosen "
        f"{number(best['was'])}"
    )
