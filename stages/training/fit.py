"""Fit every candidate in use on the training rows, and choose one on the validation rows."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from stages.context import Context
from stages.errors import ParamsError
from stages.files import write_json, write_text
from stages.params import PARAMS_FILE
from stages.step import main
from stages.training.candidates import fit_candidate
from stages.training.frontier_picture import draw
from stages.training.judging import Judge
from stages.training.selection import Scores, frontier, missed, select
from stages.training.store import save_model

MEGABYTE = 1e6


def run(project: Path) -> None:
    """Write the candidates, the chosen model, what each scores, and the picture of what they trade off."""
    work = Context(project)
    judge = Judge(work)
    folder = project / "models" / "candidates"
    shutil.rmtree(folder, ignore_errors=True)
    found: dict[str, dict[str, Any]] = {}
    for name in work.params.training.use:
        try:
            model = fit_candidate(work, name, judge.splits["train"])
        except (ValueError, TypeError) as error:
            raise ParamsError(
                f"{work.params.training.candidates[name].estimator} cannot be fitted: {str(error).splitlines()[0]}",
                where=f"{PARAMS_FILE}: training.candidates.{name}",
                expected="params that fit together, and an estimator that takes this table",
                todo="correct it, or take it out of training.use",
            ) from error
        found[name] = judge.judge(model, save_model(folder / f"{name}.skops", model) / MEGABYTE)
    _choose(work, judge, found)
    figures = {name: {key: value for key, value in item.items() if key != "options"} for name, item in found.items()}
    write_json(project / "metrics" / "candidates.json", figures)


def _choose(work: Context, judge: Judge, found: dict[str, dict[str, Any]]) -> None:
    scores = {name: {**item["valid"], "size_mb": item["size_mb"]} for name, item in found.items()}
    chosen = select(scores, judge.bounds, judge.aim)
    models = work.project / "models"
    shutil.copyfile(models / "candidates" / f"{chosen}.skops", models / "model.skops")
    # Apart, so that what goes by the choice alone does not run again when only the others' figures change.
    threshold = found[chosen]["threshold"]
    write_json(models / "chosen.json", {"name": chosen, "size_mb": scores[chosen]["size_mb"], "threshold": threshold})
    options = {name: _by_threshold(judge, item["options"]) for name, item in found.items()}
    write_json(
        models / "selection.json",
        {
            "chosen": chosen,
            "frontier": frontier(scores, judge.axes, work.task),
            "missed": {name: missed(values, judge.bounds) for name, values in scores.items()},
            "bounds": list(judge.bounds),
            "options": options,
        },
    )
    points = {name: {axis: values[axis] for axis in judge.axes} for name, values in scores.items()}
    write_text(work.project / "plots" / "frontier.svg", draw(points, options, judge.bounds, chosen, work.task))


def _by_threshold(judge: Judge, options: dict[float, Scores]) -> list[dict[str, float | None]]:
    """Return the figures at each threshold; where there is one only, the threshold changes nothing."""
    several = len(options) > 1
    return [
        {"threshold": threshold if several else None, **{axis: scores.get(axis) for axis in judge.axes}}
        for threshold, scores in options.items()
    ]


if __name__ == "__main__":
    main(run)
