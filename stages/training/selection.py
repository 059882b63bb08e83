"""Which candidate to take: constraint-aware selection, and three ways of combining metrics into one number.

"Threshold n-1 metrics, evaluate the nth", a weighted mean, or a formula of the domain's (Full Stack Deep Learning 2021,
lecture 5).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from numbers import Real

from stages.errors import LoopwrightError, ParamsError
from stages.importing import told
from stages.metric_names import larger_is_better
from stages.params import PARAMS_FILE, Requirement
from stages.requirements import shortfall

Scores = Mapping[str, float | None]
Bounds = Mapping[str, Requirement]
Aim = Callable[[Scores], float]
NONE: Bounds = {}


def by_metric(name: str, task: str) -> Aim:
    """Return the aim of one metric: the others are thresholds."""
    return lambda scores: _signed(scores.get(name), name, task)


def by_weighted_mean(weights: Mapping[str, float], task: str) -> Aim:
    """Return the aim of a weighted mean; a metric of which less is better counts negative.

    Examples
    --------
    >>> aim = by_weighted_mean({"precision": 1, "recall": 1}, "classification")
    >>> round(aim({"precision": 0.7, "recall": 0.9}), 2)
    0.8
    """
    total = sum(weights.values())
    return lambda scores: sum(w * _signed(scores.get(name), name, task) for name, w in weights.items() if w) / total


def by_formula(function: Callable[[dict[str, float | None]], float], path: str) -> Aim:
    """Return the aim of a function of all metrics, larger being better; ``path`` names it in messages.

    Raises
    ------
    ParamsError
        By the aim, if the function raises or returns something else than a finite number.
    """

    def aim(scores: Scores) -> float:
        where = f"{PARAMS_FILE}: planning.combine.call"
        try:
            value = function(dict(scores))
        except LoopwrightError:
            raise
        except Exception as error:
            raise ParamsError(
                f"{path} raised {told(error)}",
                where=where,
                expected=f"a number from {', '.join(scores)}",
                todo="mend it",
            ) from error
        if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
            raise ParamsError(f"{path} returned {value!r}", where=where, expected="a finite number", todo="mend it")
        return float(value)

    return aim


def select(
    candidates: Mapping[str, Scores], requirements: Mapping[str, Requirement], aim: Aim, wishes: Bounds = NONE
) -> str:
    """Return the best candidate by ``aim`` among those meeting every requirement, else the one nearest to meeting them.

    Feasible before infeasible, the smaller violation among those, the aim among equals (Deb 2000): a candidate more
    never takes the choice further from a release. The violation is the sum of the relative shortfalls; that of
    ``wishes``, requirements that a release may miss, comes before the aim.

    Examples
    --------
    >>> scores = {"1": {"precision": 0.9, "recall": 0.5, "average_precision": 0.7},
    ...           "2": {"precision": 0.8, "recall": 0.7, "average_precision": 0.6},
    ...           "3": {"precision": 0.7, "recall": 0.9, "average_precision": 0.6}}
    >>> select(scores, {}, by_weighted_mean({"precision": 1, "recall": 1}, "classification"))
    '3'
    >>> select(scores, {"recall": Requirement(at_least=0.6)}, by_metric("precision", "classification"))
    '2'
    >>> select(scores, {}, by_metric("average_precision", "classification"))
    '1'
    """
    return max(candidates, key=lambda name: rank(candidates[name], requirements, aim, wishes))


def rank(scores: Scores, requirements: Bounds, aim: Aim, wishes: Bounds = NONE) -> tuple[float, float, float]:
    """Return what candidates are compared by: less violation first, of wishes next, then more of the aim."""
    violation, short = (
        sum(shortfall(bounds[name], {"value": scores.get(name)})[0] for name in missed(scores, bounds))
        for bounds in (requirements, wishes)
    )
    value = aim(scores)
    return -violation, -short, value if not math.isnan(value) else -math.inf


def missed(scores: Scores, requirements: Mapping[str, Requirement]) -> list[str]:
    """Return the requirements that these scores do not meet."""
    return [name for name, bound in requirements.items() if not bound.met_by(scores.get(name))]


def frontier(candidates: Mapping[str, Scores], names: list[str], task: str) -> list[str]:
    """Return the candidates that no other is at least as good as in every metric, and better in one (Pareto)."""
    points = {
        name: [_signed(scores.get(metric), metric, task) for metric in names] for name, scores in candidates.items()
    }

    def dominated(name: str) -> bool:
        mine = points[name]
        return any(
            all(o >= m for o, m in zip(theirs, mine, strict=True)) and theirs != mine
            for other, theirs in points.items()
            if other != name
        )

    return [name for name in candidates if not dominated(name)]


def _signed(value: float | None, metric: str, task: str) -> float:
    if value is None or math.isnan(value):
        return float("-inf")
    return value if larger_is_better(task, metric) else -value
