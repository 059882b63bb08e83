"""The log of predictions: what was asked, what was answered, by which release; only ever added to.

One table in any database that SQLAlchemy reaches; without settings a SQLite file of the project. It is no part of an
iteration and is never restored: what was answered was answered.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from sqlalchemy import (
    URL,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Executable,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    and_,
    create_engine,
    event,
    func,
    inspect,
    make_url,
    or_,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from stages.data.sources.sql import DRIVERS, said
from stages.errors import DataError
from stages.params import load_params

FILE = ".loopwright/predictions.db"
BATCH = 2_000
ASKED = 500  # ids in one query: SQLite takes 999 parameters at least
RELEASE, CANARY, SHADOW, WATCH = "release", "canary", "shadow", "watch"  # as what it was answered
TO_NOBODY = (SHADOW, WATCH)  # a shadow's answers, and those to rows that `watch` looked at of its own accord

METADATA = MetaData()
PREDICTIONS = Table(
    "predictions",
    METADATA,
    Column("number", Integer, primary_key=True),  # the order in which they came
    Column("id", String(24), nullable=False, unique=True),
    Column("content", String(24), nullable=False, index=True),  # the same for the same row, whoever answered
    Column("at", String(32), nullable=False),  # ISO 8601, UTC
    Column("release", String(12), nullable=False),
    Column("iteration", Integer, nullable=False),
    Column("source", String, nullable=False),
    Column("key", String),
    Column("time", String),
    Column("group", String),
    Column("prediction", String, nullable=False),
    Column("confidence", Float),
    Column("answered", Boolean, nullable=False, index=True),
    Column("reason", String(16), nullable=False, index=True),
    Column("probabilities", Text),  # in the order of the card's classes, JSON
    Column("row", Text, nullable=False),  # features and columns of the scope, JSON
    Column("role", String(8), nullable=False, server_default=RELEASE),
    Index("by_key", "key", "number"),
)
LIGHT = [column for column in PREDICTIONS.c if column.name not in ("probabilities", "row")]


def given(columns: Any) -> ColumnElement[bool]:
    """Return the condition of a prediction that somebody asked for and got: no shadow's, and none of `watch`."""
    return cast(ColumnElement[bool], columns.role.not_in(TO_NOBODY))


GIVEN = given(PREDICTIONS.c)
Entry = Mapping[str, Any]


class PredictionLog:
    """The log of one project. Use it as a context: everything written in it is kept, or nothing.

    Parameters
    ----------
    project : Path
        The project. ``deployment.log.url_env`` names the environment variable with the database's URL, if any.
    wait : float
        Seconds to wait for another process that writes to the same SQLite file.

    Raises
    ------
    DataError
        If the database cannot be reached; said without its password.
    """

    def __init__(self, project: Path, *, wait: float = 60) -> None:
        self.project = project
        self.shown, url = _url(project)
        try:
            self.engine = create_engine(url, poolclass=NullPool, connect_args=_options(url.get_backend_name(), wait))
        except (NoSuchModuleError, ModuleNotFoundError) as error:
            raise DataError(f"there is no driver for {url.drivername} ({error})", where=self.shown) from None
        self._url = url
        if url.get_backend_name() == "sqlite":
            event.listen(self.engine, "connect", _wait_and_keep)

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """Yield what adds predictions, in one transaction."""
        with self.saying(), self.engine.begin() as connection:
            yield Writer(connection, create=True)

    def waiting(self) -> list[Entry]:
        """Return what was not answered and was not asked again since, the oldest first, of one batch the least sure.

        Of a row with a key the last prediction counts: one that a later release answers waits no longer. The rows and
        probabilities themselves are left out; `find` has them. Nobody waits for what a shadow said.
        """
        now = PREDICTIONS.c
        asked = select(*LIGHT).where(now.answered.is_(False), last_word()).order_by(now.at, now.confidence, now.number)
        return self.fetch([asked])

    def since(self, number: int, release: str) -> list[Entry]:
        """Return what a release answered after a prediction, in that order."""
        now = PREDICTIONS.c
        mine = (GIVEN, now.number > number, now.release == release)
        return self.fetch([select(PREDICTIONS).where(*mine).order_by(now.number)])

    def last(self) -> int:
        """Return the number of the last prediction; 0 where there is none."""
        found = self.fetch([select(func.max(PREDICTIONS.c.number).label("number"))])
        return int(found[0]["number"] or 0) if found else 0

    def find(self, ids: Iterable[str]) -> dict[str, Entry]:
        """Return the predictions with these ids, those that were given; a shadow's were not."""
        found = self.fetch([select(PREDICTIONS).where(GIVEN, PREDICTIONS.c.id.in_(part)) for part in parts(ids)])
        return {str(entry["id"]): entry for entry in found}

    def counts(self) -> dict[str, int]:
        """Return how many predictions were given for each reason; the empty one is that of those answered."""
        counted = select(PREDICTIONS.c.reason, func.count().label("n")).where(GIVEN).group_by(PREDICTIONS.c.reason)
        found = self.fetch([counted])
        return {
            str(entry["reason"]): int(entry["n"]) for entry in sorted(found, key=lambda entry: str(entry["reason"]))
        }

    def read(self, *queries: Executable) -> list[Entry]:
        """Return what queries of `PREDICTIONS` give, one after the other; nothing where there is no log yet."""
        return self.fetch(queries)

    def fetch(self, queries: Iterable[Executable]) -> list[Entry]:
        """Return what queries find, in their order; nothing where there is no log yet."""
        if self._url.get_backend_name() == "sqlite" and not Path(str(self._url.database)).exists():
            return []
        with self.saying(), self.engine.begin() as connection:
            prepare(connection)
            return [dict(row) for query in queries for row in connection.execute(query).mappings()]

    @contextmanager
    def saying(self) -> Iterator[None]:
        """Turn what a database says into what a user reads.

        Raises
        ------
        DataError
            Instead of any error of the database.
        """
        try:
            yield
        except SQLAlchemyError as error:
            raise DataError(
                "the log of predictions cannot be used: " + said(getattr(error, "orig", None) or error, self._url),
                where=self.shown,
                todo="check the database",
            ) from None
        finally:
            self.engine.dispose()


def last_word() -> ColumnElement[bool]:
    """Return the condition of a prediction that was given, and that no later one of the same key has overtaken."""
    later, now = PREDICTIONS.alias(), PREDICTIONS.c
    newer = (given(later.c), later.c.key == now.key, later.c.number > now.number)
    return and_(GIVEN, or_(now.key.is_(None), ~select(later.c.number).where(*newer).exists()))


class Writer:
    """Adds predictions to the log, those that it does not hold yet."""

    def __init__(self, connection: Connection, *, create: bool = False) -> None:
        if create:
            prepare(connection)
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        self.connection = connection
        self.insert = dialect.insert(PREDICTIONS).on_conflict_do_nothing(index_elements=["id"])

    def add(self, entries: Sequence[Entry]) -> None:
        """Add predictions; one whose id the log holds stays as it is."""
        for start in range(0, len(entries), BATCH):
            self.connection.execute(self.insert, list(entries[start : start + BATCH]))

    def size(self) -> int:
        """Return how many predictions the log holds."""
        return int(self.connection.execute(select(func.count()).select_from(PREDICTIONS)).scalar_one())


def prepare(connection: Connection) -> None:
    """Make the tables that are not there yet, and add the column that the log of an older version lacks."""
    try:
        METADATA.create_all(connection)
    except OperationalError:  # on SQLite another process made one of them in between
        METADATA.create_all(connection)
    if _has_role(connection):
        return
    unless = "if not exists " if connection.dialect.name == "postgresql" else ""
    try:
        connection.execute(
            text(f"alter table predictions add column {unless}role varchar(8) not null default '{RELEASE}'")
        )
    except OperationalError:
        if not _has_role(connection):  # else another process was first
            raise


def parts(ids: Iterable[str]) -> Iterator[list[str]]:
    """Yield ids, each once, in parts that one query takes."""
    wanted = list(dict.fromkeys(ids))
    return (wanted[start : start + ASKED] for start in range(0, len(wanted), ASKED))


def _has_role(connection: Connection) -> bool:
    return any(column["name"] == "role" for column in inspect(connection).get_columns(PREDICTIONS.name))


def _url(project: Path) -> tuple[str, Any]:
    """Return what to call the database in messages, and its URL."""
    named = load_params(project).deployment.log.url_env
    if named is None:
        (project / FILE).parent.mkdir(exist_ok=True)
        return FILE, make_url("sqlite://").set(database=str(project / FILE))
    where, text = f"environment variable {named}", os.environ.get(named, "")
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        what = "is no URL" if text else "is not set"
        raise DataError(what, where=where, expected="dialect://user@host/database", todo="set it") from None
    url = url.set(drivername=DRIVERS.get(url.drivername, url.drivername))
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise DataError(f"{url.get_backend_name()} is not known here", where=where, expected="sqlite or postgresql")
    if url.get_backend_name() == "sqlite" and _in_memory(url):
        raise DataError(
            "is a database in memory, which keeps nothing",
            where=where,
            expected="a file, such as sqlite:////srv/predictions.db",
            todo="name a file",
        )
    return where, url


def _in_memory(url: URL) -> bool:
    named = url.database or ""
    return named in ("", "file:") or ":memory:" in named or "memory" in (url.query.get("mode"), url.query.get("vfs"))


def _options(backend: str, wait: float) -> dict[str, Any]:
    # A server's thread closes what another one of it opened.
    return {"timeout": wait, "check_same_thread": False} if backend == "sqlite" else {"connect_timeout": 10}


def _wait_and_keep(connection: Any, record: Any) -> None:
    """Let readers read while one writes, and flush every commit to the disk."""
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
