"""Choose one of the candidates in use, by what each of them predicted for the validation rows."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.context import Context
from stages.files import replacing, write_json, write_text
from stages.step import main
from stages.training.candidate_files import model_file, read_predictions, remove_others
from stages.training.frontier_picture import draw
from stages.training.judging import Judge, Predictions
from stages.training.parsimony import simplest_as_good
from stages.training.sampling import Sampling
from stages.training.selection import Scores, frontier, missed, select

MEGABYTE = 1e6


def run(project: Path) -> None:
    """Write the chosen model, what each candidate scores, and the picture of what they trade off."""
    work = Context(project)
    # In the order of the ladder: what is written goes by which candidates are in use and not by when they came.
    names = [name for name in work.params.training.candidates if name in work.params.training.use]
    remove_others(project, names)
    judge = Judge(work)
    made = {name: read_predictions(project, name) for name in names}
    found = {name: judge.judge(made[name], (project / model_file(name)).stat().st_size / MEGABYTE) for name in names}
    _choose(work, judge, found, made)
    figures = {name: {key: value for key, value in item.items() if key != "options"} for name, item in found.items()}
    write_json(project / "metrics" / "candidates.json", figures)


def _choose(work: Context, judge: Judge, found: dict[str, dict[str, Any]], made: Mapping[str, Predictions]) -> None:
    scores = {name: {**item["valid"], "size_mb": item["size_mb"]} for name, item in found.items()}
    best = select(scores, judge.bounds, judge.aim, judge.wishes)
    chosen, gains = _simplest(work, judge, found, made, best)
    models = work.project / "models"
    with replacing(models / "model.skops") as temporary:
        shutil.copyfile(work.project / model_file(chosen), temporary)
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
    work: Context, judge: Judge, found: dict[str, dict[str, Any]], made: Mapping[str, Predictions], best: str
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
        name: judge.scorer(made[name], "valid", found[name]["threshold"], found[name]["confidence"])
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
