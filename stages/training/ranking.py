"""How well predictions order the target, which no scale, shrinkage or overconfidence hides."""

from __future__ import annotations

import numpy as np

from stages.data.blocks import Blocks
from stages.training.metrics import Array, Figure, Scorer, figure, resampled
from stages.training.sampling import Sampling


def ranking(task: str, target: Array, prediction: Array, weight: Array | None = None) -> float:
    """Return how well predictions order the target: 1 perfectly, 0 by chance, -1 the wrong way round.

    Classification: Somers' D, ``2 AUC - 1``, the mean over classes of one against the rest when there are more than
    two. Regression: the correlation. Neither minds how sure or how well scaled the predictions are.
    """
    weight = np.ones(len(target)) if weight is None else weight
    if task == "regression":
        both = np.cov(target, prediction, aweights=weight)
        spread = np.sqrt(both[0, 0] * both[1, 1])
        return float(both[0, 1] / spread) if spread > 0 else 0.0
    codes = target.astype(int)
    seen = np.unique(codes)
    if len(seen) < 2:
        return float("nan")
    kept = prediction[:, seen]
    scorer = Scorer(task, np.searchsorted(seen, codes).astype(float), kept, np.full(len(seen), 1 / len(seen)))
    return 2 * scorer.score(["roc_auc"], weight)["roc_auc"] - 1


def rank_figure(task: str, target: Array, prediction: Array, blocks: Blocks | None, sampling: Sampling) -> Figure:
    """Return the ranking with its bootstrap interval, whole blocks drawn."""
    draws = resampled(
        lambda weight: [ranking(task, target, prediction, weight)],
        len(target),
        blocks,
        n=sampling.n,
        seed=sampling.seed,
    )
    return figure(ranking(task, target, prediction), draws[:, 0], sampling.level)
