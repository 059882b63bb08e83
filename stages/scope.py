"""Which rows the project is about: the conditions of ``data.collect.scope``, held against rows."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.data.sources.columns import days_since_1970
from stages.errors import ParamsError
from stages.params import PARAMS_FILE, Within

Members = NDArray[np.bool_]
KEY = "data.collect.scope"
MAX_LISTED = 20


def within(rows: pd.DataFrame, scope: Sequence[Within]) -> Members:
    """Tell which rows meet every condition, (n,); all of them meet none."""
    inside = np.ones(len(rows), dtype=bool)
    for condition in scope:
        inside &= meets(rows[condition.column], condition)
    return inside


def meets(column: pd.Series[Any], condition: Within) -> Members:
    """Tell which cells meet a condition, (n,); a missing one does not.

    Numbers are compared as numbers, so that a column read as 1 and as 1.0 means the same. A date is its days since
    1970, as it is for a model.

    Examples
    --------
    >>> meets(pd.Series([1.0, 2.0, None]), Within(column="a", values=[1, "2"])).tolist()
    [True, True, False]
    >>> meets(pd.Series(["EWR", "LGA", None]), Within(column="a", values=["EWR"])).tolist()
    [True, False, False]
    >>> meets(pd.Series([1.0, 2.0, 3.0]), Within(column="a", at_least=2)).tolist()
    [False, True, True]
    >>> meets(pd.Series(pd.to_datetime(["1970-01-02", "2019-06-01", None])), Within(column="a", at_least=1.5)).tolist()
    [False, True, False]
    """
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        column = days_since_1970(pd.to_datetime(column, utc=True))
    if condition.values is not None:
        return _cells(column).isin(_wanted(column, condition.values)).to_numpy() & column.notna().to_numpy()
    number = pd.to_numeric(column, errors="coerce").to_numpy(dtype="float64")
    low = -np.inf if condition.at_least is None else condition.at_least
    return np.asarray((number >= low) & (number <= (np.inf if condition.at_most is None else condition.at_most)))


def check_scope(columns: Mapping[str, pd.Series[Any]], scope: Sequence[Within], *, values: bool) -> Members:
    """Return which rows of a source meet every condition, (n,), refusing a scope that cannot be meant.

    Parameters
    ----------
    columns : mapping of str to Series of shape (n,)
        The columns that the scope names.
    scope : sequence of Within
        ``data.collect.scope``.
    values : bool
        Whether these are all the rows that were asked for, so that a value which none of them has is a slip.

    Raises
    ------
    ParamsError
        If bounds are asked of text, a value is not in the data, or no row is left.
    """
    inside = np.ones(len(next(iter(columns.values()))), dtype=bool) if columns else np.ones(0, dtype=bool)
    for at, condition in enumerate(scope):
        column = columns[condition.column]
        if condition.values is None and column.notna().any() and pd.to_numeric(column, errors="coerce").isna().all():
            raise wrong(at, f"column {condition.column!r} holds text", "values of it, not bounds")
        if values and condition.values is not None:
            _check_values(at, column, condition)
        inside &= meets(column, condition)
        if not inside.any():
            raise wrong(at, f"leaves no row: {words([condition])}", "conditions that some rows meet together")
    return inside


def words(scope: Sequence[Within]) -> str:
    """Return conditions as people read them.

    Examples
    --------
    >>> words([Within(column="origin", values=["EWR", "LGA"]), Within(column="hour", at_least=6)])
    'origin in (EWR, LGA) and hour at least 6'
    """
    return " and ".join(condition.words for condition in scope)


def wrong(at: int, what: str, expected: str) -> ParamsError:
    """Build the error about the condition at an index."""
    return ParamsError(what, where=f"{PARAMS_FILE}: {KEY}[{at}]", expected=expected, todo=f"edit {KEY}")


def _cells(column: pd.Series[Any]) -> pd.Series[Any]:
    if _numeric(column):
        return column.astype("float64")
    return column.astype("str").str.strip()


def _wanted(column: pd.Series[Any], values: Sequence[Any]) -> list[Any]:
    if not _numeric(column):
        return [str(value).strip() for value in values]
    numbers = [pd.to_numeric(value, errors="coerce") for value in values]
    return [float(number) for number in numbers if not np.isnan(number)]


def _numeric(column: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(column.dtype)


def _check_values(at: int, column: pd.Series[Any], condition: Within) -> None:
    for value in condition.values or []:
        if not meets(column, Within(column=condition.column, values=[value])).any():
            known = sorted(
                {f"{cell:g}" if _numeric(column) else str(cell) for cell in _cells(column.dropna()).unique()}
            )
            close = difflib.get_close_matches(str(value), known, n=3)
            listed = ", ".join((close or known)[:MAX_LISTED]) + (", ..." if len(close or known) > MAX_LISTED else "")
            raise wrong(at, f"no row has {condition.column} = {value!r}", f"values that are there, as {listed}")
