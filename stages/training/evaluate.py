"""The chosen model on every split, with intervals, and its curves. The test rows are first looked at here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_curve

from stages.context import Context
from stages.files import write_json, write_text
from stages.metric_names import FAILURES, LOSS
from stages.step import main
from stages.training.abstaining import (
    NOBODY,
    answered,
    at_errors,
    nobody_says,
    policy_of,
    reachable,
    risk_coverage,
    told_of,
)
from stages.training.comparison import better_than_constant
from stages.training.estimators import predict
from stages.training.metrics import Array, Scorer, bootstrap, constant_prediction, names_of
from stages.training.store import load_model

POINTS, BINS = 200, 10


def run(project: Path) -> None:
    """Write the metrics with intervals, and the plots."""
    work = Context(project)
    model = load_model(project / "models" / "model.skops")
    train = work.split("train")
    constant = constant_prediction(work.task, work.target(train), work.n_classes)
    policy = policy_of(work, train, work.threshold, work.confidence)
    scorers = {}
    for name in ("train", "valid", "test"):
        rows = train if name == "train" else work.split(name)
        prediction = predict(model, rows, work.schema)
        target, blocks, kept = work.target(rows), work.blocks(rows), answered(rows, prediction, policy)
        scorers[name] = Scorer(
            work.task, target, prediction, constant, blocks, work.threshold, kept, failing=work.failing
        )
    options = work.params.training.bootstrap
    names = list(dict.fromkeys([*names_of(work.charter), LOSS[work.task], *told_of(work)]))
    found = {
        name: bootstrap(scorer, names, n=options.n, level=options.level, seed=work.params.seed)
        for name, scorer in scorers.items()
    }
    better = better_than_constant(scorers["train"], options.n, options.level, work.params.seed)
    # Where answers are cut off already, what less autonomy would cost is seen from all that may be answered.
    rows, everyone = work.split("valid"), replace(policy, confidence=0.0)
    may = replace(scorers["valid"], answered=answered(rows, scorers["valid"].prediction, everyone))
    beside = {"better_than_constant": better, **_less_autonomy(work, may)}
    write_json(project / "metrics" / "evaluation.json", {**found, **beside})
    write_text(project / "plots" / "risk_coverage.csv", risk_coverage(may).to_csv(index=False, float_format="%.8g"))
    _plot(work, scorers["valid"])


def _less_autonomy(work: Context, may: Scorer) -> dict[str, Any]:
    """Return what would be answered at the errors that are allowed, and why nothing is where that is so."""
    errors, found, options = _errors(work), dict[str, Any](), work.params.training.bootstrap
    if work.max_error is not None and work.confidence >= NOBODY:
        found["nothing_answered"] = nobody_says(len(may.target), work.max_error, work.failing.level)
        more = reachable(may, work.max_error)
        errors |= {} if more is None else {"max_error": more}
    less = at_errors(may, errors, n=options.n, level=options.level, seed=work.params.seed)
    return found | ({"answering": less} if less else {})


def _errors(work: Context) -> dict[str, float]:
    """Return the share of wrong decisions that requirements allow, by requirement; none of a regression."""
    if work.task == "regression":
        return {}
    counting = [name for name in work.requirements if name in {*FAILURES, "accuracy"}]
    asked = {name: work.requirements[name].bound for name in counting}
    errors = {name: bound if name in FAILURES else 1 - bound for name, bound in asked.items()}
    return {name: error for name, error in errors.items() if 0 < error < 1}


def _plot(work: Context, scorer: Scorer) -> None:
    if work.task == "regression":
        roc = pd.DataFrame({"quantile": np.linspace(0, 1, 101)})
        roc["residual"] = np.quantile(scorer.target - scorer.prediction, roc["quantile"])
        calibration = _binned(scorer.prediction, scorer.target)
    else:
        code = 1 if work.n_classes == 2 else int(np.bincount(scorer.codes).argmax())
        score, truth = scorer.prediction[:, code], (scorer.codes == code).astype(float)
        false_rate, true_rate, _ = roc_curve(truth, score)
        at = np.unique(np.linspace(0, len(false_rate) - 1, POINTS).round().astype(int))
        roc = pd.DataFrame({"false_positive_rate": false_rate[at], "true_positive_rate": true_rate[at]})
        calibration = _binned(score, truth)
    for name, frame in (("roc", roc), ("calibration", calibration)):
        write_text(work.project / "plots" / f"{name}.csv", frame.to_csv(index=False, float_format="%.8g"))


def _binned(predicted: Array, observed: Array) -> pd.DataFrame:
    order = np.argsort(predicted, kind="stable")
    bins = [part for part in np.array_split(order, BINS) if len(part)]
    return pd.DataFrame(
        {"predicted": [predicted[part].mean() for part in bins], "observed": [observed[part].mean() for part in bins]}
    )


if __name__ == "__main__":
    main(run)
