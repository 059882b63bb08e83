"""The pilot: the chosen model on the next window, which no choice has seen, beside the constant and the rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages.context import Context
from stages.deployment import outcome
from stages.deployment.shift import measured as measured_shift
from stages.files import write_json
from stages.metric_names import LOSS
from stages.planning.outcome import outcome_of
from stages.step import main
from stages.training.baselines import rule
from stages.training.comparison import better_than_constant
from stages.training.estimators import predict
from stages.training.metrics import Scorer, bootstrap, constant_prediction, names_of, repeat
from stages.training.store import load_model


def run(project: Path) -> None:
    """Write what the pilot measured, and whether its rows differ from those the model learned from."""
    work = Context(project)
    model = load_model(project / work.release_model)
    learned, pilot = work.window(), work.split("pilot")
    target, blocks = work.target(pilot), work.blocks(pilot)
    constant = constant_prediction(work.task, work.target(learned), work.n_classes)
    predictions = {
        "model": predict(model, pilot, work.schema),
        "constant": repeat(constant, len(pilot)),
        "rule": rule(work, learned, pilot),
    }
    options = work.params.training.bootstrap
    thresholds = {"model": work.threshold}
    scorers = {
        name: Scorer(work.task, target, found, constant, blocks, thresholds.get(name, 0.5))
        for name, found in predictions.items()
    }
    names = list(dict.fromkeys([*names_of(work.charter), LOSS[work.task]]))
    measured: dict[str, Any] = {
        name: bootstrap(scorer, names, n=options.n, level=options.level, seed=work.params.seed)
        for name, scorer in scorers.items()
    }
    better = better_than_constant(scorers["model"], options.n, options.level, work.params.seed)
    brings = outcome_of(project, work.charter)
    if brings is not None:
        rows = pilot[list(work.schema["features"])]
        measured["outcome"] = outcome.measure(
            {name: brings(rows, target, found) for name, found in predictions.items()},
            scorers,
            work.row_metric,
            n=options.n,
            level=options.level,
            seed=work.params.seed,
        )
    write_json(project / "metrics" / "pilot.json", {**measured, "better_than_constant": better})
    shift = measured_shift(work, pilot)
    write_json(project / "release" / "pilot.json", {"rows": len(pilot), "shift": shift})


if __name__ == "__main__":
    main(run)
