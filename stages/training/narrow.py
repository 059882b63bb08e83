"""Where the requirements hold, when they do not hold everywhere; free while none is missed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.context import Context
from stages.files import read_json, write_json
from stages.metric_names import OFFLINE
from stages.step import main
from stages.training.candidates import fit_candidate
from stages.training.estimators import predict
from stages.training.narrowing import Asked, Left, Side, narrowed
from stages.training.sampling import Sampling, folds, part_of, random_order, renumbered
from stages.training.store import load_model

MAX_ROWS = 12_000


def run(project: Path) -> None:
    """Write ``models/narrowing.json``."""
    work = Context(project)
    valid = read_json(project / "metrics" / "evaluation.json")["valid"]
    bounds = {name: bound for name, bound in work.requirements.items() if name in OFFLINE[work.task]}
    missed = any(not bound.met_by(valid[name]["value"]) for name, bound in bounds.items())
    found: dict[str, Any] = {"missed": missed, "parts": []}
    if missed:
        rows = work.split("valid")
        model = load_model(project / "models" / "model.skops")
        estimate = Side(rows, work.target(rows), predict(model, rows, work.schema), work.blocks(rows))
        train = work.split("train")
        choose, left = unseen(work), Left(train, work.target(train), work.split("pilot"))
        found |= parts(work, choose, estimate, left, asked_of(work, bounds))
    write_json(project / "models" / "narrowing.json", found)


def parts(work: Context, choose: Side | None, estimate: Side, left: Left, asked: Asked) -> dict[str, Any]:
    """Return the parts that are offered, and which columns were looked at and which never are."""
    sensitive = set(work.charter["ethics"]["sensitive"])
    never = {*sensitive, work.schema["target"], work.schema.get("key"), work.schema["time"]}
    named = [name for name in dict.fromkeys(work.params.deployment.slices.columns) if name in estimate.rows]
    columns = [name for name in named if name not in never]
    refused = [name for name in named if name in sensitive]
    found = narrowed(columns, choose, estimate, left, asked) if choose is not None else []
    return {"columns": columns, "refused": refused, "parts": found}


def asked_of(work: Context, bounds: dict[str, Any]) -> Asked:
    """Return what the charter asks of a part."""
    params = work.params
    return Asked(
        task=work.task,
        n_classes=work.n_classes,
        bounds=bounds,
        threshold=work.threshold,
        minimum=params.data.minimum,
        sampling=Sampling.of(params.training.bootstrap, params.seed),
    )


def unseen(work: Context) -> Side | None:
    """Return training rows, 12,000 at most, each with the prediction of the candidate fitted on the other folds.

    None where they have too few blocks for folds.
    """
    train, seed = work.split("train"), work.params.seed
    blocks = work.blocks(train)
    some = part_of(random_order(len(train), blocks, seed), min(1.0, MAX_ROWS / len(train)), None)
    rows, blocks = train.iloc[some].reset_index(drop=True), renumbered(blocks, some)
    made = []
    for learned, held in folds(work.target(rows), work.task, blocks, seed):
        model = fit_candidate(work, work.chosen, rows.iloc[learned])
        made.append((held, predict(model, rows.iloc[held], work.schema)))
    if not made:
        return None
    order = np.concatenate([held for held, _ in made])
    prediction = np.concatenate([found for _, found in made])
    rows = pd.DataFrame(rows.iloc[order].reset_index(drop=True))
    return Side(rows, work.target(rows), prediction, renumbered(blocks, order))


if __name__ == "__main__":
    main(run)
