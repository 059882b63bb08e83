"""From which probability on to decide: the requirements on decisions pull it apart, and one model has many answers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from stages.metric_names import DECIDED, OF_ANSWERS
from stages.training.metrics import Array, Scorer
from stages.training.selection import NONE, Aim, Bounds, Scores, rank

HALF, POINTS = 0.5, 60
FAILED = "failure_rate"


def sweep(scorer: Scorer, scores: Scores) -> dict[float, dict[str, float | None]]:
    """Return the scores at each of some sixty thresholds, the one nearest to a half first.

    Parameters
    ----------
    scorer : Scorer
        Of two classes.
    scores : mapping
        The scores at a half; those that no threshold changes are kept.

    Notes
    -----
    The thresholds are quantiles of the predictions, so that each changes as many decisions as the next.
    """
    probability, positive = scorer.prediction[:, 1], scorer.codes == 1
    quantiles = np.quantile(probability, np.linspace(0, 1, POINTS), method="lower")
    # Halfway to the next value, so that no rounding of a prediction moves a decision.
    found = np.unique(np.r_[HALF, (quantiles[1:] + quantiles[:-1]) / 2])
    found = found[(found > 0) & (found < 1)]
    decided = _decided(np.sort(probability[positive]), np.sort(probability[~positive]), found)
    options = {
        float(threshold): {**scores, **{name: float(decided[name][at]) for name in decided if name in scores}}
        for at, threshold in enumerate(found)
    }
    return dict(sorted(options.items(), key=lambda item: (abs(item[0] - HALF), item[0])))


def best_threshold(options: Mapping[float, Scores], requirements: Bounds, aim: Aim, wishes: Bounds = NONE) -> float:
    """Return the best threshold as candidates are compared; a half where nothing else is better."""
    return max(options, key=lambda threshold: rank(options[threshold], requirements, aim, wishes))


def threshold_to_abstain_from(
    options: Mapping[float, Scores], requirements: Bounds, aim: Aim, wishes: Bounds = NONE
) -> float:
    """Return the best threshold where a confidence is chosen for it next, which is to keep a promise.

    Parameters
    ----------
    options : mapping of float to scores
        The scores at each threshold as if every row were answered.
    requirements, wishes : mapping of str to Requirement
        Those of answers are left out.
    aim : callable
        Of these scores.

    Notes
    -----
    Nothing here looks at what a confidence would make of a threshold: the most answered of sixty is the luckiest, and
    the confidence's level is that of one look. Among equals it is the threshold with the fewest wrong decisions.
    """
    bounds, wished = (
        {name: bound for name, bound in asked.items() if name not in OF_ANSWERS} for asked in (requirements, wishes)
    )
    return max(options, key=lambda at: (*rank(options[at], bounds, aim, wished), -(options[at][FAILED] or 0.0)))


def decides(names: list[str], n_classes: int) -> bool:
    """Tell whether a threshold changes any of these metrics."""
    return n_classes == 2 and bool((DECIDED | OF_ANSWERS) & set(names))


def _decided(positive: Array, negative: Array, thresholds: Array) -> dict[str, Array]:
    """Return the metrics of decisions at each threshold; a row is positive when its probability lies above."""
    hit = len(positive) - np.searchsorted(positive, thresholds, side="right").astype(float)
    false = len(negative) - np.searchsorted(negative, thresholds, side="right").astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        recall, kept = hit / len(positive), 1 - false / len(negative)
        right = (hit + len(negative) - false) / (len(positive) + len(negative))
        return {
            "accuracy": right,
            "failure_rate": 1 - right,  # of all rows: which are answered is chosen at each threshold
            "balanced_accuracy": (recall + kept) / 2,
            "f1": 2 * hit / (hit + false + len(positive)),
            "precision": np.where(hit + false > 0, hit / np.maximum(hit + false, 1), 0.0),
            "recall": recall,
        }
