"""Requirements of a trial that its fault surely breaks, and its sound project surely meets.

A fault that breaks no requirement calls for nothing, and a charter that asks for little makes most faults of that kind.
So where a fault costs skill, the charter asks for the middle between what a candidate reaches without and with it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold

from stages.metric_names import larger_is_better
from stages.params import WEIGHT, Candidate
from stages.training.estimators import build, fit, predict
from stages.training.metrics import Array, Scorer, constant_prediction

Params = dict[str, Any]
FOLDS = 4
# Where the pilot is to fail, the window's fewer validation rows must not.
NEARER = 0.4
SUREST = 0.05


def skill_name(task: str) -> str:
    """Return the skill that the charters of a task ask for."""
    return "log_loss_skill" if task == "classification" else "rmse_skill"


def between(sound: float, faulty: float, params: Params, share: float = 0.5) -> Params:
    """Return the patch that asks for a skill between two, a share of the way from the faulty one to the sound one."""
    name = skill_name(params["planning"]["task"])
    return {f"planning.requirements.{name}": {"at_least": round(faulty + share * (sound - faulty), 4)}}


def reached(
    params: Params,
    schema: Params,
    rows: pd.DataFrame,
    judged: pd.DataFrame | None = None,
    metric: str | None = None,
) -> float:
    """Return the best skill, or least loss, of the candidates in use: on other rows, or out of fold on their own."""
    task = params["planning"]["task"]
    name = metric or skill_name(task)
    ladder = params["training"]["candidates"]
    found = [
        _reached(Candidate(**ladder[used]), params, schema, rows, judged, name) for used in params["training"]["use"]
    ]
    return max(found) if larger_is_better(task, name) else min(found)


def surest(params: Params, schema: Params, rows: pd.DataFrame) -> tuple[float, float]:
    """Return precision and recall of the 5% of the rows that the first candidate in use is surest of, out of fold."""
    training = params["training"]
    candidate = Candidate(**training["candidates"][training["use"][0]])
    truth, found, _ = _predicted(candidate, params, schema, rows, None)
    taken = np.argsort(-found[:, 1], kind="stable")[: round(SUREST * len(found))]
    return float(truth[taken].mean()), float(truth[taken].sum() / truth.sum())


def _reached(
    candidate: Candidate, params: Params, schema: Params, rows: pd.DataFrame, judged: pd.DataFrame | None, metric: str
) -> float:
    truth, found, constant = _predicted(candidate, params, schema, rows, judged)
    return Scorer(params["planning"]["task"], truth, found, constant).score([metric])[metric]


def _predicted(
    candidate: Candidate, params: Params, schema: Params, rows: pd.DataFrame, judged: pd.DataFrame | None
) -> tuple[Array, Array, Array]:
    """Return targets, a candidate's predictions, and those of the constant: of other rows, or out of fold."""
    task, seed = params["planning"]["task"], int(params["seed"])
    rows = _coded(rows, schema)
    n_classes = len(schema["classes"] or [0])
    constant = constant_prediction(task, rows[schema["target"]].to_numpy(dtype=float), n_classes)

    def predicted(learned: pd.DataFrame, others: pd.DataFrame) -> Array:
        return predict(fit(build("one", candidate, schema, task, seed), learned, schema), others, schema)

    if judged is not None:
        judged = _coded(judged, schema)
        return judged[schema["target"]].to_numpy(dtype=float), predicted(rows, judged), constant
    found = np.zeros((len(rows), n_classes)) if task == "classification" else np.zeros(len(rows))
    for learned, held in KFold(FOLDS, shuffle=True, random_state=seed).split(rows):
        found[held] = predicted(rows.iloc[learned], rows.iloc[held])
    return rows[schema["target"]].to_numpy(dtype=float), found, constant


def _coded(rows: pd.DataFrame, schema: Params) -> pd.DataFrame:
    """Return the rows as the step ``split`` would hand them on: codes for classes, and a weight."""
    rows = rows.assign(**{WEIGHT: 1.0})
    if schema["classes"]:
        codes = {label: code for code, label in enumerate(schema["classes"])}
        rows[schema["target"]] = rows[schema["target"]].map(codes.__getitem__)
    return rows
