"""What each archetype of an ML product brings: its own questions, what a release must keep, and guardrails.

The three are those of Full Stack Deep Learning 2021, lecture 5: software 2.0 takes the place of a rule, a human in the
loop is helped, and an autonomous product acts alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

Name = Literal["software_2.0", "human_in_the_loop", "autonomous"]
SOFTWARE: Final = "software_2.0"
HUMAN: Final = "human_in_the_loop"
AUTONOMOUS: Final = "autonomous"
# Fewer than one in twenty, surely. No product that acts alone is worth it with more, and 59 rows without a failure show
# it, which most pilots have; a hundredth takes 299, which a charter should ask for by itself.
FAILURES_AT_MOST = 0.05


@dataclass(frozen=True)
class Archetype:
    """What holds for one kind of product, unless the charter says otherwise.

    Attributes
    ----------
    asks : dict
        Key under ``planning`` -> the question that `loopwright plan` asks for this archetype only.
    failures_bounded : bool
        A release must keep a sure bound on failures.
    guardrails : bool
        Rows unlike those it learned from are not answered.
    beats_rule : bool
        A release must surely beat the rule it takes the place of.
    """

    asks: Mapping[str, str]
    failures_bounded: bool = False
    guardrails: bool = False
    beats_rule: bool = False


ARCHETYPES: dict[str, Archetype] = {
    SOFTWARE: Archetype(
        asks={"replaces": "Which rule does the software go by now: a function of yours, or a column of the data?"},
        beats_rule=True,
    ),
    HUMAN: Archetype(
        asks={
            "answering.max_error": "Which share of the answers that people are given may be wrong?",
            "prices.review": "What does it cost when a person decides a row instead?",
        }
    ),
    AUTONOMOUS: Archetype(
        asks={
            "answering.level": "How sure must it be that no more than the required share fails?",
            "answering.tolerance": "By how much may a prediction be off without being a failure?",
            "answering.guardrails": "Are rows unlike all that it learned from left to a person?",
        },
        failures_bounded=True,
        guardrails=True,
    ),
}


def defaults(archetype: str, own: Mapping[str, float], max_error: float | None) -> dict[str, dict[str, Any]]:
    """Return the requirements that hold beside the charter's own, by metric.

    Parameters
    ----------
    archetype : str
        One of `ARCHETYPES`.
    own : mapping of str to float
        The charter's own requirements: metric -> bound.
    max_error : float or None
        ``planning.answering.max_error``.

    Examples
    --------
    >>> defaults("autonomous", {"roc_auc": 0.8}, None)["failure_bound"]["at_most"]
    0.05
    >>> defaults("autonomous", {"failure_rate": 0.01}, None)["failure_bound"]["at_most"]
    0.01
    >>> list(defaults("human_in_the_loop", {}, 0.1)), defaults("human_in_the_loop", {}, None)
    (['failure_rate'], {})
    """
    by = f"the archetype {archetype}"
    if "failure_bound" in own:
        return {}
    if ARCHETYPES[archetype].failures_bounded:
        why = "what acts alone must surely fail no more often than that"
        bound = own.get("failure_rate", FAILURES_AT_MOST if max_error is None else max_error)
        return {"failure_bound": {"at_most": bound, "asked_by": by, "why": why}}
    if max_error is not None and "failure_rate" not in own:
        why = "planning.answering.max_error, on rows that chose nothing"
        return {"failure_rate": {"at_most": max_error, "asked_by": "planning.answering", "why": why}}
    return {}
