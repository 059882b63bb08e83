"""Is success defined: what of the charter is open that a model's figures cannot make up for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stages.params import ARCHETYPES, Planning, Requirement
from stages.requirements import Figure, bound_words, shortfall

ADDED_BY = ("the archetype ", "planning.answering")
ASKED = {"goal": "what it is for", "users": "who uses the predictions", "decides": "what is decided by them"}


def open_questions(
    charter: Mapping[str, Any], hard: Mapping[str, Requirement], baselines: Mapping[str, Mapping[str, Figure]]
) -> list[str]:
    """Return what is open in a charter, in words; none where success is defined.

    Parameters
    ----------
    charter : mapping
        The content of ``charter/charter.json``.
    hard : mapping of str to Requirement
        The hard requirements that can be measured offline.
    baselines : mapping of str to mapping
        What the constant and the rule reach, the lesser first. A requirement that one of them surely meets asks for
        nothing that has to be learned.
    """
    told = [f"planning.{key} is empty: {asks}" for key, asks in ASKED.items() if not str(charter[key]).strip()]
    if not hard:
        told.append("planning.requirements: no hard one can be measured before a release")
    for name, bound in hard.items():
        met = [who for who, found in baselines.items() if shortfall(bound, found.get(name, {}))[2] <= 0]
        if met:
            asked = bound_words(bound.side, bound.bound)
            told.append(f"planning.requirements.{name}: the {met[0]} meets {asked} already")
    return told


def to_ask_for(charter: Mapping[str, Any]) -> str:
    """Return, in words, what to ask for where a rule meets every requirement; "" where the charter stops then."""
    if charter["if_rule_suffices"] == "stop":
        return ""
    if ARCHETYPES[charter["archetype"]].beats_rule:
        rule = charter["replaces"] or "empty, so the rule baseline"
        return f"what is to be beaten is present, the rule that works by now (planning.replaces: {rule})"
    return "the requirements ask for little: set them to what you need"


def added_requirements(required: Mapping[str, Requirement]) -> list[str]:
    """Return, in words, what a release is held to that the charter does not name itself."""
    added = {name: bound for name, bound in required.items() if bound.asked_by.startswith(ADDED_BY)}
    return [f"{b.asked_by} adds {name} {bound_words(b.side, b.bound)}: {b.why}" for name, b in added.items()]


def brought(planning: Planning) -> list[str]:
    """Return, in words, what the archetype of a charter adds to it."""
    kind, told = planning.kind, added_requirements(planning.required)
    if kind.beats_rule:
        told.append(f"the archetype {planning.archetype} adds that a release must surely be better than the rule")
    if planning.guarded:
        told.append("rows unlike all that it learned from go to a person (answering.guardrails)")
    return told or [f"the archetype {planning.archetype} adds no requirement"]


def figures_to_beat(charter: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the figures from elsewhere, each beside whether it meets the requirement on its metric, if there is one.

    People who miss what is required are a ceiling that few models pass.
    """
    found = {}
    for name, item in charter["beat"].items():
        bound = charter["requirements"].get(item["metric"])
        met = None if bound is None else Requirement.model_validate(bound).met_by(item["value"])
        found[name] = {key: item[key] for key in ("metric", "value", "kind")} | {"meets_requirement": met}
    return found


def beside(open_: list[str], beat: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what a verdict is told with: what is open, and people who miss what is required."""
    people = [
        f"people miss what is required: {name}, {item['metric']} {item['value']:g}"
        for name, item in beat.items()
        if item["kind"] == "human" and item["meets_requirement"] is False
    ]
    return [*people, *(f"open: {question}" for question in open_)]
