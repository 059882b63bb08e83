"""A flexible reference: what a model of ample capacity, stopped early, reaches on the same rows.

It is no candidate and is never released. It tells two readings of the same curves apart: a model that loses to it on
the validation rows has something left to learn, or has learned too much (`stages.training.decomposition`).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.context import Context
from stages.params import Candidate
from stages.training.estimators import build, fit, predict
from stages.training.metrics import Array

NAME = "a flexible reference"
MAX_ROWS = 20_000
KINDS = {
    "classification": "sklearn.ensemble.HistGradientBoostingClassifier",
    "regression": "sklearn.ensemble.HistGradientBoostingRegressor",
}
# The library's own defaults, but slower steps and early stopping on rows held out of the training rows.
PARAMS = {
    "max_iter": 200,
    "learning_rate": 0.06,
    "max_leaf_nodes": 15,
    "early_stopping": True,
    "validation_fraction": 0.2,
    "n_iter_no_change": 10,
}


def reference_predictions(work: Context, train: pd.DataFrame, valid: pd.DataFrame) -> Array:
    """Return what the reference predicts of the validation rows; it is fitted on at most 20,000 training rows."""
    rows = train.iloc[sample(len(train), work.blocks(train), work.params.seed)]
    candidate = Candidate(estimator=KINDS[work.task], params=PARAMS)
    model = fit(build(NAME, candidate, work.schema, work.task, work.params.seed), rows, work.schema)
    return predict(model, valid, work.schema)


def sample(rows: int, blocks: NDArray[np.intp] | None, seed: int) -> NDArray[np.intp]:
    """Return the positions of at most 20,000 rows, whole blocks where rows hang together."""
    if rows <= MAX_ROWS:
        return np.arange(rows)
    random = np.random.default_rng(seed)
    if blocks is None:
        return np.sort(random.choice(rows, MAX_ROWS, replace=False))
    order = random.permutation(int(blocks.max()) + 1)
    ends = np.cumsum(np.bincount(blocks, minlength=len(order))[order])
    taken = order[: max(1, int(np.searchsorted(ends, MAX_ROWS, side="right")))]
    return np.flatnonzero(np.isin(blocks, taken))
