"""The pilot: the chosen model on the next window, which no choice has seen, beside the constant and the rule."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from stages.context import Context
from stages.deployment.shift import rate_change, shifted_features, two_sample_auc
from stages.files import write_json
from stages.metric_names import LOSS
from stages.step import main
from stages.training.baselines import rule
from stages.training.estimators import predict
from stages.training.metrics import Scorer, bootstrap, constant_prediction, figure, names_of, repeat, resampled
from stages.training.store import load_model


def run(project: Path) -> None:
    """Write what the pilot measured, and whether its rows differ from those the model learned from."""
    work = Context(project)
    model = load_model(project / "models" / "model.skops")
    train, pilot = work.split("train"), work.split("pilot")
    target = work.target(pilot)
    constant = constant_prediction(work.task, work.target(train), work.n_classes)
    predictions = {
        "model": predict(model, pilot, work.schema),
        "constant": repeat(constant, len(pilot)),
        "rule": rule(work, train, pilot),
    }
    options = work.params.training.bootstrap
    scorers = {name: Scorer(work.task, target, found, constant) for name, found in predictions.items()}
    names = list(dict.fromkeys([*names_of(work.charter), LOSS[work.task]]))
    measured = {
        name: bootstrap(scorer, names, n=options.n, level=options.level, seed=work.params.seed)
        for name, scorer in scorers.items()
    }
    scorer = scorers["model"]
    draws = resampled(
        lambda w: [float(1 - (w @ scorer.losses) / (w @ scorer.constant_losses))],
        len(pilot),
        n=options.n,
        seed=work.params.seed,
    )
    skill = figure(1 - scorer.losses.sum() / scorer.constant_losses.sum(), draws[:, 0], options.level)
    write_json(project / "metrics" / "pilot.json", {**measured, "skill_over_constant": skill})
    learned = pd.concat([train, work.split("valid"), work.split("test")], ignore_index=True)
    write_json(
        project / "release" / "pilot.json",
        {
            "rows": len(pilot),
            "two_sample_auc": two_sample_auc(work, learned, pilot, options.level),
            "rate_change": rate_change(work.target(learned), target, options.level),
            "features": shifted_features(work, learned, pilot),
        },
    )


if __name__ == "__main__":
    main(run)
