"""The names of the metrics a charter may use, and which way is better. No heavy import: params are checked with it."""

from __future__ import annotations

# True: larger is better.
OFFLINE: dict[str, dict[str, bool]] = {
    "classification": {
        "accuracy": True,
        "balanced_accuracy": True,
        "average_precision": True,
        "brier": False,
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
SERVING: dict[str, bool] = {"latency_p99_ms": False, "size_mb": False}
# The loss in which gaps, curves and slices are diagnosed: a proper score, summed over rows.
LOSS_LIKE = frozenset({"brier", "log_loss", "log_loss_skill", "r2", "rmse", "rmse_skill"})  # the same best model
LOSS = {"classification": "log_loss", "regression": "mse"}


def known(task: str) -> frozenset[str]:
    """Return the metrics that a requirement of this task may name."""
    return frozenset(OFFLINE[task]) | frozenset(SERVING)


def larger_is_better(task: str, name: str) -> bool:
    """Tell which way ``name`` improves."""
    return {**OFFLINE[task], **SERVING}[name]
