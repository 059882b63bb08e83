"""Bugs in the code between the data and the figures, put into scikit-learn's pipeline for the time of a trial."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

Change = Callable[[Any], Any]


@contextmanager
def _wrapped(before: Change | None = None, after: Change | None = None) -> Iterator[None]:
    """Change what the pipeline is asked about, or what it answers."""
    proba, values = Pipeline.predict_proba, Pipeline.predict

    def wrap(call: Any) -> Any:
        def predict(self: Pipeline, rows: pd.DataFrame) -> Any:
            answer = call(self, before(rows) if before else rows)
            return after(answer) if after else answer

        return predict

    with patch.object(Pipeline, "predict_proba", wrap(proba)), patch.object(Pipeline, "predict", wrap(values)):
        yield


def scrambled_features(severity: float, seed: int) -> Any:
    """Shuffle the values of some columns, up to all of them, whenever the model is asked: no row keeps its own."""
    random = np.random.default_rng([seed, 5])

    def before(rows: pd.DataFrame) -> pd.DataFrame:
        names = rows.columns[random.random(len(rows.columns)) < severity]
        return rows.assign(**{name: random.permutation(rows[name].to_numpy()) for name in names})

    return _wrapped(before=before)


def wrong_column_order(severity: float, seed: int) -> Any:
    """Hand some of the numeric columns over in another order than the model was fitted on."""

    def before(rows: pd.DataFrame) -> pd.DataFrame:
        numbers = list(rows.select_dtypes("number").columns)
        count = max(2, int(severity * len(numbers)))
        moved = [numbers[i] for i in np.random.default_rng([seed, 7]).permutation(len(numbers))[:count]]
        return rows.assign(**{name: rows[other] for name, other in zip(moved, np.roll(moved, 1), strict=True)})

    return _wrapped(before=before)


def flipped_sign(severity: float, seed: int) -> Any:
    """Answer with the probabilities of the contrary for a share of the rows, up to all."""

    def after(answer: Any) -> Any:
        if np.ndim(answer) != 2:
            return answer
        contrary = (1 - answer) / (answer.shape[1] - 1)
        chosen = (answer[:, :1] * 1e4) % 1 < severity  # a row gets the same answer whenever it is asked about
        return np.where(chosen, contrary, answer)

    return _wrapped(after=after)
