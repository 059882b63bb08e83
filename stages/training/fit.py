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
from stages.training.parsimony import simplest_as_good
from stages.training.sampling import Sampling
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
    models: dict[str, Any] = {}
    for name in work.params.training.use:
        try:
            models[name] = fit_candidate(work, name, judge.splits["train"])
        except (ValueError, TypeError) as error:
            raise ParamsError(
                f"{work.params.training.candidates[name].estimator} cannot be fitted: {str(error).splitlines()[0]}",
                where=f"{PARAMS_FILE}: training.candidates.{name}",
                expected="params that fit together, and an estimator that takes this table",
                todo="correct it, or take it out of training.use",
            ) from error
        found[name] = judge.judge(models[name], save_model(folder / f"{name}.skops", models[name]) / MEGABYTE)
    _choose(work, judge, found, models)
    figures = {name: {key: value for key, value in item.items() if key != "options"} for name, item in found.items()}
    write_json(project / "metrics" / "candidates.json", figures)


def _choose(work: Context, judge: Judge, found: dict[str, dict[str, Any]], fitted: dict[str, Any]) -> None:
    scores = {name: {**item["valid"], "size_mb": item["size_mb"]} for name, item in found.items()}
    best = select(scores, judge.bounds, judge.aim, judge.wishes)
    chosen, gains = _simplest(work, judge, found, fitted, best)
    models = work.project / "models"
    shutil.copyfile(models / "candidates" / f"{chosen}.skops", models / "model.skops")
    # Apart, so that what goes by the choice alone does not run again when only the others' figures change.
    kept = {key: found[chosen][key] for key in ("size_mb", "threshold", "confidence")}
    write_json(models / "chosen.json", {"name": chosen, **kept})
    options = {name: _by_threshold(judge, item["options"]) for name, item in found.items()}
    write_json(
        models / "selection.json",
        {
            "chosen": chosen,
            "best": best,
            "gains": gains,
            "frontier": frontier(scores, judge.axes, work.task),
            "missed": {name: missed(values, judge.bounds) for name, values in scores.items()},
            "bounds": list(judge.bounds),
            "options": options,
        },
    )
    points = {name: {axis: values[axis] for axis in judge.axes} for name, values in scores.items()}
    write_text(work.project / "plots" / "frontier.svg", draw(points, options, judge.bounds, chosen, work.task))


def _simplest(
    work: Context, judge: Judge, found: dict[str, dict[str, Any]], fitted: dict[str, Any], best: str
) -> tuple[str, dict[str, Any]]:
    """Take a simpler candidate that also meets the charter and is not surely worse; see `parsimony`.

    Where none meets it the loop needs the one that comes nearest, and a mean or formula has no rows to compare on.
    """
    scores = {name: {**item["valid"], "size_mb": item["size_mb"]} for name, item in found.items()}
    ladder = [name for name in work.params.training.candidates if name in found]
    wished = set(missed(scores[best], judge.wishes))
    simpler = [
        name
        for name in ladder[: ladder.index(best)]
        if not missed(scores[name], judge.bounds) and set(missed(scores[name], judge.wishes)) <= wished
    ]
    if judge.combine["by"] != "threshold" or missed(scores[best], judge.bounds) or not simpler:
        return best, {}
    scorers = {
        name: judge.scorer(fitted[name], "valid", found[name]["threshold"], found[name]["confidence"])
        for name in (*simpler, best)
    }
    training, metric = work.params.training, str(work.charter["optimise"])
    sampling = Sampling.of(training.bootstrap, work.params.seed)
    return simplest_as_good(best, simpler, scorers, metric, training.selection.min_gain, sampling)


def _by_threshold(judge: Judge, options: dict[float, Scores]) -> list[dict[str, float | None]]:
    """Return the figures at each threshold; where there is one only, the threshold changes nothing."""
    several = len(options) > 1
    return [
        {"threshold": threshold if several else None, **{axis: scores.get(axis) for axis in judge.axes}}
        for threshold, scores in options.items()
    ]


if __name__ == "__main__":
    main(run)
