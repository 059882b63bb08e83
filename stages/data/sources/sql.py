"""A query on a database as a source, through SQLAlchemy."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stages.data.sources.columns import Place
from stages.data.sources.raw import NARROWING, Asked, Raw, check_names, filled_in, plain_column
from stages.errors import DataError, NoRowsError, ParamsError
from stages.params import SqlSource

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine

# Drivers that the extras of this package bring, where SQLAlchemy's own default is another one.
DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
ORDERED = re.compile(r"\border\s+by\b", re.IGNORECASE)


class Query:
    """Runs ``data.source.query``.

    The query's transaction is rolled back, so that it changes nothing. A database gives rows in whatever order it
    likes, so they are put in the order of the time column, if any, and then of all columns from the first to the last;
    rows that are equal in all of them are the same row. So the same rows make the same window, pilot and splits.

    Parameters
    ----------
    project : Path
        Folder that the file of a SQLite URL is relative to.
    settings : SqlSource
        URL and query.

    Raises
    ------
    ParamsError
        If the query asks for what is not there, or limits rows it does not order.
    """

    key = "data.source.query"
    shown = "the query's result"

    def __init__(self, project: Path, settings: SqlSource) -> None:
        from sqlalchemy import text

        self.project, self.settings, self.text = project, settings, text(settings.query)
        self.asks = frozenset(self.text.compile().params)
        strange = sorted(self.asks - set(NARROWING))
        if strange:
            raise ParamsError(
                f"unknown parameter :{strange[0]}",
                where=f"params.yaml: {self.key}",
                expected="any of " + ", ".join(f":{name}" for name in NARROWING),
                todo=rf"write the value itself; a colon that is none is written \:{strange[0]}",
            )
        if "rows" in self.asks and not ORDERED.search(settings.query):
            raise ParamsError(
                "the query limits its rows and does not order them, so any rows may come",
                where=f"params.yaml: {self.key}",
                expected="an order by beside :rows",
                todo="order it by a key",
            )

    def read(self, asked: Asked) -> Raw:
        """Return the query's rows in a fixed order.

        Raises
        ------
        DataError
            If the database cannot be reached, refuses the query, or returns no rows.
        """
        given = filled_in(self, asked)
        with self._connected() as engine, engine.connect() as connection:
            result = connection.execute(self.text, given)
            if not result.returns_rows:
                raise DataError("returns no table", where=f"params.yaml: {self.key}", expected="a select")
            names = check_names(result.keys(), self.shown)
            rows = result.fetchall()
        if not rows:
            said = ", ".join(f":{name} = {value}" for name, value in given.items())
            raise NoRowsError(
                f"no row{' for ' + said if said else ''}",
                where=self.shown,
                expected="rows",
                todo="check data.source.query and data.collect",
            )
        columns, unusable = {}, {}
        for name, values in zip(names, zip(*rows, strict=True), strict=True):
            column = plain_column(values)
            if isinstance(column, str):
                unusable[name], column = column, pd.Series([None] * len(rows))
            columns[name] = column
        frame = in_order(pd.DataFrame(columns), self.settings.time)
        return Raw(frame, Place(self.shown, np.arange(1, len(frame) + 1)), unusable)

    @contextmanager
    def _connected(self) -> Iterator[Engine]:
        """Yield an engine; what SQLAlchemy and the driver raise becomes one sentence, without a password."""
        from sqlalchemy import create_engine
        from sqlalchemy.exc import DBAPIError, NoSuchModuleError, SQLAlchemyError
        from sqlalchemy.pool import NullPool

        url, where = self._url()
        try:
            engine = create_engine(url, poolclass=NullPool)
        except (NoSuchModuleError, ModuleNotFoundError) as error:
            hint = "pip install 'loopwright[postgresql]'" if "psycopg" in str(error) else "install its driver"
            raise DataError(
                f"there is no driver for {url.drivername} ({said(error, url)})", where=where, todo=hint
            ) from None
        try:
            yield engine
        except DBAPIError as error:
            reached = error.statement is not None
            raise DataError(
                ("the database refuses the query: " if reached else "cannot be reached: ") + said(error.orig, url),
                where=f"params.yaml: {self.key}" if reached else where,
                todo="mend the query" if reached else "check the URL, and that the server runs",
            ) from None
        except SQLAlchemyError as error:
            raise DataError(said(error, url), where=where, todo="check URL and query") from None
        finally:
            engine.dispose()

    def _url(self) -> tuple[URL, str]:
        """Return the URL, and where it is from."""
        from sqlalchemy import make_url
        from sqlalchemy.exc import ArgumentError

        named = self.settings.url_env
        where = f"environment variable {named}" if named else "params.yaml: data.source.url"
        text = os.environ.get(named, "") if named else self.settings.url or ""
        if not text:
            raise DataError(
                "is not set", where=where, expected="the URL of the database", todo=f"export {named}=dialect://..."
            )
        try:
            url = make_url(text)
        except (ArgumentError, ValueError):
            raise DataError("is no URL", where=where, expected="dialect://user@host/database", todo="mend it") from None
        url = url.set(drivername=DRIVERS.get(url.drivername, url.drivername))
        if url.get_backend_name() == "sqlite" and url.database and not url.database.startswith((":", "file:")):
            path = self.project / url.database
            if not path.is_file():  # SQLite would make an empty one
                raise DataError(f"{url.database} is not found", where=where, todo="check the path")
            url = url.set(database=str(path))
        return url, where


def in_order(frame: pd.DataFrame, time: str | None) -> pd.DataFrame:
    """Return the rows in the order of ``time``, if any, and then of every column; missing cells come last."""
    names = sorted(frame.columns, key=lambda name: name != time)
    ranks = [_rank(frame[name]) for name in reversed(names)]
    return frame.iloc[np.lexsort(ranks)].reset_index(drop=True)


def _rank(column: pd.Series[Any]) -> np.ndarray[Any, Any]:
    if column.dtype == object:  # mixed types have an order only as text
        column = column.astype("str")
    codes = pd.factorize(column, sort=True)[0]
    return np.where(codes < 0, len(codes), codes)


def said(error: BaseException | None, url: URL) -> str:
    """Return the first line of an error, without the URL's password."""
    lines = str(error).strip().splitlines()
    first = lines[0] if lines else type(error).__name__
    return first.replace(str(url.password), "***") if url.password else first
