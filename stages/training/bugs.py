"""Every check for a bug in the model, its features or the evaluation, on a model that is given by its predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from stages.data.blocks import blocks_of
from stages.data.copies import Hashes, hashed
from stages.params import Candidate, Checks
from stages.signals import Signal
from stages.training.candidates import fitted
from stages.training.estimators import predict
from stages.training.metrics import Array, Scorer, constant_prediction
from stages.training.predictions import Predict, sound_predictions, steady
from stages.training.sampling import Sampling, renumbered, some
from stages.training.sanity import (
    fits_a_batch,
    remembers_a_batch,
    right_sign,
    same_as_refitted,
    shuffled_control,
)

Schema = dict[str, Any]
REFIT_ROWS, JUDGED_ROWS, CONTROL_ROWS, STEADY_ROWS = 1500, 3000, 3000, 100


def look_for_bugs(
    candidate: Candidate,
    model: Predict,
    splits: tuple[pd.DataFrame, pd.DataFrame],
    schema: Schema,
    task: str,
    limits: Checks,
    sampling: Sampling,
    *,
    copied: bool = False,
) -> list[Signal]:
    """Return one finding a check.

    Parameters
    ----------
    candidate : Candidate
        What the model was made from; it is fitted again on a batch and on a part of the training rows.
    model : callable
        Rows to probabilities, (n, n_classes), or values, (n,): the model as it is stored and served.
    splits : tuple of DataFrame
        Training and validation rows; a few thousand of each are looked at.
    schema, task, limits, sampling
        Schema of the table, its task, ``training.checks``, and how intervals are drawn.
    copied : bool
        Whether rows stand in both splits; then copies keep their label in the shuffled control.
    """
    train, valid = splits
    judged, seen = (some(len(frame), JUDGED_ROWS, sampling.seed) for frame in (valid, train))
    rows, own = valid.iloc[judged], train.iloc[seen]
    part = train.iloc[some(len(train), REFIT_ROWS, sampling.seed)]
    refitted = fitted(candidate, part, schema, task, sampling.seed)
    prediction, again = model(rows), predict(refitted, rows, schema)
    blocks, own_blocks = (renumbered(blocks_of(f, schema), at) for f, at in ((valid, judged), (train, seen)))
    target, own_target, every_target = (_target(frame, schema) for frame in (rows, own, train))
    constant = constant_prediction(task, every_target, len(schema["classes"] or [0]))
    scored, scored_again = (Scorer(task, target, found, constant, blocks) for found in (prediction, again))
    scale = float(np.std(every_target)) if task == "regression" else 1.0
    before, after, units = _for_control(train, valid, schema, sampling.seed, copied=copied)
    return [
        fits_a_batch(candidate, train, schema, task, limits.min_batch_fit, sampling),
        remembers_a_batch(train, schema, task, limits.min_memory, sampling),
        same_as_refitted(scored, scored_again, limits.min_refit, sampling),
        right_sign(task, own_target, model(own), own_blocks, sampling),
        *sound_predictions(task, prediction, again, every_target, limits.max_far),
        *steady(model, rows.head(STEADY_ROWS), scale),
        shuffled_control(before, after, schema, task, units, limits.max_control, sampling),
    ]


def _for_control(
    train: pd.DataFrame, valid: pd.DataFrame, schema: Schema, seed: int, *, copied: bool
) -> tuple[pd.DataFrame, pd.DataFrame, Hashes | None]:
    """Return a part of both splits; with copies, what each row is a copy of, none of them cut from its original."""
    share = min(1.0, CONTROL_ROWS / len(train))
    if not copied:
        before, after = (f.iloc[some(len(f), max(1, int(share * len(f))), seed)] for f in (train, valid))
        return before, after, None
    units = np.concatenate(hashed(train, valid, schema).whole())
    lucky = units % 10_000 < share * 10_000
    return train[lucky[: len(train)]], valid[lucky[len(train) :]], units[lucky]


def _target(frame: pd.DataFrame, schema: Schema) -> Array:
    return np.asarray(frame[schema["target"]], dtype=float)
