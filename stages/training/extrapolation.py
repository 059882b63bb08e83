"""Learning curves extrapolated: how many more rows reach a requirement, or that no number of them will.

A power law with an offset, error(n) = a + b n^-c (Hestness et al. 2017; Rosenfeld et al. 2020; Viering & Loog 2021, who
find it the best of the common forms with few parameters). ``a`` is the asymptote: what this candidate, with these
features, would come to with any number of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.metric_names import OFFLINE
from stages.params import Requirement
from stages.training.intervals import units, widening
from stages.training.metrics import Array, Figure, Scorer, resampled

# The exponents seen in the literature lie between 0.05 and 1; 2 leaves room for noise.
EXPONENTS = np.geomspace(0.05, 2.0, 60)


@dataclass(frozen=True)
class PowerLaw:
    """Fits of one curve and of its bootstrap draws: error(n) = a + b (n / unit)^-c; each array of shape (fits,)."""

    a: Array
    b: Array
    c: Array
    unit: float

    def at(self, rows: float) -> Array:
        """Return the error at a number of rows, (fits,)."""
        return np.asarray(self.a + self.b * (rows / self.unit) ** -self.c)

    def rows_for(self, error: float) -> Array:
        """Return the rows at which the error is reached, (fits,); infinite where it never is."""
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            reached = self.unit * (self.b / (error - self.a)) ** (1 / self.c)
        return np.where(self.a + self.b <= error, np.where(self.b == 0, 1.0, reached), self._later(error, reached))

    def _later(self, error: float, reached: Array) -> Array:
        return np.where((self.a < error) & (self.b > 0), reached, np.inf)


def extrapolate(
    judged: list[list[Scorer]], rows: Array, metrics: list[str], *, n: int, level: float, seed: int
) -> dict[str, PowerLaw]:
    """Fit a power law to the error of each metric over the training rows, and to ``n`` draws of it.

    Parameters
    ----------
    judged : list of list of Scorer
        For each point of the curve the models fitted on parts of that size, on the same validation rows.
    rows : array of shape (points,)
        Training rows of each point; the last is all of them.
    metrics : list of str
        Whose errors to fit.
    n, level, seed
        Draws, coverage and seed. A draw takes blocks of the validation rows, the same for all models, and other
        training sets as they are seen to differ; with few blocks it is widened as their intervals are.

    Returns
    -------
    dict
        For each metric the fit to the curve first, then to its draws; to the curve alone where units are too few.
    """
    flat = [scorer for point in judged for scorer in point]
    place = np.repeat(np.arange(len(judged)), [len(point) for point in judged])
    times = np.bincount(place)
    task, (count, blocks) = flat[0].task, flat[0].rows

    def errors(weight: Array) -> list[float]:
        scores = [scorer.score(metrics, weight) for scorer in flat]
        return [float(error_of(task, name, found[name])) for name in metrics for found in scores]

    values = np.reshape(errors(np.ones(count)), (len(metrics), len(flat)))
    draws = resampled(errors, count, blocks, n=n, seed=seed).reshape(n, *values.shape)
    enough = units(count, blocks)
    found = {}
    for at, name in enumerate(metrics):
        curve = _means(values[at][None], place)
        noise = training_noise(rows, [values[at][place == k] for k in range(len(judged))], rows / rows[-1])
        moved = curve + (_means(draws[:, at], place) - curve) * (widening(enough, level) if enough else np.nan)
        moved = noisy(moved[np.isfinite(moved).all(axis=1)], rows, noise, times, seed)
        found[name] = fit_power_law(rows, np.vstack([curve, moved]), rows * times)
    return found


def fit_power_law(rows: Array, errors: Array, weights: Array) -> PowerLaw:
    """Fit the power law to one or many curves over the same rows, with a, b >= 0.

    Parameters
    ----------
    rows : array of shape (k,)
        Training rows of each point.
    errors : array of shape (fits, k)
        Errors, not negative: a loss, or one minus a score whose best is 1.
    weights : array of shape (k,)
        Weight of each point: one over the variance of its error.

    Returns
    -------
    PowerLaw
        Least squares; by variable projection (Golub & Pereyra 1973): for a given exponent the rest is linear and
        solved exactly, so a grid of exponents finds the global least, at once for every draw of a bootstrap.
    """
    unit = float(rows.max())
    w = weights / weights.sum()
    best = np.full(len(errors), np.inf)
    a, b, c = (np.zeros(len(errors)) for _ in range(3))
    flat = errors @ w
    for exponent in EXPONENTS:
        x = (rows / unit) ** -exponent
        middle = float(x @ w)
        slope = (errors @ (w * (x - middle))) / float(w @ (x - middle) ** 2)
        through_zero = (errors @ (w * x)) / float(w @ x**2)
        offset = flat - slope * middle
        found_b = np.where(slope <= 0, 0.0, np.where(offset < 0, through_zero, slope))
        found_a = np.where(slope <= 0, flat, np.maximum(offset, 0.0))
        squares = ((errors - found_a[:, None] - found_b[:, None] * x) ** 2) @ w
        better = squares < best
        best = np.where(better, squares, best)
        a, b, c = (np.where(better, new, old) for new, old in ((found_a, a), (found_b, b), (exponent, c)))
    return PowerLaw(a, b, c, unit)


def training_noise(rows: Array, errors: list[Array], share: Array) -> float:
    """Return the variance of the error over training sets, times their rows: the draw that the rows are.

    Parameters
    ----------
    rows, share : array of shape (k,)
        Rows of each point, and the share of all rows they are.
    errors : list of array of shape (draws,)
        The error of each of several parts of that size.

    Notes
    -----
    Parts of one set overlap, so the variance among them is short by the factor 1 - share (sampling without
    replacement, Cochran 1977, ch. 2.6). Pooled over the sizes, as it falls like one over the rows.
    """
    sums, freedom = 0.0, 0
    for count, found, part in zip(rows, errors, share, strict=True):
        if len(found) > 1 and part < 1:
            sums += count * float(np.sum((found - found.mean()) ** 2)) / (1 - part)
            freedom += len(found) - 1
    return sums / freedom if freedom else 0.0


def error_of(task: str, metric: str, value: float | Array) -> Array:
    """Return how far a metric is from its best: one minus it, or itself where less is better, as of a loss."""
    return np.asarray(1 - np.asarray(value) if OFFLINE[task].get(metric, False) else value, dtype=float)


def reach(law: PowerLaw, task: str, metric: str, bound: Requirement, *, limit: float, level: float) -> dict[str, Any]:
    """Return where a metric comes to, and the training rows at which it meets its bound.

    Parameters
    ----------
    law : PowerLaw
        The fit to the curve first, then those to its draws.
    task, metric, bound
        The metric whose error was fitted, and what is required of it.
    limit : float
        Training rows at most that may ever be had: what the source has, and the budget of labels holds.
    level : float
        Coverage of the intervals.

    Returns
    -------
    dict
        ``asymptote``, ``at_limit``: figures of the metric with any number of rows, and with ``limit``. ``rows``:
        figure, an end being None where no number of rows suffices. ``never``: whether the whole interval at the limit
        misses the bound; four points tell the asymptote within wide ends, and it may be far beyond what can be had.
    """
    at_limit = _figure(law.at(limit), task, metric, level)
    needed = law.rows_for(float(error_of(task, metric, bound.bound)))
    tails = [(1 - level) / 2, (1 + level) / 2]
    first, last = np.quantile(needed[1:], tails, method="nearest") if len(needed) > 1 else (np.inf, np.inf)
    rows: Figure = {name: _finite(found) for name, found in (("value", needed[0]), ("low", first), ("high", last))}
    best = at_limit["high" if bound.side == "at_least" else "low"]
    return {
        "asymptote": _figure(law.a, task, metric, level),
        "at_limit": at_limit,
        "rows": rows,
        "never": best is not None and not bound.met_by(best),
    }


def _figure(errors: Array, task: str, metric: str, level: float) -> Figure:
    """Return the figure of a metric from the errors of a fit, the first, and of its draws."""
    middle = float(error_of(task, metric, float(errors[0])))
    if len(errors) < 2:
        return {"value": middle, "low": None, "high": None}
    ends = np.quantile(errors[1:], [(1 - level) / 2, (1 + level) / 2])
    low, high = sorted(float(error_of(task, metric, float(end))) for end in ends)
    return {"value": middle, "low": min(low, middle), "high": max(high, middle)}


def noisy(draws: Array, rows: Array, noise: float, times: NDArray[np.int64], seed: int) -> Array:
    """Return bootstrap draws with the noise of the training sets added: what they are judged on, and learned from.

    Parameters
    ----------
    draws : array of shape (n, k)
        Errors at each point, by draws of the rows that judge.
    rows, times : array of shape (k,)
        Training rows of each point, and how many training sets it is the mean of.
    noise : float
        See `training_noise`.
    seed : int
        Seed of the noise.
    """
    spread = np.sqrt(noise / (rows * times))
    return np.asarray(np.maximum(draws + np.random.default_rng(seed).normal(size=draws.shape) * spread, 0.0))


def _means(values: Array, place: NDArray[np.intp]) -> Array:
    """Return the mean over the models of each point, (fits, points), of values of shape (fits, models)."""
    return np.column_stack([values[:, place == k].mean(axis=1) for k in range(place.max() + 1)])


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
