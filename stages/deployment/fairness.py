"""Do the groups of the charter fare alike: each metric by group, and the largest difference or the ratio between them.

A group's figures are fairlearn's ``MetricFrame``. Their intervals are our own: whole days or groups of rows are drawn,
and of many groups some differ by chance, so that the intervals of all pairs hold together.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from stages.deployment.groups import members
from stages.params import Requirement
from stages.requirements import surely
from stages.signals import Direction
from stages.training.intervals import units
from stages.training.metrics import Array, Scorer, resampled

Rows = NDArray[np.intp]
Found = dict[str, Any]
# Shares of rows: of few rows that all agree a resample does not vary, and yet nothing is sure.
SHARES = ("accuracy", "false_positive_rate", "precision", "recall", "selection_rate")
TOLD = {
    "two classes": ("selection_rate", "recall", "false_positive_rate", "precision"),
    "classes": ("accuracy",),
    "values": ("mae", "mean_prediction"),
}
TINY = 1e-12


@dataclass(frozen=True)
class Sampling:
    """Draws, coverage and seed of the bootstrap, and the rows below which a group is not compared."""

    n: int
    level: float
    seed: int
    min_rows: int


@dataclass(frozen=True)
class Groups:
    """The groups of one column that are compared, and the names of those that are too small.

    Attributes
    ----------
    values : array of shape (groups, metrics)
        The figures; NaN where a metric is not defined in a group.
    draws : array of shape (n, groups, metrics)
        Their bootstrap draws, paired over the groups.
    floors : array of shape (groups, metrics)
        Standard errors that a share has at least.
    """

    column: str
    names: list[str]
    small: list[str]
    rows: list[int]
    units: list[int]
    metrics: tuple[str, ...]
    values: Array
    draws: Array
    floors: Array


def told_metrics(scorer: Scorer) -> tuple[str, ...]:
    """Return the metrics that are told by group in any case."""
    if scorer.task == "regression":
        return TOLD["values"]
    return TOLD["two classes"] if scorer.prediction.shape[1] == 2 else TOLD["classes"]


def by_group(scorer: Scorer, column: pd.Series[Any], metrics: Sequence[str], options: Sampling) -> Groups:
    """Return each metric in each group of a column, with draws to compare them by.

    Parameters
    ----------
    scorer : Scorer
        Of all rows.
    column : Series
        What the rows are grouped by.
    metrics : sequence of str
        Of `stages.metric_names.grouped`.
    options : Sampling
        How intervals are drawn, and which groups are too small.
    """
    everyone = [(_named(value), np.flatnonzero(member)) for value, _, member in members(column)]
    large = [(name, rows) for name, rows in everyone if len(rows) >= options.min_rows]
    parts = [_part(scorer, rows) for _, rows in large]
    shape = (len(parts), len(metrics))

    def statistic(weight: Array) -> list[float]:
        found = [score(part, metrics, weight[rows]) for part, (_, rows) in zip(parts, large, strict=True)]
        return list(np.reshape(found, -1))

    draws = resampled(statistic, *scorer.rows, n=options.n, seed=options.seed) if parts else np.empty((options.n, 0))
    values = (
        metric_frame(scorer, large, metrics).by_group.loc[[name for name, _ in large]] if parts else np.empty(shape)
    )
    floors = [[_floor(part, name) for name in metrics] for part in parts]
    return Groups(
        column=str(column.name),
        names=[name for name, _ in large],
        small=[name for name, rows in everyone if len(rows) < options.min_rows],
        rows=[len(rows) for _, rows in large],
        units=[units(len(rows), part.blocks) for part, (_, rows) in zip(parts, large, strict=True)],
        metrics=tuple(metrics),
        values=np.asarray(values, dtype=float),
        draws=draws.reshape(options.n, *shape),
        floors=np.reshape(floors, shape).astype(float),
    )


def compared(groups: Groups, metric: str, how: str, level: float, comparisons: int) -> Found:
    """Return the largest difference, or the ratio of the least to the largest, with an interval and the two groups.

    Of each pair of groups the interval is that of Student with the standard error of paired draws, and Bonferroni's
    correction (Dunn 1961) over ``comparisons``, all pairs of all columns. The largest difference is at least what any
    pair surely differs by, and at most what any pair may differ by. A ratio is compared on the logarithm.

    Parameters
    ----------
    groups : Groups
        Of one column.
    metric : str
        One of theirs.
    how : {"difference", "ratio"}
        Of the largest less the least, or of the least to the largest.
    level : float
        Coverage of all intervals together.
    comparisons : int
        How many pairs are looked at.
    """
    at = groups.metrics.index(metric)
    values = groups.values[:, at]
    known = [k for k in range(len(values)) if np.isfinite(values[k]) and (how != "ratio" or values[k] >= 0)]
    nothing: Found = {"column": groups.column, "value": None, "low": None, "high": None, "small": groups.small}
    if len(known) < 2:
        return nothing | {"why": "fewer than two groups have the rows to be compared"}
    largest, least = max(known, key=lambda k: values[k]), min(known, key=lambda k: values[k])
    value = values[largest] - values[least]
    if how == "ratio":
        value = values[least] / values[largest] if values[largest] > 0 else 1.0
    found = nothing | {"value": float(value), "largest": groups.names[largest], "least": groups.names[least]}
    ends = [_pair(groups, at, pair, how, level, comparisons) for pair in itertools.combinations(known, 2)]
    if any(end is None for end in ends):
        return found | {"why": "a group has too few rows, or days, to tell how much it varies"}
    lows, highs = zip(*(end for end in ends if end is not None), strict=True)
    low, high = max(0.0, *lows), max(highs)
    if how == "ratio":
        low, high = float(np.exp(-high)), float(np.exp(-low))
    return found | {"low": float(min(low, value)), "high": float(max(high, value))}


def judged(found: Found, bound: Requirement) -> bool | None:
    """Tell whether a requirement between groups is met: surely, surely not, or None where nobody can tell."""
    missed: Direction = "below" if bound.side == "at_least" else "above"
    if surely(found, missed, bound.bound):
        return False
    met = found["low"] is not None and bound.met_by(found["low"]) and bound.met_by(found["high"])
    return True if met else None


def score(scorer: Scorer, metrics: Sequence[str], weight: Array | None = None) -> list[float]:
    """Return metrics of some rows, those that only groups are compared in among them."""
    weight = np.ones(len(scorer.target)) if weight is None else weight
    with np.errstate(divide="ignore", invalid="ignore"):
        return [_own(scorer, name, weight) for name in metrics]


def _own(scorer: Scorer, name: str, weight: Array) -> float:
    if name == "selection_rate":
        return float(np.dot(weight, scorer.labels == 1) / weight.sum())
    if name == "false_positive_rate":
        wrong = weight * (scorer.codes == 0)
        return float(np.dot(wrong, scorer.labels == 1) / wrong.sum())
    if name == "mean_prediction":
        return float(np.dot(weight, scorer.prediction) / weight.sum())
    if name in ("recall", "precision") and not _support(scorer, name, weight):
        return float("nan")  # not a zero of the group: it has no such rows
    return scorer.score([name], weight)[name]


def _support(scorer: Scorer, name: str, weight: Array) -> float:
    """Return how many rows a share is one of."""
    if scorer.task == "classification" and scorer.prediction.shape[1] == 2:
        if name == "recall":
            weight = weight * (scorer.codes == 1)
        if name == "precision":
            weight = weight * (scorer.labels == 1)
        if name == "false_positive_rate":
            weight = weight * (scorer.codes == 0)
    return float(weight.sum())


def _floor(scorer: Scorer, name: str) -> float:
    """Return the standard error a share has at least: with two more rows of each kind (Agresti & Coull 1998)."""
    if name not in SHARES:
        return 0.0
    rows = _support(scorer, name, np.ones(len(scorer.target)))
    value = score(scorer, [name])[0]
    smoothed = (rows * value + 2) / (rows + 4)
    return float((smoothed * (1 - smoothed) / (rows + 4)) ** 0.5) if np.isfinite(value) else float("nan")


def _pair(
    groups: Groups, at: int, pair: tuple[int, int], how: str, level: float, comparisons: int
) -> tuple[float, float] | None:
    """Return the interval of the absolute difference of two groups, of their logarithms for a ratio."""
    count = min(groups.units[k] for k in pair)
    if count < 2:
        return None
    values, floors = groups.values[list(pair), at], groups.floors[list(pair), at]
    draws = groups.draws[:, list(pair), at]
    if how == "ratio":
        least = np.maximum(floors / 2, TINY)  # a share of nothing has no logarithm
        floors, draws, values = (
            floors / np.maximum(values, least),
            np.log(np.maximum(draws, least)),
            np.maximum(values, least),
        )
        values = np.log(values)
    apart = draws[:, 0] - draws[:, 1]
    apart = apart[np.isfinite(apart)]
    if len(apart) < len(draws) / 2:
        return None
    spread = max(float(apart.std(ddof=1)), float(np.hypot(*floors))) * (count / (count - 1)) ** 0.5
    half = float(student.ppf(1 - (1 - level) / 2 / max(1, comparisons), count - 1)) * spread
    gap = abs(float(values[0] - values[1]))
    return gap - half, gap + half


def _part(scorer: Scorer, rows: Rows) -> Scorer:
    blocks = None if scorer.blocks is None else scorer.blocks[rows]
    options = (scorer.constant, blocks, scorer.threshold)
    return Scorer(scorer.task, scorer.target[rows], scorer.prediction[rows], *options)


def metric_frame(scorer: Scorer, groups: list[tuple[str, Rows]], metrics: Sequence[str]) -> Any:
    """Return fairlearn's ``MetricFrame`` of named groups of rows."""
    from fairlearn.metrics import MetricFrame

    rows = np.concatenate([rows for _, rows in groups])
    labels = np.concatenate([np.full(len(rows), name, dtype=object) for name, rows in groups])
    # What it groups are row numbers: a metric is then that of a scorer of those rows.
    measures = {
        name: (lambda here, _, name=name: score(_part(scorer, np.asarray(here)), [name])[0]) for name in metrics
    }
    return MetricFrame(metrics=measures, y_true=rows, y_pred=rows, sensitive_features=pd.Series(labels, name="group"))


def _named(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
