"""Rows that stand in two splits: copies tell what a model remembers, not what it has learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.errors import DataError

Schema = dict[str, Any]
Hashes = NDArray[np.uint64]
GRID = 1e-3  # numbers nearer than this share of their interquartile range count as the same
SALT = 0x9E3779B97F4A7C15  # odd multipliers of a multilinear hash, one a column (Carter & Wegman 1979)


@dataclass(frozen=True)
class Hashed:
    """Rows of two splits, each column hashed on its own, so that any column can be left out of the sum.

    Attributes
    ----------
    before, after : array of shape (columns, rows)
        One row of hashes for each feature.
    """

    before: Hashes
    after: Hashes

    def whole(self) -> tuple[Hashes, Hashes]:
        """Return one hash for each row."""
        return self.before.sum(axis=0, dtype=np.uint64), self.after.sum(axis=0, dtype=np.uint64)


def hashed(before: pd.DataFrame, after: pd.DataFrame, schema: Schema) -> Hashed:
    """Hash the features of two splits; numbers are rounded to a thousandth of their interquartile range first."""
    sides = []
    for frame in (before, after):
        columns = [
            _mixed(_cells(frame[name], before[name], kind), salt)
            for salt, (name, kind) in enumerate(schema["features"].items())
        ]
        sides.append(np.array(columns, dtype=np.uint64).reshape(len(columns), len(frame)))
    return Hashed(*sides)


def copied(rows: Hashed) -> NDArray[np.bool_]:
    """Return which rows of the later split have the same features as a row of the earlier one, (n,)."""
    before, after = rows.whole()
    return _counts(before, after) > 0


def by_chance(rows: Hashed) -> float:
    """Return which share of the equal pairs of rows chance explains, from 0 to 1.

    Rows of a few coarse columns are equal by chance, and how often is told by near misses, the pairs that are equal
    but for one column. Where they outnumber the equal pairs, chance explains all: no copy can be told then. Else, if a
    column is free of the others, chance leaves it equal in a share ``q`` of the pairs that agree in all else, ``q``
    being the chance that any two rows agree in it. Of the equal pairs that is ``q (r - 1) / (1 - q)``, where ``r`` is
    how many times more pairs there are without the column. The freest column tells.
    """
    before, after = rows.whole()
    same = float(_counts(before, after).sum())
    if not same:
        return 0.0
    near, share = 0.0, 0.0
    for one, other in zip(rows.before, rows.after, strict=True):
        without = float(_counts(before - one, after - other).sum())
        q = _counts(one, other).sum() / (len(one) * len(other))
        share = max(share, q * (without / same - 1) / (1 - q)) if q < 1 else share
        near += without - same
    return float(min(1.0, share)) if near < same else 1.0


def drop_copies(splits: dict[str, pd.DataFrame], schema: Schema) -> dict[str, pd.DataFrame]:
    """Return the splits, each without the rows whose features stand in an earlier one; the first stays whole.

    Raises
    ------
    DataError
        If a split would be left without a row.
    """
    names = list(splits)
    kept = {names[0]: splits[names[0]]}
    for name in names[1:]:
        before = pd.concat(kept.values(), ignore_index=True)
        rows = splits[name][~copied(hashed(before, splits[name], schema))].reset_index(drop=True)
        if rows.empty:
            raise DataError(
                f"every row of {name} stands in an earlier split",
                where="params.yaml: data.split.copies",
                todo="collect other rows, or set data.split.copies: keep",
            )
        kept[name] = rows
    return kept


def _cells(values: pd.Series[Any], reference: pd.Series[Any], kind: str) -> Any:
    if kind == "category":
        return values.astype(object).where(values.notna(), "\0missing").to_numpy()
    number, seen = values.to_numpy(dtype="float64"), reference.to_numpy(dtype="float64")
    seen = seen[np.isfinite(seen)]
    step = GRID * float(np.subtract(*np.quantile(seen, [0.75, 0.25]))) if len(seen) else 0.0
    return np.round(number / step) if step > 0 else number


def _mixed(cells: Any, salt: int) -> Hashes:
    found = pd.util.hash_array(cells, categorize=True)
    return found * np.uint64((SALT * (2 * salt + 1)) % 2**64)


def _counts(before: Hashes, after: Hashes) -> NDArray[np.intp]:
    """Return how many rows of the earlier side have the hash of each row of the later one, (n,)."""
    values, counts = np.unique(before, return_counts=True)
    at = np.minimum(np.searchsorted(values, after), len(values) - 1)
    return np.where(values[at] == after, counts[at], 0)
