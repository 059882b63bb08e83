"""One number to optimise, the others as thresholds: constraint-aware selection among candidates.

"Threshold n-1 metrics, evaluate the nth" (Full Stack Deep Learning 2021, lecture 5).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from stages.metric_names import larger_is_better
from stages.params import Requirement

Scores = Mapping[str, float | None]


def select(candidates: Mapping[str, Scores], requirements: Mapping[str, Requirement], optimise: str, task: str) -> str:
    """Return the best candidate by ``optimise`` among those meeting every requirement, among all when none does.

    Examples
    --------
    >>> scores = {"1": {"precision": 0.9, "recall": 0.5, "average_precision": 0.7},
    ...           "2": {"precision": 0.8, "recall": 0.7, "average_precision": 0.6},
    ...           "3": {"precision": 0.7, "recall": 0.9, "average_precision": 0.6}}
    >>> select(scores, {"recall": Requirement(at_least=0.6)}, "precision", "classification")
    '2'
    >>> select(scores, {}, "average_precision", "classification")
    '1'
    """
    fit = [name for name, scores in candidates.items() if not missed(scores, requirements)]
    return max(fit or list(candidates), key=lambda name: _signed(candidates[name].get(optimise), optimise, task))


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
