"""The groups that rows fall into by a column: its values, or fifths of its numbers."""

from __future__ import annotations

from typing import Any

import pandas as pd

from stages.context import Context
from stages.errors import ParamsError
from stages.params import PARAMS_FILE
from stages.training.metrics import Array

MANY_VALUES, QUANTILES = 24, 5


def sensitive_columns(work: Context, rows: pd.DataFrame) -> list[str]:
    """Return the columns of the charter's groups.

    Raises
    ------
    ParamsError
        If the data have no such column.
    """
    sensitive: list[str] = work.charter["ethics"]["sensitive"]
    absent = [name for name in sensitive if name not in rows]
    if absent:
        raise ParamsError(
            f"{absent[0]!r} is no column of the data, so that no one can tell how its groups fare",
            where=f"{PARAMS_FILE}: planning.ethics.sensitive",
            expected="some of " + ", ".join(map(str, work.schema["features"])),
            todo="correct it, or bring the column",
        )
    return sensitive


def members(column: pd.Series[Any]) -> list[tuple[Any, bool, Array]]:
    """Return (value, whether it is a bin, membership) of each group; numbers with many values by quintile.

    Rows whose value is missing are in none.
    """
    if pd.api.types.is_numeric_dtype(column) and column.nunique() > MANY_VALUES:
        bins = pd.qcut(column, QUANTILES, duplicates="drop")
        return [(str(name), True, (bins == name).to_numpy()) for name in bins.cat.categories]
    values = sorted(column.dropna().unique().tolist(), key=str)
    return [(value, False, (column == value).to_numpy()) for value in values]
