"""A model beside the constant: what rows that are harder for any model cost is taken out."""

from __future__ import annotations

import numpy as np

from stages.training.metrics import Array, Figure, Scorer, figure, resampled


def better_than_constant(scorer: Scorer, n: int, level: float, seed: int) -> dict[str, Figure | str]:
    """Return by how much a model is better than the constant, by its loss and by a second metric, with intervals.

    The loss is taken as a share of the constant's. The second metric is the ROC AUC over 0.5, or the mean absolute
    error as a share: a model of other aims (balanced classes, the median) may lose by the loss and be no failure.
    """
    second = "roc_auc" if scorer.task == "classification" else "mae_skill"

    def score(weight: Array) -> list[float]:
        found = float(1 - _relative_loss(scorer, weight)[0])
        other = scorer.score([second], weight)[second] - (0.5 if second == "roc_auc" else 0.0)
        return [found, other]

    with np.errstate(divide="ignore", invalid="ignore"):
        draws, values = resampled(score, *scorer.rows, n=n, seed=seed), score(_even(scorer))
    loss, other = (figure(values[at], draws[:, at], level) for at in (0, 1))
    return {"loss": loss, "other": other, "other_metric": second}


def _relative_loss(scorer: Scorer, weight: Array) -> list[float]:
    return [np.dot(weight, scorer.losses) / np.dot(weight, scorer.constant_losses)]


def _even(scorer: Scorer) -> Array:
    return np.ones(len(scorer.target))
