"""From planning: is there anything to learn."""

from __future__ import annotations

from flows.transitions.row import STOP, Transition

PLANNING: tuple[Transition, ...] = (
    Transition(
        "rule_suffices",
        "planning",
        STOP,
        ("rule_suffices",),
        "a rule without any model meets every requirement",
        "nothing to learn: use the rule (`planning.if_rule_suffices: continue` goes on anyway)",
    ),
)
