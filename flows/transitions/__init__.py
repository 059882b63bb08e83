"""The transition table: from which stage, on which signal, to which stage, and what changes on the way back.

The rows follow Full Stack Deep Learning 2021, lecture 5 ("ML Projects"). Their order is their precedence. A row that
is not ``live`` is declared with the signal it waits for and never fires. docs/transitions.md is made from this table.
"""

from __future__ import annotations

from flows.transitions import anywhere, data, deployment, planning, production, training
from flows.transitions.row import ANY, RELEASED, STAGES, STOP, WAITING, Transition

__all__ = ["ANY", "BOUNDS", "BY_NAME", "RELEASED", "STAGES", "STOP", "TABLE", "WAITING", "Transition"]

TABLE: tuple[Transition, ...] = (
    *anywhere.BY_PERSON,
    *planning.PLANNING,
    *data.DATA,
    *training.TRAINING,
    *production.PRODUCTION,  # before a new model's rows: a shift is cured before its outcome is judged
    *deployment.DEPLOYMENT,
    *production.BEYOND_MODELS,  # where no model can be made better
    *anywhere.BOUNDS,
)

BY_NAME = {row.name: row for row in TABLE}
BOUNDS = tuple(row.name for row in anywhere.BOUNDS)
