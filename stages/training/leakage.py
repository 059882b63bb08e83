"""Target leakage: a feature that tells alone what all the others together cannot, and a timestamp from the future."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from stages.data.blocks import Blocks, blocks_of
from stages.data.copies import by_chance, copied, hashed
from stages.params import WEIGHT, Candidate, Checks
from stages.planning.rule import Rule
from stages.requirements import surely
from stages.training.estimators import LINEAR, build, features_of, fit, predict
from stages.training.findings import wilson
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
YEAR, MOSTLY = 366, 0.95
BOOSTED = {"max_iter": 60, "max_leaf_nodes": 8, "min_samples_leaf": 10}


def look_for_leaks(
    train: pd.DataFrame, valid: pd.DataFrame, schema: Schema, task: str, limits: Checks, sampling: Sampling
) -> dict[str, Any]:
    """Return what may leak: ``alone``, ``future`` and ``copies``, as functions below have it, and how many features."""
    return {
        "features": len(schema["features"]),
        "alone": features_alone(train, schema, task, blocks_of(train, schema), limits, sampling),
        "future": future_timestamps(train, schema),
        "copies": copies(train, valid, schema),
    }


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
    found, leaks = list[dict[str, Any]](), set[str]()
    for name in strong:
        others = [o for o in schema["features"] if o not in leaks and saved[o] < COPY]
        others = [o for o in others if not _same(values[o], values[name])]
        if len(others) < FEW and saved[name] < COPY:
            continue
        together = _losses_together(part, others, schema, task, constant, parts, sampling.seed)
        rival = max(others, key=lambda other: saved[other], default=None)
        next_best = losses[rival] if rival is not None and saved[rival] > 0 else constant
        gain = _gain(losses[name], together, part_blocks, sampling)
        ahead = _gain(losses[name], next_best, part_blocks, sampling)
        # Where the others together surely know more, a feature that stands out is one good sensor among poor ones.
        if surely(gain, "below", 0.0):
            ahead = dict.fromkeys(("value", "low", "high"))
        item = {"feature": name, "alone": saved[name], "others": 1 - together.mean() / constant.mean()}
        found.append(
            item | gain | {"next": rival, "next_alone": 1 - next_best.mean() / constant.mean(), "ahead": ahead}
        )
        beyond = surely(gain, "above", limits.max_alone) or surely(ahead, "above", limits.max_ahead)
        leaks |= {name} if beyond else set()
        if saved[name] < COPY and not beyond:
            break  # the weaker ones stand beside this one too
    return found


def copies(train: pd.DataFrame, valid: pd.DataFrame, schema: Schema) -> dict[str, Any]:
    """Return how many validation rows have the features of a training row, and their share without chance's.

    Numbers nearer than a thousandth of their interquartile range count as the same. The interval is that of a share
    (Wilson 1927); the part that chance explains (see `stages.data.copies.by_chance`) is taken off it.
    """
    found: dict[str, Any] = {"rows": 0, "of": len(valid), "by_chance": 0.0, "first": None}
    if min(len(train), len(valid)) < MIN_ROWS // 2:
        return found | {"value": None, "low": None, "high": None}
    rows = hashed(train, valid, schema)
    again = copied(rows)
    share = wilson(int(again.sum()), len(again))
    if again.any():
        at = int(np.argmax(again))
        before, after = rows.whole()
        chance = by_chance(rows)
        first = {"row": at, "of": int(np.argmax(before == after[at]))}
        found |= {"rows": int(again.sum()), "by_chance": chance, "first": first}
        share = {key: value * (1 - chance) for key, value in share.items()}
    return found | share


def future_timestamps(frame: pd.DataFrame, schema: Schema) -> list[dict[str, Any]]:
    """Return the features that are times, and the share of rows in which they lie after the row's own time.

    A feature is taken for a time when nearly all its values, read as days, seconds or milliseconds since 1970, lie
    within a year of the rows' own times. A time at a constant distance, such as a forecast's, tells no more than the
    row's own time and is left out.
    """
    name = schema["time"]
    if not name or len(frame) < MIN_ROWS:
        return []
    own = frame[str(name)]
    found = []
    for feature, kind in schema["features"].items():
        values = frame[feature].to_numpy(dtype="float64") if kind == "number" else np.array([])
        ahead = _ahead(values, own) if np.isfinite(values).sum() >= MIN_ROWS else None
        if ahead is None or np.nanstd(ahead) <= 1e-9 * max(1.0, float(np.nanmax(np.abs(ahead)))):
            continue
        later = ahead[np.isfinite(ahead)] > 0
        first = int(np.argmax(np.nan_to_num(ahead, nan=-1.0) > 0))
        item = {"feature": feature, **wilson(int(later.sum()), len(later)), "rows": int(later.sum())}
        found.append(item | ({"first": {"row": first, "time": str(own.iloc[first])}} if later.any() else {}))
    return sorted(found, key=lambda item: (-item["value"], item["feature"]))


def _ahead(values: Array, own: pd.Series[Any]) -> Array | None:
    """Return how many days each value lies after the row's own time; None if it is no time.

    Beside a time that is a plain number nothing can be told: an odometer or a model year follows it as a time would.
    """
    if not pd.api.types.is_datetime64_any_dtype(own.dtype):
        return None
    days = np.asarray(
        (own.dt.tz_convert("UTC") - pd.Timestamp("1970-01-01", tz="UTC")).to_numpy() / np.timedelta64(1, "D")
    )
    known = np.isfinite(values)
    for unit in (1.0, 86_400.0, 86_400e3):
        ahead = np.asarray(values / unit - days)
        if np.mean(np.abs(ahead[known]) < YEAR) >= MOSTLY:
            # A time column of whole days says nothing of the hour.
            return np.floor(values / unit) - days if np.all(days == np.floor(days)) else ahead
    return None


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
