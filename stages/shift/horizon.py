"""Monitoring over many windows: false alarms are kept to a rate over all looks together, however many there will be.

Looking at every window with a 5% test gives a false alarm sooner or later. Two ways out, each a pure function of the
looks so far, so that nothing but their figures must be kept:

- `spend` for p-values, as those of `detector.detect`. Looks may depend on each other in any way, as they do when all
  are compared with the same reference.
- `watch_risk` for the losses themselves, where labels come: it accumulates, so it sees a small lasting rise that no
  single look shows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stages.shift.sides import Array


@dataclass(frozen=True)
class Watch:
    """What a horizon of looks has come to.

    Attributes
    ----------
    alarm : int or None
        The look, from 0, at which the alarm was first raised; later looks do not take it back.
    evidence : tuple of float
        At each look, what is held against 1: it alarms when that is reached.
    """

    alarm: int | None
    evidence: tuple[float, ...]


def spend(p_values: Sequence[float], *, alpha: float) -> Watch:
    """Hold p-values against an error budget that is spent over an unlimited horizon.

    Look t, from 1, may spend alpha / (t (t + 1)); all together spend alpha (alpha spending, Lan & DeMets 1983, with the
    union bound). The price is power that falls slowly: with alpha 0.05, an effect that a single look shows with
    p = 1e-6 alarms at any of the first 223 looks.

    Parameters
    ----------
    p_values : sequence of float
        Of each look so far, oldest first.
    alpha : float
        Chance of any false alarm at all.
    """
    evidence = [alpha / (t * (t + 1)) / max(p, 1e-300) for t, p in enumerate(p_values, start=1)]
    return _first(evidence)


def watch_risk(
    reference: Array, losses: Sequence[float] | Array, *, limit: float, tolerance: float, alpha: float
) -> Watch:
    """Tell when the mean loss has risen above the reference's by more than is tolerated (Podkopaev & Ramdas 2022).

    The null hypothesis: whatever came before, a look's mean loss is expected to be at most the reference's upper bound
    plus the tolerance. A gambler who bets against it multiplies his stake by 1 + b (loss - bound), and Ville's
    inequality says that under the null he ever gets 1 / alpha times his stake with chance alpha at most (a test
    martingale by betting, Shekhar & Ramdas 2023; Waudby-Smith & Ramdas 2024, with their aGRAPA bets). Half of alpha
    goes to the reference's upper bound, which is found by the same bets.

    Parameters
    ----------
    reference : array of shape (r,)
        Mean losses of held-out units: of blocks, or of rows where there are none.
    losses : sequence or array of float
        Mean losses of later units, oldest first, each a look.
    limit : float
        Losses are cut at this value, as a bet needs a bound.
    tolerance : float
        Rise that is no harm, in the unit of the losses.
    alpha : float
        Chance of any false alarm at all.
    """
    scaled = np.clip(np.asarray(reference, dtype=float) / limit, 0.0, 1.0)
    bound = min(1.0, _upper_bound(scaled, alpha / 2) + tolerance / limit)
    return watch_mean(np.asarray(losses, dtype=float) / limit, bound, alpha=alpha / 2)


def watch_mean(values: Array, bound: float, *, alpha: float) -> Watch:
    """Tell when values, cut to [0, 1], oldest first, are on average above a bound; see `watch_risk`.

    Under the null hypothesis that each is expected to be at most ``bound``, whatever came before, it ever alarms with
    chance ``alpha`` at most.
    """
    later = np.clip(np.asarray(values, dtype=float), 0.0, 1.0)
    return _first([math.exp(min(w, 700.0)) * alpha for w in _wealth(later, bound)])


def _wealth(values: Array, bound: float) -> list[float]:
    """Return the log of the gambler's stake after each value, betting that their mean lies above the bound."""
    if bound >= 1.0:
        return [0.0] * len(values)
    found, log, total, square = [], 0.0, 0.5, 0.25
    for count, value in enumerate(values, start=1):
        mean, variance = total / count, square / count
        bet = min(max((mean - bound) / (variance + (mean - bound) ** 2), 0.0), 0.5 / bound if bound > 0 else 1.0)
        log += math.log1p(bet * (float(value) - bound))
        total += float(value)
        square += (float(value) - total / (count + 1)) ** 2
        found.append(log)
    return found


def _upper_bound(values: Array, alpha: float) -> float:
    """Return the upper end of a confidence set for the mean of values within [0, 1]: the least mean it is not below."""
    grid = np.linspace(0.0, 1.0, 201)
    low, high = 0, len(grid) - 1
    while low < high:  # a bet that the mean lies below m wins more the larger m is
        middle = (low + high) // 2
        wealth = _wealth(1 - values, 1 - grid[middle])
        if wealth and max(wealth) >= math.log(1 / alpha):
            high = middle
        else:
            low = middle + 1
    return float(grid[low])


def _first(evidence: Sequence[float]) -> Watch:
    alarm = next((at for at, value in enumerate(evidence) if value >= 1.0), None)
    return Watch(alarm, tuple(float(value) for value in evidence))
