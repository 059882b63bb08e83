"""The server's short way says what the long one says, cell by cell and byte by byte of the log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from threadpoolctl import threadpool_limits

from stages.answering import Policy, limits
from stages.data.sources.columns import Place
from stages.data.sources.raw import Raw
from stages.deployment.release_log import POINTER
from stages.files import read_json, write_json
from stages.params import Candidate
from stages.production.cells import Refused, RowReader
from stages.production.direct import direct, frame_of, inner
from stages.production.quick import Quick
from stages.production.recording import entries_of
from stages.production.released import Released, load_released
from stages.production.rows import read_rows
from stages.training.estimators import build, fit
from tests.conftest import bundled_table
from tests.stages.releasing import many_kinds, release

SOURCE = {"key": "id", "time": "day", "rename": {"mean_radius": "radius"}}
LINEAR = Candidate(estimator="sklearn.linear_model.LogisticRegression", params={"max_iter": 200})


@pytest.fixture(autouse=True, scope="module")
def alone() -> Iterator[None]:
    with threadpool_limits(limits=1):
        yield


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Released:
    """A release that leaves rows to people for every reason there is."""
    frame = many_kinds().assign(site=["north", "south"] * 284 + ["north"])
    policy = Policy(
        confidence=0.8,
        guardrails={"radius": {"low": 8.0, "high": 20.0}, "stage": {"values": ["1", "2", "x"]}},
        scope=[{"column": "site", "values": ["north"]}],
    )
    source = {**SOURCE, "scale": [{"column": "mean_texture", "factor": 2.0, "since": "2024-03-01"}]}
    more: dict[str, Any] = {"data": {"collect": {"without": ["site"]}}}
    folder = release(tmp_path_factory.mktemp("quick"), frame, source, policy, **more)
    path = folder / read_json(folder / POINTER)["card"]
    card = read_json(path)
    seen = limits(
        read_rows(raw_of(frame.drop(columns="target")), load_released(folder).contract).frame, card["features"]
    )
    write_json(path, card | {"seen": seen})
    return load_released(folder)


@pytest.fixture(scope="module")
def short(released: Released) -> tuple[RowReader, Quick]:
    reader = RowReader(released.contract, released.seen)
    return reader, Quick(released, reader.names)


def raw_of(rows: pd.DataFrame) -> Raw:
    text = rows.astype("object").where(rows.notna(), "").astype("str")
    return Raw(text, Place("rows", np.arange(len(rows))))


DATES = st.dates(min_value=pd.Timestamp("1700-01-01").date(), max_value=pd.Timestamp("2200-01-01").date()).map(str)
NUMBERS = st.none() | st.floats(-1e9, 1e9) | st.integers(-(10**6), 10**6)
WORDS = st.none() | st.sampled_from(["1", "2", "x", "none", "", " x ", "NA", "new", "large", "small", "-"])
ROWS = st.fixed_dictionaries(
    {
        "mean_radius": NUMBERS | st.floats(7, 25),
        "mean_texture": NUMBERS,
        "mean_texture_size": WORDS,
        "born": st.none() | DATES | DATES.map(lambda day: f"{day}T10:30:00+02:00"),
        "smokes": st.none() | st.booleans(),
        "grade": NUMBERS,
        "stage": WORDS,
        "site": st.sampled_from(["north", "south", None, "east"]),
        "day": DATES,
    },
    optional={"id": st.sampled_from(["p1", " p2 ", "7"])},
)


@given(row=ROWS)
@settings(max_examples=40)
def test_a_row_means_what_it_means_in_a_file(
    released: Released, short: tuple[RowReader, Quick], row: dict[str, Any]
) -> None:
    reader, quick = short
    cells = reader.read(reader.checker.validate_json(json.dumps(row)))
    assert quick.encode is not None
    answers = quick.answer([cells])
    (ours,) = quick.entries([cells], answers, source="s", at="t", calls=["c 0"])
    rows = released.read(raw_of(pd.DataFrame([row])))
    said = released.answer(rows)
    (theirs,) = entries_of(released, rows, said, source="s", at="t", call="c")
    assert ours == theirs
    assert answers[0].label == said["suggestion"].iloc[0]


def test_many_rows_are_answered_as_one_by_one(released: Released) -> None:
    reader = RowReader(released.contract, released.seen)
    quick, checker = Quick(released, reader.names), reader.checker
    rows = many_kinds().assign(site="north", smokes=lambda f: f["smokes"].str.lower() == "true").drop(columns="target")
    rows["grade"] = pd.to_numeric(rows["grade"], errors="coerce")
    rows["born"] = rows["born"].replace("", None)
    rows = rows.iloc[::8]
    cells = [
        reader.read(checker.validate_json(line)) for line in rows.to_json(orient="records", lines=True).splitlines()
    ]
    together = quick.answer(cells)
    assert together == [quick.answer([cell])[0] for cell in cells]
    assert {answer.reason for answer in together} >= {"", "unsure", "out_of_range"}


def test_what_is_unlike_what_was_learned_from_is_flagged(released: Released) -> None:
    reader = RowReader(released.contract, released.seen)
    row = {"mean_radius": 99.0, "mean_texture": 1e6, "mean_texture_size": "huge", "born": "1700-01-01", "smokes": None}
    row |= {"grade": 2, "stage": "x", "site": "north", "day": "2024-01-01"}
    cells = reader.read(reader.checker.validate_python(row))
    (said,) = Quick(released, reader.names).answer([cells])
    beyond = dict.fromkeys(("radius", "mean_texture", "born"), "out_of_range")
    assert said.flags == beyond | {"mean_texture_size": "unseen_value"}


GOOD = {"mean_radius": 9.0, "mean_texture": 1.0, "mean_texture_size": "small", "born": None, "smokes": True}
GOOD |= {"grade": 2, "stage": "x", "site": "north", "day": "2024-01-01"}
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "text for a number": ({"mean_radius": "9"}, "mean_radius"),
    "a number for text": ({"stage": 1}, "stage"),
    "a number for a truth value": ({"smokes": 1}, "smokes"),
    "a truth value for a number": ({"grade": True}, "grade"),
    "a list": ({"grade": [1]}, "grade"),
    "no date": ({"born": "2024-02-31"}, "born"),
    "half a date": ({"born": "2024"}, "born"),
    "too large": ({"grade": 1e39}, "grade"),
    "a field too many": ({"target": "benign"}, "target"),
    "no time": ({"day": None}, "mean_texture"),
    "too large in its unit": ({"mean_texture": 3e38, "day": "2024-04-01"}, "mean_texture"),
    "a key that no database holds": ({"id": "a\0b"}, "id"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_read_is_named(released: Released, case: str) -> None:
    spoilt, column = BAD[case]
    reader = RowReader(released.contract, released.seen)
    with pytest.raises(ValueError) as told:
        reader.read(reader.checker.validate_json(json.dumps(GOOD | spoilt)))
    error = told.value
    assert isinstance(error, Refused | ValidationError)
    assert (error.column if isinstance(error, Refused) else error.errors()[0]["loc"][0]) == column


def test_every_column_is_asked_for_and_every_number_is_finite(released: Released) -> None:
    reader = RowReader(released.contract, released.seen)
    for name in GOOD:
        with pytest.raises(ValidationError, match="Field required"):
            reader.checker.validate_python({key: GOOD[key] for key in GOOD if key != name})
    for value in ("NaN", "Infinity"):
        with pytest.raises(ValidationError):
            reader.checker.validate_json(json.dumps(GOOD).replace("9.0", value))
    lax = RowReader(released.contract, {}, extra="ignore")
    read = lax.checker.validate_python
    assert lax.read(read(GOOD | {"more": 1})) == lax.read(read(GOOD))


def test_private_values_stand_in_no_schema(released: Released) -> None:
    told = json.dumps(RowReader(released.contract, released.seen).checker.json_schema())
    assert '"small"' in told
    kept = RowReader(released.contract, released.seen, private=["mean_texture_size"])
    assert '"small"' not in json.dumps(kept.checker.json_schema())


@pytest.mark.parametrize("name", ["linear", "boosting", "text only", "numbers only"])
def test_pipelines_are_asked_without_a_frame(name: str) -> None:
    frame = bundled_table("wine").dropna().reset_index(drop=True)
    spoilt = bundled_table("wine")
    kinds = {str(c): "category" if spoilt[c].dtype.kind not in "fi" else "number" for c in spoilt.columns[:-1]}
    if name.endswith("only"):
        kinds = {c: kind for c, kind in kinds.items() if (kind == "category") == (name == "text only")}
    schema = {"features": kinds, "classes": [0, 1, 2], "target": "target"}
    rows = spoilt.assign(target=spoilt["target"].astype("category").cat.codes, __weight__=1.0)
    boosting = Candidate(estimator="sklearn.ensemble.HistGradientBoostingClassifier", params={"max_iter": 5})
    model = fit(build("a", boosting if name == "boosting" else LINEAR, schema, "classification", 0), rows, schema)
    encode = direct(inner(model), kinds)
    assert encode is not None
    columns = {c: [None if pd.isna(v) else v for v in spoilt[c].tolist()] for c in kinds}
    ours = model.named_steps["model"].predict_proba(encode(columns))
    assert np.array_equal(ours, model.predict_proba(frame_of(columns, kinds)))
    assert len(frame)


def test_a_pipeline_of_another_make_is_asked_as_it_is() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    assert direct(make_pipeline(LogisticRegression()), {"a": "number"}) is None


def test_numbers_are_predicted_as_in_a_file(tmp_path: Path) -> None:
    frame = bundled_table("diabetes")
    released = load_released(release(tmp_path, frame))
    reader = RowReader(released.contract, released.seen)
    row = {name: None if pd.isna(value) else value for name, value in frame.drop(columns="target").iloc[3].items()}
    cells = reader.read(reader.checker.validate_json(json.dumps(row)))
    quick = Quick(released, reader.names)
    ours = quick.entries([cells], quick.answer([cells]), source="s", at="t", calls=["c 0"])
    rows = released.read(raw_of(pd.DataFrame([row])))
    assert ours == entries_of(released, rows, released.answer(rows), source="s", at="t", call="c")
