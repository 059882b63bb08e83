"""A user's own data as a source: files, a query or a callable bring the rows, and the rest is the same for all."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path

import numpy as np
import pandas as pd

from stages.data.cutting import By, cut
from stages.data.sources import Between, Collected, Schema
from stages.data.sources.cleaning import Cleaner
from stages.data.sources.columns import to_time
from stages.data.sources.raw import Asked, Raw, Reader, asked_of, no_rows
from stages.data.sources.scoping import EVERY, Scope
from stages.data.sources.windows import DAY, Days, Windows, ahead, next_month, reach, windows_of
from stages.errors import DataError, NoRowsError, ParamsError
from stages.params import Collect, PythonSource, SqlSource, TableSource

FIRST_LOOK_ROWS = 20_000


class Table:
    """A user's own data.

    Parameters
    ----------
    project : Path
        Folder that paths are relative to.
    settings : TableSource, SqlSource or PythonSource
        Where the rows come from, and which columns are target, time and group.
    task : {"classification", "regression"}
        How the target is read.
    """

    def __init__(self, project: Path, settings: TableSource | SqlSource | PythonSource, task: str) -> None:
        self.settings, self.task = settings, task
        self.target, self.time, self.group = settings.target, settings.time, settings.group
        self.reader = open_reader(project, settings)
        self.cleaner = Cleaner(settings, task)

    def collect(self, collect: Collect, seed: int) -> Collected:
        """Return the window and the pilot.

        With ``start`` or ``end`` and a time column of dates, they are cut by days (in UTC), a group where its first
        row lies. Else the pilot is the last part by time, or whole groups, or a seeded (stratified) choice, and the
        window is the rest. Of the window, ``rows`` at most are chosen by the seed, so that a larger number keeps the
        rows of a smaller.

        Raises
        ------
        DataError
            If the rows cannot be had, or a column cannot be used; the message names source, row and column.
        """
        if self._by_days(collect):
            return self._collect_days(collect, seed)
        limited = "rows" in self.reader.asks
        window, pilot, schema = self._shares(collect, seed)
        available = len(window)
        window = _choice(window, collect.rows or available, seed)
        rest = available - len(window)
        # A source that was asked for no more than these may have more.
        full = limited and len(window) >= (collect.rows or 0)
        schema |= {
            "window": {"start": None, "end": None, "rows": len(window)},
            "pilot": {"start": None, "end": None, "rows": len(pilot)},
            "more": {"data.collect.rows": 2 * len(window)} if rest or full else {},
            "more_rows": len(window) if full else min(rest, len(window)),
            "include_pilot": {},
            "longer_pilot": {},
        }
        for name, part in (("window", window), ("pilot", pilot)) if self.time else ():
            schema[name] |= {"start": str(part[self.time].min()), "end": str(part[self.time].max())}
        return Collected(window, pilot, schema)

    def first_look(self, collect: Collect, seed: int) -> tuple[pd.DataFrame, Schema]:
        """Return at most 20,000 rows, none of them in the pilot.

        They are of the largest window there can be; or of the first month, when windows go by days and may grow into
        the pilot (of less only while the window itself is shorter).
        """
        whole = collect.model_copy(update={"features": []})
        if self._by_days(collect):
            last = next_month(collect.start) if collect.start else None
            asked = asked_of(collect, end=min(filter(None, (last, collect.end))))
            frame, schema = self.load([], asked, Scope(collect.scope, whole=False))
            days = self._days(frame)
            first = collect.start or days.min().astype(dt.date)
            until = min(next_month(first), collect.end or dt.date.max)
            window = _between(frame, days, first, until)
            self._settle_classes(window, schema)
            pilot, more = frame.iloc[:0], True  # its days are not known yet
        elif "rows" in self.reader.asks:
            window, pilot, schema = self._shares(whole, seed)
            more = True
        else:
            window, pilot, schema = self._shares(whole.model_copy(update={"rows": None}), seed)
            more = False
        schema["look"] = {"rows": len(window), "pilot": len(pilot), "more": more}
        return _choice(window, FIRST_LOOK_ROWS, seed), schema

    def load(
        self, wanted: list[str], asked: Asked | None = None, scope: Scope = EVERY, until: dt.date | None = None
    ) -> tuple[pd.DataFrame, Schema]:
        """Return every row of a scope, with the features named (all, if none is), and what the schema holds by then.

        Rows from the day ``until`` on are left out before any cell is looked at: its cells tell what a column is.

        Raises
        ------
        DataError
            If the rows cannot be had or a column cannot be used.
        """
        raw = self.reader.read(asked or asked_of(Collect()))
        return self.cleaner.clean(raw if until is None else self._known(raw, until), wanted, scope)

    def between(self, start: dt.date, end: dt.date, as_of: str | None = None) -> Between:
        """Return the rows of [start, end), in UTC; a group lies where its first row does. There may be none yet.

        Raises
        ------
        DataError
            If the rows cannot be had, or their time cannot be read.
        ParamsError
            If they have no time, or the source limits its rows.
        """
        if self.time is None:
            raise ParamsError("is needed to tell days", where="params.yaml: data.source.time", expected="a column")
        if "rows" in self.reader.asks:
            limits = f"{self.reader.key} limits its rows by rows, and production is looked at by days"
            raise ParamsError(limits, where=f"params.yaml: {self.reader.key}", expected="all rows, or by start and end")
        try:
            raw = self.reader.read(asked_of(Collect(), start=start, end=next_month(end), as_of=as_of))
        except NoRowsError:
            return Between(no_rows(self.reader.shown), start)
        named = self.cleaner.renamed(raw)
        roles = [name for name in (self.time, self.group) if name is not None]
        absent = next((name for name in roles if name not in named.frame.columns), None)
        if absent is not None:
            raise DataError(f"has no column {absent!r}", where=raw.place.shown, todo="bring it back, or rename it")
        table = named.frame[roles].assign(**{self.time: to_time(named.frame[self.time], self.time, named.place)})
        days = self._days(table)
        rows = np.flatnonzero((days >= np.datetime64(start)) & (days < np.datetime64(end)))
        after = days.max().astype(dt.date) + DAY if len(days) else start
        return Between(raw.part(rows), after)

    def _shares(self, collect: Collect, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, Schema]:
        rows = math.ceil(collect.rows / (1 - collect.pilot_share)) if collect.rows else None
        frame, schema = self._so_many(collect, rows)
        by = By(self.time, self.group, self.target if self.task == "classification" else None)
        window, pilot = cut(frame, [1 - collect.pilot_share, collect.pilot_share], by, seed)
        return window, pilot, schema

    def _so_many(self, collect: Collect, rows: int | None) -> tuple[pd.DataFrame, Schema]:
        """Return the rows of the scope; of a source that is asked for a number, as many if it has them.

        It knows nothing of the scope, so it is asked again for more, by the share that lay within.
        """
        asked, limited = rows, rows is not None and "rows" in self.reader.asks
        scope = Scope(collect.scope, whole=not limited)  # what a limit left out may hold the values that it names
        while True:
            frame, schema = self.load(collect.features, asked_of(collect, rows=asked), scope, collect.until)
            seen = len(frame) + schema.get("scope", {"outside": 0})["outside"]
            if rows is None or asked is None or not limited or len(frame) >= rows or seen < asked:
                return frame, schema
            asked = max(2 * asked, math.ceil(asked * rows / len(frame)))

    def _by_days(self, collect: Collect) -> bool:
        """Tell whether windows go by days."""
        if collect.start is None and collect.end is None:
            return False
        where = "params.yaml: data.collect"
        if self.time is None and self.reader.asks & {"start", "end"}:
            return False  # the source knows what they mean
        if self.time is None:
            raise ParamsError(
                "start and end need a time column", where=where, expected="data.source.time", todo="name one, or rows"
            )
        if "rows" in self.reader.asks:
            raise ParamsError(
                f"{self.reader.key} limits its rows by rows, and the window goes by days",
                where=where,
                expected="one of the two",
                todo="take start and end out, or rows out of " + self.reader.key,
            )
        return True

    def _collect_days(self, collect: Collect, seed: int) -> Collected:
        end = reach(collect.end, collect.pilot_days) if collect.end else None
        asked = asked_of(collect, end=min(filter(None, (end, collect.until)), default=None))
        frame, schema = self.load(collect.features, asked, Scope(collect.scope), collect.until)
        days = self._days(frame)
        first, after = days.min().astype(dt.date), days.max().astype(dt.date) + DAY
        found = windows_of(collect, min(first, collect.start or first), after)
        window = _between(frame, days, found.start, found.end)
        pilot = _between(frame, days, found.end, found.pilot_end)
        for name, part, bounds in (("window", window, found[:2]), ("pilot", pilot, found[1:])):
            if part.empty:
                raise DataError(
                    f"the {name}, {bounds[0]} to {bounds[1]}, holds no row",
                    where=self.reader.shown,
                    expected=f"rows in it; there are rows from {first} to {after - DAY}"
                    + (" within data.collect.scope" if collect.scope else ""),
                    todo="edit data.collect",
                )
        self._settle_classes(pd.concat([window, pilot], ignore_index=True), schema)
        available = len(window)
        window = _choice(window, collect.rows or available, seed)
        schema |= ahead(days, found, collect.pilot_days, after)
        if available > len(window):
            rest = available - len(window)
            schema |= {"more": {"data.collect.rows": 2 * len(window)}, "more_rows": min(rest, len(window))}
        schema |= _described(found, len(window), len(pilot))
        return Collected(window, pilot, schema)

    def _known(self, raw: Raw, until: dt.date) -> Raw:
        """Return the rows that are there by a day."""
        where = "params.yaml: data.collect.until"
        if self.time is None:
            raise ParamsError("needs a time column", where=where, expected="data.source.time", todo="name one")
        named = self.cleaner.renamed(raw)
        if self.time not in named.frame.columns:
            return raw  # which is told where columns are
        moments = self._dates(to_time(named.frame[self.time], self.time, named.place))
        known = np.flatnonzero((moments < pd.Timestamp(until, tz="UTC")).to_numpy())
        if not len(known):
            raise DataError(
                "no row is older",
                where=where,
                expected=f"a day after {moments.min():%Y-%m-%d}",
                todo="set it later, or leave it empty",
            )
        return raw.part(known)

    def _days(self, frame: pd.DataFrame) -> Days:
        """Return the day of each row in UTC; that of its group's first row, where there are groups."""
        time = self._dates(frame[self.time])
        if self.group:
            time = time.groupby(frame[self.group]).transform("min")
        return np.asarray(time.dt.tz_convert(None).to_numpy(), dtype="datetime64[D]")

    def _dates(self, time: pd.Series) -> pd.Series:
        if not pd.api.types.is_datetime64_any_dtype(time.dtype):
            raise DataError(
                f"the time column {self.time!r} holds numbers",
                where="params.yaml: data.collect",
                expected="dates, to cut windows by days",
                todo="take start and end out, or name another data.source.time",
            )
        return time

    def _settle_classes(self, frame: pd.DataFrame, schema: Schema) -> None:
        """Leave only the classes that these rows have: of a later one nothing is known yet."""
        seen = frame[self.target].dropna().unique()
        if len(seen) < 2:
            raise DataError(
                f"the target has {'one value' if len(seen) else 'no value'} between these days",
                where="params.yaml: data.collect",
                expected="at least two different values",
                todo="make the window longer",
            )
        if schema["classes"]:
            schema["classes"] = sorted(seen.tolist())


def open_reader(project: Path, settings: TableSource | SqlSource | PythonSource) -> Reader:
    """Return what brings the raw rows of a source.

    Raises
    ------
    LoopwrightError
        If its settings cannot be right.
    """
    match settings:
        case SqlSource():
            from stages.data.sources.sql import Query

            return Query(project, settings)
        case PythonSource():
            from stages.data.sources.calling import Call

            return Call(project, settings)
        case _:
            from stages.data.sources.files import Files

            return Files(project, settings)


def _between(frame: pd.DataFrame, days: Days, start: dt.date, end: dt.date) -> pd.DataFrame:
    """Return the rows of [start, end), in the order of days."""
    rows = np.flatnonzero((days >= np.datetime64(start)) & (days < np.datetime64(end)))
    return frame.iloc[rows[np.argsort(days[rows], kind="stable")]].reset_index(drop=True)


def _described(found: Windows, rows: int, pilot_rows: int) -> Schema:
    return {
        "window": {"start": str(found.start), "end": str(found.end), "rows": rows},
        "pilot": {"start": str(found.end), "end": str(found.pilot_end), "rows": pilot_rows},
    }


def _choice(frame: pd.DataFrame, rows: int, seed: int) -> pd.DataFrame:
    """Return at most ``rows`` rows in their order, chosen by ``seed`` so that more rows include those of fewer."""
    if rows >= len(frame):
        return frame
    chosen = np.random.default_rng(seed).permutation(len(frame))[:rows]
    return frame.iloc[np.sort(chosen)].reset_index(drop=True)
