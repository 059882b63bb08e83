"""What is suggested holds on the window it is from; what a person wrote stays."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.data import validate
from stages.data.suite import is_ours, merge, suggest, suite_text
from tests.conftest import bundled_table


def window(name: str = "wine") -> tuple[pd.DataFrame, dict[str, Any]]:
    frame = bundled_table(name)
    frame["day"] = pd.date_range("2024-01-01", periods=len(frame), freq="D", tz="UTC")
    frame["number"] = np.arange(1000.0, 1000.0 + len(frame))
    numbers = {str(c): pd.api.types.is_numeric_dtype(frame[c].dtype) for c in frame.columns}
    features = {c: "number" if is_number else "category" for c, is_number in numbers.items()}
    schema = {"target": "target", "time": "day", "group": None, "classes": sorted(frame["target"].unique())}
    features = {c: kind for c, kind in features.items() if c not in ("target", "day")}
    groups = {name: [name] for name in features}
    return frame, schema | {"features": features, "feature_groups": groups, "dropped": {}}


def types(found: list[dict[str, Any]], column: str | None) -> set[str]:
    return {item["type"].removeprefix("expect_") for item in found if item["kwargs"].get("column") == column}


def test_a_suggestion_is_whole_and_holds_on_its_window() -> None:
    frame, schema = window()
    found = suggest(frame, schema, [len(frame), 400], "now")
    assert all(is_ours(item) for item in found)
    everything = {"column_to_exist", "column_values_to_not_be_null", "column_values_to_be_in_type_list"}
    assert types(found, "alcohol") == everything | {"column_values_to_be_between"}
    assert types(found, "malic_acid_size") == {
        "column_to_exist",
        "column_values_to_not_be_null",
        "column_values_to_be_in_set",
    }
    assert types(found, "day") == {"column_values_to_not_be_null", "column_values_to_be_unique"}
    assert "column_values_to_be_unique" in types(found, "number")
    assert "column_values_to_be_unique" not in types(found, "proline"), "whole numbers that repeat"
    (rows,) = [item for item in found if item["type"] == "expect_table_row_count_to_be_between"]
    assert rows["kwargs"] == {"min_value": 89}
    checked = validate.Checked(frame, found, schema, "suite", "window")
    assert [item for item in checked.outcomes() if not item["success"]] == []
    assert validate.Checked(pd.concat([frame] * 2, ignore_index=True), found, schema, "s", "window").fails.all()


def test_random_whole_numbers_that_happen_not_to_repeat_are_no_key() -> None:
    frame, schema = window()
    frame["number"] = np.random.default_rng(0).choice(10**6, len(frame), replace=False).astype("float64")
    assert "column_values_to_be_unique" not in types(suggest(frame, schema, [], "now"), "number")


def test_time_and_group_together_are_a_key() -> None:
    frame, schema = window()
    frame["day"] = frame["day"].iloc[np.repeat(np.arange(89), 2)].to_numpy()
    frame["shop"] = ["a", "b"] * 89
    schema["group"] = "shop"
    found = suggest(frame, schema, [], "now")
    assert {"column_list": ["day", "shop"]} in [item["kwargs"] for item in found]


def own(column: str, **kwargs: Any) -> dict[str, Any]:
    return {
        "type": "expect_column_values_to_be_between",
        "kwargs": {"column": column, **kwargs},
        "meta": {"why": "law"},
    }


def test_what_a_person_wrote_or_edited_stays() -> None:
    frame, schema = window()
    suggested = suggest(frame, schema, [], "now")
    mine = own("alcohol", min_value=0)
    edited = next(item for item in suggested if item["kwargs"].get("column") == "hue" and "max_value" in item["kwargs"])
    edited = {**edited, "kwargs": {**edited["kwargs"], "max_value": 3}}
    rest = [item for item in suggested if item["kwargs"].get("column") not in ("hue", "alcohol")]
    merged = merge([mine, edited, *rest], suggest(frame, schema, [], "now"))
    assert merged.by_hand == [mine, edited]
    assert merged.expectations[:2] == [mine, edited]
    assert {item["kwargs"]["column"] for item in merged.added} == {"alcohol", "hue"}
    assert [item for item in merged.added if item["type"] == mine["type"]] == []
    assert not merged.removed
    assert not merged.changed


def test_ours_follow_the_window() -> None:
    frame, schema = window()
    present = suggest(frame, schema, [], "then")
    later = frame.assign(alcohol=frame["alcohol"] * 2)
    without = {**schema, "features": {k: v for k, v in schema["features"].items() if k != "hue"}}
    merged = merge(present, suggest(later, without, [], "now"))
    assert [old["kwargs"]["column"] for old, _ in merged.changed] == ["alcohol"]
    assert {item["kwargs"]["column"] for item in merged.removed} == {"hue"}
    kept = merge(present, suggest(later, without, [], "now"), absent={"hue"})
    assert not kept.removed
    again = merge(merged.expectations, suggest(later, without, [], "now"))
    assert again.expectations == merged.expectations
    assert not again.added + again.removed + again.changed


@given(st.lists(st.integers(0, 40), max_size=8), st.randoms(use_true_random=False))
def test_nothing_of_a_person_is_ever_lost(edits: list[int], random: Any) -> None:
    present = SUGGESTED.copy()
    for index in edits:
        item = present[index % len(present)]
        present[index % len(present)] = {**item, "kwargs": {**item["kwargs"], "mostly": 0.5}}
        present.insert(random.randrange(len(present)), own(f"c{index}", max_value=random.random()))
    merged = merge(present, SUGGESTED)
    by_hand = [item for item in present if not is_ours(item)]
    assert [item for item in merged.expectations if not is_ours(item)] == by_hand
    assert (
        json.loads(suite_text({"name": "x", "meta": {}, "expectations": merged.expectations}))["expectations"]
        == merged.expectations
    )


SUGGESTED = suggest(*window(), [], "now")


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_suite_is_written_an_expectation_a_line(count: int) -> None:
    suite = {"name": "x", "meta": {"about": "é"}, "expectations": [own(str(i)) for i in range(count)]}
    text = suite_text(suite)
    assert json.loads(text) == suite
    assert text.count("expect_") == sum("expect_" in line for line in text.splitlines())
