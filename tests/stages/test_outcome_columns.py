"""What decisions bring, as columns joined by key or of the source: never features, and enough to say a metric lies."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows import patching
from flows.init import init
from stages.data import collect, label, split, validate
from stages.data.brought import brought_in_production, with_brought, without_brought
from stages.deployment import behaviour, examine, gate, pilot, refit, serving, slices
from stages.errors import LoopwrightError, ParamsError
from stages.files import read_json, read_parquet
from stages.params import Outcome
from stages.planning import charter
from stages.planning.outcome import by_columns
from stages.signals import Signal, read_signals
from stages.training import choose, evaluate, fit
from tests.conftest import bundled_table

COLUMNS = {"benign": "if_left", "malignant": "if_treated"}
MADE = (fit, choose, evaluate, refit, behaviour, serving, slices, examine, pilot, gate)


def worth(table: pd.DataFrame, *, large_only: bool) -> pd.DataFrame:
    """Return what treating and leaving each of the tumours brings, in months: all malignant ones, or the large ones."""
    malignant = table["target"] == "malignant"
    helped = malignant & (table["worst_area"] > table["worst_area"].quantile(0.7)) if large_only else malignant
    return pd.DataFrame(
        {"if_treated": np.where(helped, 20.0, -1.0 * ~malignant), "if_left": np.where(helped, -5.0, 0.0)}
    )


@pytest.fixture(scope="module")
def tumours() -> pd.DataFrame:
    """The cancer table with a key."""
    table = bundled_table("breast_cancer")
    return table.assign(patient=[f"P{number:03d}" for number in range(len(table))])


def judged(project: Path, *steps: Any) -> dict[str, Signal]:
    for step in steps:
        step.run(project)
    return read_signals(project / "signals" / "deployment.json")


def test_the_metric_improves_and_the_outcome_does_not_as_a_table_joined_by_key_tells(
    tumours: pd.DataFrame, tmp_path: Path
) -> None:
    """Where only large tumours can be helped, a rule by size brings as much as a model that has a far lower loss."""
    tumours.to_csv(tmp_path / "table.csv", index=False)
    project = init(tmp_path / "project", tmp_path / "table.csv", "target", key="patient")
    outcome = {"columns": COLUMNS, "table": "labels/months.csv", "min_gain": 0.5, "unit": "months"}
    rule = {"planning.rule": ["worst_area"], "training.bootstrap.n": 100}
    patching.apply(project, {"planning.outcome": outcome, **rule})
    keyed = pd.concat([tumours[["patient"]], worth(tumours, large_only=True)], axis=1)
    keyed.sample(frac=1, random_state=0).to_csv(project / "labels" / "months.csv", index=False)
    flat = judged(project, charter, collect, validate, label, split, *MADE)["outcome_flat"]
    assert flat.fires is True, flat.says
    assert flat.evidence["metric_gain"]["low"] > 0
    assert flat.high is not None and flat.high <= 0.5 and flat.unit == "months a row"
    assert read_json(project / "release" / "candidate.json")["meets"] is False
    rows = read_parquet(project / "data" / "splits" / "pilot.parquet")
    joined = rows[["patient", "outcome.if_treated"]].merge(keyed, on="patient")
    assert (joined["outcome.if_treated"] == joined["if_treated"]).all() and len(joined) == len(rows)
    assert not [name for name in read_json(project / "data" / "schema.json")["features"] if "if_" in name]
    # Where every malignant one can be helped, being better by the metric is worth something.
    keyed = pd.concat([tumours[["patient"]], worth(tumours, large_only=False)], axis=1)
    keyed.to_csv(project / "labels" / "months.csv", index=False)
    found = judged(project, split, choose, pilot, gate)
    assert found["outcome_flat"].fires is not True, found["outcome_flat"].says
    assert found["outcome_flat"].value is not None and found["outcome_flat"].value > 0.5


def test_columns_of_the_source_are_no_features(tumours: pd.DataFrame, tmp_path: Path) -> None:
    table = pd.concat([tumours.drop(columns="patient"), worth(tumours, large_only=False)], axis=1)
    table.to_csv(tmp_path / "table.csv", index=False)
    project = init(tmp_path / "project", tmp_path / "table.csv", "target")
    patching.apply(project, {"planning.outcome": {"columns": COLUMNS, "unit": "months"}})
    collect.run(project)
    schema, rows = read_json(project / "data" / "schema.json"), read_parquet(project / "data" / "pilot.parquet")
    assert set(COLUMNS.values()).isdisjoint(schema["features"])
    assert schema["dropped"]["if_treated"] == "planning.outcome: what a decision brings"
    parts = with_brought({"pilot": rows}, Outcome(columns=COLUMNS).model_dump(), schema, project)
    assert (parts["pilot"]["outcome.if_treated"] == rows["if_treated"]).all()
    patching.apply(project, {"planning.outcome.columns": {"benign": "if_left", "malignant": "if_treted"}})
    with pytest.raises(ParamsError, match=r"planning\.outcome\.columns: column 'if_treted' is not in the data"):
        collect.run(project)


SCHEMA: dict[str, Any] = {"classes": ["a", "b"], "key": "id", "features": {"x": "number"}, "dropped": {}}
ROWS = pd.DataFrame({"id": ["1", "2", "3"], "x": [1.0, 2.0, 3.0]})


@pytest.mark.parametrize(
    ("text", "changed", "schema", "says"),
    [
        ("id,v\n1,2\n2,3\n", {}, {}, r"labels/o.csv: has no row for id '3' of pilot"),
        ("id,v\n1,2\n1,3\n", {}, {}, r"labels/o.csv row 3 column 'id': appears more than once"),
        ("id,v\n1,2\n2,\n3,1\n", {}, {}, r"labels/o.csv row 3 column 'v': is empty"),
        ("id,v\n1,a\n2,b\n3,c\n", {}, {}, r"labels/o.csv column 'v': holds text"),
        ("id,w\n1,2\n", {}, {}, r"labels/o.csv: has no column 'v'"),
        ("id,v\n1,2\n", {}, {"key": None}, r"planning.outcome.table: is joined to the rows by a key"),
        ("id,v\n1,2\n", {"columns": {"a": "v"}}, {}, r"planning.outcome.columns: class 'b' has no column"),
        ("id,v\n1,2\n", {"columns": {"a": "v", "b": "v", "c": "v"}}, {}, r"planning.outcome.columns: 'c' is no class"),
        ("id,v\n1,2\n", {"table": "o.csv"}, {}, r"planning.outcome.table: 'o.csv' lies elsewhere"),
        ("id,v\n1,2\n", {"table": "labels/../o.csv"}, {}, r"lies elsewhere"),
    ],
)
def test_what_is_wrong_with_a_table_is_named_by_file_row_and_key(
    text: str, changed: dict[str, Any], schema: dict[str, Any], says: str, tmp_path: Path
) -> None:
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "o.csv").write_text(text)
    settings = {"columns": {"a": "v", "b": "v"}, "table": "labels/o.csv", **changed}
    with pytest.raises(LoopwrightError) as caught:
        with_brought({"pilot": ROWS}, Outcome(**settings).model_dump(), SCHEMA | schema, tmp_path)
    assert re.search(says.replace(".", r"\."), str(caught.value))
    assert caught.value.exit_code == 2


def test_an_empty_cell_of_the_source_is_named() -> None:
    rows = ROWS.assign(v=[1.0, np.nan, 3.0])
    settings = Outcome(columns={"a": "v", "b": "v"}).model_dump()
    with pytest.raises(LoopwrightError, match=r"column 'v': is empty in 1 rows of pilot, first in the row with id '2'"):
        with_brought({"pilot": rows}, settings, SCHEMA, Path())
    text = {**SCHEMA, "features": {"x": "number", "v": "category"}, "unused_groups": []}
    with pytest.raises(ParamsError, match=r"column 'v' holds text"):
        without_brought(text, settings)


@pytest.mark.parametrize(
    "settings", [{}, {"call": "my:own", "columns": {"a": "v"}}, {"call": "my:own", "table": "labels/o.csv"}]
)
def test_there_is_one_way_to_say_what_a_decision_brings(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="needs"):
        Outcome(**settings)


@given(chances=st.lists(st.floats(0, 1), min_size=1, max_size=30), threshold=st.floats(0, 1), seed=st.integers(0, 99))
def test_a_row_brings_what_its_decision_brings(chances: list[float], threshold: float, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(len(chances), 2))
    rows = pd.DataFrame(values, columns=["outcome.no", "outcome.yes"])
    chance = np.array(chances)
    brings = by_columns({"0": "no", "1": "yes"}, threshold, [0, 1])
    found = brings(rows, np.zeros(len(rows)), np.c_[1 - chance, chance])
    assert found.tolist() == np.where(chance > threshold, values[:, 1], values[:, 0]).tolist()
    assert (found <= values.max(axis=1)).all()


@pytest.mark.parametrize(
    ("rows", "table", "found", "why"),
    [
        (ROWS, "id,v\n1,2\n2,3\n3,4\n", [2.0, 3.0, 4.0], ""),
        (ROWS, "id,v\n1,2\n2,3\n", None, "not known for 1 of 3 rows (labels/o.csv)"),
        (ROWS.drop(columns="id"), "id,v\n1,2\n", None, "not known for 3 of 3 rows (labels/o.csv)"),
        (ROWS, None, None, "not known for 3 of 3 rows (the columns of planning.outcome.columns)"),
        (ROWS.assign(**{"outcome.v": [5.0, 6.0, 7.0]}), None, [5.0, 6.0, 7.0], ""),
    ],
)
def test_in_production_it_is_known_of_all_rows_or_said_not_to_be(
    rows: pd.DataFrame, table: str | None, found: list[float] | None, why: str, tmp_path: Path
) -> None:
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "o.csv").write_text(table or "")
    columns = {"columns": {"a": "v", "b": "v"}, "table": "labels/o.csv" if table else None}
    charter = {"outcome": Outcome(**columns).model_dump()}
    chances = np.full((3, 2), 0.5)
    values, said = brought_in_production(tmp_path, charter, SCHEMA, rows, np.zeros(3), chances)
    assert (None if values is None else values.tolist(), why in said) == (found, True)
