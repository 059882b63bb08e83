"""To which part of the rows the project could be narrowed so that the requirements hold there.

Which values to keep is chosen on some rows and what is reached there is estimated on others: on the same rows the best
looking part is always better than it is (the winner's curse). From the choosing rows only the gain over all rows is
taken, as models that were fitted on fewer rows, or without whole days, are worse everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from stages.data.blocks import Blocks
from stages.params import Minimum, Requirement, Within
from stages.scope import Members, meets
from stages.training.metrics import Array, Figure, Scorer, constant_prediction, figure, resampled
from stages.training.sampling import Sampling

Bounds = Mapping[str, Requirement]
Statistic = Callable[[Array], list[float]]
OUTCOME = "outcome"
MANY_VALUES, QUANTILES = 24, 5
MIN_ROWS = 100  # of fewer to judge by, an interval says next to nothing
LEAST, DRAWS, TRIES, OFFERED = 50, 50, 4, 3
ONE_ERROR = 0.6827  # the coverage of a normal's mean and a standard error on either side


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

    @property
    def every(self) -> Members:
        """All rows."""
        return np.ones(len(self.rows), dtype=bool)

    def part(self, condition: Within) -> Members:
        """Return which rows meet a condition."""
        return meets(self.rows[condition.column], condition)


@dataclass(frozen=True)
class Asked:
    """What is required of the part, and how many rows must be left in it.

    Attributes
    ----------
    bounds : mapping of str to Requirement
        By metric; ``outcome`` is the mean of a side's outcome.
    min_rows : int
        Rows to judge by.
    minimum : Minimum
        Rows to learn from.
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
    """What must have enough rows in a part: those to learn from, with their target, and those that judge next."""

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
        A part is chosen when it gains what all rows lack, with a standard error to spare (Breiman et al. 1984), and
        offered when the estimate then meets every requirement; its interval holds for all columns together (Dunn 1961).
    left : Left
        What must have enough rows in the part.
    asked : Asked
        What is required.

    Returns
    -------
    list of dict
        ``condition``, as in ``data.collect.scope``; ``without``, the values that it leaves out; ``rows`` and ``share``,
        those of ``estimate``; ``figures``, each required metric with its interval, its bound and what it ``was`` on all
        rows.
    """
    names = list(asked.bounds)
    before = dict(zip(names, _at_once(estimate, estimate.every, left.target, asked), strict=True))
    if not all(map(np.isfinite, before.values())):
        return []
    lacking = {name: Requirement(**{b.side: b.bound - before[name]}) for name, b in asked.bounds.items()}
    level = 1 - (1 - asked.sampling.level) / max(1, len(columns))
    found: list[dict[str, Any]] = []
    for column in columns:
        condition = _chosen(column, choose, lacking, asked)
        if condition is None or not _enough(condition, left, asked):
            continue
        part, learned = estimate.part(condition), left.target[meets(left.learned[column], condition)]
        if part.sum() < asked.min_rows or part.all():
            continue
        reached = _figures(_statistic(estimate, part, learned, asked), estimate, names, asked.sampling, level)
        if all(bound.met_by(reached[name]["value"]) for name, bound in asked.bounds.items()):
            told = [
                {"metric": name, **reached[name], "bound": bound.bound, "side": bound.side, "was": before[name]}
                for name, bound in asked.bounds.items()
            ]
            plain = condition.model_dump(mode="json", exclude_none=True)
            item = {"condition": plain, "without": _without(choose.rows[column], condition), "figures": told}
            found.append(item | {"rows": int(part.sum()), "share": float(part.mean())})
    return sorted(found, key=lambda item: (-item["share"], item["condition"]["column"]))[:OFFERED]


def _chosen(column: str, side: Side, lacking: Bounds, asked: Asked) -> Within | None:
    """Return the largest part by a column that gains what is lacking, with a standard error to spare."""
    ones, tried = np.ones(len(side.rows)), 0
    whole = _statistic(side, side.every, side.target, asked)
    before = whole(ones)
    for condition in _parts(column, side, lacking, asked):
        part = side.part(condition)
        if part.all() or part.sum() < LEAST or tried == TRIES:
            continue
        here = _statistic(side, part, side.target[part], asked)
        gained = np.subtract(here(ones), before)
        if not all(b.met_by(gain) for b, gain in zip(lacking.values(), gained, strict=True)):
            continue
        tried += 1

        def gain(weight: Array, here: Statistic = here) -> list[float]:
            return [one - other for one, other in zip(here(weight), whole(weight), strict=True)]

        drawn = _figures(gain, side, list(lacking), replace(asked.sampling, n=DRAWS), ONE_ERROR)
        if all(b.met_by(drawn[name]["low" if b.side == "at_least" else "high"]) for name, b in lacking.items()):
            return condition
    return None


def _parts(column: str, side: Side, lacking: Bounds, asked: Asked) -> Iterator[Within]:
    """Yield parts, the largest first: values without the worst of them, or runs of the quintiles of many numbers."""
    cells = side.rows[column]
    if pd.api.types.is_numeric_dtype(cells.dtype) and cells.nunique() > MANY_VALUES:
        yield from _runs(column, cells)
        return
    counts = cells.value_counts()
    kept = _sorted(counts.index.tolist())
    judged = sorted((value for value in kept if counts[value] >= LEAST), key=lambda value: (-counts[value], str(value)))
    without = {value: (cells != value).to_numpy() & cells.notna().to_numpy() for value in judged[:MANY_VALUES]}
    worth = {value: _worth(side, part, lacking, asked) for value, part in without.items()}
    for worst in sorted(worth, key=lambda value: (-worth[value], str(value)))[: len(kept) - 1]:
        kept.remove(worst)
        yield Within(column=column, values=[_plain(value) for value in kept])


def _runs(column: str, cells: pd.Series[Any]) -> Iterator[Within]:
    """Yield the runs of quintiles, the longest first; ends that lie at the end of all rows stay open."""
    edges = np.unique(np.nanquantile(cells.to_numpy(dtype="float64"), np.linspace(0, 1, QUANTILES + 1)))
    ends, last = [float(f"{edge:.4g}") for edge in edges], len(edges) - 1
    for length in range(last - 1, 0, -1):
        for first in range(last - length + 1):
            low = ends[first] if first else None
            high = ends[first + length] if first + length < last else None
            yield Within(column=column, at_least=low, at_most=high)


def _worth(side: Side, part: Members, lacking: Bounds, asked: Asked) -> float:
    """Return how much a part gains of what is missed, in shares of the bounds."""
    if not part.any():
        return -np.inf
    whole, here = (
        _at_once(side, rows, known, asked) for rows, known in ((side.every, side.target), (part, side.target[part]))
    )
    gained = 0.0
    for name, one, other in zip(lacking, whole, here, strict=True):
        if not lacking[name].met_by(0.0):
            sign = 1 if lacking[name].side == "at_least" else -1
            gained += sign * (other - one) / (abs(asked.bounds[name].bound) or 1.0)
    return gained if np.isfinite(gained) else -np.inf


def _statistic(side: Side, part: Members, learned: Array, asked: Asked) -> Statistic:
    """Return what is required, of a part, for weights of all rows; beside the constant of the rows it would learn."""
    rows = np.flatnonzero(part)
    constant = constant_prediction(asked.task, learned, asked.n_classes)
    scorer = Scorer(asked.task, side.target[rows], side.prediction[rows], constant, threshold=asked.threshold)
    names = [name for name in asked.bounds if name != OUTCOME]
    brings = None if side.outcome is None else side.outcome[rows]

    def statistic(weight: Array) -> list[float]:
        scores = scorer.score(names, weight[rows])
        if brings is not None:
            with np.errstate(invalid="ignore"):
                scores[OUTCOME] = float(np.dot(brings, weight[rows]) / weight[rows].sum())
        return [scores[name] for name in asked.bounds]

    return statistic


def _at_once(side: Side, part: Members, learned: Array, asked: Asked) -> list[float]:
    return _statistic(side, part, learned, asked)(np.ones(len(part)))


def _figures(
    statistic: Statistic, side: Side, names: Sequence[str], sampling: Sampling, level: float
) -> dict[str, Figure]:
    rows = len(side.rows)
    values, drawn = statistic(np.ones(rows)), resampled(statistic, rows, side.blocks, n=sampling.n, seed=sampling.seed)
    return {name: figure(values[at], drawn[:, at], level) for at, name in enumerate(names)}


def _enough(condition: Within, left: Left, asked: Asked) -> bool:
    """Tell whether enough rows are left to learn from, of every class, and to judge by."""
    if meets(left.judging[condition.column], condition).sum() < asked.min_rows:
        return False
    target = left.target[meets(left.learned[condition.column], condition)]
    if len(target) < asked.minimum.rows or asked.task == "regression":
        return len(target) >= asked.minimum.rows
    return bool(np.bincount(target.astype(int), minlength=asked.n_classes).min() >= asked.minimum.per_class)


def _without(cells: pd.Series[Any], condition: Within) -> list[Any]:
    """Return the values that a condition on values leaves out."""
    if condition.values is None:
        return []
    return [_plain(value) for value in _sorted(cells[~meets(cells, condition)].dropna().unique().tolist())]


def _sorted(values: list[Any]) -> list[Any]:
    return sorted(values, key=lambda value: (0, value, "") if isinstance(value, int | float) else (1, 0, str(value)))


def _plain(value: Any) -> Any:
    if isinstance(value, float | np.floating):
        return int(value) if float(value).is_integer() else float(value)
    return value.item() if isinstance(value, np.generic) else value
