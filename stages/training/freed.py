"""Let an estimator go of what holds it back, to see whether it can fit at all."""

from __future__ import annotations

from typing import Any

from sklearn.base import clone
from sklearn.pipeline import Pipeline

# What holds an estimator back, and the value that lets go of it; on a batch it must be able to fit.
FREE: dict[str, Any] = {
    "C": 1e4,
    "alpha": 1e-6,
    "ccp_alpha": 0.0,
    "early_stopping": False,
    "l2_regularization": 0.0,
    "max_depth": None,
    "max_features": None,
    "max_leaf_nodes": None,
    "max_samples": None,
    "min_impurity_decrease": 0.0,
    "min_samples_leaf": 1,
    "min_samples_split": 2,
    "min_weight_fraction_leaf": 0.0,
    "n_neighbors": 1,
    "subsample": 1.0,
}
AT_LEAST: dict[str, float] = {"learning_rate": 0.1, "max_iter": 50, "n_estimators": 50}


def freed(model: Pipeline) -> Pipeline:
    """Return a copy of a pipeline whose estimator is held back by nothing it has a parameter for."""
    free = clone(model)
    estimator = free.named_steps["model"]
    for key, old in estimator.get_params().items():
        name = key.rpartition("__")[2]
        if name in FREE:
            _try_param(estimator, key, FREE[name])
        elif name in AT_LEAST and isinstance(old, int | float) and not isinstance(old, bool):
            _try_param(estimator, key, max(old, AT_LEAST[name]))
    return free


def _try_param(estimator: Any, key: str, value: Any) -> None:
    old = estimator.get_params()[key]
    estimator.set_params(**{key: value})
    try:
        if hasattr(estimator, "_validate_params"):
            estimator._validate_params()
    except ValueError:
        estimator.set_params(**{key: old})
