"""The released model on new rows: it sees what the pilot saw, answers by its policy, names a cell it cannot read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.answering import OUT_OF_RANGE, OUT_OF_SCOPE, UNSEEN, UNSURE, Policy
from stages.data.sources.columns import Place
from stages.data.sources.raw import Raw
from stages.data.sources.reading import read_table
from stages.errors import DataError, ProjectError
from stages.files import read_json, read_parquet, write_json
from stages.production.released import Released, load_released
from stages.production.rows import Rows
from stages.training.estimators import features_of, predict
from tests.conftest import bundled_table
from tests.stages.releasing import many_kinds, params_of, release, release_project

SOURCE = {"key": "id", "time": "day"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return release(tmp_path_factory.mktemp("released"), many_kinds(), SOURCE)


@pytest.fixture(scope="module")
def released(project: Path) -> Released:
    return load_released(project)


def read(released: Released, frame: pd.DataFrame, name: str = "new.csv") -> Rows:
    text = frame if name.endswith(".parquet") else frame.astype("object").where(frame.notna(), "").astype("str")
    return released.read(Raw(text, Place(name, np.arange(2, len(frame) + 2))))


def table(project: Path) -> pd.DataFrame:
    return read_table(project / "t.csv", "t.csv")[0]


def test_raw_rows_become_exactly_what_the_pilot_saw(project: Path, released: Released) -> None:
    pilot = read_parquet(project / "data/pilot.parquet")
    schema = read_json(project / "data/schema.json")
    assert schema["written_as"] == {"born": "date", "smokes": "truth value"}
    raw = table(project).set_index("id", drop=False).loc[pilot["id"]].drop(columns="target").reset_index(drop=True)
    rows = read(released, raw)
    pd.testing.assert_frame_equal(features_of(rows.frame, schema), features_of(pilot, schema))
    found = released.answer(rows)
    expected = predict(released.model, pilot, schema)
    assert (found[["probability_benign", "probability_malignant"]].to_numpy() == expected).all()
    assert found["answered"].all()
    assert set(found["release"]) == {released.name}
    assert (found["suggestion"] == np.array(["benign", "malignant"])[(expected[:, 1] > 0.5).astype(int)]).all()


@pytest.mark.parametrize("at", [0, 7, 100])
def test_a_row_alone_is_read_as_among_others(project: Path, released: Released, at: int) -> None:
    """A marker, a whole number or a date in a column of text is judged by the release, and not by one row."""
    raw = table(project)
    alone, among = read(released, raw.iloc[[at]]), read(released, raw)
    pd.testing.assert_frame_equal(alone.frame.reset_index(drop=True), among.frame.iloc[[at]].reset_index(drop=True))


def test_every_text_of_a_category_is_read_as_the_source_read_it(project: Path, released: Released) -> None:
    raw, schema = table(project), read_json(project / "data/schema.json")
    assert schema["features"]["stage"] == "category"
    for value in raw["stage"].unique():
        assert read(released, raw.iloc[:3].assign(stage=value)).frame["stage"].isna().all() == (value == "")


def test_numbers_scaled_and_renamed_by_the_source_are_so_here(tmp_path: Path) -> None:
    frame = many_kinds().rename(columns={"mean_radius": "radius_in"})
    mended = {"rename": {"radius_in": "radius"}, "scale": [{"column": "radius", "factor": 2.54, "since": "2024-03-01"}]}
    found = load_released(release(tmp_path, frame, {**SOURCE, **mended}))
    pilot = read_parquet(tmp_path / "data/pilot.parquet")
    raw = table(tmp_path).set_index("id", drop=False).loc[pilot["id"]].reset_index(drop=True)
    assert (read(found, raw).frame["radius"].fillna(-1).to_numpy() == pilot["radius"].fillna(-1).to_numpy()).all()
    new_name = raw.rename(columns={"radius_in": "radius"})
    pd.testing.assert_frame_equal(read(found, new_name).frame, read(found, raw).frame)
    write_json(tmp_path / "params.yaml", {"broken": True})  # the card tells, whatever the params say now
    pd.testing.assert_frame_equal(read(load_released(tmp_path), raw).frame, read(found, raw).frame)


BAD: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "missing columns": (
        lambda f: f.drop(columns=["born", "stage"]),
        r"new\.csv: has no column 'born', 'stage'; expected the columns born, grade",
    ),
    "text in numbers": (
        lambda f: f.assign(mean_radius=["wide", *f["mean_radius"][1:]]),
        r"row 2 column 'mean_radius': 1 of 6 cells .* first 'wide'; expected a number",
    ),
    "only text in numbers": (lambda f: f.assign(mean_radius="wide"), r"row 2 column 'mean_radius': 6 of 6 .*'wide'"),
    "infinite": (lambda f: f.assign(mean_radius="inf"), "row 2 column 'mean_radius': holds an infinite value"),
    "no date": (lambda f: f.assign(born=["2020-13-01"] * 6), "row 2 column 'born': .*'2020-13-01'.*ISO 8601"),
    "a number for a date": (lambda f: f.assign(born="7"), "column 'born': .*expected a date"),
    "no truth value": (lambda f: f.assign(smokes=["true", "maybe"] * 3), "row 3 column 'smokes': .*'maybe'.*true or f"),
    "keys twice": (lambda f: f.assign(id="a"), "row 3 column 'id': 5 keys appear more than once"),
    "no time": (lambda f: f.assign(day="soon"), "row 2 column 'day': 'soon' is not a time"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_read_is_named(project: Path, released: Released, case: str) -> None:
    spoil, message = BAD[case]
    with pytest.raises(DataError, match=message):
        read(released, spoil(table(project).iloc[:6]))


def test_types_of_parquet_are_held_to_the_release(project: Path, released: Released) -> None:
    raw = table(project).iloc[:6]
    numbers = raw.assign(stage=[1, 2, 3, 1, 2, 3])
    with pytest.raises(DataError, match="column 'stage': holds numbers; expected text"):
        read(released, numbers, "new.parquet")
    typed = raw.assign(
        mean_radius=pd.to_numeric(raw["mean_radius"]),
        born=pd.to_datetime(raw["born"].replace("", None)),
        smokes=raw["smokes"].str.lower() == "true",
    )
    pd.testing.assert_frame_equal(read(released, typed, "new.parquet").frame, read(released, raw).frame)
    with pytest.raises(DataError, match="column 'mean_radius': holds dates"):
        read(released, typed.assign(mean_radius=typed["born"]), "new.parquet")


@pytest.mark.parametrize(
    ("column", "cells", "says"),
    [
        ("stage", [b"x"] * 6, "column 'stage': holds bytes"),
        ("stage", [["x"]] * 6, "column 'stage': holds objects of type list"),
        ("id", [bytes([n]) for n in range(6)], "column 'id': holds bytes"),
        ("mean_radius", [True] * 6, "row 2 column 'mean_radius': holds truth values; expected numbers"),
        ("mean_radius", [1.5, None, False, 2, 3, 4], "row 4 column 'mean_radius': holds truth values"),
        (
            "day",
            ["2024-01-01T00:00:00Z", "yesterday", *["2024-01-01T00:00:00Z"] * 4],
            "row 3 .*'yesterday' is not a ti",
        ),
        ("day", ["yesterday", *["2024-01-01T00:00:00Z"] * 5], "row 2 column 'day': 'yesterday' is not a time"),
    ],
)
def test_cells_of_parquet_are_refused_where_those_of_csv_are(
    project: Path, released: Released, column: str, cells: list[Any], says: str
) -> None:
    rows = table(project).iloc[:6]
    with pytest.raises(DataError, match=says):
        read(released, rows.assign(**{column: pd.Series(cells, index=rows.index, dtype="object")}), "new.parquet")


def test_an_older_card_reads_truth_values_of_parquet(tmp_path: Path) -> None:
    """It does not tell numbers from truth values, so they are what their cells are."""
    frame = many_kinds()
    found = load_released(release(tmp_path, frame, SOURCE))
    older = replace(found, contract=replace(found.contract, written_as=None))
    raw = table(tmp_path).iloc[:6]
    typed = raw.assign(smokes=raw["smokes"].str.lower() == "true")
    pd.testing.assert_frame_equal(read(older, typed, "new.parquet").frame, read(older, raw).frame)


def test_what_is_not_answered_says_why(tmp_path: Path) -> None:
    frame = many_kinds().assign(site=["north", "south"] * 284 + ["north"])
    more: dict[str, Any] = {"data": {"collect": {"without": ["site"]}}}
    low, high = frame["mean_radius"].min(), frame["mean_radius"].max()
    policy = Policy(
        confidence=0.9,
        guardrails={"mean_radius": {"low": low, "high": high}, "stage": {"values": ["1", "2", "x", "none"]}},
        scope=[{"column": "site", "values": ["north"]}],
    )
    released = load_released(release(tmp_path, frame, SOURCE, policy, **more))
    raw = table(tmp_path).iloc[:40].assign(site="north")
    raw.loc[0, "mean_radius"], raw.loc[1, "stage"], raw.loc[2, "site"] = "99", "4", "south"
    found = released.answer(read(released, raw))
    assert found["reason"].iloc[:3].tolist() == [OUT_OF_RANGE, UNSEEN, OUT_OF_SCOPE]
    rest = found.iloc[3:]
    assert ((rest["confidence"] < 0.9) == (rest["reason"] == UNSURE)).all()
    assert (found["answered"] == (found["reason"] == "")).all()
    with pytest.raises(DataError, match="has no column 'site'"):
        read(released, raw.drop(columns="site"))


def test_flights_are_read_as_their_table_of_features(tmp_path: Path) -> None:
    values = params_of(many_kinds(), {})
    values["data"] = {
        "source": {"kind": "nycflights13"},
        "collect": {"start": "2013-01-01", "end": "2013-01-08", "pilot_days": 7, "features": ["schedule", "plane"]},
    }
    write_json(tmp_path / "params.yaml", values)
    released = load_released(release_project(tmp_path))
    raw, lines = read_table(tmp_path / "data/pilot.parquet", "pilot.parquet")
    rows = released.read(Raw(raw, Place("pilot.parquet", lines)))
    pilot, schema = read_parquet(tmp_path / "data/pilot.parquet"), read_json(tmp_path / "data/schema.json")
    pd.testing.assert_frame_equal(features_of(rows.frame, schema), features_of(pilot, schema))
    assert (rows.roles["time"] == pilot["scheduled"]).all()
    assert list(rows.roles) == ["time"]


def test_numbers_are_predicted_as_numbers(tmp_path: Path) -> None:
    frame = bundled_table("diabetes")
    released = load_released(release(tmp_path, frame))
    found = released.answer(read(released, table(tmp_path).iloc[:9]))
    assert released.classes is None
    assert found["suggestion"].dtype == "float64"
    assert found["confidence"].isna().all()
    assert found["answered"].all()
    assert not [name for name in found.columns if str(name).startswith("probability_")]


def test_classes_that_are_numbers_stay_numbers(tmp_path: Path) -> None:
    frame = many_kinds()
    frame["target"] = (frame["target"] == "benign").map({True: "7", False: "3"})
    released = load_released(release(tmp_path, frame, SOURCE))
    assert released.answer(read(released, table(tmp_path).iloc[:9]))["suggestion"].isin([3, 7]).all()


def test_an_older_card_answers_all_by_what_the_cells_are(project: Path, tmp_path: Path) -> None:
    release(tmp_path, many_kinds(), SOURCE)
    path = tmp_path / read_json(tmp_path / "releases/current.json")["card"]
    card = read_json(path)
    del card["input"]
    write_json(path, card)
    old, raw = load_released(tmp_path), table(tmp_path)
    assert old.policy == Policy()
    pd.testing.assert_frame_equal(read(old, raw).frame, read(load_released(project), raw).frame)


def test_nothing_released_and_another_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="nothing is released"):
        load_released(tmp_path)
    release(tmp_path, many_kinds(), SOURCE)
    path = tmp_path / read_json(tmp_path / "releases/current.json")["path"]
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ProjectError, match="not what was released"):
        load_released(tmp_path)
