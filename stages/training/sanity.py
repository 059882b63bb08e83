"""Debugging before tuning: what a sound model and a sound evaluation must show, whatever the figures are.

Each check returns a finding: a `Signal` of its own that fires when something is broken. The order follows "A Recipe for
Training Neural Networks" (Karpathy 2019): overfit a batch, shuffle the labels, look at the predictions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from stages.data.blocks import Blocks
from stages.params import WEIGHT, Candidate
from stages.requirements import surely
from stages.signals import Signal
from stages.training.estimators import LINEAR, build, features_of, fit, predict
from stages.training.findings import measured, percent
from stages.training.freed import freed
from stages.training.metrics import Array, Scorer, figure, resampled
from stages.training.predictions import MIN_ROWS
from stages.training.ranking import rank_figure, ranking
from stages.training.sampling import Sampling

Schema = dict[str, Any]

BATCH = 128
TELLING = 0.1  # a ranking below this says so little that a half of it cannot be told from none


def fits_a_batch(
    candidate: Candidate, train: pd.DataFrame, schema: Schema, task: str, limit: float, sampling: Sampling
) -> Signal:
    """Fire when a candidate, let go of its regularisation, cannot rank the rows of a small batch it was fitted on.

    It is held against the lesser of two plain models on the same batch through the same features, a linear one and a
    fully grown tree: what both can fit says nothing against any family of estimators. The figure is the candidate's
    ranking (see `ranking`) as a share of theirs.
    """
    name = "fits_a_batch"
    batch = _batch(train, schema, sampling.seed)
    model = build("candidate", candidate, schema, task, sampling.seed)
    if len(batch) < MIN_ROWS or "sklearn.dummy" in type(model.named_steps["model"]).__module__:
        return Signal(name=name, threshold=limit, direction="below", says="too few rows, or a model without features")
    target = batch[schema["target"]].to_numpy(dtype="float64")
    tree = (DecisionTreeClassifier if task == "classification" else DecisionTreeRegressor)(random_state=0)
    linear = build("linear", LINEAR[task], schema, task, sampling.seed)
    plain = [linear, Pipeline([("features", clone(linear.named_steps["features"])), ("model", tree)])]
    predictions = [predict(fit(one, batch, schema), batch, schema) for one in (freed(model), *plain)]

    def share(weight: Array) -> list[float]:
        mine, *others = (ranking(task, target, one, weight) for one in predictions)
        return [float(np.divide(mine, min(others))), min(others)]

    with np.errstate(divide="ignore", invalid="ignore"):
        draws = resampled(share, len(batch), None, n=sampling.n, seed=sampling.seed)
        value, bar = share(np.ones(len(batch)))
    found = figure(value, draws[:, 0], sampling.level)
    if bar < TELLING:
        says = "the features do not tell the rows of a batch apart, so no model can be tried on it"
        return Signal(name=name, threshold=limit, direction="below", says=says)
    return measured(
        name,
        found,
        limit,
        "below",
        "of a plain model's ranking",
        f"on a batch of {len(batch)} rows that it was fitted on, the freed candidate ranks "
        f"{percent(found)} as well as the lesser of a linear model and a tree",
    )


def remembers_a_batch(train: pd.DataFrame, schema: Schema, task: str, limit: float, sampling: Sampling) -> Signal:
    """Fire when a fully grown tree does not know the rows again that it was fitted on: the features changed in between.

    A tree remembers every row that is unlike the others, so it must rank its own batch as well as a table of the rows
    does. If it does not, what is asked is not what was fitted: values scrambled, columns in another order, labels or
    answers turned about. The figure is its ranking as a share of the table's; no candidate is at fault here.
    """
    name = "remembers_a_batch"
    batch = _batch(train, schema, sampling.seed)
    if len(batch) < MIN_ROWS:
        return Signal(name=name, threshold=limit, direction="below", says="too few rows to remember")
    target = batch[schema["target"]].to_numpy(dtype="float64")
    tree = (DecisionTreeClassifier if task == "classification" else DecisionTreeRegressor)(random_state=0)
    features = build("linear", LINEAR[task], schema, task, sampling.seed).named_steps["features"]
    told = predict(fit(Pipeline([("features", features), ("model", tree)]), batch, schema), batch, schema)
    known = _looked_up(batch, target, schema)

    def share(weight: Array) -> list[float]:
        return [float(np.divide(ranking(task, target, told, weight), ranking(task, target, known, weight)))]

    with np.errstate(divide="ignore", invalid="ignore"):
        draws = resampled(share, len(batch), None, n=sampling.n, seed=sampling.seed)
        found = figure(share(np.ones(len(batch)))[0], draws[:, 0], sampling.level)
    says = f"a tree ranks the {len(batch)} rows that it was fitted on {percent(found)} as well as it must"
    return measured(name, found, limit, "below", "of what it saw", says)


def _looked_up(batch: pd.DataFrame, target: Array, schema: Schema) -> Array:
    """Return the mean target, or the class shares, of the rows with the same features as each row."""
    rows = pd.util.hash_pandas_object(features_of(batch, schema).astype("str"), index=False).to_numpy()
    codes = np.unique(rows, return_inverse=True)[1]
    values = target[:, None] if schema["classes"] is None else np.eye(len(schema["classes"]))[target.astype(int)]
    sums = np.stack([np.bincount(codes, weights=column) for column in values.T], axis=1)
    means = (sums / np.bincount(codes)[:, None])[codes]
    return np.asarray(means[:, 0] if schema["classes"] is None else means)


def shuffled_control(
    train: pd.DataFrame,
    valid: pd.DataFrame,
    schema: Schema,
    task: str,
    units: NDArray[Any] | None,
    limit: float,
    sampling: Sampling,
) -> Signal:
    """Fire when a model fitted on shuffled labels ranks held-out rows better than chance: the evaluation leaks.

    A fully grown tree, which remembers all it has seen, is fitted and judged on labels that were shuffled over both
    splits together, so that nothing but a leak relates features and labels (permutation test, Ojala & Garriga 2010).
    ``units``, of shape (n_train + n_valid,), tells rows that are copies of each other; they keep a common label, so
    that a remembered copy shows.
    """
    target = schema["target"]
    both = pd.concat([train, valid], ignore_index=True)
    codes = np.arange(len(both)) if units is None else np.unique(units, return_inverse=True)[1]
    first = np.unique(codes, return_index=True)[1]
    labels = both[target].to_numpy()[first]
    both[target] = labels[np.random.default_rng(sampling.seed).permutation(len(labels))][codes]
    both[WEIGHT] = 1.0
    before, after = both.iloc[: len(train)], both.iloc[len(train) :]
    if min(len(before), len(after)) < MIN_ROWS or before[target].nunique() < 2:
        return Signal(name="shuffled_control", threshold=limit, says="too few rows to shuffle their labels")
    tree = (DecisionTreeClassifier if task == "classification" else DecisionTreeRegressor)(random_state=sampling.seed)
    model = build("linear", LINEAR[task], schema, task, sampling.seed)
    model = fit(Pipeline([("features", model.named_steps["features"]), ("model", tree)]), before, schema)
    blocks = np.unique(codes[len(train) :], return_inverse=True)[1].astype(np.intp)
    found = rank_figure(task, after[target].to_numpy(dtype="float64"), predict(model, after, schema), blocks, sampling)
    return measured(
        "shuffled_control",
        found,
        limit,
        "above",
        "of a perfect ranking",
        f"fitted on shuffled labels, a tree ranks held-out rows {percent(found)} of perfectly (chance: 0%)",
    )


def same_as_refitted(model: Scorer, refitted: Scorer, limit: float, sampling: Sampling) -> Signal:
    """Fire when the model does far worse on held-out rows than the same candidate fitted again on a part of the rows.

    What happened to the model since it was fitted (features scrambled, columns in another order, labels misaligned, a
    sign) did not happen to the other, and capacity, regularisation and aim are the same. Far worse: it surely ranks
    the rows less than ``limit`` as well, or surely loses to the constant where the other surely wins. Both are scored
    on the same rows, which are resampled in pairs, by whole blocks.
    """
    name, unit = "same_as_refitted", "of the ranking when fitted again"
    if len(model.target) < MIN_ROWS or not all(np.isfinite(one.prediction).all() for one in (model, refitted)):
        return Signal(name=name, threshold=limit, direction="below", says="too few rows, or no numbers, to compare")

    def shares(weight: Array) -> list[float]:
        mine, other = (ranking(model.task, one.target, one.prediction, weight) for one in (model, refitted))
        constant = np.dot(weight, model.constant_losses)
        gains = [1 - np.dot(weight, one.losses) / constant for one in (model, refitted)]
        return [float(np.divide(mine, other)), other, *map(float, gains)]

    with np.errstate(divide="ignore", invalid="ignore"):
        draws = resampled(shares, *model.rows, n=sampling.n, seed=sampling.seed)
        values = shares(np.ones(len(model.target)))
    share, other, gain, other_gain = (figure(value, draws[:, at], sampling.level) for at, value in enumerate(values))
    if surely(gain, "below", 0.0) and surely(other_gain, "above", 0.0):
        says = (
            f"the model's loss on held-out rows is {-100 * values[2]:.0f}% above the constant's; fitted again on some "
            f"rows, the candidate's is {100 * values[3]:.0f}% below"
        )
        return measured(name, gain, 0.0, "below", "of the constant's loss", says)
    if other["low"] is None or other["low"] < TELLING / 2:
        says = "fitted again, the candidate does not rank held-out rows surely enough to compare with"
        return Signal(name=name, threshold=limit, direction="below", says=says)
    says = f"the model ranks held-out rows {percent(share)} as well as the same candidate fitted again on some rows"
    return measured(name, share, limit, "below", unit, says)


def right_sign(task: str, target: Array, prediction: Array, blocks: Blocks | None, sampling: Sampling) -> Signal:
    """Fire when the model ranks its own training rows the wrong way round: a sign, or the classes, are swapped."""
    if len(target) < MIN_ROWS or not np.isfinite(prediction).all():
        return Signal(name="right_sign", threshold=0.0, direction="below", says="too few rows, or no numbers, to tell")
    found = rank_figure(task, target, prediction, blocks, sampling)
    return measured(
        "right_sign",
        found,
        0.0,
        "below",
        "of a perfect ranking",
        f"the model ranks its own training rows {percent(found)} of perfectly",
    )


def _batch(train: pd.DataFrame, schema: Schema, seed: int) -> pd.DataFrame:
    """Return a batch of rows with the classes as even as they come, by seed."""
    order = np.random.default_rng(seed).permutation(len(train))
    if schema["classes"] is not None:
        codes = pd.Series(train[schema["target"]].to_numpy()[order])
        order = order[np.argsort(codes.groupby(codes).cumcount().to_numpy(), kind="stable")]  # one of each in turn
    return train.iloc[np.sort(order[:BATCH])].assign(**{WEIGHT: 1.0})
