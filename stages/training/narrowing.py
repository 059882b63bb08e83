"""To which part of the rows the project could be narrowed so that the requirements hold there.

Which values to keep is chosen on some rows and what is reached there is estimated on others: on the same rows the best
looking part is always better than it is (the winner's curse). Only the condition is carried over, never a figure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.data.blocks import Blocks
from stages.params import Minimum, Requirement, Within
from stages.requirements import shortfall
from stages.scope import Members, meets
from stages.training.metrics import Array, Scorer, constant_prediction, figure, resampled
from stages.training.sampling import Sampling, renumbered

Bounds = Mapping[str, Requirement]
Figures = dict[str, dict[str, float | None]]
OUTCOME = "outcome"
MANY_VALUES, QUANTILES = 24, 5
MIN_ROWS = 100  # of fewer to judge by, an interval says next to nothing
LEAST, DRAWS, OFFERED = 50, 50, 3


@dataclass(frozen=True)
class Side:
    """Rows with the predictions of a model that was not fitted on them.

    Attributes
    ----------
    rows : DataFrame of n rows
    target, prediction : array of n rows
    blocks : array of shape (n,), optional
        Which rows hang together.
    outcome : array of shape (n,), optional
        What each prediction brings, where that is among what is required.
    """

    rows: pd.DataFrame
    target: Array
    prediction: Array
    blocks: Blocks | None = None
    outcome: Array | None = None


@dataclass(frozen=True)
class Asked:
    """What is required of the part, and how much of the rows must be left.

    Attributes
    ----------
    bounds : mapping of str to Requirement
        By metric; ``outcome`` is the mean of the sides' outcome.
    """

    task: str
    n_classes: int
    bounds: Bounds
    threshold: float = 0.5
    min_rows: int = MIN_ROWS
    minimum: Minimum = field(default_factory=Minimum)
    sampling: Sampling = field(default_factory=Sampling)


@dataclass(frozen=True)
class Left:
    """What must be left in a part: rows to learn from, with their target, and rows that judge what was learned."""

    learned: pd.DataFrame
    target: Array
    judging: pd.DataFrame


def narrowed(columns: Sequence[str], choose: Side, estimate: Side, left: Left, asked: Asked) -> list[dict[str, Any]]:
    """Return for each column the largest part that meets every requirement, if one does; the largest parts first.

    Parameters
    ----------
    columns : sequence of str
        Columns that the rows may be narrowed by.
    choose, estimate : Side
        The rows on which values are chosen, and those, none of the same, on which is estimated what is reached there.
        A part is chosen with a standard error to spare (Breiman et al. 1984), and offered when the estimate meets every
        requirement; its interval holds for all columns together (Dunn 1961).
    left : Left
        What must have enough rows in the part.
    asked : Asked
        What is required.

    Returns
    -------
    list of dict
        ``condition``, as in ``data.collect.scope``; ``rows`` and ``share``, those of ``estimate``; ``figures``, each
        required metric with its interval, its bound and what it ``was`` on all rows.
    """
    before = _figures(estimate, np.ones(len(estimate.rows), dtype=bool), choose, asked, draws=0)
    level = 1 - (1 - asked.sampling.level) / max(1, len(columns))
    found: list[dict[str, Any]] = []
    for column in columns:
        condition = _chosen(column, choose, asked)
        if condition is None or not _enough(condition, left, asked):
            continue
        part = meets(estimate.rows[column], condition)
        if part.sum() < asked.min_rows:
            continue
        reached = _figures(estimate, part, choose, asked, draws=asked.sampling.n, level=level, condition=condition)
        if _missed(reached, asked.bounds):
            continue
        told = [
            {"metric": name, **reached[name], "bound": bound.bound, "side": bound.side, "was": before[name]["value"]}
            for name, bound in asked.bounds.items()
        ]
        plain = condition.model_dump(mode="json", exclude_none=True)
        item = {"condition": plain, "rows": int(part.sum()), "share": float(part.mean()), "figures": told}
        found.append(item)
    return sorted(found, key=lambda item: (-item["share"], item["condition"]["column"]))[:OFFERED]


def _chosen(column: str, side: Side, asked: Asked) -> Within | None:
    """Return the largest part by a column that meets every requirement with a standard error to spare."""
    for condition in _parts(column, side, asked):
        part = meets(side.rows[column], condition)
        if part.all() or part.sum() < LEAST or _missed(_figures(side, part, side, asked, draws=0), asked.bounds):
            continue
        if _missed(_figures(side, part, side, asked, draws=DRAWS), asked.bounds, spare=True):
            continue
        return condition
    return None


def _parts(column: str, side: Side, asked: Asked) -> Iterator[Within]:
    """Yield parts, the largest first: values without the worst of them, or runs of the quintiles of many numbers."""
    cells = side.rows[column]
    if pd.api.types.is_numeric_dtype(cells.dtype) and cells.nunique() > MANY_VALUES:
        yield from _runs(column, cells)
        return
    counts = cells.value_counts()
    values = sorted(counts.index.tolist(), key=str)
    judged = [value for value in values if counts[value] >= LEAST]
    if len(judged) > MANY_VALUES:
        judged = sorted(judged, key=lambda value: (-counts[value], str(value)))[:MANY_VALUES]
    worth = {value: _short(side, (cells != value).to_numpy() & cells.notna().to_numpy(), asked) for value in judged}
    kept = list(values)
    for worst in sorted(judged, key=lambda value: (worth[value], str(value))):
        kept.remove(worst)
        if not kept:
            return
        yield Within(column=column, values=[_plain(value) for value in kept])


def _runs(column: str, cells: pd.Series[Any]) -> Iterator[Within]:
    """Yield the runs of quintiles, the longest first; ends that lie at the end of all rows stay open."""
    edges = np.unique(np.nanquantile(cells.to_numpy(dtype="float64"), np.linspace(0, 1, QUANTILES + 1)))
    last = len(edges) - 1
    inner = [float(f"{edge:.4g}") for edge in edges]
    for length in range(last - 1, 0, -1):
        for first in range(last - length + 1):
            low = inner[first] if first else None
            high = inner[first + length] if first + length < last else None
            if low is None or high is None or low <= high:
                yield Within(column=column, at_least=low, at_most=high)


def _figures(
    side: Side,
    part: Members,
    learned: Side,
    asked: Asked,
    *,
    draws: int,
    level: float = 0.68,
    condition: Within | None = None,
) -> Figures:
    """Return each required metric on a part, beside the constant that the part itself would have learned."""
    same = part if condition is None and side is learned else None
    inside = meets(learned.rows[condition.column], condition) if condition is not None else same
    known = learned.target if inside is None else learned.target[inside]
    constant = constant_prediction(asked.task, known, asked.n_classes)
    rows = np.flatnonzero(part)
    blocks = renumbered(side.blocks, rows)
    scorer = Scorer(asked.task, side.target[rows], side.prediction[rows], constant, blocks, asked.threshold)
    names = [name for name in asked.bounds if name != OUTCOME]
    brings = None if side.outcome is None else side.outcome[rows]

    def statistic(weight: Array) -> list[float]:
        scores = scorer.score(names, weight)
        if brings is not None:
            scores[OUTCOME] = float(np.average(brings, weights=weight))
        return [scores.get(name, float("nan")) for name in asked.bounds]

    values = statistic(np.ones(len(rows)))
    drawn: NDArray[np.float64] = np.empty((0, len(values)))
    if draws:
        drawn = resampled(statistic, *scorer.rows, n=draws, seed=asked.sampling.seed)
    return {name: figure(values[at], drawn[:, at], level) for at, name in enumerate(asked.bounds)}


def _short(side: Side, part: Members, asked: Asked) -> float:
    """Return how far a part is from meeting every requirement: the sum of what is missing of each, and the rest less.

    What is met counts too, a little: among values that leave nothing missing the better is still told.
    """
    if not part.any():
        return float("inf")
    reached = _figures(side, part, side, asked, draws=0)
    short = [shortfall(bound, reached[name])[0] for name, bound in asked.bounds.items()]
    return sum(item if item > 0 else item / 100 for item in short)


def _missed(reached: Figures, bounds: Bounds, *, spare: bool = False) -> list[str]:
    """Return the requirements that a part misses; with spare, of the end of the interval that is harder to meet."""
    return [
        name
        for name, bound in bounds.items()
        if not bound.met_by(reached[name][("low" if bound.side == "at_least" else "high") if spare else "value"])
    ]


def _enough(condition: Within, left: Left, asked: Asked) -> bool:
    """Tell whether enough rows are left to learn from, of every class, and to judge by."""
    if meets(left.judging[condition.column], condition).sum() < asked.min_rows:
        return False
    target = left.target[meets(left.learned[condition.column], condition)]
    if len(target) < asked.minimum.rows or asked.task == "regression":
        return len(target) >= asked.minimum.rows
    return bool(np.bincount(target.astype(int), minlength=asked.n_classes).min() >= asked.minimum.per_class)


def _plain(value: Any) -> Any:
    if isinstance(value, float | np.floating):
        return int(value) if float(value).is_integer() else float(value)
    return value.item() if isinstance(value, np.generic) else value
