"""How many labels are wrong, as far as a model can tell it from a hard task.

Confident learning counts what contradicts a model; on a hard task nearly everything does. And a null of labels drawn
from the model's own probabilities finds nothing, as a calibrated model that learned from wrong labels expects them.
What tells the two apart is the shape: where rows are merely hard, a contradiction becomes ever rarer as the model grows
sure; where labels are wrong whatever the features say, it stops at the rate of wrong labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtri
from scipy.stats import chi2

from stages.data.blocks import MIN_BLOCKS, Blocks
from stages.training.metrics import Array, standard_error

Codes = NDArray[np.intp]
# Rates of wrong labels that are tried for each class, and the finer ones of which the sum over classes is told.
RATES = np.r_[0, 0.005, np.arange(0.01, 0.06, 0.01), np.arange(0.08, 0.18, 0.02), np.arange(0.2, 0.5, 0.035)]
FINE = np.linspace(0.0, 0.5, 201)
BINS, MIN_ROWS, STEPS, MIN_PLATEAU = 40, 50, 40, 10
# Steepness (per standard normal deviate of the score's rank) of a task that is all but separable, and the most that a
# few rows can tell. The flights, which no model can separate, lie at 0.5 to 1.8; clean digits and cancers above 4.
SEPARABLE, STEEPEST = 2.0, 25.0
EXPLAINED = 0.5  # so much of all contradictions must be wrong labels
# So many rows of a plateau must lie less than half as far from the other class as its middle row. Two normal classes
# 5.1 standard deviations apart, of which a half percent overlaps, have as many.
BETWEEN = 0.1
NEVER = 1e9


@dataclass(frozen=True)
class NoiseRate:
    """A share of wrong labels: estimate and 95% interval, None where too few rows tell anything.

    ``contradicted`` is the share of labels that are not the model's most probable class.
    """

    value: float | None
    low: float | None
    high: float | None
    contradicted: float


def noise_rate(
    codes: Codes,
    prediction: Array,
    blocks: Blocks | None = None,
    smooth: Array | None = None,
    level: float = 0.95,
) -> NoiseRate:
    """Estimate the share of wrong labels from out-of-fold probabilities.

    Parameters
    ----------
    codes : ndarray of shape (n,)
        The labels as they are given.
    prediction : ndarray of shape (n, n_classes)
        Probabilities by a model that has not seen the row.
    blocks : ndarray of shape (n,), optional
        Which rows hang together; the interval is widened by how much the model's errors do.
    smooth : ndarray of shape (n, n_classes), optional
        Out-of-fold probabilities by a model too coarse to follow single rows. Where a model does, chance fills the gap
        between two plateaus.
    level : float
        Coverage of the interval.

    Notes
    -----
    For each class, the chance of its label given the model's score z (normal deviate of the rank of the log odds) is

        P(label | z) = e0 + (1 - e0 - e1) / (1 + exp(-(a + b z))),

    the four-parameter logistic of item response theory (Barton & Lord 1981), whose asymptotes are the rates of wrong
    labels under class-conditional noise (Natarajan et al. 2013); e0 = e1 = 0 is a task without them. The interval holds
    the rates whose profile likelihood is within the chi-squared quantile of the best. A rate counts only with a slope
    b that makes the task all but separable: else the asymptote may as well be rows that no feature tells apart, which
    nothing in the data distinguishes from wrong labels (mutual irreducibility, Scott et al. 2013). So the low end is 0,
    and the high one what the noise may be at most, unless every fit that is likely has such a slope. Ranks hide a gap
    in the scores, across which any slope fits: where one binary feature says nearly all, the score is two plateaus, and
    what each contradicts may be hard or wrong. So a rate counts, too, only with rows between the plateaus. The rates of
    several classes, weighed by how often they are predicted, are added by their profiles.
    """
    n, n_classes = prediction.shape
    contradicted = float(np.mean(prediction.argmax(axis=1) != codes))
    if n < MIN_ROWS or len(np.unique(codes)) < 2 or _few_blocks(blocks):
        return NoiseRate(None, None, None, contradicted)
    spread = _design_effect(codes, prediction, blocks)
    attributed, possible = np.full((2, len(FINE)), NEVER)
    attributed[0] = possible[0] = 0.0
    for code in [1] if n_classes == 2 else range(n_classes):
        mine = codes == code
        fit = _profile(*_binned(_log_odds(prediction[:, code]), mine))
        deviance = 2 * (fit.likelihood.max() - fit.likelihood) / spread
        if n_classes == 2:
            rate = fit.share * RATES[None, :] + (1 - fit.share) * RATES[:, None]
        else:
            rate = np.broadcast_to(np.mean(prediction.argmax(axis=1) == code) * RATES[None, :], deviance.shape)
        attributed = _added(attributed, _least(np.where(fit.slope >= SEPARABLE, rate, 0.0), deviance))
        possible = _added(possible, _least(rate, deviance))
    cut = float(chi2.ppf(level, 1))
    inside, high = FINE[attributed - attributed.min() <= cut], FINE[possible - possible.min() <= cut].max()
    value, low = float(FINE[attributed.argmin()]), float(inside.min())
    scores = (prediction,) if smooth is None else (prediction, smooth)
    if value < EXPLAINED * contradicted or min(map(between, scores)) < BETWEEN:
        value = low = 0.0
    return NoiseRate(value, low, float(max(high, inside.max())), contradicted)


def between(prediction: Array) -> float:
    """Return the share of rows that a model is less than half as sure of as of the middle row of their plateau.

    A plateau are the rows that are taken for one class, and each counts alike, as a rare class has few rows anywhere;
    sure is the log odds against the next class.
    """
    taken = prediction.argmax(axis=1)
    next_, best = np.log(np.clip(np.sort(prediction, axis=1)[:, -2:], 1e-9, 1.0)).T
    sure = [(best - next_)[taken == code] for code in np.unique(taken)]
    shares = [np.mean(margin < np.median(margin) / 2) for margin in sure if len(margin) >= MIN_PLATEAU]
    return float(np.mean(shares)) if shares else 0.0


@dataclass(frozen=True)
class _Profile:
    """Fits for every pair of rates, each (len(RATES), len(RATES)): lower asymptote by rows, upper by columns."""

    likelihood: Array
    share: Array
    slope: Array


def _binned(score: Array, mine: NDArray[np.bool_]) -> tuple[Array, Array, Array]:
    """Return rows, rows of the class, and the mean normal deviate of the rank, for bins of as many rows each."""
    n = len(score)
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2 - 0.5)[place] / n  # ties share their mean rank
    deviate = ndtri(np.clip(rank, 0.5 / n, 1 - 0.5 / n))
    number = min(BINS, max(10, n // 8))
    bins = np.minimum((rank * number).astype(int), number - 1)
    weights: list[Array] = [np.ones(n), mine.astype(float), deviate]
    rows, hits, total = (np.asarray(np.bincount(bins, weights=w, minlength=number), dtype=float) for w in weights)
    filled = rows > 0
    return rows[filled], hits[filled], total[filled] / rows[filled]


def _profile(rows: Array, hits: Array, z: Array) -> _Profile:
    """Fit intercept and slope for every pair of asymptotes by Fisher scoring with Levenberg's damping, all at once."""
    low, high = (rates.ravel() for rates in np.meshgrid(RATES, RATES, indexing="ij"))
    range_ = 1 - low - high
    share = np.clip((hits.sum() / rows.sum() - low) / range_, 0.02, 0.98)
    shift, log_slope, damping = np.log(share / (1 - share)), np.zeros(len(low)), np.full(len(low), 1e-2)

    def evaluate(shift: Array, log_slope: Array) -> tuple[Array, Array, Array]:
        clean = expit(shift[:, None] + np.exp(log_slope)[:, None] * z)
        chance = np.clip(low[:, None] + range_[:, None] * clean, 1e-9, 1 - 1e-9)
        likelihood = (hits * np.log(chance) + (rows - hits) * np.log1p(-chance)).sum(axis=1)
        return likelihood, clean, chance

    likelihood, clean, chance = evaluate(shift, log_slope)
    for _ in range(STEPS):
        weight = rows / (chance * (1 - chance))
        by_shift = range_[:, None] * clean * (1 - clean)
        by_slope = by_shift * z * np.exp(log_slope)[:, None]
        residual = weight * (hits / rows - chance)
        g0, g1 = (residual * by_shift).sum(axis=1), (residual * by_slope).sum(axis=1)
        h00 = (weight * by_shift**2).sum(axis=1) * (1 + damping) + 1e-6
        h11 = (weight * by_slope**2).sum(axis=1) * (1 + damping) + 1e-6
        h01 = (weight * by_shift * by_slope).sum(axis=1)
        determinant = h00 * h11 - h01**2
        next_shift = shift + np.clip((h11 * g0 - h01 * g1) / determinant, -2, 2)
        step = np.clip((h00 * g1 - h01 * g0) / determinant, -1, 1)
        next_slope = np.minimum(log_slope + step, np.log(STEEPEST))
        tried = evaluate(next_shift, next_slope)
        better = tried[0] >= likelihood
        shift, log_slope = np.where(better, next_shift, shift), np.where(better, next_slope, log_slope)
        damping = np.clip(np.where(better, damping / 3, damping * 5), 1e-6, 1e6)
        likelihood = np.where(better, tried[0], likelihood)
        clean, chance = (
            np.where(better[:, None], new, old) for new, old in zip(tried[1:], (clean, chance), strict=True)
        )
    shape = (len(RATES), len(RATES))
    shares = (clean * rows).sum(axis=1) / rows.sum()
    return _Profile(likelihood.reshape(shape), shares.reshape(shape), np.exp(log_slope).reshape(shape))


def _least(rate: Array, deviance: Array) -> Array:
    """Return the least deviance at each rate of `FINE`; between those that were fitted, on the line between them."""
    found = np.full(len(FINE), NEVER)
    place = np.minimum(np.rint(rate.ravel() / FINE[1]).astype(int), len(FINE) - 1)
    np.minimum.at(found, place, deviance.ravel())
    known = np.flatnonzero(found < NEVER)
    return np.asarray(np.interp(np.arange(len(FINE)), known, found[known], left=NEVER, right=NEVER))


def _added(one: Array, two: Array) -> Array:
    """Return the least deviance at each sum of two rates."""
    return np.array([(one[: i + 1] + two[i::-1]).min() for i in range(len(FINE))])


def _log_odds(chance: Array) -> Array:
    clipped = np.clip(chance, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))


def _few_blocks(blocks: Blocks | None) -> bool:
    return blocks is not None and len(np.unique(blocks)) < MIN_BLOCKS


def _design_effect(codes: Codes, prediction: Array, blocks: Blocks | None) -> float:
    """Return by how much the variance of the model's mean error exceeds that of independent rows, at least 1."""
    if blocks is None:
        return 1.0
    error = 1 - prediction[np.arange(len(codes)), codes]
    error = error - error.mean()
    alone = standard_error(error, None)
    return max(1.0, (standard_error(error, blocks) / alone) ** 2) if alone > 0 else 1.0
