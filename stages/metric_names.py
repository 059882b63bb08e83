"""The names of the metrics a charter may use, and which way is better. No heavy import: params are checked with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# True: larger is better.
OFFLINE: dict[str, dict[str, bool]] = {
    "classification": {
        "accuracy": True,
        "balanced_accuracy": True,
        "average_precision": True,
        "brier": False,
        "f1": True,
        "log_loss": False,
        "log_loss_skill": True,
        "precision": True,
        "recall": True,
        "roc_auc": True,
    },
    "regression": {"mae": False, "mae_skill": True, "r2": True, "rmse": False, "rmse_skill": True},
}
# Made of decisions, so of the threshold they are made at.
DECIDED = frozenset({"accuracy", "balanced_accuracy", "f1", "precision", "recall"})
SERVING: dict[str, bool] = {"latency_p99_ms": False, "size_mb": False}
# Of these, what training knows already: a time is no function of files and params, and is measured in deployment only.
KNOWN_IN_TRAINING = frozenset({"size_mb"})
# The loss in which gaps, curves and slices are diagnosed: a proper score, summed over rows.
LOSS_LIKE = frozenset({"brier", "log_loss", "log_loss_skill", "r2", "rmse", "rmse_skill"})  # the same best model
LOSS = {"classification": "log_loss", "regression": "mse"}


def known(task: str) -> frozenset[str]:
    """Return the metrics that a requirement of this task may name."""
    return frozenset(OFFLINE[task]) | frozenset(SERVING)


def optimisable(task: str) -> frozenset[str]:
    """Return the metrics that may be optimised: all that candidates can be compared by."""
    return frozenset(OFFLINE[task]) | KNOWN_IN_TRAINING


def of_rows(charter: Mapping[str, Any]) -> str:
    """Return the metric that predictions are compared in: the one optimised, or for the size the first one required.

    Examples
    --------
    >>> of_rows({"task": "classification", "optimise": "roc_auc", "requirements": {}})
    'roc_auc'
    >>> of_rows({"task": "regression", "optimise": "size_mb", "requirements": {"size_mb": {}, "mae": {}}})
    'mae'
    """
    task = str(charter["task"])
    named = [str(charter["optimise"]), *charter.get("requirements", {})]
    usual = "log_loss" if task == "classification" else "rmse"
    return next((name for name in named if name in OFFLINE[task]), usual)


def larger_is_better(task: str, name: str) -> bool:
    """Tell which way ``name`` improves."""
    return {**OFFLINE[task], **SERVING}[name]
