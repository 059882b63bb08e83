"""Columns that are not what they were, on real tables; and what is no change of schema."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.data.profiles import Profile, profile_of
from stages.data.schema_changes import schema_changed
from stages.data.sources.nycflights13 import GROUPS, Flights
from stages.data.units import unit_change
from stages.params import Collect, Validate
from stages.signals import Signal
from tests.conftest import bundled_table

WINE = bundled_table("wine", spoilt=False).sample(600, replace=True, random_state=0, ignore_index=True)


def schema_of(frame: pd.DataFrame, **changed: Any) -> dict[str, Any]:
    features = {
        str(name): "number" if pd.api.types.is_numeric_dtype(frame[name].dtype) else "category"
        for name in frame.columns
        if name not in ("target", "day")
    }
    known = {"feature_groups": {name: [name] for name in features}, "dropped": {}, "classes": ["a"], "target": "target"}
    return {**known, "features": features, "time": None, "group": None, "pilot": {"start": "2024-02-01"}} | changed


def signal(old: pd.DataFrame, new: pd.DataFrame, pilot: pd.DataFrame | None = None, **keys: Any) -> Signal:
    settings = Validate(**{key: keys.pop(key) for key in ("accept_changes",) if key in keys})
    schema = schema_of(new, **keys)
    later = profile_of(new if pilot is None else pilot, schema)
    return schema_changed(profile_of(new, schema), later, profile_of(old, schema_of(old)), schema, settings)


def kinds(found: Signal) -> list[tuple[str, str]]:
    return [(change["kind"], change["column"]) for change in found.evidence["changes"]]


def test_nothing_changed() -> None:
    found = signal(WINE.head(300), WINE.tail(300))
    assert (found.fires, found.value, found.evidence["unjudged"]) == (False, 0.0, [])


def test_a_renamed_column_is_known_by_its_distribution() -> None:
    new = WINE.tail(300).rename(columns={"proline": "amino", "hue": "tone"})
    found = signal(WINE.head(300), new)
    assert kinds(found) == [("renamed", "hue"), ("renamed", "proline")] or kinds(found) == [
        ("renamed", "proline"),
        ("renamed", "hue"),
    ]
    assert "'proline' is called 'amino' now" in found.says
    assert found.fires is True


@pytest.mark.parametrize("left_out", ["listed in data.source.drop", "listed in data.collect.without"])
def test_what_is_left_out_on_purpose_is_no_change(left_out: str) -> None:
    new = WINE.tail(300).drop(columns="hue")
    assert signal(WINE.head(300), new, dropped={"hue": left_out}).fires is False


@pytest.mark.parametrize("role", ["key", "label_source"])
def test_a_feature_that_became_a_key_is_not_gone(role: str) -> None:
    new = WINE.tail(300).drop(columns="hue")
    changed: dict[str, Any] = {role: "hue"}
    assert signal(WINE.head(300), new, **changed).fires is False


def test_a_change_where_most_values_are_zero_is_seen() -> None:
    random = np.random.default_rng(0)
    rain = pd.DataFrame({"rain": random.lognormal(size=800) * (random.random(800) < 0.3), "target": "a"})
    changed = rain.tail(300).assign(rain=lambda rows: rows["rain"] * 25.4)
    assert kinds(signal(rain.head(500), changed)) == [("unit", "rain")]
    assert signal(rain.head(500), rain.tail(300)).fires is False


def test_a_large_change_is_seen_in_few_rows() -> None:
    few = WINE.tail(40)
    found = signal(WINE.head(300), few.assign(proline=few["proline"] * 1000))
    assert kinds(found) == [("unit", "proline")]
    assert found.evidence["changes"][0]["conversion"] == pytest.approx(1000)


def test_twins_are_told_apart_by_name_or_not_at_all() -> None:
    twins = WINE.assign(first=WINE["hue"], second=WINE["hue"].sample(frac=1, random_state=1).to_numpy())
    new = twins.rename(columns={"first": "first_", "second": "second_"})
    found = signal(twins.head(300), new.tail(300))
    assert {(c["column"], c["now"]) for c in found.evidence["changes"]} == {("first", "first_"), ("second", "second_")}
    strange = signal(twins.head(300), twins.rename(columns={"first": "x", "second": "y"}).tail(300))
    assert kinds(strange) == [("dropped", "first"), ("dropped", "second"), ("added", "x"), ("added", "y")]


def test_dropped_added_and_of_another_type() -> None:
    new = WINE.tail(300).drop(columns="hue").assign(cellar=np.arange(300.0), magnesium="none")
    found = signal(WINE.head(300), new)
    assert kinds(found) == [("dropped", "hue"), ("added", "cellar"), ("type", "magnesium")]
    assert found.says == (
        "column 'hue' is gone; column 'cellar' is new; 'magnesium' was read as a number, now: category"
    )
    accepted = signal(WINE.head(300), new, accept_changes=["hue", "cellar", "magnesium"])
    assert accepted.fires is False
    left_out = {"magnesium": "every value is different"}
    unique = signal(WINE.head(300), WINE.tail(300).drop(columns="magnesium"), dropped=left_out)
    assert kinds(unique) == [("type", "magnesium")]
    by_person = {"magnesium": "listed in data.source.drop"}
    assert signal(WINE.head(300), WINE.tail(300).drop(columns="magnesium"), dropped=by_person).fires is False


def test_what_is_not_collected_is_not_gone() -> None:
    new = WINE.tail(300).drop(columns="hue")
    groups = {name: [name] for name in WINE.columns if name != "target"}
    assert signal(WINE.head(300), new, feature_groups=groups).fires is False


@pytest.mark.parametrize(("factor", "units"), [(1 / 1.609344, "miles where kilometres were"), (5.0, "another unit")])
def test_a_unit_is_named_with_its_factor(factor: float, units: str) -> None:
    table = bundled_table("wine", spoilt=False).sample(4000, replace=True, random_state=0, ignore_index=True)
    pilot = table.tail(2000).assign(proline=lambda f: f["proline"] * factor)
    found = signal(table.head(2000), table.head(2000), pilot, time="day")
    assert kinds(found) == [("unit", "proline")]
    change = found.evidence["changes"][0]
    assert change["low"] <= factor <= change["high"]
    assert change["factor"] == pytest.approx(factor, rel=0.05)
    assert (change["part"], change["since"]) == ("pilot", "2024-02-01")
    assert f"of the pilot looks like {units}: factor {change['factor']:.3g}" in found.says


@pytest.mark.parametrize("changed", [lambda x: x + 700.0, lambda x: x.mean() + 1.6 * (x - x.mean()), lambda x: x * 1.2])
def test_a_mean_or_deviation_that_moves_is_no_unit(changed: Any) -> None:
    pilot = WINE.tail(300).assign(proline=lambda f: changed(f["proline"]))
    assert signal(WINE.head(300), WINE.head(300), pilot).fires is False


def test_few_rows_cannot_tell_of_units_but_of_columns() -> None:
    few = signal(WINE.head(300), WINE.tail(40))
    assert few.fires is None
    assert "too few rows to know the unit" in few.says
    assert signal(WINE.head(300), WINE.tail(40).drop(columns="hue")).fires is True


def test_a_numeric_target_has_a_unit_too() -> None:
    table = bundled_table("diabetes", spoilt=False).sample(600, replace=True, random_state=0, ignore_index=True)
    schema = schema_of(table, classes=None)
    old = profile_of(table.head(300), schema)
    new = profile_of(table.tail(300).assign(target=lambda f: f["target"] * 1000), schema)
    found = schema_changed(old, new, None, schema, Validate())
    assert kinds(found) == [("unit", "target")]
    assert found.evidence["changes"][0]["units"] == ["thousands", "ones"]


@pytest.fixture(scope="module")
def year() -> dict[int, Profile]:
    """The profile of each month of flights."""
    window, _, schema = Flights().collect(Collect.model_validate({"end": "2013-12-24", "pilot_days": 7}), seed=0)
    month = window["scheduled"].dt.month
    return {number: profile_of(window[month == number].reset_index(drop=True), schema) for number in range(1, 13)}


def test_no_month_of_flights_is_in_another_unit_than_another(year: dict[int, Profile]) -> None:
    """2,112 comparisons of columns that do drift with the seasons."""
    settings = Validate()
    for one, other in itertools.permutations(year, 2):
        for name, column in year[one]["columns"].items():
            if column["kind"] == "number":
                found = unit_change(column, year[other]["columns"][name], settings.min_factor, settings.max_distance)
                assert "factor" not in found, (one, other, name)


@pytest.mark.parametrize("factor", [1.609344, 1 / 1.609344, 0.3048, 60.0])
def test_a_steady_column_of_the_flights_is_found_in_every_month(year: dict[int, Profile], factor: float) -> None:
    assert {"distance", "plane_age", "seats"} <= {name for group in GROUPS.values() for name in group}
    for month, name in itertools.product(range(1, 12), ("distance", "plane_age", "seats")):
        new = dict(year[month + 1]["columns"][name])
        new["values"] = (np.asarray(new["values"]) * factor).tolist()
        found = unit_change(year[month]["columns"][name], new, 1.25, 0.15)
        assert found.get("factor") == pytest.approx(factor, rel=0.05), (month, name)
