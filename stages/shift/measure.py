"""All of it in one go, for a window of rows with labels: what `verdicts` judges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from stages.shift import attribution, concept, drop, unlabelled
from stages.shift.comparing import Estimate
from stages.shift.detector import detect
from stages.shift.joint import auc, overlap, two_sample_scores
from stages.shift.sides import Array, Sides, binned, draw
from stages.shift.target import estimated_shares, rate_change

# The parts of a drop and the concept hang on blocks and on noise in the outcomes more than on more rows than this.
LOSS_ROWS = 10_000
BLAMED_ROWS, BLAMED = 1500, 5


@dataclass(frozen=True)
class Task:
    """What the model does: the task, its target, the names of the classes (None: a regression), and its predictions.

    ``predict`` takes a table of the features to probabilities, (n, n_classes), or values, (n,).
    """

    kind: str
    target: str
    classes: list[Any] | None
    predict: Callable[[pd.DataFrame], Array]


def measure(learned: Sides, held: Sides, task: Task, *, level: float, seed: int) -> dict[str, Any]:
    """Measure every kind of shift, what it costs, and which features are responsible.

    Parameters
    ----------
    learned : Sides
        All rows that the model learns from, and the later ones.
    held : Sides
        Rows that the model has not seen, and the same later ones; their tables have the target too.
    task : Task
        What the model does.
    level : float
        Coverage of the intervals.
    seed : int
        Seed of every choice.

    Returns
    -------
    dict
        Plain values: ``auc``, ``features``, ``p``; ``rate``, ``estimated_shares``; ``concept`` and
        ``concept_beside_labels``, in standard deviations of the target; ``drop``; ``responsible``; ``without_labels``.
    """
    found = detect(learned, level=level, seed=seed)
    found["rate"] = _rate(learned, task, level)
    rows = draw(len(held.before), LOSS_ROWS, seed), draw(len(held.after), LOSS_ROWS, seed)
    tables = held.before.iloc[rows[0]], held.after.iloc[rows[1]]
    sides = held.take(*rows)
    one, two = (_losses(table, task) for table in tables)
    stacked = _columns(np.concatenate([one.prediction, two.prediction]))
    scores = two_sample_scores(sides, seed, stacked)
    chance = np.full(len(sides), 0.5) if scores is None else overlap(sides, scores)
    found["drop"] = drop.parts_of_drop(one, two, chance, sides.blocks, level=level)
    found |= outcome_at_equal_inputs(sides, one, two, chance, level, seed)
    found |= _labels(sides, one, two, scores, level)
    found["drop"]["by_labels"] = found.pop("by_labels")
    found["without_labels"] = {
        "by_confidence": unlabelled.loss_by_confidence(one, two.prediction, sides.blocks, level=level),
        "by_importance": unlabelled.loss_by_importance(one, chance[: len(rows[0])], sides.blocks, level=level),
        "measured": float(two.model.mean()),
    }
    few = draw(len(tables[1]), BLAMED_ROWS, seed)
    blocks = sides.blocks[1]
    moved = [(i["feature"], i["kind"]) for i in found["features"] if (i["p_effect"] or 0.0) < 1 - level][:BLAMED]
    found["responsible"] = attribution.responsible(
        tables[0],
        tables[1].iloc[few],
        moved,
        task.predict,
        drop.Losses(two.task, two.target[few], two.prediction[few]),
        None if blocks is None else blocks[few],
        level=level,
        seed=seed,
    )
    return found


def _rate(learned: Sides, task: Task, level: float) -> dict[str, Any]:
    before, after = (side[task.target].to_numpy(dtype=float) for side in (learned.before, learned.after))
    return rate_change(before, after, task.classes, learned.blocks, level=level)


def _losses(table: pd.DataFrame, task: Task) -> drop.Losses:
    return drop.Losses(task.kind, table[task.target].to_numpy(dtype=float), task.predict(table))


def outcome_at_equal_inputs(
    sides: Sides, one: drop.Losses, two: drop.Losses, chance: Array, level: float, seed: int
) -> dict[str, Any]:
    """Measure what moved at equal inputs; and again beside the shares of the classes, where something did.

    See `concept.concept_change`. Returns ``concept`` and ``concept_beside_labels``, figures in standard deviations of
    the target.
    """
    inputs = _columns(np.concatenate([one.prediction, two.prediction]))
    before, after = (concept.residuals(side.task, side.target, side.prediction) for side in (one, two))
    deviation = float(_outcome(one).std())
    moved = concept.concept_change(sides, np.concatenate([before, after]), inputs, chance, seed)
    found: dict[str, Any] = {"concept": _scaled(moved, deviation).figure(level), "concept_beside_labels": None}
    if one.task == "classification" and moved.p_above() < 1 - level:
        weights = drop.class_weights(one.target, two.target, one.prediction.shape[1])
        shifted = concept.with_class_shares(two.prediction, weights)
        beside = np.concatenate([before, concept.residuals(two.task, two.target, shifted)])
        left = concept.concept_change(sides, beside, inputs, chance, seed)
        found["concept_beside_labels"] = _scaled(left, deviation).figure(level)
    return found


def _labels(sides: Sides, one: drop.Losses, two: drop.Losses, scores: Array | None, level: float) -> dict[str, Any]:
    """Measure what a shift of the labels alone would have done: to the loss, and to the inputs."""
    found: dict[str, Any] = {"by_labels": None, "labels_explain_inputs": False, "estimated_shares": None}
    if one.task != "classification":
        return found
    weights = drop.class_weights(one.target, two.target, one.prediction.shape[1])[one.target.astype(np.intp)]
    found["by_labels"] = drop.drop_by_labels(one, two, sides.blocks, level=level)
    if scores is not None and weights.any():
        plain, weighted = auc(sides, scores).value, auc(sides, scores, weights).value
        found["labels_explain_inputs"] = bool(abs(weighted - 0.5) < abs(plain - 0.5) / 2)
    predictions = one.prediction, two.prediction
    return found | {"estimated_shares": estimated_shares(one.target, predictions, sides.blocks, level=level)}


def _outcome(side: drop.Losses) -> Array:
    """Return the outcome that the residual is about."""
    if side.task == "regression" or side.prediction.shape[1] == 2:
        return side.target
    return np.asarray(side.target == np.argmax(side.prediction, axis=1), dtype=float)


def _scaled(estimate: Estimate, deviation: float) -> Estimate:
    deviation = deviation or 1.0
    return Estimate(estimate.value / deviation, estimate.error / deviation, estimate.freedom)


def _columns(prediction: Array) -> Array:
    """Return predictions as further inputs: the value, or the chance of every class but the first."""
    columns = prediction[:, None] if prediction.ndim == 1 else prediction[:, 1:]
    return np.column_stack([np.concatenate(binned(column, column[:0])) for column in columns.T])
