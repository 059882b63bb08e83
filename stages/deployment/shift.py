"""Do the pilot's rows look like the training rows? A classifier two-sample test, and the target's mean."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from stages.context import Context
from stages.data.blocks import Blocks
from stages.params import Candidate
from stages.training.estimators import build, features_of
from stages.training.metrics import Figure, Scorer, bootstrap, constant_prediction, standard_error

MAX_ROWS, FOLDS = 6000, 3
SMALL = {"max_iter": 40, "max_leaf_nodes": 8, "min_samples_leaf": 20}


def two_sample_auc(work: Context, before: pd.DataFrame, after: pd.DataFrame) -> Figure:
    """Return the cross-validated ROC AUC of a classifier that tells ``after`` from ``before``, with an interval.

    0.5 says it cannot tell them apart (Lopez-Paz & Oquab 2017). A block of rows is never torn apart by the folds: the
    classifier would know its rows again, and tell apart what is the same. Unknown when a side has too few blocks.
    """
    seed = work.params.seed
    one, two = (_sample(frame, seed) for frame in (before, after))
    rows = pd.concat([one, two], ignore_index=True)
    label = np.r_[np.zeros(len(one)), np.ones(len(two))]
    sides = [work.blocks(one), work.blocks(two)]
    blocks: Blocks | None = None
    folds: StratifiedKFold | StratifiedGroupKFold = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    if sides[0] is not None and sides[1] is not None:
        if min(side.max() + 1 for side in sides if side is not None) < FOLDS:
            return {"value": None, "low": None, "high": None}
        blocks = np.r_[sides[0], sides[1] + sides[0].max() + 1]
        folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    features = features_of(rows, work.schema)
    with threadpool_limits(limits=1):
        guess = cross_val_predict(_teller(work), features, label, groups=blocks, cv=folds, method="predict_proba")
    constant = constant_prediction("classification", label, 2)
    scorer = Scorer("classification", label, guess, constant, blocks)
    options = work.params.training.bootstrap
    return bootstrap(scorer, ["roc_auc"], n=options.n, level=options.level, seed=seed)["roc_auc"]


def shifted_features(work: Context, before: pd.DataFrame, after: pd.DataFrame, n: int = 5) -> list[dict[str, Any]]:
    """Return the features whose own distribution moved most, by the distance of their distributions, largest first.

    Numbers: the Kolmogorov-Smirnov distance; categories: the total variation distance. Both lie in [0, 1].
    """
    found = []
    for name, kind in work.schema["features"].items():
        one, two = before[name].dropna(), after[name].dropna()
        if len(one) and len(two):
            distance = _kolmogorov(one, two) if kind == "number" else _variation(one, two)
            found.append({"feature": name, "distance": distance})
    return sorted(found, key=lambda item: (-item["distance"], item["feature"]))[:n]


def rate_change(work: Context, before: pd.DataFrame, after: pd.DataFrame) -> dict[str, Any]:
    """Return the change of the target's mean in its standard deviations, with a normal interval.

    Of more than two classes, the one whose share changed most, with Bonferroni's correction for having looked at all.
    """
    one, two = work.target(before), work.target(after)
    classes = list(range(work.n_classes)) if work.n_classes > 2 else [None]
    level = 1 - (1 - work.params.training.bootstrap.level) / len(classes)
    z = NormalDist().inv_cdf((1 + level) / 2)
    blocks = work.blocks(before), work.blocks(after)
    found = []
    for code in classes:
        old, new = (one, two) if code is None else ((one == code).astype(float), (two == code).astype(float))
        deviation = old.std() or 1.0
        value = (new.mean() - old.mean()) / deviation
        errors = (standard_error(values - values.mean(), side) for values, side in zip((old, new), blocks, strict=True))
        half = z * math.hypot(*errors) / deviation
        name = None if code is None else work.schema["classes"][code]
        found.append({"value": float(value), "low": float(value - half), "high": float(value + half), "class": name})
    return max(found, key=lambda item: abs(item["value"]))


def _teller(work: Context) -> Pipeline:
    kind = HistGradientBoostingClassifier
    candidate = Candidate(estimator=f"{kind.__module__}.{kind.__name__}", params=SMALL)
    return build("two-sample test", candidate, work.schema, "classification", work.params.seed)


def _sample(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    return frame if len(frame) <= MAX_ROWS else frame.sample(MAX_ROWS, random_state=seed)


def _kolmogorov(one: pd.Series[Any], two: pd.Series[Any]) -> float:
    a, b = np.sort(one.to_numpy(dtype=float)), np.sort(two.to_numpy(dtype=float))
    at = np.unique(np.concatenate([a, b]))
    return float(np.abs(np.searchsorted(a, at, "right") / len(a) - np.searchsorted(b, at, "right") / len(b)).max())


def _variation(one: pd.Series[Any], two: pd.Series[Any]) -> float:
    shares = [series.astype(str).value_counts(normalize=True) for series in (one, two)]
    return float(shares[0].sub(shares[1], fill_value=0.0).abs().sum() / 2)
