"""Splits lose no row and tear no group apart; the data signals say what is missing and how much more there is."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows import patching
from stages.data import label, split
from stages.data.cutting import By, cut
from stages.errors import DataError, ParamsError
from stages.files import read_json, read_parquet, write_json, write_parquet
from stages.params import Data, HardSlice
from stages.signals import Signal, read_signals

SHARES = st.sampled_from([[0.6, 0.2, 0.2], [0.8, 0.2], [0.05, 0.05, 0.9], [0.25] * 4])
CODES = st.lists(st.integers(0, 12), min_size=4, max_size=200)


@given(codes=CODES, shares=SHARES, seed=st.integers(0, 99), how=st.sampled_from(["time", "group", "strata", "both"]))
@settings(deadline=None, max_examples=200)
def test_a_cut_loses_no_row_and_tears_no_group(codes: list[int], shares: list[float], seed: int, how: str) -> None:
    frame = pd.DataFrame({"row": range(len(codes)), "key": codes, "at": np.array(codes[::-1]) // 2})
    by = {"time": By(time="key"), "group": By(group="key"), "strata": By(strata="key"), "both": By("at", "key")}[how]
    if by.group and frame["key"].nunique() < len(shares):
        with pytest.raises(DataError, match="groups in column 'key' cannot make"):
            cut(frame, shares, by, seed)
        return
    parts = cut(frame, shares, by, seed)
    assert sorted(row for part in parts for row in part["row"]) == frame["row"].tolist()
    assert all(len(part) for part in parts)
    for first, second in pairwise(parts):
        if by.group:
            assert not set(first["key"]) & set(second["key"])
        if how == "time":
            assert first["key"].max() <= second["key"].min()
    again = cut(frame, shares, by, seed)
    assert all(one.equals(other) for one, other in zip(parts, again, strict=True))


@given(rows=st.integers(50, 400), rare=st.integers(5, 20), seed=st.integers(0, 99))
@settings(deadline=None)
def test_classes_are_spread_over_the_parts(rows: int, rare: int, seed: int) -> None:
    frame = pd.DataFrame({"y": [1] * rare + [0] * rows})
    parts = cut(frame, [0.6, 0.2, 0.2], By(strata="y"), seed)
    for part, share in zip(parts, [0.6, 0.2, 0.2], strict=True):
        assert len(part) == pytest.approx(share * len(frame), abs=1)
        assert part["y"].sum() == pytest.approx(share * rare, abs=2.5)


def test_rows_of_one_moment_stay_together() -> None:
    frame = pd.DataFrame({"t": np.repeat(np.arange(10), 7)})
    train, valid, test = cut(frame, [0.62, 0.18, 0.2], By(time="t"), seed=0)
    assert (train["t"].max(), valid["t"].min(), test["t"].min()) == (5, 6, 8)


def test_another_seed_is_another_choice() -> None:
    frame = pd.DataFrame({"row": range(100)})
    assert not cut(frame, [0.5, 0.5], By(), 0)[0].equals(cut(frame, [0.5, 0.5], By(), 1)[0])


def project(folder: Path, frame: pd.DataFrame, data: dict[str, Any] | None = None, **schema: Any) -> Path:
    """Lay down what the split step reads."""
    task = "classification" if schema.get("classes", [0, 1]) else "regression"
    metric = "roc_auc" if task == "classification" else "r2"
    params = {
        "planning": {
            **{"goal": "test", "task": task, "optimise": metric},
            "requirements": {metric: {"at_least": 0.5}},
        },
        "data": {"source": {"kind": "table", "path": "t.csv", "target": "y"}, **(data or {})},
        "training": {"candidates": {"a": {"estimator": "sklearn.dummy.DummyClassifier"}}, "use": ["a"]},
    }
    write_json(folder / "params.yaml", params)  # JSON is YAML
    known: dict[str, Any] = {"target": "y", "time": None, "group": None, "classes": [0, 1], "features": {"x": "number"}}
    known |= {"more": {"data.collect.rows": 400}, "more_rows": 200, "include_pilot": {}}
    known |= {
        "window": {"rows": len(frame)},
        "pilot": {"rows": len(frame)},
        "dropped": {},
        "feature_groups": {"x": ["x"]},
    }
    write_json(folder / "data/schema.json", known | schema)
    for name in ("valid_window", "valid_pilot"):
        write_parquet(folder / f"data/{name}.parquet", frame)
    count = {"rows": len(frame), "failing": 0, "quarantined": 0}
    changed = Signal(name="schema_changed", fires=False).model_dump()
    found = {"window": count, "pilot": count, "expectations": [], "on_fail": "keep", "schema_changed": changed}
    write_json(folder / "data/validation.json", found)
    label.run(folder)
    return folder


def table(rows: int = 200, **columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"x": np.arange(rows, dtype="float64"), "y": np.arange(rows) % 2, **columns})


def test_the_step_encodes_drops_and_weighs(tmp_path: Path) -> None:
    frame = table(kind=["a", "b", "c", "d"] * 50)
    frame["y"] = frame["y"].map({0: "no", 1: "yes"}).mask(frame["x"] < 20)
    slices = {"hard_slices": [{"column": "kind", "value": "b", "weight": 3.0}, {"column": "x", "value": 25}]}
    split.run(project(tmp_path, frame, slices, classes=["no", "yes"]))
    parts = {
        name: read_parquet(tmp_path / f"data/splits/{name}.parquet") for name in ("train", "valid", "test", "pilot")
    }
    assert sum(len(parts[name]) for name in ("train", "valid", "test")) == 180 == len(parts["pilot"])
    everything = pd.concat([parts["train"], parts["valid"], parts["test"]])
    assert (everything["y"] == (everything["x"] % 2)).all()
    train = parts["train"]
    assert (train.loc[(train["kind"] == "b") & (train["x"] != 25), "__weight__"] == 3).all()
    assert (train.loc[train["kind"] == "c", "__weight__"] == 1).all()
    test = parts["test"]  # it learns too, once a model is chosen
    assert (test.loc[(test["kind"] == "b") & (test["x"] != 25), "__weight__"] == 3).all()
    assert (parts["pilot"]["__weight__"] == 1).all()
    metrics = read_json(tmp_path / "metrics/data.json")
    assert metrics["train"]["rows"] == len(train)
    assert metrics["collected"] == {"rows": 400, "labels": 360, "money": 0.0}
    assert metrics["test"]["positive_rate"] == pytest.approx(0.5, abs=0.1)


def test_the_step_is_the_same_again_and_leaves_nothing_old(tmp_path: Path) -> None:
    project(tmp_path, table())
    split.run(tmp_path)
    first = {path.name: path.read_bytes() for path in (tmp_path / "data/splits").iterdir()}
    (tmp_path / "data/splits/old.parquet").write_text("old")
    split.run(tmp_path)
    assert first == {path.name: path.read_bytes() for path in (tmp_path / "data/splits").iterdir()}


def test_too_few_labels_say_how_many_more(tmp_path: Path) -> None:
    split.run(project(tmp_path, table(60), {"minimum": {"rows": 100, "per_class": 5}}))
    signal = read_signals(tmp_path / "signals/data.json")["labels_too_few"]
    assert signal.fires is True
    assert signal.value == pytest.approx(0.36)
    assert signal.evidence["more"] == {"data.collect.rows": 400}
    assert signal.evidence["classes"] == {"0": 18, "1": 18}


def test_a_class_without_a_training_row_fires(tmp_path: Path) -> None:
    split.run(project(tmp_path, table(), classes=[0, 1, 2]))
    assert read_signals(tmp_path / "signals/data.json")["labels_too_few"].value == 0


def test_regression_needs_no_classes(tmp_path: Path) -> None:
    frame = table()
    split.run(project(tmp_path, frame, classes=None))
    train = read_parquet(tmp_path / "data/splits/train.parquet")
    assert train["y"].dtype == "float64"
    assert set(read_json(tmp_path / "metrics/data.json")["train"]) == {"rows", "mean", "std"}


@pytest.mark.parametrize("key", ["deployment.slices.columns", "planning.ethics.sensitive"])
def test_a_column_that_later_stages_read_and_is_not_there_is_told_at_once(key: str, tmp_path: Path) -> None:
    project(tmp_path, table())
    patching.apply(tmp_path, {key: ["nope"]})
    with pytest.raises(ParamsError, match=rf"{key}: 'nope' is no column of the data"):
        split.run(tmp_path)


def test_no_label_at_all_is_an_error(tmp_path: Path) -> None:
    frame = table()
    frame["y"] = np.nan
    with pytest.raises(DataError, match="no row of the window has a target"):
        split.run(project(tmp_path, frame))


def test_an_unknown_slice_is_an_error() -> None:
    with pytest.raises(ParamsError, match="unknown column 'z'"):
        split.weights(table(), [HardSlice(column="z", value=1)])
    with pytest.raises(ParamsError, match="'low' is no value of the numeric column 'x'"):
        split.weights(table(), [HardSlice(column="x", value="low")])


def validation(failing: int, table_level: bool = False) -> dict[str, Any]:
    row: dict[str, Any] = {
        "type": "expect_column_values_to_not_be_null",
        "column": "y",
        "data": "window",
        "level": "row",
    }
    row |= {"success": failing == 0, "unexpected": failing, "share": failing / 100}
    whole: dict[str, Any] = {
        "type": "expect_table_row_count_to_be_between",
        "column": None,
        "data": "window",
        "level": "table",
    }
    whole |= {"success": not table_level, "unexpected": None, "share": None}
    part: dict[str, Any] = {"rows": 100, "failing": failing, "quarantined": 0}
    return {"window": part, "pilot": {**part, "failing": 0}, "expectations": [row, whole]}


@pytest.mark.parametrize(("part", "share"), [("pilot", 0.5), ("window", 0.06)])
def test_the_worse_part_decides_about_expectations(part: str, share: float) -> None:
    found = validation(0)
    found["window"] |= {"rows": 1000}
    found[part] |= {"failing": round(share * found[part]["rows"])}
    source = {"kind": "table", "path": "t.csv", "target": "y"}
    data = Data.model_validate({"source": source, "validate": {"on_fail": "quarantine", "max_quarantine": 0.05}})
    signal = split.expectations_signal(found, data)
    assert (signal.fires, signal.value) == (True, share)
    assert f"of the {part} ({share:.2%}) are quarantined" in signal.says
    assert signal.evidence["part"] == part
    assert signal.evidence["shares"] == {"window": 0.0, "pilot": 0.0, part: share}


@pytest.mark.parametrize(
    ("failing", "table_level", "on_fail", "fires"),
    [
        (0, False, "keep", False),
        (1, False, "keep", True),
        (1, False, "quarantine", False),
        (30, False, "quarantine", True),
        (0, True, "keep", True),
        (1, True, "quarantine", True),
    ],
)
def test_when_expectations_fire(failing: int, table_level: bool, on_fail: str, fires: bool) -> None:
    source = {"kind": "table", "path": "t.csv", "target": "y"}
    data = Data.model_validate({"source": source, "validate": {"on_fail": on_fail, "max_quarantine": 0.05}})
    signal = split.expectations_signal(validation(failing, table_level), data)
    assert signal.fires is fires
    assert signal.value == failing / 100
    assert signal.evidence["part"] == "window"
    assert signal.evidence["table_level"] == (["expect_table_row_count_to_be_between"] if table_level else [])
