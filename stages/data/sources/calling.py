"""A Python callable as a source."""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.data.sources.columns import Place
from stages.data.sources.raw import NARROWING, Asked, Raw, check_names, filled_in, plain_column
from stages.errors import DataError, LoopwrightError, ParamsError
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
        self.function = self._import()
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
                f"{self.settings.call} raised {_told(error)}", where=self.where, todo="mend it, or data.source.with"
            ) from error
        if not isinstance(returned, pd.DataFrame):
            raise DataError(
                f"{self.settings.call} returned a {type(returned).__name__}",
                where=self.where,
                expected="a pandas DataFrame",
                todo="return one",
            )
        if returned.empty:
            raise DataError("no row", where=self.shown, expected="rows", todo="check data.source.with and data.collect")
        names = check_names(returned.columns, self.shown)
        columns, unusable = {}, {}
        for index, name in enumerate(names):
            column = _plain(returned.iloc[:, index].reset_index(drop=True))
            if isinstance(column, str):
                unusable[name], column = column, pd.Series([None] * len(returned))
            columns[name] = column
        return Raw(pd.DataFrame(columns), Place(self.shown, np.arange(1, len(returned) + 1)), unusable)

    def _import(self) -> Callable[..., Any]:
        path = self.settings.call
        module, _, name = path.rpartition(":") if ":" in path else path.rpartition(".")
        expected = "package.module:function"
        if not module or not name:
            raise ParamsError(f"{path!r} is no import path", where=self.where, expected=expected, todo="correct it")
        if str(self.project) not in sys.path:
            sys.path.insert(0, str(self.project))
        importlib.invalidate_caches()
        try:
            found: Any = importlib.import_module(module)
        except Exception as error:  # whatever the module does while it is imported
            raise DataError(
                f"{module} cannot be imported: {_told(error)}",
                where=self.where,
                expected=f"{expected} in the project or in the environment",
                todo="correct the path, or mend the module",
            ) from error
        for part in name.split("."):
            if not hasattr(found, part):
                raise DataError(f"{module} has no {name!r}", where=self.where, expected=expected, todo="correct it")
            found = getattr(found, part)
        if not callable(found):
            kind = type(found).__name__
            raise DataError(f"{path} is a {kind}", where=self.where, expected="a callable", todo="name a function")
        return found  # type: ignore[no-any-return]

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


def _told(error: BaseException) -> str:
    """Return an error in a line: its type, its text, and the line of the user's code it is from."""
    first = " ".join(str(error).split())
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    frames = [frame for frame in frames if "importlib" not in frame.filename]
    at = f" ({Path(frames[-1].filename).name} line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {first}{at}" if first else f"{type(error).__name__}{at}"
