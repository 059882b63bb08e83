"""The pilot: the chosen model on the next window, which no choice has seen, beside the constant and the rules."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from stages.answering import limits
from stages.context import Context
from stages.deployment import outcome
from stages.deployment.replacing import beside_rule
from stages.deployment.shift import measured as measured_shift
from stages.files import write_json
from stages.metric_names import LOSS
from stages.params import ARCHETYPES
from stages.planning.outcome import brought, with_review
from stages.planning.present import Present, present
from stages.step import main
from stages.training.abstaining import answered, left_to_people, policy_of, told_of
from stages.training.baselines import OF_LABELS, present_figures, rule
from stages.training.comparison import better_than_constant
from stages.training.estimators import predict
from stages.training.metrics import Array, Scorer, bootstrap, constant_prediction, names_of, repeat
from stages.training.store import load_model


def run(project: Path) -> None:
    """Write what the pilot measured, what is answered of it, and whether its rows differ from those learned from."""
    work = Context(project)
    model = load_model(project / work.release_model)
    learned, pilot = work.window(), work.split("pilot")
    constant = constant_prediction(work.task, work.target(learned), work.n_classes)
    predictions = {
        "model": predict(model, pilot, work.schema),
        "constant": repeat(constant, len(pilot)),
        "rule": rule(work, learned, pilot),
    }
    policy = policy_of(work, learned, work.threshold, work.confidence)
    scorers = {
        name: Scorer(work.task, work.target(pilot), found, constant, work.blocks(pilot), failing=work.failing)
        for name, found in predictions.items()
    }
    kept = answered(pilot, predictions["model"], policy)
    scorers["model"] = replace(scorers["model"], threshold=work.threshold, answered=kept)
    options = work.params.training.bootstrap
    sampling: dict[str, Any] = {"n": options.n, "level": options.level, "seed": work.params.seed}
    names = list(dict.fromkeys([*names_of(work.charter), LOSS[work.task], *told_of(work)]))
    measured: dict[str, Any] = {name: bootstrap(scorer, names, **sampling) for name, scorer in scorers.items()}
    now = present(project, str(work.charter.get("replaces", "")), work.schema, learned, pilot)
    if now is not None:
        measured["present"] = present_figures(work, now, pilot, constant)
    better = better_than_constant(scorers["model"], options.n, options.level, work.params.seed)
    measured |= _worth(work, pilot, scorers, now, sampling)
    write_json(project / "metrics" / "pilot.json", {**measured, "better_than_constant": better})
    beside: dict[str, Any] = {
        "policy": policy.to_json(),
        "left_to_people": left_to_people(pilot, predictions["model"], policy),
    }
    beside |= {"seen": limits(learned, work.schema["features"])}
    shift = measured_shift(work, pilot)
    blocks = work.blocks(pilot)
    size = {
        "rows": len(pilot),
        "units": len(pilot) if blocks is None else len(set(blocks.tolist())),
        "blocks": blocks is not None,
    }
    write_json(project / "release" / "pilot.json", {**size, "shift": shift, **beside})


def _worth(
    work: Context, pilot: pd.DataFrame, scorers: dict[str, Scorer], now: Present | None, sampling: dict[str, Any]
) -> dict[str, Any]:
    """Return what the model brings in the world, and how far it is ahead of the rule whose place it takes."""
    found, values, metric = dict[str, Any](), dict[str, Array](), work.row_metric
    if work.charter.get("outcome"):
        target = scorers["model"].target
        predictions = {name: scorer.prediction for name, scorer in scorers.items()}
        predictions |= {} if now is None else {"present": now.says}
        values = {name: brought(work, pilot, target, prediction) for name, prediction in predictions.items()}
        values["model"] = with_review(values["model"], scorers["model"].answers, work.charter)
        found["outcome"] = outcome.measure(values, scorers, metric, **sampling)
    if ARCHETYPES[work.charter["archetype"]].beats_rule:
        unit = str(work.charter["outcome"]["unit"]) if values else ""
        if now is not None:
            prediction = now.says if metric in OF_LABELS else now.chance
            scorers = scorers | {"present": replace(scorers["rule"], prediction=prediction)}
        which = "rule" if now is None else "present"
        found["replaces"] = beside_rule(scorers, values, metric, which, unit, **sampling)
    return found


if __name__ == "__main__":
    main(run)
