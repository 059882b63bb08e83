"""Which labels are most likely wrong, by confident learning."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.training.metrics import Array

PAIRS_SHOWN = 5


def suspects(codes: NDArray[np.intp], prediction: Array) -> tuple[NDArray[np.intp], Array]:
    """Return the suspect rows, the most suspect first, and each row's quality of label in [0, 1], (n,).

    By cleanlab (Northcutt, Jiang & Chuang 2021): out-of-fold probabilities, pruned by the noise rates of the confident
    joint, ranked by the margin between the given label and the best other.
    """
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    present = np.unique(codes)
    if len(present) < 2:
        return np.zeros(0, dtype=np.intp), np.ones(len(codes))
    own, chance = np.searchsorted(present, codes), prediction[:, present]  # cleanlab wants every class to have rows
    total = chance.sum(axis=1, keepdims=True)
    chance = np.where(total > 0, chance / np.where(total > 0, total, 1.0), 1.0 / len(present))
    with warnings.catch_warnings():  # that a class of few rows may hide some is said by the interval
        warnings.simplefilter("ignore", UserWarning)
        found = find_label_issues(own, chance, return_indices_ranked_by="normalized_margin", n_jobs=1)
    quality = get_label_quality_scores(own, chance, method="normalized_margin")
    return np.asarray(found, dtype=np.intp), np.asarray(quality, dtype=float)


def pairs(codes: NDArray[np.intp], prediction: Array, rows: NDArray[np.intp], classes: list[Any]) -> list[Any]:
    """Return where suspects concentrate: given label, suggested label and how many, the most frequent first."""
    k = prediction.shape[1]
    counts = Counter((codes[rows] * k + prediction[rows].argmax(axis=1)).tolist())
    found = [
        {"given": str(classes[pair // k]), "suggested": str(classes[pair % k]), "count": count}
        for pair, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    return found[:PAIRS_SHOWN]
