"""Fit every candidate in use on the training rows, and choose one on the validation rows."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from stages.context import Context
from stages.errors import ParamsError
from stages.files import write_json
from stages.metric_names import LOSS, OFFLINE, SERVING
from stages.params import PARAMS_FILE
from stages.step import main
from stages.training.estimators import fit_candidate, predict
from stages.training.metrics import Scorer, constant_prediction, names_of
from stages.training.selection import frontier, missed, select
from stages.training.store import save_model

MEGABYTE = 1e6


def run(project: Path) -> None:
    """Write the candidates, the chosen model, and what each scores."""
    work = Context(project)
    train, valid = work.split("train"), work.split("valid")
    constant = constant_prediction(work.task, work.target(train), work.n_classes)
    names = list(dict.fromkeys([*names_of(work.charter), LOSS[work.task]]))
    folder = project / "models" / "candidates"
    shutil.rmtree(folder, ignore_errors=True)
    found: dict[str, dict[str, Any]] = {}
    for name in work.params.training.use:
        try:
            model = fit_candidate(work, name, train)
        except (ValueError, TypeError) as error:
            raise ParamsError(
                f"{work.params.training.candidates[name].estimator} cannot be fitted: {str(error).splitlines()[0]}",
                where=f"{PARAMS_FILE}: training.candidates.{name}",
                expected="params that fit together, and an estimator that takes this table",
                todo="correct it, or take it out of training.use",
            ) from error
        size = save_model(folder / f"{name}.skops", model)
        found[name] = {
            split: Scorer(work.task, work.target(rows), predict(model, rows, work.schema), constant).score(names)
            for split, rows in (("train", train), ("valid", valid))
        } | {"size_mb": size / MEGABYTE}
    _choose(work, found)
    write_json(project / "metrics" / "candidates.json", found)


def _choose(work: Context, found: dict[str, dict[str, Any]]) -> None:
    # Latency is measured in deployment, on the chosen model alone; size is known here.
    bounds = {
        name: bound for name, bound in work.requirements.items() if name in OFFLINE[work.task] or name == "size_mb"
    }
    scores = {name: {**item["valid"], "size_mb": item["size_mb"]} for name, item in found.items()}
    optimise = str(work.charter["optimise"])
    chosen = select(scores, bounds, optimise, work.task)
    axes = list(dict.fromkeys([optimise, *bounds]))
    assert set(axes) <= {*OFFLINE[work.task], *SERVING}
    models = work.project / "models"
    shutil.copyfile(models / "candidates" / f"{chosen}.skops", models / "model.skops")
    # Apart, so that what goes by the choice alone does not run again when only the others' figures change.
    write_json(models / "chosen.json", {"name": chosen, "size_mb": scores[chosen]["size_mb"]})
    write_json(
        models / "selection.json",
        {
            "frontier": frontier(scores, axes, work.task),
            "missed": {name: missed(values, bounds) for name, values in scores.items()},
            "bounds": list(bounds),
        },
    )


if __name__ == "__main__":
    main(run)
