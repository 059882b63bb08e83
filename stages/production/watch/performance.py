"""Does the release still do what it was released for: with labels, before they come, and beside the one before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from stages.metric_names import OFFLINE, larger_is_better
from stages.params import Requirement, Shift
from stages.production.released import Released
from stages.production.watch.levels import by_draws
from stages.production.watch.reference import Reference
from stages.requirements import bound_words, number, shortfall, surely, worst
from stages.shift.drop import Losses
from stages.shift.horizon import watch_mean
from stages.shift.joint import overlap, two_sample_scores
from stages.shift.sides import Sides
from stages.shift.unlabelled import loss_by_confidence, loss_by_importance
from stages.signals import Direction, Signal
from stages.training.metrics import Array, Figure, Scorer

MISSED: dict[str, Direction] = {"at_least": "below", "at_most": "above"}
SLICES = 20  # of the rows in their order, where no block says which hang together


def production_worse(found: dict[str, Figure], requirements: dict[str, Requirement], rows: int) -> Signal:
    """Fire when a hard requirement is surely missed on the labelled rows of production.

    A release is held against its own pilot by the estimate, production only by the whole interval: rows come again and
    again, and an alarm sets the loop going.

    Parameters
    ----------
    found : dict
        Metric -> figure.
    requirements : dict
        The hard requirements of the charter that rows can be held against.
    rows : int
        How many rows have labels.
    """
    name = "production_worse"
    if not rows:
        return Signal(name=name, threshold=0.0, unit="of the bound", says="no label of these rows is there yet")
    missed = [
        metric for metric, bound in requirements.items() if surely(found[metric], MISSED[bound.side], bound.bound)
    ]
    told = [
        f"{metric} {number(found[metric]['value'])}, required {bound_words(bound.side, bound.bound)}"
        for metric, bound in requirements.items()
        if metric in missed or not missed
    ]
    value, low, high = worst(shortfall(bound, found[metric]) for metric, bound in requirements.items())
    says = ("surely missed: " if missed else "") + ("; ".join(told) or "nothing is required of rows")
    signal = Signal.measured(
        name,
        value,
        low,
        high,
        threshold=0.0,
        direction="above",
        unit="of the bound",
        says=f"{says} ({rows} rows with labels)",
        evidence={"figures": found, "missed_in_production": missed},
    )
    return signal if requirements else signal.model_copy(update={"fires": False})


def rowwise(requirements: dict[str, Requirement], task: str) -> dict[str, Requirement]:
    """Return the requirements that rows can be held against by themselves."""
    return {name: bound for name, bound in requirements.items() if name in OFFLINE[task]}


def advantage(scorer: Scorer) -> list[float]:
    """Return what the model loses more than the constant, a day or a slice of the rows each, in their order."""
    rows, blocks = scorer.rows
    units = np.arange(rows) * SLICES // max(1, rows) if blocks is None else blocks
    counts = np.bincount(units)
    sums = np.bincount(units, weights=scorer.losses - scorer.constant_losses)
    return [float(value) for value in sums[counts > 0] / counts[counts > 0]]


def production_risk(
    usual: Sequence[float], later: Sequence[float], constant: float, limits: Shift, alpha: float
) -> Signal:
    """Fire when the model has lost its advantage over the constant, by the evidence of all looks together.

    A small lasting loss that no single look shows adds up. What is watched is the mean loss beyond the constant's, so
    that days which are hard for any model do not count: days since the release against the upper end of the pilot's
    mean (Student's t over its days, half of ``alpha``), by bets that need no horizon (the other half; see
    `stages.shift.horizon`). A day is cut as far beyond the pilot's best and worst day as these two lie apart.

    Parameters
    ----------
    usual, later : sequence of float
        What `advantage` gives for the pilot, and for all looks since, oldest first.
    constant : float
        What the constant loses a row in the pilot.
    limits : Shift
        ``max_drop`` of it is no harm.
    alpha : float
        Chance of a false alarm, ever.
    """
    name, unit = "production_risk", "of the evidence that alarms"
    if len(usual) < SLICES // 4 or not later:
        return Signal(
            name=name, threshold=1.0, unit=unit, says="too few days with labels, in the pilot or since, to tell"
        )
    tolerance, before, now = limits.max_drop * constant, float(np.mean(usual)), float(np.mean(later))
    bound = before + float(stats.t.ppf(1 - alpha / 2, len(usual) - 1) * stats.sem(usual)) + tolerance
    spread = float(np.ptp(usual)) or constant
    least, width = min(usual) - spread, np.ptp(usual) + 2 * spread
    scaled = (np.asarray(later) - least) / width
    watched = watch_mean(scaled, min(1.0, (bound - least) / width), alpha=alpha / 2)
    most = max(watched.evidence)
    says = (
        f"ahead of the constant by {-now:.4f} a row over {len(later)} days since the release, "
        f"and by {-before:.4f} in its pilot"
    )
    fires = True if watched.alarm is not None else False if now <= before + tolerance else None
    return Signal(name=name, value=most, low=most, high=most, threshold=1.0, unit=unit, fires=fires, says=says)


def estimated(reference: Reference, rows: pd.DataFrame, *, level: float, seed: int) -> Figure:
    """Return the loss that is to be expected on rows without labels, with an interval.

    By calibrated confidence for classes, by importance weights for values; see `stages.shift.unlabelled`.
    """
    work, usual = reference.work, reference.usual
    held = Losses(work.task, usual.target, usual.prediction)
    blocks = (usual.blocks, reference.blocks(rows))
    if work.task == "classification":
        return loss_by_confidence(held, reference.released.predict(rows), blocks, level=level)
    sides = Sides(reference.judged, rows, reference.released.features, blocks)
    scores = two_sample_scores(sides, seed)
    if scores is None:
        return {"value": None, "low": None, "high": None}
    found = loss_by_importance(held, overlap(sides, scores)[: len(usual.target)], blocks, level=level)
    return {key: found[key] for key in ("value", "low", "high")}


def production_estimated(found: Figure, usual: float, constant: float, limits: Shift, loss: str) -> Signal:
    """Fire when, before labels are there, the expected loss is surely above the pilot's by more than is no harm.

    Parameters
    ----------
    found : figure
        The expected loss, see `estimated`.
    usual, constant : float
        What model and constant lose a row in the pilot.
    limits : Shift
        ``max_drop``, of the constant's loss.
    loss : str
        Its name.
    """
    name, unit = "production_estimated", "of the constant's loss"
    ends = [found[key] for key in ("value", "low", "high")]
    if any(end is None for end in ends):
        says = "the expected loss is unknown: too few rows or days, or classes that the pilot does not have"
        return Signal(name=name, value=None, threshold=limits.max_drop, unit=unit, says=says)
    rise = {key: (float(found[key] or 0.0) - usual) / constant for key in ("value", "low", "high")}
    says = (
        f"before labels the expected {loss} is {ends[0]:.4g} ({ends[1]:.4g} to {ends[2]:.4g}), {usual:.4g} in the pilot"
    )
    return Signal.of_figure(name, rise, threshold=limits.max_drop, direction="above", unit=unit, says=says)


def release_regressed(
    reference: Reference, earlier: Released, rows: pd.DataFrame, *, level: float, seed: int
) -> Signal | None:
    """Fire when the release before this one is surely better on the same rows of production; None without comparison.

    Neither has learned from them.
    """
    if not set(earlier.features) <= set(rows.columns) or earlier.classes != reference.released.classes:
        return None
    metric = reference.work.row_metric
    now, before = reference.scorer(rows), reference.scorer(rows, earlier)
    found = paired(before, now, metric, level=level, seed=seed)
    says = (
        f"release {earlier.name} of iteration {earlier.iteration}, the one before, is better by "
        f"{number(found['value'])} of {metric} on these rows"
    )
    evidence: dict[str, Any] = {"earlier": earlier.iteration, "gain": found}
    return Signal.of_figure(
        "release_regressed", found, threshold=0.0, direction="above", unit=metric, says=says, evidence=evidence
    )


def paired(one: Scorer, other: Scorer, metric: str, *, level: float, seed: int) -> Figure:
    """Return by how much one is better than another on the same rows, larger being better."""
    sign = 1.0 if larger_is_better(one.task, metric) else -1.0
    rows, blocks = one.rows

    def gain(weight: Array) -> list[float]:
        return [sign * (one.score([metric], weight)[metric] - other.score([metric], weight)[metric])]

    return by_draws(gain, rows, blocks, level=level, seed=seed)[0]
