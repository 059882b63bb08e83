"""What a source brings before anything is cleaned: a frame, where each row stands, and columns that cannot be used."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import isnan
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.data.sources.columns import Place
from stages.errors import DataError, ParamsError
from stages.params import Collect

Row = Sequence[Any]
Asked = dict[str, Any]
NARROWING = ("start", "end", "rows", "as_of")


@dataclass(frozen=True)
class Raw:
    """One reading of a source.

    Attributes
    ----------
    frame : DataFrame, shape (n_rows, n_columns)
        Columns by name, each once; cells are text, numbers, truth values, moments or missing.
    place : Place
        Where each row stands, for messages.
    unusable : dict
        Columns whose cells are none of these -> what they hold.
    """

    frame: pd.DataFrame
    place: Place
    unusable: dict[str, str] = field(default_factory=dict)

    def part(self, rows: NDArray[np.intp]) -> Raw:
        """Return some of the rows, in their order."""
        return Raw(self.frame.iloc[rows].reset_index(drop=True), self.place.part(rows), self.unusable)


def no_rows(shown: str) -> Raw:
    """Return what a source has where it has nothing."""
    return Raw(pd.DataFrame(), Place(shown, np.empty(0, dtype=np.intp)))


class Reader(Protocol):
    """Brings the raw rows of one kind of source.

    Attributes
    ----------
    shown : str
        The name of the source in messages.
    key : str
        The params key it is set by.
    asks : frozenset of str
        Which of start, end, rows and as_of narrow what it brings; it brings all it has of the others.
    """

    shown: str
    key: str
    asks: frozenset[str]

    def read(self, asked: Asked) -> Raw:
        """Return the rows; the same source, settings and ``asked`` give the same rows in the same order.

        Raises
        ------
        DataError
            If they cannot be had.
        """
        ...


def filled_in(reader: Reader, asked: Asked) -> Asked:
    """Return the values of what the reader asks for.

    Raises
    ------
    ParamsError
        If one of them is not set.
    """
    for name in NARROWING:
        if name in reader.asks and asked.get(name) is None:
            raise ParamsError(
                f"{reader.key} uses {name}, and data.collect.{name} is empty",
                where=f"params.yaml: data.collect.{name}",
                expected="a value",
                todo=f"set data.collect.{name}, or take it out of {reader.key}",
            )
    return {name: asked[name] for name in NARROWING if name in reader.asks}


def asked_of(collect: Collect, **changed: Any) -> Asked:
    """Return what ``data.collect`` says of start, end, rows and as_of, with some of it changed."""
    return {name: getattr(collect, name) for name in NARROWING} | changed


def check_names(names: Iterable[Any], shown: str) -> list[str]:
    """Return column names as text.

    Raises
    ------
    DataError
        If one appears twice.
    """
    found = [str(name) for name in names]
    twice = [name for name, count in Counter(found).items() if count > 1]
    if twice:
        raise DataError(
            f"column {', '.join(map(repr, twice))} appears more than once",
            where=shown,
            expected="every column name once",
            todo="rename or leave out the repeated column",
        )
    return found


def plain_column(values: Sequence[Any]) -> pd.Series[Any] | str:
    """Turn a column of Python objects, as databases and callables give them, into one that can be cleaned.

    NUMERIC (Decimal) becomes float64; dates and moments become moments in UTC (one without a zone is taken for UTC);
    times of day and durations become seconds; NULL, NaN and NaT are missing. Text, truth values and numbers stay, and
    of anything else (UUIDs, addresses, enumerations) its text says which it is.

    Returns
    -------
    Series or str
        The column; or, when its cells are bytes, lists or other objects that make no feature, what they are.
    """
    kinds = {type(value) for value in values if not _null(value)}
    if kinds & {bytes, bytearray, memoryview}:
        return "holds bytes"
    nested = sorted(kind.__name__ for kind in kinds if issubclass(kind, dict | list | tuple | set | np.ndarray))
    if nested:
        return f"holds objects of type {nested[0]}"
    plain = [None if _null(value) else value for value in values]
    if not kinds or all(issubclass(kind, str | bool | int | float | np.number | np.bool_) for kind in kinds):
        return pd.Series(plain)
    for types, convert in CONVERSIONS:
        if all(issubclass(kind, types) for kind in kinds):
            return convert(plain)
    return pd.Series([None if value is None else str(value) for value in plain], dtype="str")


def _numbers(values: list[Any]) -> pd.Series[Any]:
    return pd.Series([np.nan if value is None else float(value) for value in values], dtype="float64")


def _moments(values: list[Any]) -> pd.Series[Any]:
    return pd.to_datetime(pd.Series(values), utc=True).dt.as_unit("us")


def _clock(values: list[Any]) -> pd.Series[Any]:
    midnight = dt.datetime.min
    return _durations(
        [v if v is None else dt.datetime.combine(midnight, v.replace(tzinfo=None)) - midnight for v in values]
    )


def _durations(values: list[Any]) -> pd.Series[Any]:
    return pd.Series([np.nan if value is None else value.total_seconds() for value in values], dtype="float64")


def _null(value: Any) -> bool:
    return value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float | Decimal) and isnan(value))


CONVERSIONS: tuple[tuple[Any, Callable[[list[Any]], pd.Series[Any]]], ...] = (
    (dt.date, _moments),  # a datetime is one too
    (dt.time, _clock),
    (dt.timedelta, _durations),
    ((int, float, np.number, Decimal), _numbers),
)
