"""Do the probabilities mean what they say: the gap to what is observed, and the line that would put them right."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.data.blocks import Blocks

Array = NDArray[np.float64]
Residuals = tuple[NDArray[np.intp], Array]
BINS = 10
TINY = 1e-15
STEPS, ENOUGH = 50, 1e-10


def binned_residuals(prediction: Array, codes: NDArray[np.intp]) -> list[Residuals]:
    """Return, for each class scored, each row's bin and residual: observed less predicted.

    A bin holds equal numbers of rows, by their probability. Of two classes the second is scored.
    """
    rows, classes = prediction.shape
    residuals = np.eye(classes)[codes] - prediction
    places = np.arange(rows) * BINS // rows
    scored = [1] if classes == 2 else range(classes)
    ranks = (np.argsort(np.argsort(prediction[:, code], kind="stable")) for code in scored)
    return [(places[rank], residuals[:, code]) for rank, code in zip(ranks, scored, strict=True)]


def calibration_error(residuals: list[Residuals], weight: Array, blocks: Blocks | None) -> float:
    """Return the root mean squared gap between predicted and observed share over bins, less what chance makes of it.

    The plain gap is above zero for a calibrated model too (Kumar, Liang & Ma 2019, "Verified uncertainty calibration").
    What chance makes of it is estimated from the blocks' sums of residuals; with the weights of a bootstrap's resample
    that is the chance of the rows and of the resample, so that its draws are not too large either.
    """
    of = np.arange(len(weight)) if blocks is None else blocks
    found = []
    for bins, residual in residuals:
        mass = np.maximum(np.bincount(bins, weight, BINS), TINY)
        gap = np.bincount(bins, weight * residual, BINS) / mass
        sums = np.bincount(of * BINS + bins, weight * (residual - gap[bins]))
        chance = np.bincount(np.arange(len(sums)) % BINS, sums**2, BINS) / mass**2
        found.append(np.dot(mass, gap**2 - chance) / mass.sum())
    return float(np.sqrt(max(0.0, np.mean(found))))


def recalibration(score: Array, target: Array, *, logistic: bool) -> tuple[Array, Array]:
    """Return the line that puts a prediction right, intercept and slope, and each row's influence on them, (n, 2).

    Of probabilities it is a logistic regression of the outcome on their logit (Cox 1958), of values a least squares one
    (Mincer & Zarnowitz 1969). 0 and 1 is calibrated; a slope below 1 says that the model is too sure of itself. NaN
    where there is no such line: one class only, equal predictions, or classes that the score tells apart.
    """
    nothing = np.full(2, np.nan), np.full((len(target), 2), np.nan)
    if np.ptp(score) == 0 or np.ptp(target) == 0:
        return nothing
    design = np.column_stack([np.ones(len(score)), score])
    line = np.array([0.0, 1.0])
    for _ in range(STEPS if logistic else 1):
        fitted = design @ line
        mean = 1 / (1 + np.exp(-np.clip(fitted, -500, 500))) if logistic else fitted
        curvature: Any = design.T @ (design * (mean * (1 - mean) if logistic else np.ones(len(mean)))[:, None])
        if np.linalg.cond(curvature) > 1 / TINY:
            return nothing
        step = np.linalg.solve(curvature, design.T @ (target - mean))
        line = line + step
        if not logistic or np.abs(step).max() < ENOUGH:
            break
    else:
        return nothing
    mean = 1 / (1 + np.exp(-np.clip(design @ line, -500, 500))) if logistic else design @ line
    influence = len(target) * (design * (target - mean)[:, None]) @ np.linalg.inv(curvature)
    return line, np.asarray(influence)
