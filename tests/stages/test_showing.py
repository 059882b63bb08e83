"""A bound that the rows cannot show is said before anything is trained, with what would let them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.files import read_json, write_json
from stages.params import Collect, Split
from stages.planning.showing import asked_of, cannot_show, parts_of
from stages.planning.verdict import Supply
from stages.signals import Signal
from stages.training.failures import clopper_pearson, rows_without_failure
from tests.conftest import bundled_table
from tests.stages.test_feasibility import judged
from tests.stages.test_planning import planned

BOUND = "planning.requirements.failure_bound.at_most"


def wine(folder: Path, data: dict[str, Any] | None = None, **planning: Any) -> Signal:
    bounds: dict[str, Any] = {"log_loss_skill": {"at_least": 0.5}}
    table = bundled_table("wine", spoilt=False)  # 178 rows: a window of 142, 28 of them to choose by, and a pilot of 36
    project = planned(folder, table, "target", bounds | planning.pop("requirements", {}), "classification", **planning)
    values = read_json(project / "params.yaml")
    values["data"] |= data or {}
    write_json(project / "params.yaml", values)
    return judged(project)


def test_a_bound_that_too_few_rows_judge_is_told_with_the_shares_that_are_enough(tmp_path: Path) -> None:
    signal = wine(tmp_path, archetype="autonomous", requirements={"failure_bound": {"at_most": 0.07}})
    assert (signal.evidence["verdict"], signal.fires) == ("change_plan", True)
    assert "takes at least 42 validation rows without one failure, and the plan has 28" in signal.says
    change = signal.evidence["change"]
    assert set(change) == {"data.collect.pilot_share", "data.split.valid"}
    data = {"collect": {"pilot_share": change["data.collect.pilot_share"]}}
    data |= {"split": {"valid": change["data.split.valid"]}}
    again = wine(tmp_path, data, archetype="autonomous", requirements={"failure_bound": {"at_most": 0.07}})
    assert again.evidence["verdict"] == "go", again.says


@pytest.mark.parametrize(
    ("planning", "verdict", "says"),
    [
        (
            {"answering": {"max_error": 0.01}},
            "collect_first",
            "0.01 takes at least 299 validation rows",
        ),
        (
            {"answering": {"max_error": 0.01}, "budgets": {"labels": 178}},
            "change_requirement",
            "or max_error at most 0.1",
        ),
        ({"requirements": {"failure_bound": {"at_most": 0}}}, "change_requirement", "no number of rows shows it"),
    ],
)
def test_where_no_share_is_enough_more_rows_or_another_bound_are_asked_for(
    tmp_path: Path, planning: dict[str, Any], verdict: str, says: str
) -> None:
    signal = wine(tmp_path, **planning)
    assert signal.evidence["verdict"] == verdict, signal.says
    assert says in signal.says


def test_a_wish_need_not_be_shown_and_what_leaves_rows_to_people_must() -> None:
    wish = {"failure_bound": {"at_most": 0.01, "hard": False}}
    assert asked_of({"answering": {"max_error": None}, "requirements": wish}) == {}
    assert list(asked_of({"answering": {"max_error": 0.1}, "requirements": wish})) == ["planning.answering.max_error"]


@given(
    most=st.floats(0.005, 0.5),
    level=st.floats(0.6, 0.99),
    rows=st.integers(20, 5000),
    valid=st.floats(0.05, 0.4),
    labels=st.integers(20, 100_000),
)
def test_the_cure_is_enough(most: float, level: float, rows: int, valid: float, labels: int) -> None:
    charter = {
        "answering": {"max_error": None, "level": level},
        "requirements": {"failure_bound": {"at_most": most}},
    }
    supply = Supply(here=rows, source=rows, labels=labels)
    parts = parts_of(supply, Split(valid=valid), Collect())
    found, needed = cannot_show(charter, supply, parts), rows_without_failure(most, level)
    assert clopper_pearson(0, needed, level) <= most + 1e-9
    assert (found is None) == (parts["valid"].rows >= needed)
    if found is None:
        return
    assert found.rows["value"] == math.ceil(needed / valid)
    if found.name == "change_plan":
        assert supply.have * found.change["data.split.valid"] >= needed - 1e-6 * needed - 1
    if found.name == "change_requirement" and found.change:
        assert rows_without_failure(found.change[BOUND], level) <= parts["valid"].rows
    if found.name == "collect_first":
        assert supply.affordable * valid >= needed
