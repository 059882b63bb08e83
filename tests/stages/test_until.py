"""A source asked as of a day, and for the rows of some days: of what comes later nothing shows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from stages.data.sources.nycflights13 import Flights
from stages.data.sources.table import Table
from stages.errors import DataError, ParamsError
from stages.params import Collect, PythonSource, SqlSource, TableSource
from tests.conftest import bundled_table

DAYS = pd.date_range("2024-01-01", "2024-04-30", freq="D")


def visits() -> pd.DataFrame:
    """Four months of the cancer table, four rows a day, in no order; in April another class comes up."""
    frame = bundled_table("breast_cancer", spoilt=False)[["mean_radius", "mean_texture", "target"]]
    frame = frame.head(4 * len(DAYS)).assign(day=np.repeat(DAYS.strftime("%Y-%m-%d"), 4))
    frame.loc[frame["day"] >= "2024-04-20", "target"] = "unclear"
    return frame.sample(frac=1, random_state=0).reset_index(drop=True)


def ask(**values: Any) -> Collect:
    return Collect.model_validate(values)


def at(day: str) -> dt.date:
    return dt.date.fromisoformat(day)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("visits")
    visits().to_csv(folder / "visits.csv", index=False)
    engine = sa.create_engine(f"sqlite:///{folder / 'visits.db'}")
    visits().to_sql("visits", engine, index=False)
    engine.dispose()
    module = (
        "import pandas as pd\n\n\ndef visits(start, end, as_of):\n    frame = pd.read_csv(PATH)\n"
        "    assert as_of == 'May'\n    return frame[(frame['day'] >= str(start)) & (frame['day'] < str(end))]\n"
    )
    (folder / "until_visits.py").write_text(module.replace("PATH", repr(str(folder / "visits.csv"))), encoding="utf-8")
    return folder


def csv(folder: Path, **keys: Any) -> Table:
    settings = {"kind": "table", "path": "visits.csv", "target": "target", "time": "day", **keys}
    return Table(folder, TableSource.model_validate(settings), "classification")


def sql(folder: Path, query: str) -> Table:
    settings = {"kind": "sql", "url": "sqlite:///visits.db", "query": query, "target": "target", "time": "day"}
    return Table(folder, SqlSource.model_validate(settings), "classification")


def python(folder: Path) -> Table:
    settings = {"kind": "python", "call": "until_visits:visits", "target": "target", "time": "day"}
    return Table(folder, PythonSource.model_validate(settings), "classification")


EVERY = "select * from visits"
BY_DAYS = "select * from visits where day >= :start and day < :end"
SOURCES: dict[str, Callable[[Path], Table]] = {
    "csv": csv,
    "sql": lambda folder: sql(folder, EVERY),
    "sql by days": lambda folder: sql(folder, BY_DAYS),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_windows_by_days_know_nothing_of_what_comes_later(folder: Path, kind: str) -> None:
    """As if the table had ended there: the same window and pilot, no further step, and no class of a later day."""
    values = {"start": "2024-01-01", "end": "2024-02-01", "pilot_days": 28, "until": "2024-03-01"}
    known = SOURCES[kind](folder).collect(ask(**values), seed=0)
    assert (len(known.window), len(known.pilot)) == (4 * 31, 4 * 28)
    assert known.schema["classes"] == ["benign", "malignant"]
    assert (known.schema["more"], known.schema["more_rows"], known.schema["include_pilot"]) == ({}, 0, {})
    all_there_is = SOURCES[kind](folder).collect(ask(**{**values, "until": None}), seed=0)
    assert all_there_is.schema["more"] == {"data.collect.end": "2024-03-01"}
    pd.testing.assert_frame_equal(known.window, all_there_is.window)
    cut = SOURCES[kind](folder).collect(ask(**values | {"until": "2024-02-10"}), seed=0)
    assert str(cut.pilot["day"].max())[:10] == "2024-02-09"
    wider = SOURCES[kind](folder).collect(ask(**values | {"until": "2024-04-10"}), seed=0)
    assert wider.schema["more"] == {"data.collect.end": "2024-03-01"}
    assert wider.schema["more_rows"] == 4 * 29


def test_windows_by_shares_know_nothing_of_what_comes_later(folder: Path) -> None:
    known = csv(folder).collect(ask(until="2024-03-01"), seed=0)
    assert len(known.window) + len(known.pilot) == 4 * 60
    assert str(known.pilot["day"].max())[:10] == "2024-02-29"
    asked = csv(folder).collect(ask(until="2024-03-01", rows=100), seed=0)
    assert asked.schema["more"] == {"data.collect.rows": 200}
    assert asked.schema["more_rows"] == len(known.window) - 100
    assert str(asked.window["day"].max()) <= str(known.window["day"].max())


def test_a_day_that_cannot_be_meant_is_named(folder: Path) -> None:
    with pytest.raises(DataError, match=r"data\.collect\.until: no row is older; expected a day after 2024-01-01"):
        csv(folder).collect(ask(until="2024-01-01"), seed=0)
    with pytest.raises(ParamsError, match=r"data\.collect\.until: needs a time column"):
        csv(folder, time=None).collect(ask(until="2024-03-01"), seed=0)
    for key in ("start", "end"):
        with pytest.raises(ValueError, match=f"{key} 2024-03-01 is not before until 2024-03-01"):
            ask(until="2024-03-01", **{key: "2024-03-01"})


def test_flights_know_nothing_of_what_comes_later() -> None:
    values = {"start": "2013-01-01", "end": "2013-01-15", "pilot_days": 14, "until": "2013-02-05"}
    known = Flights().collect(ask(**values), seed=0)
    assert str(known.pilot["scheduled"].max())[:10] == "2013-01-28"
    assert known.schema["more"] == {}
    assert known.schema["include_pilot"] == {"data.collect.end": "2013-01-29"}
    cut = Flights().collect(ask(**values | {"until": "2013-01-20"}), seed=0)
    assert str(cut.pilot["scheduled"].max())[:10] == "2013-01-19"
    assert cut.schema["include_pilot"] == {}
    pd.testing.assert_frame_equal(cut.window, known.window)
    days = known.pilot["scheduled"].dt.strftime("%Y-%m-%d")
    pd.testing.assert_frame_equal(cut.pilot, known.pilot[days < "2013-01-20"].reset_index(drop=True))


def test_flights_between_days_are_those_of_the_pilot_unclean() -> None:
    """Local days, every group of features, and the day before is known to the features that look back."""
    values = {"start": "2013-01-01", "end": "2013-01-15", "pilot_days": 7}
    pilot = Flights().collect(ask(**values), seed=0).pilot
    found = Flights().between(at("2013-01-15"), at("2013-01-22"))
    assert found.after == at("2014-01-01")
    assert len(found.raw.frame) == len(pilot)
    pd.testing.assert_frame_equal(found.raw.frame[list(pilot.columns)], pilot)
    assert set(pilot.columns) < set(found.raw.frame.columns)
    nothing = Flights().between(at("2014-02-01"), at("2014-03-01"))
    assert (len(nothing.raw.frame), nothing.after) == (0, at("2014-01-01"))


@pytest.mark.parametrize("kind", [*SOURCES, "python"])
def test_rows_between_days_are_as_the_source_has_them(folder: Path, kind: str) -> None:
    table = python(folder) if kind == "python" else SOURCES[kind](folder)
    found = table.between(at("2024-02-01"), at("2024-02-08"), "May")
    frame = visits()
    expected = frame[frame["day"].between("2024-02-01", "2024-02-07")]
    assert sorted(found.raw.frame["mean_radius"].astype("float64")) == sorted(expected["mean_radius"])
    assert set(found.raw.frame.columns) == set(frame.columns)
    assert found.after >= at("2024-02-08")
    last = table.between(at("2024-04-20"), at("2024-05-20"), "May")
    assert (len(last.raw.frame), last.after) == (44, at("2024-05-01"))
    assert set(last.raw.frame["target"]) == {"unclear"}
    none_yet = table.between(at("2024-07-01"), at("2024-08-01"), "May")
    assert len(none_yet.raw.frame) == 0
    assert none_yet.after <= at("2024-07-01")


def test_where_a_row_stands_is_known_of_a_part_of_a_folder(tmp_path: Path) -> None:
    frame = visits().sort_values("day")
    (tmp_path / "visits").mkdir()
    for month, part in frame.groupby(frame["day"].str[:7]):
        part.to_csv(tmp_path / "visits" / f"{month}.csv", index=False)
    table = csv(tmp_path, path="visits")
    found = table.between(at("2024-01-30"), at("2024-02-03")).raw
    wrong = pd.Series(np.arange(len(found.frame)) == 9)
    error = found.place.error("mean_radius", "is wide", "a number", "mend it", wrong)
    assert "2024-02.csv row 3" in error.where


def test_a_group_lies_where_its_first_row_does(tmp_path: Path) -> None:
    frame = visits().sort_values("day").assign(patient=[f"p{n // 6}" for n in range(4 * len(DAYS))])
    frame.to_csv(tmp_path / "visits.csv", index=False)
    table = csv(tmp_path, group="patient")
    days = (("2024-01-01", "2024-01-02"), ("2024-01-02", "2024-01-03"))
    first, second = (table.between(at(start), at(end)) for start, end in days)
    assert (len(first.raw.frame), len(second.raw.frame)) == (6, 6)
    assert not set(first.raw.frame["patient"]) & set(second.raw.frame["patient"])


def test_what_cannot_be_asked_for_days_says_so(folder: Path) -> None:
    with pytest.raises(ParamsError, match="limits its rows by rows, and production is looked at by days"):
        sql(folder, EVERY + " order by day limit :rows").between(at("2024-02-01"), at("2024-03-01"))
    with pytest.raises(ParamsError, match=r"data\.source\.time: is needed to tell days"):
        csv(folder, time=None).between(at("2024-02-01"), at("2024-03-01"))
    with pytest.raises(DataError, match="has no column 'hour'; bring it back, or rename it"):
        csv(folder, time="hour").between(at("2024-02-01"), at("2024-03-01"))
