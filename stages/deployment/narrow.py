"""Where the pilot would have passed, when it failed; free while it passes.

Which part to keep is chosen on the window's rows and estimated on the pilot's, which have chosen none of it. That they
pass is why it is offered, though: a pilot that is looked at again is no longer unseen, as after any other way back on
the same window.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.context import Context
from stages.files import read_json, write_json
from stages.metric_names import OFFLINE
from stages.params import Requirement
from stages.planning.outcome import brought
from stages.step import main
from stages.training.estimators import predict
from stages.training.metrics import Array
from stages.training.narrow import asked_of, parts, unseen
from stages.training.narrowing import OUTCOME, Left, Side
from stages.training.store import load_model


def run(project: Path) -> None:
    """Write ``release/narrowing.json``."""
    work = Context(project)
    measured = read_json(project / "metrics" / "pilot.json")
    bounds = _bounds(work)
    reached = {**measured["model"], OUTCOME: measured.get("outcome", {}).get("model", {"value": None})}
    missed = any(not bound.met_by(reached[name]["value"]) for name, bound in bounds.items())
    found: dict[str, Any] = {"missed": missed, "parts": []}
    if missed:
        rows, window = work.split("pilot"), work.window()
        model = load_model(project / work.release_model)
        estimate = _side(work, rows, predict(model, rows, work.schema), OUTCOME in bounds)
        choose = unseen(work)
        if choose is not None:
            choose = _side(work, choose.rows, choose.prediction, OUTCOME in bounds)
        found |= parts(work, choose, estimate, Left(window, work.target(window), rows), asked_of(work, bounds))
    write_json(project / "release" / "narrowing.json", found)


def _bounds(work: Context) -> dict[str, Requirement]:
    """Return what the pilot is held to: the offline requirements, and what is wanted of the outcome."""
    bounds = {name: bound for name, bound in work.requirements.items() if name in OFFLINE[work.task]}
    wanted = work.charter.get("outcome")
    if wanted and wanted.get("at_least") is not None:
        bounds[OUTCOME] = Requirement(at_least=wanted["at_least"])
    return bounds


def _side(work: Context, rows: pd.DataFrame, prediction: Array, outcome: bool) -> Side:
    target = work.target(rows)
    brings = brought(work, rows, target, prediction) if outcome else None
    if brings is not None:  # of a row that people reviewed it is not known, and counts as the mean
        brings = np.where(np.isnan(brings), np.nanmean(brings), brings)
    return Side(rows, target, prediction, work.blocks(rows), brings)


if __name__ == "__main__":
    main(run)
