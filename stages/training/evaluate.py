"""The chosen model on every split, with intervals, and its curves. The test rows are first looked at here."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_curve

from stages.context import Context
from stages.files import write_json, write_text
from stages.metric_names import LOSS
from stages.step import main
from stages.training.estimators import predict
from stages.training.metrics import (
    Array,
    Scorer,
    bootstrap,
    constant_prediction,
    figure,
    names_of,
    resampled,
)
from stages.training.store import load_model

POINTS, BINS = 200, 10


def run(project: Path) -> None:
    """Write the metrics with intervals, the overfitting gap, and the plots."""
    work = Context(project)
    model = load_model(project / "models" / "model.skops")
    train = work.split("train")
    constant = constant_prediction(work.task, work.target(train), work.n_classes)
    scorers = {}
    for name in ("train", "valid", "test"):
        rows = train if name == "train" else work.split(name)
        scorers[name] = Scorer(work.task, work.target(rows), predict(model, rows, work.schema), constant)
    options = work.params.training.bootstrap
    names = list(dict.fromkeys([*names_of(work.charter), LOSS[work.task]]))
    found = {
        name: bootstrap(scorer, names, n=options.n, level=options.level, seed=work.params.seed)
        for name, scorer in scorers.items()
    }
    gap = relative_gap(scorers["train"].losses, scorers["valid"].losses, options.n, options.level, work.params.seed)
    skill = train_skill(scorers["train"], options.n, options.level, work.params.seed)
    write_json(project / "metrics" / "evaluation.json", {**found, "gap": gap, "train_skill": skill})
    _plot(work, scorers["valid"])


def relative_gap(train: Array, valid: Array, n: int, level: float, seed: int) -> dict[str, float | None]:
    """Return the share of the validation loss that is missing on the training rows, with an interval.

    The two sets of rows are resampled independently, as they are different rows.
    """
    draws = [
        resampled(partial(_weighted_mean, losses), len(losses), n=n, seed=seed + offset)[:, 0]
        for offset, losses in enumerate((train, valid))
    ]
    with np.errstate(divide="ignore", invalid="ignore"):  # a loss of zero has no shares
        return figure(1 - train.mean() / valid.mean(), 1 - draws[0] / draws[1], level)


def _weighted_mean(values: Array, weight: Array) -> list[float]:
    return [float(np.dot(weight, values) / weight.sum())]


def train_skill(scorer: Scorer, n: int, level: float, seed: int) -> dict[str, float | None]:
    """Return how much less a model loses than the constant does, on the rows it was fitted on, as a share."""

    def skill(weight: Array) -> list[float]:
        return [float(1 - np.dot(weight, scorer.losses) / np.dot(weight, scorer.constant_losses))]

    rows = len(scorer.target)
    return figure(skill(np.ones(rows))[0], resampled(skill, rows, n=n, seed=seed)[:, 0], level)


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
