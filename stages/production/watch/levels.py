"""How sure each look has to be, so that all looks together rarely raise a false alarm; and intervals at such levels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import stats

from stages.data.blocks import Blocks
from stages.shift.comparing import Estimate, enough, units
from stages.training.metrics import Array, Figure, Scorer, resampled, standard_error

DRAWS = 200


def level_of(alpha: float, look: int, signals: int) -> float:
    """Return the coverage of every interval at a look, so that all looks together keep to the error budget.

    Look t, from 1, may spend alpha / (t (t + 1)), and all together spend alpha (alpha spending, Lan & DeMets 1983, with
    the union bound: looks may depend on each other in any way). The signals of a look share it (Bonferroni). A signal
    fires on one side only, so what lies beyond the other end of its interval is no false alarm.

    Parameters
    ----------
    alpha : float
        Chance of any false alarm at all.
    look : int
        Its number while one release is in force, from 1.
    signals : int
        How many may alarm at a look.

    Examples
    --------
    >>> round(level_of(0.05, 1, 5), 4), round(level_of(0.05, 12, 5), 5)
    (0.99, 0.99987)
    """
    return 1 - 2 * alpha / (look * (look + 1)) / signals


def figures(scorer: Scorer, names: Sequence[str], *, level: float, seed: int) -> dict[str, Figure]:
    """Return metrics with intervals at a level that percentiles of a few hundred draws cannot reach.

    Student's t with the bootstrap's standard error (Efron & Tibshirani 1993, section 12.5), over whole blocks.

    Parameters
    ----------
    scorer : Scorer
        The rows.
    names : sequence of str
        The metrics.
    level : float
        Coverage.
    seed : int
        Of the draws.
    """

    def statistic(weight: Array) -> list[float]:
        return list(scorer.score(names, weight).values())

    return dict(zip(names, by_draws(statistic, *scorer.rows, level=level, seed=seed), strict=True))


def by_draws(
    statistic: Callable[[Array], Sequence[float]], rows: int, blocks: Blocks | None, *, level: float, seed: int
) -> list[Figure]:
    """Return some weighted statistics of rows, each with an interval; see `figures`."""
    values = statistic(np.ones(rows))
    if not enough(rows, blocks):
        return [_known(value, None) for value in values]
    draws = resampled(statistic, rows, blocks, n=DRAWS, seed=seed)
    factor = float(stats.t.ppf((1 + level) / 2, units(rows, blocks) - 1))
    return [_known(value, _half(draws[:, at], factor)) for at, value in enumerate(values)]


def mean_figure(values: Array, blocks: Blocks | None, level: float) -> Figure:
    """Return the mean of some rows' values with an interval that is robust to blocks."""
    error = standard_error(values - values.mean(), blocks) if enough(len(values), blocks) else float("nan")
    return Estimate(float(values.mean()), error, max(1, units(len(values), blocks) - 1)).figure(level)


def share_figure(count: int, rows: int, level: float) -> Figure:
    """Return a share of rows with the exact interval of Clopper & Pearson (1934)."""
    if not rows:
        return {"value": None, "low": None, "high": None}
    found: Any = stats.binomtest(count, rows).proportion_ci(level, method="exact")
    return {"value": count / rows, "low": float(found.low), "high": float(found.high)}


def _half(draws: Array, factor: float) -> float | None:
    known = draws[np.isfinite(draws)]
    return factor * float(known.std(ddof=1)) if len(known) > len(draws) / 2 else None


def _known(value: float, half: float | None) -> Figure:
    if not np.isfinite(value):
        return {"value": None, "low": None, "high": None}
    if half is None:
        return {"value": value, "low": None, "high": None}
    return {"value": value, "low": value - half, "high": value + half}
