"""Prefer the simpler candidate where the better one is not surely better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stages.metric_names import SERVING
from stages.requirements import surely
from stages.training.comparison import paired_gain
from stages.training.metrics import Scorer
from stages.training.sampling import Sampling


def simplest_as_good(
    best: str, simpler: Sequence[str], scorers: Mapping[str, Scorer], metric: str, min_gain: float, sampling: Sampling
) -> tuple[str, dict[str, Any]]:
    """Return the simplest candidate that the best one does not surely beat, and each gain that was looked at.

    The one-standard-error rule (Breiman et al. 1984) with the two candidates judged on the same rows: what all
    candidates find hard cancels out, which a standard error of one of them leaves in.

    Parameters
    ----------
    best : str
        The candidate with the best estimate.
    simpler : sequence of str
        The rungs below it that may be taken instead, the simplest first.
    scorers : mapping of str to Scorer
        Each candidate's predictions of the validation rows, with their blocks.
    metric : str
        The charter's metric.
    min_gain : float
        Smallest gain that is worth a more complex candidate; the interval's low end has to lie above it.
    sampling : Sampling
        How the intervals are drawn.
    """
    gains: dict[str, Any] = {}
    if metric in SERVING:  # exact, and of no rows
        return best, gains
    for name in simpler:
        gains[name] = paired_gain(
            scorers[best], scorers[name], metric, n=sampling.n, level=sampling.level, seed=sampling.seed
        )
        if not surely(gains[name], "above", min_gain):
            return name, gains
    return best, gains
