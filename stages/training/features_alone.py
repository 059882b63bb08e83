"""What a feature tells all by itself, held against all the others together and the next best one alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from stages.data.blocks import Blocks
from stages.params import WEIGHT, Candidate, Checks
from stages.planning.rule import Rule
from stages.requirements import surely
from stages.training.estimators import LINEAR, build, features_of, fit, predict
from stages.training.metrics import (
    Array,
    Figure,
    constant_prediction,
    figure,
    repeat,
    resampled,
    row_losses,
)
from stages.training.sampling import Folds, Sampling, folds, renumbered, some

Schema = dict[str, Any]

MIN_ROWS, MAX_ROWS, MAX_CELLS = 50, 6000, 200_000
FEW = 5
LEAVES, LEAF_ROWS = 64, 5
# One row more in every leaf and cell, spread as the classes are: none is certain (m-estimate, Cestnik 1990).
PRIOR_ROWS = 1.0
COPY = 0.95  # a feature that alone saves this share of the constant's loss is a copy, and hides other copies
SAME = 0.999
BOOSTED = {"max_iter": 60, "max_leaf_nodes": 8, "min_samples_leaf": 10}


def features_alone(
    train: pd.DataFrame, schema: Schema, task: str, blocks: Blocks | None, limits: Checks, sampling: Sampling
) -> list[dict[str, Any]]:
    """Hold each strong feature alone against all the others together, and against the next best one alone.

    Every prediction is made out of fold, and no fold tears a block of rows apart. A single number is given to a
    decision tree, a category to its cells' means; the others together to a boosted and to a linear model, of which the
    better one counts. The figure is ``1 - loss(alone) / loss(others)``: the share of the others' loss that the feature
    saves all by itself. Honest features, however strong, share what they know with others, so theirs lies about zero
    or below. Where a task is so easy that the others together leave next to nothing, this says nothing of a leak, but
    that it stands out among its peers does: ``ahead`` is the share that it saves of the loss of the next best one.

    A feature is taken out once it is beyond a limit, and so are copies (features which alone save 95% of the
    constant's loss) from "the others", as two copies would hide each other. Beside fewer than five others only a copy
    counts: one of a few columns may well know more than the rest. Features that alone save less than ``max_alone`` of
    the constant's loss are not looked at any further; at most 6,000 rows are.

    Returns
    -------
    list of dict
        One for each strong feature, the strongest first: name, its share of the constant's loss saved alone and those
        of the others and of the ``next`` one, the figure with its interval, and ``ahead`` with its own. Empty when no
        feature alone is that strong, or rows are few.
    """
    # Fewer rows where there are many features.
    most = min(MAX_ROWS, max(1000, MAX_CELLS // max(1, len(schema["features"]))))
    rows = some(len(train), most, sampling.seed)
    part, part_blocks = train.iloc[rows], renumbered(blocks, rows)
    if len(part) < MIN_ROWS or len(schema["features"]) < 2:
        return []
    target = part[schema["target"]].to_numpy(dtype="float64")
    parts = folds(target, task, part_blocks, sampling.seed)
    if not parts:
        return []
    n_classes = len(schema["classes"] or [0])
    constant = row_losses(task, target, repeat(constant_prediction(task, target, n_classes), len(target)))
    values = features_of(part, schema)
    losses = {
        name: _losses_alone(values[name], kind, target, task, n_classes, parts)
        for name, kind in schema["features"].items()
    }
    saved = {name: 1 - loss.mean() / constant.mean() for name, loss in losses.items()}
    strong = sorted((name for name in saved if saved[name] >= limits.max_alone), key=lambda name: -saved[name])
    table = _Alone(part, schema, task, values, losses, saved, constant, parts, part_blocks, sampling)
    found, leaks = list[dict[str, Any]](), set[str]()
    for name in strong:
        others = table.others(name, leaks)
        if len(others) < FEW and saved[name] < COPY:
            continue
        item = table.beside(name, others)
        found.append(item)
        beyond = surely(item, "above", limits.max_alone) or surely(item["ahead"], "above", limits.max_ahead)
        leaks |= {name} if beyond else set()
        if saved[name] < COPY and not beyond:
            break  # the weaker ones stand beside this one too
    return found


@dataclass(frozen=True)
class _Alone:
    """What each feature loses alone, (n,) on the rows looked at, and the share of the constant's loss it saves."""

    part: pd.DataFrame
    schema: Schema
    task: str
    values: pd.DataFrame
    losses: dict[str, Array]
    saved: dict[str, float]
    constant: Array
    parts: Folds
    blocks: Blocks | None
    sampling: Sampling

    def others(self, name: str, leaks: set[str]) -> list[str]:
        """Return the features that a feature may be held against: no leaks, no copies, not itself in other words."""
        others = [o for o in self.schema["features"] if o not in leaks and self.saved[o] < COPY]
        return [o for o in others if not _same(self.values[o], self.values[name])]

    def beside(self, name: str, others: list[str]) -> dict[str, Any]:
        """Return a feature's figures beside the others together, and beside the next best one alone."""
        together = _losses_together(
            self.part, others, self.schema, self.task, self.constant, self.parts, self.sampling.seed
        )
        rival = max(others, key=lambda other: self.saved[other], default=None)
        next_best = self.losses[rival] if rival is not None and self.saved[rival] > 0 else self.constant
        gain = _gain(self.losses[name], together, self.blocks, self.sampling)
        # Where the others together surely know more, a feature that stands out is one good sensor among poor ones.
        unknown: Figure = dict.fromkeys(("value", "low", "high"))
        behind = surely(gain, "below", 0.0)
        return {
            "feature": name,
            "alone": self.saved[name],
            "others": 1 - together.mean() / self.constant.mean(),
            **gain,
            "next": rival,
            "next_alone": 1 - next_best.mean() / self.constant.mean(),
            "ahead": unknown if behind else _gain(self.losses[name], next_best, self.blocks, self.sampling),
        }


def _losses_alone(values: pd.Series[Any], kind: str, target: Array, task: str, n_classes: int, parts: Folds) -> Array:
    made = np.zeros((len(target), n_classes)) if task == "classification" else np.zeros(len(target))
    for fitted, held in parts:
        if kind == "category":
            rule = Rule(["it"], n_classes if task == "classification" else None, prior_rows=PRIOR_ROWS)
            frames = [pd.DataFrame({"it": values.iloc[rows].to_numpy()}) for rows in (fitted, held)]
            made[held] = rule.fit(frames[0], pd.Series(target[fitted])).predict(frames[1])
        else:
            made[held] = _tree(values.to_numpy()[:, None], target, task, n_classes, fitted, held)
    losses = row_losses(task, target, made)
    if task == "classification" or kind == "category":
        return losses
    straight = row_losses(task, target, _straight(values.to_numpy(), target, parts))
    return straight if straight.mean() < losses.mean() else losses


def _straight(x: Array, target: Array, parts: Folds) -> Array:
    """Return out-of-fold predictions by a straight line: on few rows the leaves of a tree are too coarse for a copy."""
    made = np.zeros(len(target))
    for fitted, held in parts:
        known = fitted[np.isfinite(x[fitted])]
        mean, middle = target[fitted].mean(), x[known].mean() if len(known) else 0.0
        apart = x[known] - middle
        slope = np.dot(apart, target[known]) / np.dot(apart, apart) if np.any(apart) else 0.0
        made[held] = np.nan_to_num((x[held] - middle) * slope) + mean
    return made


def _same(one: pd.Series[Any], two: pd.Series[Any]) -> bool:
    """Tell whether two features say the same: values that go with each other one to one, or in one order."""
    pairs, ones, twos = (len(frame.drop_duplicates()) for frame in (pd.concat([one, two], axis=1), one, two))
    if pairs == ones == twos and pairs < len(one) / FEW:
        return True
    numbers = all(pd.api.types.is_numeric_dtype(column.dtype) for column in (one, two))
    return numbers and pairs > 1 and abs(float(one.corr(two, method="spearman"))) >= SAME


def _tree(x: Array, target: Array, task: str, n_classes: int, fitted: np.ndarray, held: np.ndarray) -> Array:
    options: dict[str, Any] = {"max_leaf_nodes": LEAVES, "min_samples_leaf": LEAF_ROWS, "random_state": 0}
    x = x if np.isfinite(x[fitted]).any() else np.zeros_like(x)
    if task == "regression":
        return np.asarray(DecisionTreeRegressor(**options).fit(x[fitted], target[fitted]).predict(x[held]))
    codes = target[fitted].astype(int)
    tree = DecisionTreeClassifier(**options).fit(x[fitted], codes)
    share = np.zeros((len(held), n_classes))
    share[:, tree.classes_] = tree.predict_proba(x[held])
    rows = tree.tree_.n_node_samples[tree.apply(x[held])][:, None]
    prior = PRIOR_ROWS * constant_prediction(task, target[fitted], n_classes)
    return np.asarray((share * rows + prior) / (rows + PRIOR_ROWS))


def _losses_together(
    part: pd.DataFrame, names: list[str], schema: Schema, task: str, constant: Array, parts: Folds, seed: int
) -> Array:
    """Return each row's loss under the better of two models on the named features, and of the constant, (n,)."""
    target = part[schema["target"]].to_numpy(dtype="float64")
    n_classes = len(schema["classes"] or [0])
    best = constant
    if not names:
        return best
    narrow = schema | {"features": {name: schema["features"][name] for name in names}}
    kind = "Classifier" if task == "classification" else "Regressor"
    boosted = Candidate(estimator=f"sklearn.ensemble.HistGradientBoosting{kind}", params=BOOSTED)
    even = part.assign(**{WEIGHT: 1.0})
    for candidate in (boosted, LINEAR[task]):
        made = np.zeros((len(target), n_classes)) if task == "classification" else np.zeros(len(target))
        for fitted, held in parts:
            model = fit(build("others", candidate, narrow, task, seed), even.iloc[fitted], narrow)
            made[held] = predict(model, even.iloc[held], narrow)
        losses = row_losses(task, target, made)
        best = losses if losses.mean() < best.mean() else best
    return best


def _gain(alone: Array, together: Array, blocks: Blocks | None, sampling: Sampling) -> Figure:
    def share(weight: Array) -> list[float]:
        return [float(1 - np.dot(weight, alone) / np.dot(weight, together))]

    with np.errstate(divide="ignore", invalid="ignore"):
        draws = resampled(share, len(alone), blocks, n=sampling.n, seed=sampling.seed)
        return figure(share(np.ones(len(alone)))[0], draws[:, 0], sampling.level)
