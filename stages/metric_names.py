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
        "calibration_error": False,
        "coverage": True,
        "f1": True,
        "failure_bound": False,
        "failure_rate": False,
        "log_loss": False,
        "log_loss_skill": True,
        "precision": True,
        "recall": True,
        "roc_auc": True,
    },
    "regression": {
        "coverage": True,
        "failure_bound": False,
        "failure_rate": False,
        "mae": False,
        "mae_skill": True,
        "r2": True,
        "rmse": False,
        "rmse_skill": True,
    },
}
# Made of decisions, so of the threshold they are made at.
DECIDED = frozenset({"accuracy", "balanced_accuracy", "f1", "precision", "recall"})
# Of the rows that are answered, and of those alone; every other metric is of all rows.
OF_ANSWERS = frozenset({"coverage", "failure_bound", "failure_rate"})
FAILURES = OF_ANSWERS - {"coverage"}
SERVING: dict[str, bool] = {"latency_p50_ms": False, "latency_p99_ms": False, "memory_mb": False, "size_mb": False}
# Of these, what training knows already: a time is no function of files and params, and is measured in deployment only.
KNOWN_IN_TRAINING = frozenset({"size_mb"})
# What groups may be compared in beside the offline metrics that mean the same in each of them; see `grouped`.
OF_GROUPS: dict[str, tuple[str, ...]] = {
    "classification": ("false_positive_rate", "selection_rate"),
    "regression": ("mean_prediction",),
}
AGAINST_A_MEAN = frozenset({"log_loss_skill", "mae_skill", "r2", "rmse_skill"})  # beside what is another in each group
# What a constant reaches of these whatever the rows are: to require no more is to require nothing.
OF_A_CONSTANT = {"log_loss_skill": 0.0, "mae_skill": 0.0, "r2": 0.0, "rmse_skill": 0.0, "roc_auc": 0.5}
DIFFERENCE, RATIO = "_difference", "_ratio"
# The loss in which gaps, curves and slices are diagnosed: a proper score, summed over rows.
LOSS_LIKE = frozenset({"brier", "log_loss", "log_loss_skill", "r2", "rmse", "rmse_skill"})  # the same best model
LOSS = {"classification": "log_loss", "regression": "mse"}


def known(task: str) -> frozenset[str]:
    """Return the metrics that a requirement of this task may name."""
    ours = {name + how for name in grouped(task) for how in (DIFFERENCE, RATIO)}
    return frozenset(OFFLINE[task]) | frozenset(SERVING) | ours


def grouped(task: str) -> tuple[str, ...]:
    """Return the metrics that groups may be compared in, as ``recall_difference`` or ``selection_rate_ratio``."""
    return tuple(sorted({*OFFLINE[task], *OF_GROUPS[task]} - AGAINST_A_MEAN))


def between_groups(name: str) -> tuple[str, str] | None:
    """Return the metric and the comparison of a metric between groups; None for any other.

    Examples
    --------
    >>> between_groups("recall_difference")
    ('recall', 'difference')
    """
    for how in (DIFFERENCE, RATIO):
        if name.endswith(how):
            return name.removesuffix(how), how.removeprefix("_")
    return None


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
    """Tell which way ``name`` improves; a ratio between groups is that of the least to the largest."""
    if name in known(task) and between_groups(name):
        return name.endswith(RATIO)
    return {**OFFLINE[task], **SERVING}[name]
