"""The suite is run by Great Expectations; what it finds is written without ids and times, and rows are set apart."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.data import validate
from stages.data.profile import profile
from stages.data.profiles import profile_of
from stages.data.sources.nycflights13 import Flights
from stages.data.sources.table import Table
from stages.data.split import expectations_signal
from stages.errors import DataError
from stages.files import read_json, read_parquet, write_json, write_parquet
from stages.params import Collect, TableSource, load_params

SPLIT_TEST = {
    "planning": {
        **{"goal": "test", "task": "classification", "optimise": "roc_auc"},
        "requirements": {"roc_auc": {"at_least": 0.5}},
    },
    "training": {"candidates": {"a": {"estimator": "sklearn.dummy.DummyClassifier"}}, "use": ["a"]},
}


def expect(what: str, **kwargs: Any) -> dict[str, Any]:
    return {"type": f"expect_{what}", "kwargs": kwargs, "meta": {}}


def project(folder: Path, frame: pd.DataFrame, *expectations: dict[str, Any], on_fail: str = "keep") -> Path:
    source = {"kind": "table", "path": "t.csv", "target": "y"}
    write_json(folder / "params.yaml", {**SPLIT_TEST, "data": {"source": source, "validate": {"on_fail": on_fail}}})
    write_json(folder / "expectations/suite.json", {"name": "test", "expectations": list(expectations)})
    groups = {"x": ["x"], "later": ["later"]}
    schema: dict[str, Any] = {"feature_groups": groups, "dropped": {}, "features": {"x": "number"}, "classes": [0, 1]}
    write_json(folder / "data/schema.json", schema | {"target": "y", "time": None, "group": None, "pilot": {}})
    write_parquet(folder / "data/window.parquet", frame)
    write_parquet(folder / "data/pilot.parquet", frame.head(10).reset_index(drop=True))
    return folder


def table() -> pd.DataFrame:
    frame = pd.DataFrame({"x": np.arange(100.0), "y": pd.array([0, 1] * 50, dtype="Int64")})
    frame.loc[3, "x"] = -5
    frame.loc[[3, 70], "y"] = pd.NA
    return frame


SUITE = (
    expect("column_values_to_not_be_null", column="y"),
    expect("column_values_to_be_between", column="x", min_value=0),
    expect("column_values_to_not_be_null", column="later"),
    expect("column_min_to_be_between", column="x", min_value=0),
    expect("column_values_to_be_in_set", column="y", value_set=[1], mostly=0.4),
)


def test_rows_are_kept_or_set_apart(tmp_path: Path) -> None:
    validate.run(project(tmp_path, table(), *SUITE))
    assert len(read_parquet(tmp_path / "data/valid_window.parquet")) == 100
    kept = read_json(tmp_path / "data/validation.json")
    assert kept["window"] == {"rows": 100, "failing": 2, "quarantined": 0}
    # Without the row that has it, the minimum is as expected, also while that row is kept.
    assert [item for item in kept["expectations"] if item["level"] == "table" and not item["success"]] == []
    assert kept["skipped"] == [{"type": "expect_column_values_to_not_be_null", "column": "later"}]

    validate.run(project(tmp_path, table(), *SUITE, on_fail="quarantine"))
    assert len(read_parquet(tmp_path / "data/valid_window.parquet")) == 98
    assert len(read_parquet(tmp_path / "data/valid_pilot.parquet")) == 9
    apart = read_parquet(tmp_path / "data/quarantine.parquet")
    assert list(zip(apart["__from__"], apart["__row__"], strict=True)) == [("window", 3), ("window", 70), ("pilot", 3)]
    assert apart["__fails__"][0].count("expect_") == 2
    assert apart["x"].tolist() == [-5, 70, -5]
    left = read_json(tmp_path / "data/validation.json")
    assert [item for item in left["expectations"] if item["level"] == "table" and not item["success"]] == []


def test_failures_name_column_rows_values_and_counts(tmp_path: Path) -> None:
    frame = table().assign(kind=["a"] * 93 + ["b"] * 7)
    kinds = expect("column_values_to_be_in_set", column="kind", value_set=["a"])
    validate.run(project(tmp_path, frame, *SUITE[:2], kinds, expect("table_row_count_to_be_between", min_value=200)))
    report = read_json(tmp_path / "data/validation.json")
    found = {(item["column"], item["data"]): item for item in report["expectations"]}
    assert (found["x", "window"]["rows"], found["x", "window"]["values"]) == ([3], ["-5"])
    assert (found["kind", "window"]["unexpected"], found["kind", "window"]["rows"]) == (7, [93, 94, 95, 96, 97])
    signal = expectations_signal(report, load_params(tmp_path).data)
    assert "kind of the window: 7 should be in set (rows 93: b, 94: b, 95: b, 96: b, 97: b, ...)" in signal.says
    assert (
        "x of the pilot: 1 should be between min 0.0 (rows 3: -5); y of the pilot: 1 should not be null" in signal.says
    )
    assert "fails expect_table_row_count_to_be_between (observed" in signal.says
    assert {"rows", "values", "unexpected", "column"} <= set(signal.evidence["failing"][0])


def test_no_cell_of_a_private_column_is_shown(tmp_path: Path) -> None:
    project(tmp_path, table(), *SUITE)
    schema = read_json(tmp_path / "data/schema.json")
    write_json(tmp_path / "data/schema.json", schema | {"private": ["x"]})
    validate.run(tmp_path)
    report = read_json(tmp_path / "data/validation.json")
    assert "(rows 3: (private))" in expectations_signal(report, load_params(tmp_path).data).says
    assert "-5" not in (tmp_path / "data/validation.json").read_text()


def test_the_stored_profile_is_what_the_window_is_held_to(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": np.arange(1.0, 801.0), "y": pd.array([0, 1] * 400, dtype="Int64")})
    project(tmp_path, frame, *SUITE[:1])
    validate.run(tmp_path)
    assert "none is stored" in read_json(tmp_path / "data/validation.json")["schema_changed"]["says"]
    schema = read_json(tmp_path / "data/schema.json")
    write_json(tmp_path / "expectations/profile.json", profile_of(frame.assign(x=frame["x"] * 1000), schema))
    validate.run(tmp_path)
    found = read_json(tmp_path / "data/validation.json")["schema_changed"]
    assert found["fires"] is True
    assert "thousands where ones were" in found["says"]
    (tmp_path / "expectations/profile.json").write_text("[]")
    with pytest.raises(DataError, match=r"profile\.json: is no profile; remake it: loopwright expectations suggest"):
        validate.run(tmp_path)


@pytest.mark.parametrize("on_fail", ["keep", "quarantine"])
def test_a_failure_of_the_table_that_bad_rows_cause_is_cured_by_quarantine(tmp_path: Path, on_fail: str) -> None:
    good = expect("column_max_to_be_between", column="x", max_value=98)
    validate.run(project(tmp_path, table(), *SUITE, good, on_fail=on_fail))
    report = read_json(tmp_path / "data/validation.json")
    data = load_params(tmp_path).data
    signal = expectations_signal(report, data)
    assert signal.fires is True
    assert signal.evidence["table_level"] == ["expect_column_max_to_be_between(x)"], "no bad row has that maximum"

    validate.run(project(tmp_path, table(), *SUITE, on_fail=on_fail))
    # The pilot is the first ten rows: one of them fails.
    data = data.model_copy(update={"validate_": data.validate_.model_copy(update={"max_quarantine": 0.1})})
    signal = expectations_signal(read_json(tmp_path / "data/validation.json"), data)
    assert signal.evidence["table_level"] == []
    assert signal.fires is (on_fail == "keep")


def test_the_same_again_and_silent(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    project(tmp_path, table(), *SUITE)
    validate.run(tmp_path)
    names = ("valid_window.parquet", "valid_pilot.parquet", "quarantine.parquet", "validation.json")
    first = [(tmp_path / "data" / name).read_bytes() for name in names]
    validate.run(tmp_path)
    assert first == [(tmp_path / "data" / name).read_bytes() for name in names]
    assert capfd.readouterr() == ("", "")


def test_data_docs_load_nothing_from_the_web(tmp_path: Path) -> None:
    validate.run(project(tmp_path, table(), *SUITE))
    for name in ("index", "window", "pilot"):
        page = (tmp_path / f"reports/data_docs/{name}.html").read_text()
        assert "<script" not in page
        assert 'src="http' not in page
        assert 'href="http' not in page
    assert "greater than or equal to" in (tmp_path / "reports/data_docs/window.html").read_text()


def test_what_cannot_be_computed_fails_and_says_why(tmp_path: Path) -> None:
    broken = (
        expect("column_values_to_be_between", column="no such", min_value=0),
        expect("column_to_exist", column="gone"),
        expect("column_values_to_be_between", column="text", min_value=0),
    )
    validate.run(project(tmp_path, table().assign(text="a"), *broken))
    found = read_json(tmp_path / "data/validation.json")["expectations"]
    assert [(item["column"], item["success"], item["level"]) for item in found] == [
        ("gone", False, "table"),
        ("no such", False, "table"),
        ("text", False, "table"),
    ]
    assert found[1]["note"] == "no such column"
    assert found[2]["note"]


def test_nothing_fails(tmp_path: Path) -> None:
    validate.run(project(tmp_path, table(), expect("column_to_exist", column="x"), on_fail="quarantine"))
    assert read_parquet(tmp_path / "data/quarantine.parquet").empty
    assert len(read_parquet(tmp_path / "data/valid_window.parquet")) == 100


@pytest.mark.parametrize(
    ("suite", "message"),
    [
        ("[1", "is not JSON"),
        ("[]", "is not a suite"),
        ('{"expectations": [{"type": "expect_wonders"}]}', "expectation 1: expect_wonders cannot be read"),
        ('{"expectations": [{"type": "expect_column_to_exist", "kwargs": {"colum": "x"}}]}', "cannot be read"),
    ],
)
def test_a_bad_suite_is_named(tmp_path: Path, suite: str, message: str) -> None:
    project(tmp_path, table())
    (tmp_path / "expectations/suite.json").write_text(suite)
    with pytest.raises(DataError, match=rf"expectations/suite\.json.*{message}"):
        validate.run(tmp_path)


def proposed(folder: Path, frame: pd.DataFrame, **source: str) -> dict[str, Any]:
    """Validate a table by what is proposed for it, read by another source than it was proposed with; the report."""
    frame.to_csv(folder / "own.csv", index=False)
    found = profile(folder / "own.csv", "y")
    options = {"kind": "table", "path": "own.csv", "target": "y", **source}
    settings = TableSource.model_validate(options)
    window, pilot, schema = Table(folder, settings, "classification").collect(Collect.model_validate({}), seed=0)
    found["params"]["data"]["source"] |= options
    write_json(folder / "params.yaml", found["params"])
    write_json(folder / "expectations/suite.json", found["suite"])
    write_json(folder / "expectations/profile.json", found["profile"])
    write_json(folder / "data/schema.json", schema)
    write_parquet(folder / "data/window.parquet", window)
    write_parquet(folder / "data/pilot.parquet", pilot)
    validate.run(folder)
    return dict(read_json(folder / "data/validation.json"))


def test_a_proposed_suite_holds_on_the_table_it_was_proposed_for(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"x": random.normal(size=300), "kind": random.choice(list("abc"), 300)})
    frame["half"] = np.where(random.random(300) < 0.3, np.nan, random.normal(size=300))
    frame["y"] = np.where(frame["x"] > 0, "yes", "no")
    report = proposed(tmp_path, frame)
    assert [item for item in report["expectations"] if not item["success"]] == []
    assert len(report["expectations"]) > 10


def test_what_was_proposed_for_a_feature_is_not_asked_of_a_key(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": np.arange(200) * 7, "x": np.linspace(0, 1, 200), "y": ["yes", "no"] * 100})
    report = proposed(tmp_path, frame, key="id")
    assert [item for item in report["expectations"] if not item["success"]] == []
    assert report["schema_changed"]["value"] == 0


def test_the_flights_suite_finds_what_is_wrong_with_january_and_february(tmp_path: Path) -> None:
    asked = Collect.model_validate({"start": "2013-01-01", "end": "2013-02-01", "features": ["schedule", "weather"]})
    window, pilot, schema = Flights().collect(asked, seed=0)
    suite = Path(__file__).parents[2] / "expectations/suite.json"
    specs = validate.load_suite(suite.parents[1], "expectations/suite.json")
    found = validate.Checked(pilot, specs, schema, "suite", "pilot")
    failing = {item["column"]: item["unexpected"] for item in found.outcomes() if not item["success"]}
    assert failing == {"late": 1340, "wind_speed": 2}, "cancelled flights, and a report of 1048 mph"
    assert found.fails.sum() == 1342
    assert {item["column"] for item in found.skipped} >= {"plane_age", "seats", "recent_delay"}
    january = validate.Checked(window, specs, schema, "suite", "window").outcomes()
    assert {item["column"] for item in january if not item["success"]} == {"late"}


def test_the_flights_suite_takes_local_time(tmp_path: Path) -> None:
    """In November an hour is there twice; the schedule still increases, and the file keeps the zone."""
    asked = Collect.model_validate({"start": "2013-11-01", "end": "2013-11-05", "pilot_days": 7})
    window, _, schema = Flights().collect(asked, seed=0)
    write_parquet(tmp_path / "window.parquet", window)
    stored = read_parquet(tmp_path / "window.parquet")
    pd.testing.assert_frame_equal(stored, window)
    specs = validate.load_suite(Path(__file__).parents[2], "expectations/suite.json")
    found = validate.Checked(stored, specs, schema, "suite", "window").outcomes()
    scheduled = {item["type"]: item["success"] for item in found if item["column"] == "scheduled"}
    assert scheduled == dict.fromkeys(scheduled, True)
    assert {"expect_column_values_to_be_increasing", "expect_column_values_to_not_be_null"} == set(scheduled)
    assert {item["column"] for item in found if not item["success"]} == {"late"}


def test_a_column_without_values_fails_no_range(tmp_path: Path) -> None:
    frame = table().assign(x=np.nan, z=1.0)
    pair = expect("column_pair_values_a_to_be_greater_than_b", column_A="z", column_B="y")
    between = expect("column_values_to_be_between", column="x", min_value=0)
    unique = expect("compound_columns_to_be_unique", column_list=["z", "y"])
    validate.run(project(tmp_path, frame, between, pair, unique))
    window = [item for item in read_json(tmp_path / "data/validation.json")["expectations"] if item["data"] == "window"]
    assert [(item["column"], item["level"], item["success"]) for item in window] == [
        ("x", "row", True),
        ("y, z", "row", False),
        ("y, z", "row", False),
    ]
