"""What holds in every stage: a person's word, before all else, and the bounds of a run, before any way back."""

from __future__ import annotations

from flows.changes import charter
from flows.transitions.row import ANY, STOP, Transition

BY_PERSON: tuple[Transition, ...] = (
    Transition(
        "manual",
        ANY,
        ANY,
        ("manual",),
        "a person says so",
        "their params and their reason",
        charter.by_person,
    ),
)

BOUNDS: tuple[Transition, ...] = (
    Transition(
        "budget_spent",
        ANY,
        STOP,
        ("budget_spent",),
        "the budget of loops or minutes is spent (no row collects beyond that of labels)",
        "stop with the best so far",
    ),
    Transition(
        "no_progress",
        ANY,
        STOP,
        ("no_progress",),
        "no progress over the last k ways back",
        "stop with the best so far",
    ),
)
