"""A model beside the constant: what rows that are harder for any model cost is taken out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stages.data.blocks import Blocks
from stages.metric_names import larger_is_better
from stages.training.metrics import Array, Figure, Scorer, figure, resampled

MIN_ROWS = 20  # fewer do not tell how much they vary
UNKNOWN: Figure = {"value": None, "low": None, "high": None}


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


def paired_gain(
    one: Scorer, other: Scorer, metric: str, *, n: int, level: float, seed: int, worth: Array | None = None
) -> Figure:
    """Return by how much one model is better than another on the same rows, whole blocks resampled in pairs.

    ``worth``, (n_rows,), is what each row counts for; all the same where it is not given.
    """
    if one.blocks is None and len(one.target) < MIN_ROWS:
        return dict(UNKNOWN)
    even = _even(one) if worth is None else worth

    def gain(weight: Array) -> list[float]:
        mine, its = (scorer.score([metric], weight * even)[metric] for scorer in (one, other))
        return [_sign(one, metric) * (mine - its)]

    return _gained(gain, *one.rows, n=n, level=level, seed=seed)


def unpaired_gain(
    one: Scorer,
    other: Scorer,
    metric: str,
    blocks: Blocks | None,
    *,
    n: int,
    level: float,
    seed: int,
    worth: tuple[Array, Array] | None = None,
) -> Figure:
    """Return by how much one model is better on its rows than another on other rows, all of them resampled together.

    Parameters
    ----------
    one, other : Scorer
        What each said of its own rows.
    metric : str
        The one that they are compared in.
    blocks : array of shape (n_rows of both,) or None
        Which rows hang together, those of ``one`` first. Rows of both sides may: those of one day share its weather,
        which then weighs on no side.
    n, level, seed
        Of the bootstrap.
    worth : pair of array, optional
        What each row counts for, by side.
    """
    counts = [len(scorer.target) for scorer in (one, other)]
    if blocks is None and min(counts) < MIN_ROWS:
        return dict(UNKNOWN)
    even = (_even(one), _even(other)) if worth is None else worth

    def gain(weight: Array) -> list[float]:
        mine = one.score([metric], weight[: counts[0]] * even[0])[metric]
        its = other.score([metric], weight[counts[0] :] * even[1])[metric]
        return [_sign(one, metric) * (mine - its)]

    return _gained(gain, sum(counts), blocks, n=n, level=level, seed=seed)


def _sign(scorer: Scorer, metric: str) -> float:
    return 1.0 if larger_is_better(scorer.task, metric) else -1.0


def _gained(
    gain: Callable[[Array], list[float]], rows: int, blocks: Blocks | None, *, n: int, level: float, seed: int
) -> Figure:
    """Return a gain with the interval of its resamples, widened where it would not hold the gain itself."""
    draws = resampled(gain, rows, blocks, n=n, seed=seed)
    found = figure(gain(np.ones(rows))[0], draws[:, 0], level)
    if found["value"] is None or found["low"] is None or found["high"] is None:
        return found
    return {
        "value": found["value"],
        "low": min(found["low"], found["value"]),
        "high": max(found["high"], found["value"]),
    }


def _relative_loss(scorer: Scorer, weight: Array) -> list[float]:
    return [np.dot(weight, scorer.losses) / np.dot(weight, scorer.constant_losses)]


def _even(scorer: Scorer) -> Array:
    return np.ones(len(scorer.target))
