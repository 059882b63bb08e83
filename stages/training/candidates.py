"""The ladder's candidates as they are fitted: with what a search found, and stopped early where that is declared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from stages.context import Context
from stages.data.cutting import By, cut
from stages.files import read_json
from stages.params import Candidate
from stages.training.estimators import build, features_of, fit, with_params
from stages.training.metrics import Array, row_losses

SEARCHED = Path("models") / "search.json"
HELD = 0.2


def candidate_of(work: Context, name: str) -> Candidate:
    """Return a candidate of the ladder, with the parameters that the search step found for it."""
    candidate = work.params.training.candidates[name]
    if not candidate.search:
        return candidate
    found = read_json(work.project / SEARCHED).get(name, {})
    return with_params(candidate, found.get("params", {}))


def fit_candidate(work: Context, name: str, frame: pd.DataFrame) -> Pipeline:
    """Build a candidate of the ladder and fit it on some rows."""
    return fitted(candidate_of(work, name), frame, work.schema, work.task, work.params.seed, name)


def fitted(
    candidate: Candidate, frame: pd.DataFrame, schema: dict[str, Any], task: str, seed: int, name: str = "candidate"
) -> Pipeline:
    """Fit a candidate on some rows.

    One that stops early is fitted twice: on the earlier rows (or some groups, or a seeded choice), to find after how
    many iterations the held-out rest is predicted best, and then on all rows with that number. So no row is lost to
    it, and on a learning curve every point finds a number of its own.

    Raises
    ------
    DataError
        If there are too few rows, or groups, to hold some out.
    """
    if candidate.stop_early:
        candidate = with_params(candidate, best_iterations(candidate, frame, schema, task, seed, name))
    return fit(build(name, candidate, schema, task, seed), frame, schema)


def best_iterations(
    candidate: Candidate, frame: pd.DataFrame, schema: dict[str, Any], task: str, seed: int, name: str
) -> dict[str, int]:
    """Return the number of iterations, by its parameter's name, after which held-out rows have the least loss."""
    by = By(schema["time"], schema["group"], schema["target"] if schema["classes"] else None)
    earlier, held = cut(frame, [1 - HELD, HELD], by, seed)
    pipeline = fit(build(name, candidate, schema, task, seed), earlier, schema)
    model = pipeline.named_steps["model"]
    with threadpool_limits(limits=1):
        rows = pipeline.named_steps["features"].transform(features_of(held, schema))
        target = held[schema["target"]].to_numpy(dtype="float64")
        if task == "regression":
            losses = [row_losses(task, target, made).mean() for made in model.staged_predict(rows)]
        else:
            classes = len(schema["classes"])
            losses = [
                row_losses(task, target, _widened(made, model.classes_, classes)).mean()
                for made in model.staged_predict_proba(rows)
            ]
    key = "max_iter" if "max_iter" in model.get_params() else "n_estimators"
    return {key: int(np.argmin(losses)) + 1}


def _widened(made: Array, seen: Any, classes: int) -> Array:
    found = np.zeros((len(made), classes))
    found[:, np.asarray(seen, dtype=int)] = made
    return found
