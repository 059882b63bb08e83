"""Shift between the window and the pilot: `stages.shift` on a project's tables and models."""

from __future__ import annotations

from typing import Any

import pandas as pd

from stages.context import Context
from stages.shift.measure import Task, measure
from stages.shift.sides import Sides
from stages.training.estimators import predict
from stages.training.store import load_model


def measured(work: Context, pilot: pd.DataFrame) -> dict[str, Any]:
    """Return what `measure` found, for the model that was chosen, which has not seen the window's later rows.

    The inputs are compared with all of the window. What the shift costs is the loss on the validation and test rows
    beside that in the pilot: a model fitted on the whole window has no rows of it left to be measured on.
    """
    model = load_model(work.project / "models" / "model.skops")
    held = pd.concat([work.split(name) for name in ("valid", "test")], ignore_index=True)
    schema = work.schema
    task = Task(work.task, schema["target"], schema["classes"], lambda rows: predict(model, rows, schema))
    window, unseen = (
        Sides(frame, pilot, schema["features"], (work.blocks(frame), work.blocks(pilot)))
        for frame in (work.window(), held)
    )
    return measure(window, unseen, task, level=work.params.training.bootstrap.level, seed=work.params.seed)
