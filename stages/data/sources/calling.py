"""A Python callable as a source."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.data.sources.columns import Place
from stages.data.sources.raw import NARROWING, Asked, Raw, check_names, filled_in, plain_column
from stages.errors import DataError, LoopwrightError, NoRowsError, ParamsError
from stages.importing import import_callable, told
from stages.params import PythonSource


class Call:
    """Calls ``data.source.call`` with the arguments in ``data.source.with``.

    The rows stay in the order in which they are returned: the same arguments must give the same rows again.

    Parameters
    ----------
    project : Path
        Put on the import path.
    settings : PythonSource
        The callable's import path and arguments.

    Raises
    ------
    DataError
        If it cannot be imported.
    ParamsError
        If it does not take the arguments.
    """

    key = "data.source.call"

    def __init__(self, project: Path, settings: PythonSource) -> None:
        self.project, self.settings, self.shown = project, settings, f"what {settings.call} returns"
        self.where = f"params.yaml: {self.key}"
        self.function = import_callable(project, settings.call, self.where)
        signature = _signature(self.function)
        takes = set(signature.parameters) if signature else set()
        self.asks = frozenset(set(NARROWING) & takes - set(settings.with_))
        if signature is not None:
            self._check_arguments(signature)

    def read(self, asked: Asked) -> Raw:
        """Return the rows of the DataFrame that it returns.

        Raises
        ------
        DataError
            If it raises, or returns something else.
        """
        given = filled_in(self, asked) | self.settings.with_
        try:
            returned = self.function(**given)
        except LoopwrightError:
            raise
        except Exception as error:
            raise DataError(
                f"{self.settings.call} raised {told(error)}", where=self.where, todo="mend it, or data.source.with"
            ) from error
        if not isinstance(returned, pd.DataFrame):
            raise DataError(
                f"{self.settings.call} returned a {type(returned).__name__}",
                where=self.where,
                expected="a pandas DataFrame",
                todo="return one",
            )
        if returned.empty:
            todo = "check data.source.with and data.collect"
            raise NoRowsError("no row", where=self.shown, expected="rows", todo=todo)
        names = check_names(returned.columns, self.shown)
        columns, unusable = {}, {}
        for index, name in enumerate(names):
            column = _plain(returned.iloc[:, index].reset_index(drop=True))
            if isinstance(column, str):
                unusable[name], column = column, pd.Series([None] * len(returned))
            columns[name] = column
        return Raw(pd.DataFrame(columns), Place(self.shown, np.arange(1, len(returned) + 1)), unusable)

    def _check_arguments(self, signature: inspect.Signature) -> None:
        try:
            signature.bind(**dict.fromkeys(self.asks), **self.settings.with_)
        except TypeError as error:
            raise ParamsError(
                f"{self.settings.call} cannot be called so: {error}",
                where="params.yaml: data.source.with",
                expected=f"arguments of {self.settings.call}{signature}",
                todo="edit data.source.with",
            ) from None


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):  # some builtins tell none
        return None


def _plain(column: pd.Series[Any]) -> pd.Series[Any] | str:
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return pd.to_datetime(column, utc=True).dt.as_unit("us")
    if pd.api.types.is_timedelta64_dtype(column.dtype):
        return pd.Series(column.dt.total_seconds())
    if pd.api.types.is_numeric_dtype(column.dtype) or isinstance(column.dtype, pd.StringDtype):
        return column
    return plain_column(column.tolist())
