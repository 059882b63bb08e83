"""The scope: rows that the project is not about are not there at all, whatever the source, and it is told how many."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.data.sources import Collected
from stages.data.sources.nycflights13 import Flights
from stages.data.sources.table import Table
from stages.errors import LoopwrightError, ParamsError
from stages.params import Collect, PythonSource, TableSource, Within
from stages.scope import meets, within, words

SITES = ("north", "south", "west")


def visits(rows: int = 240) -> pd.DataFrame:
    random = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "day": pd.date_range("2024-01-01", periods=rows // 4, freq="D").repeat(4).astype("str"),
            "site": random.choice(SITES, rows),
            "nurse": [f"n{number % 7}" for number in range(rows)],
            "age": random.integers(20, 80, rows),
            "weight": random.normal(70, 10, rows).round(2),
            "y": random.integers(0, 2, rows),
        }
    )


def collect(folder: Path, frame: pd.DataFrame, name: str = "t.csv", **keys: Any) -> Collected:
    frame.to_csv(folder / name, index=False)
    asked = Collect.model_validate(keys.pop("collect", {}))
    settings = TableSource.model_validate({"kind": "table", "path": name, "target": "y", **keys})
    return Table(folder, settings, "classification").collect(asked, seed=1)


CONDITIONS = st.one_of(
    st.lists(st.sampled_from(SITES), min_size=1, unique=True).map(lambda v: {"column": "site", "values": v}),
    st.tuples(st.integers(20, 50), st.integers(51, 80)).map(
        lambda ends: {"column": "age", "at_least": ends[0], "at_most": ends[1]}
    ),
    st.lists(st.sampled_from(["n0", "n1", "n2", "n3"]), min_size=2, unique=True).map(
        lambda v: {"column": "nurse", "values": v}
    ),
)


@given(
    scope=st.lists(CONDITIONS, min_size=1, max_size=2, unique_by=lambda item: str(item["column"])),
    asked=st.sampled_from([{}, {"rows": 20}, {"start": "2024-01-01", "end": "2024-02-10", "pilot_days": 14}]),
    keys=st.sampled_from([{"time": "day"}, {"time": "day", "group": "nurse"}, {"time": "day", "drop": ["nurse"]}]),
)
def test_a_scope_is_as_if_the_source_held_no_other_row(
    tmp_path_factory: pytest.TempPathFactory, scope: list[dict[str, Any]], asked: dict[str, Any], keys: dict[str, Any]
) -> None:
    folder, frame = tmp_path_factory.mktemp("scope"), visits()
    inside = within(frame, [Within(**item) for item in scope])
    try:
        alone = collect(folder, frame[inside], **keys, collect=asked)
    except LoopwrightError:
        return  # too few rows are left, with or without a scope
    found = collect(folder, frame, **keys, collect=asked | {"scope": scope})
    columns = list(alone.window.columns)
    pd.testing.assert_frame_equal(found.window[columns], alone.window)
    pd.testing.assert_frame_equal(found.pilot[columns], alone.pilot)
    said = found.schema.pop("scope")
    assert (said["inside"], said["outside"]) == (int(inside.sum()), int((~inside).sum()))
    assert said["conditions"] == scope
    assert {item["column"] for item in scope} == set(said["columns"]) <= set(found.window.columns)
    assert found.schema == alone.schema


def test_a_first_look_respects_the_scope(tmp_path: Path) -> None:
    visits().to_csv(tmp_path / "t.csv", index=False)
    settings = TableSource.model_validate({"kind": "table", "path": "t.csv", "target": "y", "time": "day"})
    scope = {"scope": [{"column": "site", "values": ["north"]}]}
    for asked in (scope, scope | {"start": "2024-01-01"}):
        look, _ = Table(tmp_path, settings, "classification").first_look(Collect.model_validate(asked), seed=1)
        assert set(look["site"]) == {"north"}


def test_what_is_wrong_outside_of_the_scope_is_not_this_projects(tmp_path: Path) -> None:
    frame = visits().astype({"weight": "str", "y": "str"})
    west = frame["site"] == "west"
    frame.loc[west, "weight"] = "not weighed"
    frame.loc[west.idxmax(), "y"] = "lost"
    with pytest.raises(LoopwrightError):
        collect(tmp_path, frame)
    found = collect(tmp_path, frame, collect={"scope": [{"column": "site", "values": ["north", "south"]}]})
    assert found.schema["classes"] == [0, 1]
    assert found.schema["features"]["weight"] == "number"
    frame.loc[(frame["site"] == "south").idxmax(), "weight"] = "heavy"
    row = int(np.argmax(frame["site"] == "south")) + 2
    with pytest.raises(LoopwrightError, match=f"row {row} column 'weight': 1 of"):
        collect(tmp_path, frame, collect={"scope": [{"column": "site", "values": ["north", "south"]}]})


def test_a_column_that_only_other_rows_have_is_left_out(tmp_path: Path) -> None:
    frame = visits()
    frame["scan"] = np.where(frame["site"] == "west", 1.5, np.nan)
    found = collect(tmp_path, frame, collect={"scope": [{"column": "site", "values": ["north"]}]})
    assert found.schema["dropped"]["scan"] == "has no value within data.collect.scope"


@pytest.mark.parametrize(
    ("scope", "says"),
    [
        ([{"column": "sight", "values": ["north"]}], r"scope\[0\]: .*has no column 'sight'"),
        ([{"column": "site", "values": ["nort"]}], r"no row has site = 'nort'.*as north"),
        ([{"column": "age", "values": [40, 99]}], "no row has age = 99"),
        ([{"column": "site", "at_least": 3}], "column 'site' holds text; expected values of it"),
        ([{"column": "age", "at_least": 81}], "leaves no row: age at least 81"),
        (
            [{"column": "site", "values": ["west"]}, {"column": "age", "at_most": 10}],
            r"scope\[1\]: leaves no row: age at most 10",
        ),
        ([{"column": "y", "values": [1]}], "'y' is known only with the label"),
        ([{"column": "day", "values": ["2024-01-01"]}], r"'day' is the time.*data\.collect\.start"),
    ],
)
def test_a_scope_that_cannot_be_meant_is_refused(tmp_path: Path, scope: list[dict[str, Any]], says: str) -> None:
    with pytest.raises(ParamsError, match=says):
        collect(tmp_path, visits(), time="day", collect={"scope": scope})


def taken(rows: int) -> pd.DataFrame:
    """The beginning of a table, as a query with a limit brings it."""
    return visits().head(rows)


def test_a_source_that_brings_a_number_of_rows_is_asked_for_as_many_of_the_scope(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = PythonSource.model_validate({"kind": "python", "call": f"{__name__}:taken", "target": "y"})
    asked = {"rows": 40, "scope": [{"column": "site", "values": ["north"]}]}
    found = Table(tmp_path, settings, "classification").collect(Collect.model_validate(asked), seed=1)
    assert len(found.window) == 40
    assert found.schema["more"] == {"data.collect.rows": 80}
    asked["rows"] = 400  # more than there are
    found = Table(tmp_path, settings, "classification").collect(Collect.model_validate(asked), seed=1)
    assert len(found.window) + len(found.pilot) == int((visits()["site"] == "north").sum())
    assert found.schema["more"] == {}


def test_flights_of_a_scope_are_those_flights() -> None:
    days = {"start": "2013-01-01", "end": "2013-01-15", "pilot_days": 7, "features": ["schedule", "recent"]}
    scope = [{"column": "origin", "values": ["LGA"]}, {"column": "month", "values": [1, 2]}]
    every, part = (Flights().collect(Collect.model_validate(days | more), 0) for more in ({}, {"scope": scope}))
    for whole, kept in zip(every[:2], part[:2], strict=True):
        expected = whole[whole["origin"] == "LGA"].reset_index(drop=True)
        pd.testing.assert_frame_equal(kept[list(whole.columns)], expected)  # delays are those of all departures
    said = part.schema["scope"]
    assert said["columns"] == {"origin": "category", "month": "number"}
    assert said["inside"] == len(part.window) + len(part.pilot)
    assert said["inside"] + said["outside"] == len(every.window) + len(every.pilot)
    assert 0 < part.schema["more_rows"] < every.schema["more_rows"]


def test_numbers_are_compared_as_numbers() -> None:
    one = Within(column="a", values=[1, "2"])
    for column in (pd.Series([1, 2, 3]), pd.Series([1.0, 2.0, None]), pd.Series(["1", "2", None])):
        assert meets(column, one).tolist() == [True, True, False]
    assert words([one, Within(column="b", at_least=0.5, at_most=2)]) == "a in (1, 2) and b at least 0.5 and at most 2"


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_date_is_its_days_since_1970_wherever_it_is_held(tmp_path: Path, suffix: str) -> None:
    table = visits().assign(since=lambda frame: pd.date_range("2019-12-01", periods=len(frame), freq="D"))
    getattr(table, f"to_{suffix}")(tmp_path / f"table.{suffix}", index=False)
    first = Within(column="since", at_least=18262)  # 2020-01-01
    assert meets(table["since"], first).sum() == len(table) - 31
    settings = TableSource.model_validate({"kind": "table", "path": f"table.{suffix}", "target": "y"})
    asked = Collect.model_validate({"rows": 10_000, "scope": [first.model_dump(exclude_none=True)]})
    found = Table(tmp_path, settings, "classification").collect(asked, seed=1)
    assert len(found.window) + len(found.pilot) == len(table) - 31
