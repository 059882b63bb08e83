"""Do the pilot's rows look like the training rows? A classifier two-sample test, and the target's mean."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline

from stages.context import Context
from stages.params import Candidate
from stages.training.estimators import build, features_of
from stages.training.metrics import Array, Scorer, constant_prediction

MAX_ROWS, FOLDS = 6000, 3
SMALL = {"max_iter": 40, "max_leaf_nodes": 8, "min_samples_leaf": 20}


def two_sample_auc(work: Context, before: pd.DataFrame, after: pd.DataFrame, level: float) -> dict[str, float]:
    """Return the cross-validated ROC AUC of a classifier that tells ``after`` from ``before``, with an interval.

    0.5 says it cannot tell them apart (Lopez-Paz & Oquab 2017). The interval is Hanley & McNeil's (1982).
    """
    one, two = (_sample(frame, work.params.seed) for frame in (before, after))
    rows = pd.concat([one, two], ignore_index=True)
    label = np.r_[np.zeros(len(one)), np.ones(len(two))]
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=work.params.seed)
    guess = cross_val_predict(_teller(work), features_of(rows, work.schema), label, cv=folds, method="predict_proba")
    auc = Scorer("classification", label, guess, constant_prediction("classification", label, 2)).score(["roc_auc"])
    value = auc["roc_auc"]
    half = NormalDist().inv_cdf((1 + level) / 2) * hanley_mcneil(value, len(two), len(one))
    return {"value": value, "low": max(0.0, value - half), "high": min(1.0, value + half)}


def hanley_mcneil(auc: float, positives: int, negatives: int) -> float:
    """Return the standard error of a ROC AUC (Hanley & McNeil 1982)."""
    one, two = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (positives - 1) * (one - auc**2) + (negatives - 1) * (two - auc**2)
    return float(np.sqrt(max(spread, 0.0) / (positives * negatives)))


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


def rate_change(before: Array, after: Array, level: float) -> dict[str, float]:
    """Return the change of the target's mean in standard deviations of the training target, with a normal interval."""
    deviation = before.std() or 1.0
    value = (after.mean() - before.mean()) / deviation
    error = np.sqrt(before.var() / len(before) + after.var() / len(after)) / deviation
    half = NormalDist().inv_cdf((1 + level) / 2) * error
    return {"value": float(value), "low": float(value - half), "high": float(value + half)}


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
