"""A user's own table: what can be wrong with it is named by file, row and column; the rest is read as meant."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.data.collect import refuse_old_rows
from stages.data.profile import guess_task, profile
from stages.data.sources import Collected
from stages.data.sources.table import Table
from stages.errors import DataError, LoopwrightError, ParamsError
from stages.params import Collect, TableSource, check_params
from stages.planning.rule import rule_columns

GOOD = "x,colour,y\n" + "".join(f"{i},{'red' if i % 3 else 'blue'},{i % 2}\n" for i in range(40))


def collect(
    folder: Path, text: str | bytes, task: str = "classification", name: str = "t.csv", **keys: Any
) -> Collected:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    asked = Collect.model_validate(keys.pop("collect", {}))
    settings = TableSource.model_validate({"kind": "table", "path": name, "target": "y", **keys})
    return Table(folder, settings, task).collect(asked, seed=1)


def with_cell(row: int, value: str, column: int = 0) -> str:
    """Return the good table with one cell changed; rows as the file counts them."""
    lines = [line.split(",") for line in GOOD.splitlines()]
    lines[row - 1][column] = value
    return "\n".join(",".join(line) for line in lines)


BAD: dict[str, tuple[str | bytes, dict[str, Any], str]] = {
    "empty": ("", {}, r"t\.csv: the file is empty"),
    "blank": ("\n \n", {}, "only blank lines"),
    "header only": ("x,y\n", {}, "header but no rows"),
    "semicolon": (GOOD.replace(",", ";"), {}, r"row 1: one column found.*semicolon ';'"),
    "tab": (GOOD.replace(",", "\t"), {}, "delimiter tab.*name the file .tsv"),
    "bar": (GOOD.replace(",", "|"), {}, r"bar '\|'"),
    "repeated column": (GOOD.replace("colour", "x", 1), {}, "header: column 'x' appears more than once"),
    "no target": (GOOD, {"target": "Y"}, r"no column 'Y'.*did you mean 'y'\?"),
    "no time": (GOOD, {"time": "color"}, r"data\.source\.time: .*did you mean 'colour'\?"),
    "unknown drop": (GOOD, {"drop": ["zzz"]}, r"data\.source\.drop: .*one of x, colour, y"),
    "constant target": ("x,y\n1,a\n2,a\n", {}, "column 'y': the target is always a"),
    "target missing everywhere": ("x,y\n1,\n2,NA\n", {}, "target is missing in every row"),
    "class of one": (with_cell(8, "7", 2), {}, r"t\.csv row 8 column 'y': class 7 has one row"),
    "many classes": ("x,y\n" + "".join(f"{i},{i // 2}\n" for i in range(400)), {}, "200 different.*: regression"),
    "text target": (GOOD, {"target": "colour", "task": "regression"}, "target is text.*: classification"),
    "text in numbers": (with_cell(5, "tall"), {}, r"row 5 column 'x': 1 of 40 cells.*'tall'.*drop"),
    "all missing": ("x,z,y\n" + "1,null,0\n2,NA,1\n" * 9, {}, "column 'z': all values are missing"),
    "text among markers": (with_cell(5, "tall").replace("\n7,", "\n?,"), {}, "row 5 column 'x': 1 of 40 cells"),
    "marker for a target": ("x,y\n1,?\n2,NA\n", {}, r"column 'y': the target is always \?"),
    "marker for a time": ("t,x,y\n" + "2020-01-01,1,0\n-,2,1\n" * 9, {"time": "t"}, "row 3.*9 times are missing"),
    "infinite": (with_cell(9, "inf"), {}, "row 9 column 'x': holds an infinite value"),
    "ragged short": (GOOD + "5,red\n", {}, "row 42: has 2 fields; expected 3"),
    "ragged long": (GOOD + "5,red,1,1\n", {}, "row 42: has 4 fields; expected 3"),
    "unclosed quote": (GOOD + '5,"red,1\n', {}, "row 42: is not CSV"),
    "latin1": (GOOD.replace("blue", "blé").encode("latin1"), {}, "row 2: byte 0xe9 is not UTF-8.*iconv"),
    "utf16": (GOOD.encode("utf-16"), {}, "is not UTF-8"),
    "nul": (GOOD.replace("blue", "bl\0e"), {}, "NUL bytes"),
    "mixed zones": (
        "t,x,y\n" + "2020-01-01T10:00+01:00,1,0\n2020-01-01T10:00Z,2,1\n" * 9,
        {"time": "t"},
        r"row 3 column 't': mixes time zones \(\+01:00, Z\)",
    ),
    "zone and none": (
        "t,x,y\n" + "2020-01-01T10:00,1,0\n2020-01-01T10:00Z,2,1\n" * 9,
        {"time": "t"},
        r"mixes time zones \(none, Z\)",
    ),
    "no date": ("t,x,y\n" + "2020-01-01,1,0\n31/12/2020,2,1\n" * 9, {"time": "t"}, "row 3.*'31/12/2020' is not a time"),
    "time missing": ("t,x,y\n" + "2020-01-01,1,0\n,2,1\n" * 9, {"time": "t"}, "row 3.*9 times are missing"),
    "group missing": ("g,x,y\n" + "a,1,0\n,2,1\n" * 9, {"group": "g"}, "row 3.*9 groups are missing"),
    "marker for a group": ("g,x,y\n" + "7,1,0\n?,2,1\n" * 9, {"group": "g"}, "row 3.*9 groups are missing"),
    "one group": ("g,x,y\n" + "a,1,0\na,2,1\n" * 9, {"group": "g"}, "1 groups in column 'g' cannot make 2 parts"),
    "no feature": ("id,y\n" + "".join(f"n{i},{i % 2}\n" for i in range(9)), {}, "no column is left.*left out: id"),
    "unknown feature": (GOOD, {"collect": {"features": ["x", "q"]}}, "unknown feature q.*x, colour"),
    "suffix": (GOOD, {"name": "t.xlsx"}, r"unknown format \.xlsx.*\.parquet"),
    "not parquet": (GOOD, {"name": "t.parquet"}, "is not a readable Parquet file"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(tmp_path: Path, case: str) -> None:
    text, keys, message = BAD[case]
    with pytest.raises(DataError, match=message) as caught:
        collect(tmp_path, text, **keys)
    assert caught.value.where
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    settings = TableSource.model_validate({"kind": "table", "path": "data/none.csv", "target": "y"})
    with pytest.raises(DataError, match=r"data/none\.csv: not found"):
        Table(tmp_path, settings, "classification").collect(Collect.model_validate({}), seed=0)


def missing(found: Collected, column: str) -> int:
    return int(pd.concat([found.window, found.pilot])[column].isna().sum())


@pytest.mark.parametrize("marker", ["", "NA", "?", "-", "n/a", "null", " NaN ", "None", ".", "--"])
def test_missing_markers_are_missing_among_numbers(tmp_path: Path, marker: str) -> None:
    found = collect(tmp_path, with_cell(5, marker))
    assert found.schema["features"]["x"] == "number"
    assert missing(found, "x") == 1
    labels = collect(tmp_path, with_cell(5, marker, column=2))
    assert labels.schema["classes"] == [0, 1]
    assert missing(labels, "y") == 1
    assert missing(collect(tmp_path, with_cell(5, marker, column=2), "regression"), "y") == 1


@pytest.mark.parametrize(("marker", "is_missing"), [("", 1), ("n/a", 1), ("NULL", 1), ("none", 0), ("-", 0), ("?", 0)])
def test_among_categories_a_marker_is_one_of_them(tmp_path: Path, marker: str, is_missing: int) -> None:
    found = collect(tmp_path, with_cell(5, marker, column=1))
    assert missing(found, "colour") == is_missing
    both = pd.concat([found.window, found.pilot])["colour"].dropna()
    assert set(both) == {"red", "blue"} | ({marker} if not is_missing else set())


def test_a_column_of_markers_alone_is_a_category(tmp_path: Path) -> None:
    found = collect(tmp_path, "x,z,y\n" + "1,?,0\n2,?,1\n" * 9)
    assert found.schema["features"] == {"x": "number", "z": "category"}


def test_dates_with_markers_are_dates(tmp_path: Path) -> None:
    found = collect(tmp_path, "day,y\n" + "2020-01-01,0\n2020-01-02,1\n?,1\n" * 9)
    assert found.schema["features"] == {"day": "number"}
    assert missing(found, "day") == 9


@pytest.mark.parametrize("classes", [["none", "mild", "severe"], ["+", "-"], ["?", "."], ["None", "1a"]])
def test_no_class_is_taken_for_missing(tmp_path: Path, classes: list[str]) -> None:
    rows = "".join(f"{i},{classes[i % len(classes)]}\n" for i in range(60))
    found = collect(tmp_path, "x,y\n" + rows)
    assert found.schema["classes"] == sorted(classes)
    assert missing(found, "y") == 0
    (tmp_path / "t.csv").write_text("x,y\n" + rows)
    own = profile(tmp_path / "t.csv", "y")
    assert own["task"] == "classification"
    expected = [item["kwargs"] for item in own["suite"]["expectations"] if item["type"].endswith("be_in_set")]
    assert {"column": "y", "value_set": sorted(classes)} in expected


def test_columns_are_read_as_meant(tmp_path: Path) -> None:
    rows = "".join(
        f"{i},k{i},{'true' if i % 2 else 'FALSE'},2020-01-{i % 28 + 1:02d},{'a' if i % 3 else 'b'},{i % 2}\n"
        for i in range(60)
    )
    found = collect(tmp_path, ",id,flag,day,kind,y\n" + rows)
    assert found.schema["features"] == {"flag": "number", "day": "number", "kind": "category"}
    assert found.schema["dropped"] == {"": "has no name", "id": "every value is different"}
    assert found.schema["classes"] == [0, 1]
    assert found.window["day"].between(18262, 18290).all()  # days since 1970
    assert set(found.window["flag"]) == {0.0, 1.0}


def test_parquet_reads_like_csv(tmp_path: Path) -> None:
    csv = collect(tmp_path, GOOD)
    pd.read_csv(tmp_path / "t.csv").to_parquet(tmp_path / "t.parquet")
    settings = TableSource.model_validate({"kind": "table", "path": "t.parquet", "target": "y"})
    parquet = Table(tmp_path, settings, "classification").collect(Collect.model_validate({}), seed=1)
    pd.testing.assert_frame_equal(csv.window, parquet.window)


def test_text_labels_stay_as_found(tmp_path: Path) -> None:
    found = collect(tmp_path, GOOD, target="colour")
    assert found.schema["classes"] == ["blue", "red"]
    assert set(found.window["colour"]) == {"blue", "red"}


def test_rows_without_target_are_kept_for_the_suite(tmp_path: Path) -> None:
    found = collect(tmp_path, with_cell(5, "", column=2))
    assert pd.concat([found.window, found.pilot])["y"].isna().sum() == 1
    assert len(found.window) + len(found.pilot) == 40


def test_the_pilot_is_the_last_part_by_time(tmp_path: Path) -> None:
    rows = [f"2020-{i % 12 + 1:02d}-{i % 28 + 1:02d},{i},{i % 2}\n" for i in range(200)]
    found = collect(tmp_path, "t,x,y\n" + "".join(rows), time="t")
    assert found.window["t"].max() < found.pilot["t"].min()
    assert len(found.pilot) == pytest.approx(40, abs=4)


def test_the_pilot_takes_whole_groups(tmp_path: Path) -> None:
    rows = [f"g{i % 17},{i},{i % 2}\n" for i in range(200)]
    found = collect(tmp_path, "g,x,y\n" + "".join(rows), group="g")
    assert not set(found.window["g"]) & set(found.pilot["g"])


def test_more_rows_keep_the_rows_there_were(tmp_path: Path) -> None:
    text = "x,y\n" + "".join(f"{i},{i % 2}\n" for i in range(1000))
    few = collect(tmp_path, text, collect={"rows": 100})
    many = collect(tmp_path, text, collect=few.schema["more"] and {"rows": 200})
    everything = collect(tmp_path, text)
    assert few.schema["more"] == {"data.collect.rows": 200}
    assert few.schema["more_rows"] == 100
    assert set(few.window["x"]) < set(many.window["x"]) < set(everything.window["x"])
    assert everything.schema["more"] == {}
    pd.testing.assert_frame_equal(few.pilot, everything.pilot)


def grouped(rows: int) -> str:
    """Return a table of 17 groups in the order of a time, with a row number as feature."""
    lines = (f"2020-01-{i % 28 + 1:02d},g{i % 17},{i},{'red' if i % 3 else 'blue'},{i % 2}\n" for i in range(rows))
    return "t,g,x,colour,y\n" + "".join(lines)


@pytest.mark.parametrize("keys", [{}, {"time": "t"}, {"group": "g"}, {"time": "t", "group": "g"}])
@pytest.mark.parametrize("share", [0.2, 0.5])
def test_the_first_look_is_the_window(tmp_path: Path, keys: dict[str, str], share: float) -> None:
    found = collect(tmp_path, grouped(400), collect={"pilot_share": share}, **keys)
    settings = TableSource.model_validate({"kind": "table", "path": "t.csv", "target": "y", **keys})
    asked = Collect.model_validate({"pilot_share": share, "rows": 50, "features": ["colour"]})
    looked, schema = Table(tmp_path, settings, "classification").first_look(asked, seed=1)
    pd.testing.assert_frame_equal(looked, found.window)
    assert schema["features"] == found.schema["features"], "every feature, also those not collected yet"
    assert not set(looked["x"]) & set(found.pilot["x"])


def test_the_first_look_at_a_large_table_is_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.data.sources.table.FIRST_LOOK_ROWS", 100)
    found = collect(tmp_path, grouped(400), time="t")
    settings = TableSource.model_validate({"kind": "table", "path": "t.csv", "target": "y", "time": "t"})
    looked, _ = Table(tmp_path, settings, "classification").first_look(Collect.model_validate({}), seed=1)
    assert len(looked) == 100
    assert set(looked["x"]) < set(found.window["x"])
    assert looked["t"].is_monotonic_increasing


def test_a_rule_is_chosen_on_groups_it_has_not_seen() -> None:
    random = np.random.default_rng(0)
    truth = np.repeat(random.permutation(np.arange(20) % 2), 30)
    frame = pd.DataFrame({"g": np.repeat([f"g{i}" for i in range(20)], 30), "y": truth})
    # "who" gives the group away, which says all about rows of the same group and nothing about those of others.
    frame["who"] = frame["g"]
    frame["hint"] = np.where(random.random(len(frame)) < 0.8, frame["y"], 1 - frame["y"]).astype("str")
    schema: dict[str, Any] = {
        "target": "y",
        "time": None,
        "group": "g",
        "classes": [0, 1],
        "features": {"who": "", "hint": ""},
    }
    assert rule_columns([], frame, schema, seed=0) == ["hint"]
    assert rule_columns([], frame, {**schema, "group": None}, seed=0) == ["who"]
    one = frame[frame["g"].isin(["g0"])].reset_index(drop=True)
    assert rule_columns([], one, schema, seed=0)[0] in schema["features"], "one group is no reason to stop"


@pytest.mark.parametrize(
    ("target", "task"),
    [
        (["a", "b"] * 50, "classification"),
        (["true", "false"] * 50, "classification"),
        ([0, 1] * 50, "classification"),
        (list(range(5)) * 40, "classification"),
        (list(range(5)) * 4, "regression"),
        (np.linspace(0, 1, 100).tolist(), "regression"),
        (list(range(100)), "regression"),
        ([*map(str, range(99)), "?", "tall"], "regression"),
        ([*map(str, range(99)), *["?"] * 20, "tall"], "regression"),
        (["none", "mild", "severe"] * 30, "classification"),
        (["+", "-"] * 30, "classification"),
    ],
)
def test_the_task_is_guessed(target: list[Any], task: str) -> None:
    assert guess_task(pd.Series(target)) == task


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_profile_passes_its_own_checks(tmp_path: Path, task: str) -> None:
    random = np.random.default_rng(0)
    rows = 300
    table = pd.DataFrame({"x": random.normal(size=rows), "kind": random.choice(list("abc"), rows)})
    table["half"] = np.where(random.random(rows) < 0.5, np.nan, 1.5)
    table["y"] = (table["x"] > 0).map({True: "yes", False: "no"}) if task == "classification" else table["x"] * 3
    table.to_csv(tmp_path / "own.csv", index=False)
    found = profile(tmp_path / "own.csv", "y")
    assert found["task"] == task
    params = check_params(found["params"])
    assert params.training.use == [next(iter(params.training.candidates)), "boosting"]
    assert params.deployment.slices.columns == ["kind"]
    assert found["missing"]["half"] == pytest.approx(0.5, abs=0.1)
    types = {(item["type"], item["kwargs"]["column"]) for item in found["suite"]["expectations"]}
    assert {("expect_column_values_to_not_be_null", "y"), ("expect_column_values_to_be_in_set", "kind")} <= types


def folder(path: Path, parts: dict[str, str]) -> TableSource:
    for name, text in parts.items():
        (path / "raw" / name).parent.mkdir(parents=True, exist_ok=True)
        (path / "raw" / name).write_text(text)
    return TableSource.model_validate({"kind": "table", "path": "raw", "target": "y"})


def rows(start: int, count: int) -> str:
    return "x,colour,y\n" + "".join(f"{i},{'red' if i % 3 else 'blue'},{i % 2}\n" for i in range(start, start + count))


def test_a_folder_is_one_table_in_the_order_of_names(tmp_path: Path) -> None:
    swapped = "colour,x,y\n" + "".join(f"red,{i},{i % 2}\n" for i in range(20, 30))
    parts = {"b.csv": rows(10, 10), "a.csv": rows(0, 10), "later/c.csv": swapped, "_SUCCESS": "", ".hidden.xlsx": ""}
    frame, schema = Table(tmp_path, folder(tmp_path, parts), "classification").load([])
    assert frame["x"].tolist() == list(range(30))
    assert schema["features"] == {"x": "number", "colour": "category"}
    for name in ("a", "b"):
        (tmp_path / "parquet").mkdir(exist_ok=True)
        pd.read_csv(tmp_path / f"raw/{name}.csv").to_parquet(tmp_path / f"parquet/{name}.parquet")
    settings = TableSource.model_validate({"kind": "table", "path": "parquet/", "target": "y"})
    other, _ = Table(tmp_path, settings, "classification").load([])
    pd.testing.assert_frame_equal(other, frame.head(20))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"a.csv": rows(0, 9), "b.csv": rows(9, 9).replace("colour", "hue")},
            r"raw/b\.csv: lacks 'colour' and has 'hue'",
        ),
        (
            {"a.csv": rows(0, 9), "b.csv": "x,y\n1,2\n"},
            r"raw/b\.csv: lacks 'colour'; expected the columns of raw/a\.csv",
        ),
        (
            {"a.csv": rows(0, 9), "b.csv": rows(0, 9).replace("\n7,", "\nseven,")},
            r"raw/b\.csv row 9 column 'x'.*'seven'",
        ),
        ({"a.csv": rows(0, 9), "b.parquet": "PAR1"}, r"raw/b\.parquet: is Parquet among CSV files"),
        ({"a.csv": rows(0, 9), "b.xlsx": "PK"}, r"raw/b\.xlsx: is neither CSV nor Parquet"),
        ({"a.csv": rows(0, 9), "b.csv": ""}, r"raw/b\.csv: the file is empty"),
        ({".keep": ""}, "raw: the folder holds no file"),
    ],
)
def test_a_bad_file_in_a_folder_is_named(tmp_path: Path, parts: dict[str, str], message: str) -> None:
    settings = folder(tmp_path, parts)
    with pytest.raises(DataError, match=message):
        Table(tmp_path, settings, "classification").load([])


def dated(count: int = 200) -> str:
    """Return a table of three rows a day in an order of its own, groups of ten rows, from New Year 2020."""
    lines = [
        f"{pd.Timestamp('2020-01-01') + pd.Timedelta(days=i // 3):%Y-%m-%d},g{i // 10},{i},{i % 2}"
        for i in range(count)
    ]
    return "t,g,x,y\n" + "\n".join(lines[i * 77 % count] for i in range(count)) + "\n"


def test_with_dates_a_window_goes_by_days(tmp_path: Path) -> None:
    asked = {"start": "2020-01-01", "end": "2020-02-01", "pilot_days": 7}
    found = collect(tmp_path, dated(201), time="t", drop=["g"], collect=asked)
    assert sorted(found.window["x"]) == list(range(93))
    assert sorted(found.pilot["x"]) == list(range(93, 114))
    assert found.window["t"].is_monotonic_increasing
    assert (found.schema["more"], found.schema["more_rows"]) == ({"data.collect.end": "2020-03-01"}, 87)
    assert found.schema["include_pilot"] == {"data.collect.end": "2020-02-08"}
    assert found.schema["longer_pilot"] == {"days": 36, "rows": 87}
    long = collect(tmp_path, dated(201), time="t", drop=["g"], collect=asked | {"pilot_days": 36})
    assert (len(long.pilot), long.schema["longer_pilot"]) == (21 + 87, {})
    few = collect(tmp_path, dated(201), time="t", drop=["g"], collect=asked | {"rows": 50})
    assert (few.schema["more"], few.schema["more_rows"]) == ({"data.collect.rows": 100}, 43)
    assert set(few.window["x"]) < set(found.window["x"])
    assert few.schema["include_pilot"] == {"data.collect.end": "2020-02-08"}
    late = collect(tmp_path, dated(201), time="t", drop=["g"], collect={"start": "2019-06-01", "pilot_days": 7})
    assert late.schema["pilot"] == {"start": "2020-03-01", "end": "2020-03-08", "rows": 21}
    assert (late.schema["more"], late.schema["include_pilot"], late.schema["longer_pilot"]) == ({}, {}, {})


def test_with_dates_a_group_is_where_its_first_row_is(tmp_path: Path) -> None:
    found = collect(tmp_path, dated(), time="t", group="g", collect={"end": "2020-02-01", "pilot_days": 7})
    assert not set(found.window["g"]) & set(found.pilot["g"])
    assert found.window["x"].max() == 99, "the group of 90 to 99 began in January"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"drop": ["g", "t"]}, "start and end need a time column"),
        ({"time": "x"}, "the time column 'x' holds numbers"),
        ({"time": "t", "collect": {"end": "2021-01-01"}}, "does not lie within the data with room for a pilot"),
        ({"time": "t", "collect": {"start": "2019-01-01", "end": "2020-01-01"}}, r"the window.*holds no row"),
    ],
)
def test_dates_that_cannot_be_are_refused(tmp_path: Path, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(LoopwrightError, match=message):
        collect(tmp_path, dated(), **{"collect": {"end": "2020-02-01"}, **keys})


def test_the_first_look_by_days_is_the_first_month(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(dated())
    table = Table(tmp_path, TableSource(kind="table", path="t.csv", target="y", time="t", drop=["g"]), "classification")
    looks = []
    for end in ("2020-02-01", "2020-02-15"):
        looks.append(table.first_look(Collect.model_validate({"start": "2020-01-01", "end": end}), seed=1)[0])
    pd.testing.assert_frame_equal(looks[0], looks[1])
    assert set(looks[0]["x"]) == set(range(93))


def test_a_class_of_the_time_after_the_pilot_is_not_known_yet(tmp_path: Path) -> None:
    header, *lines = dated().splitlines()
    late = [line[:-1] + "2" if line[:10] >= "2020-03-01" else line for line in lines]
    found = collect(
        tmp_path, "\n".join([header, *late]), time="t", drop=["g"], collect={"end": "2020-02-01", "pilot_days": 7}
    )
    assert found.schema["classes"] == [0, 1]


def test_columns_are_renamed_and_scaled(tmp_path: Path) -> None:
    scale = [{"column": "length", "factor": 2.0, "since": "2020-02-01"}]
    keys: dict[str, Any] = {
        "time": "t",
        "drop": ["g"],
        "rename": {"x": "length"},
        "scale": scale,
        "collect": {"end": "2020-02-01"},
    }
    found = collect(tmp_path, dated(), **keys)
    assert sorted(found.window["length"]) == list(range(93))
    assert sorted(found.pilot["length"]) == [2 * i for i in range(93, 177)]
    bad: list[tuple[dict[str, Any], str]] = [
        ({"rename": {"z": "length"}}, r"data\.source\.rename: .*no column 'z'"),
        ({"rename": {"x": "y"}}, "has a column 'y' already"),
        ({"scale": [{"column": "length", "factor": 2, "since": "soon"}]}, "since is 'soon'; expected a time in ISO"),
        ({"scale": [{"column": "g", "factor": 2}], "drop": []}, r"data\.source\.scale: column 'g' holds text"),
        ({"time": None, "collect": {}, "drop": ["g", "t"]}, "since needs a time column"),
    ]
    for wrong, message in bad:
        with pytest.raises(LoopwrightError, match=message):
            collect(tmp_path, dated(), **{**keys, **wrong})


def test_rows_older_than_may_be_kept_are_refused() -> None:
    schema = {"window": {"start": "2020-01-01"}, "pilot": {"end": "2020-03-01"}}
    refuse_old_rows(schema, 60)
    refuse_old_rows(schema, None)
    with pytest.raises(ParamsError, match=r"retention_days: the window begins 2020-01-01, 60 days.*later"):
        refuse_old_rows(schema, 59)
    with pytest.raises(ParamsError, match="nothing says how old rows are"):
        refuse_old_rows({"window": {}, "pilot": {}}, 59)
