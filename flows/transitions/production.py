"""From deployment while a release is in force: what `loopwright watch` sees of production."""

from __future__ import annotations

from flows.changes import ladder, rows
from flows.transitions.row import STOP, Transition

PRODUCTION: tuple[Transition, ...] = (
    Transition(
        "release_regressed",
        "deployment",
        STOP,
        ("release_regressed",),
        "the release before is surely better on the rows of production than the one in force",
        "roll back to it (`deployment.watch.regressed: tell` only says so)",
    ),
    Transition(
        "production_data",
        "deployment",
        "data",
        ("production_data",),
        "rows of production fail the expectations, changed their schema, or cannot be read",
        "collect them: what is wrong is seen and mended where data are",
        rows.take_production,
    ),
    Transition(
        "production_slow",
        "deployment",
        "training",
        ("production_latency",),
        "answers are surely slower than the charter allows",
        "a simpler candidate instead",
        ladder.cheaper_candidate,
    ),
    Transition(
        "production_shift",
        "deployment",
        "data",
        ("production_shift",),
        "production differs from what the release learned from, and it loses by it",
        "collect from the new distribution: the window takes production in",
        rows.take_production,
    ),
    Transition(
        "production_worse",
        "deployment",
        "data",
        ("production_worse",),
        "a requirement is surely missed in production",
        "collect what has come since: the window takes production in",
        rows.take_production,
    ),
    Transition(
        "production_stale",
        "deployment",
        "data",
        ("production_stale",),
        "the same candidate is surely better when it has learned from what has come since",
        "collect what has come since: the window takes production in",
        rows.take_production,
    ),
    Transition(
        "production_risk",
        "deployment",
        "data",
        ("production_risk",),
        "over all looks together the model has lost its advantage",
        "collect what has come since: the window takes production in",
        rows.take_production,
    ),
)

BEYOND_MODELS: tuple[Transition, ...] = (
    Transition(
        "production_estimated",
        "deployment",
        STOP,
        ("production_estimated",),
        "before labels are there, the loss that is to be expected is surely higher than it was",
        "bring labels: nothing else shows whether it is so, and nothing can be learned without them",
    ),
    Transition(
        "production_volume",
        "deployment",
        STOP,
        ("production_volume",),
        "far more, or far fewer, rows come than did",
        "look at what brings them: no model cures that",
    ),
    Transition(
        "nothing_released",
        "deployment",
        "data",
        ("nothing_released",),
        "nothing is in force, and rows have come since",
        "collect what has come since",
        rows.take_production,
    ),
)
