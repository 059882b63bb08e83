"""A look at the log of predictions: which rows it holds, which labels judge, and what becomes of it when it is lost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.people.truth import feedback
from flows.predicting import predict
from stages.data.labels.log import Drawn, Reviewed, read_reviewed
from stages.deployment.release_log import read_log
from stages.params import check_params
from stages.production.log import FILE
from stages.production.watch.logged import any_rows
from stages.production.watch.look import AskedLog, learning_labels, look_at_log
from stages.production.watch.measuring import Past
from tests.stages.releasing import many_kinds, params_of
from tests.stages.watching import release_table

SINCE = "2024-04-29"


@pytest.fixture
def clinic(tmp_path: Path) -> Path:
    """A release of a table with a key and a time, three rows a day."""
    data = {"collect": {"start": "2024-01-01", "end": "2024-04-01", "pilot_days": 28}}
    return release_table(tmp_path, many_kinds(), {"key": "id"}, data=data, deployment={"watch": {"min_rows": 40}})


def predicted(project: Path, rows: pd.DataFrame, *, without: Sequence[str] = ()) -> None:
    rows.drop(columns=["target", *without]).to_csv(project / "new.csv", index=False)
    predict(project, project / "new.csv", out=project / "o.csv")


def known(project: Path, rows: pd.DataFrame, *, complete: bool = True) -> None:
    rows[["id", "target"]].set_axis(["key", "label"], axis=1).to_csv(project / "truth.csv", index=False)
    feedback(project, project / "truth.csv", complete=complete)


def seen(project: Path, after: int = 0, judged: int = 0) -> dict[str, Any]:
    return look_at_log(project, AskedLog(after, judged, read_log(project)[-1], project, Past(1, [], None)))


def window(start: str, end: str) -> pd.DataFrame:
    return many_kinds().query("@start <= day < @end")


@pytest.mark.parametrize("without", [["day"], ["id"], ["day", "id"]])
def test_rows_without_time_or_key_are_of_when_they_were_predicted(clinic: Path, without: list[str]) -> None:
    predicted(clinic, window(SINCE, "2024-06-01"), without=without)
    found = seen(clinic)
    assert (found["ready"], found["rows"]) == (True, 99)
    told = [note for note in found["notes"] if "99 of 99 rows were predicted without day: they count as of" in note]
    assert len(told) == ("day" in without)


def test_rows_of_which_some_have_no_group_are_taken_for_independent_and_that_is_said(tmp_path: Path) -> None:
    frame = many_kinds().assign(clinic=lambda rows: "c" + (rows.index % 20).astype(str))
    release_table(tmp_path, frame, {"key": "id", "group": "clinic"}, deployment={"watch": {"min_rows": 40}})
    new = frame.tail(60).assign(id=lambda rows: "n" + rows["id"])
    predicted(tmp_path, new.head(50))
    predicted(tmp_path, new.tail(10), without=["clinic"])
    known(tmp_path, new)
    found = seen(tmp_path)
    assert (found["rows"], found["labelled"]) == (60, 60)
    assert "10 of 60 rows were predicted without clinic: the rows are taken for independent" in found["notes"][0]
    assert found["figures"]["log_loss"]["low"] is not None


def test_a_complete_truth_that_comes_after_its_look_is_judged_by_the_next_once(clinic: Path) -> None:
    first, second = window(SINCE, "2024-05-29"), window("2024-05-29", "2024-07-01")
    predicted(clinic, first)
    found = seen(clinic)
    assert (found["labelled"], found["judged"], "production_estimated" in str(found["signals"])) == (0, 0, True)
    known(clinic, first)
    predicted(clinic, second)
    found = seen(clinic, found["after"], found["judged"])
    assert (found["rows"], found["labelled"], found["judged"]) == (len(second), len(first), len(first))
    assert f"{len(first)} rows of before are judged too" in found["notes"][0]
    known(clinic, second)
    predicted(clinic, second.assign(id="x" + second["id"]))
    known(clinic, second.assign(id="x" + second["id"]))
    last = seen(clinic, found["after"], found["judged"])
    assert (last["labelled"], last["judged"]) == (2 * len(second), len(first) + 2 * len(second))


def test_labels_of_chosen_rows_and_a_few_of_the_sample_are_not_judged_later(clinic: Path) -> None:
    first, second = window(SINCE, "2024-05-29"), window("2024-05-29", "2024-07-01")
    predicted(clinic, first)
    found = seen(clinic)
    known(clinic, first.tail(60), complete=False)  # corrections, of whatever rows
    known(clinic, first.head(30))
    predicted(clinic, second)
    found = seen(clinic, found["after"], found["judged"])
    assert (found["labelled"], found["judged"], found["notes"]) == (0, 0, [])  # thirty wait until they are forty
    known(clinic, second.head(20))
    predicted(clinic, second.assign(id="x" + second["id"]))
    found = seen(clinic, found["after"], found["judged"])
    assert (found["labelled"], found["judged"]) == (50, len(read_reviewed(clinic)))


def test_a_log_that_was_replaced_is_looked_at_from_its_beginning(clinic: Path) -> None:
    predicted(clinic, window(SINCE, "2024-07-01"))
    before = seen(clinic)
    (clinic / FILE).unlink()
    found = seen(clinic, before["after"])
    assert (found["ready"], found["rows"]) == (False, 0)
    assert "from its beginning" in found["notes"][0]
    predicted(clinic, window(SINCE, "2024-06-01"))
    found = seen(clinic, before["after"])
    assert (found["ready"], found["rows"], "from its beginning" in found["notes"][0]) == (True, 99, True)
    assert found["after"] < before["after"]


def label(number: int, drawn: Drawn, lot: float) -> Reviewed:
    told: dict[str, Any] = {"key": None, "time": None, "group": None, "by": "a", "at": "t", "file": "f", "row": {}}
    told |= {"release": "r", "predicted": "p", "reason": "", "withheld": [], "label": "yes"}
    return Reviewed(id=str(number), drawn=drawn, lot=lot, **told)


@given(drawn=st.lists(st.sampled_from(["", "random", "chosen", "complete"]), max_size=12), seed=st.integers(0, 9))
def test_the_loop_is_sent_round_by_labels_that_teach_and_judged_by_those_that_do_not_depend_on_the_model(
    drawn: list[Drawn], seed: int
) -> None:
    lots = np.random.default_rng(seed).random(len(drawn))
    labels = [label(number, how, lot) for number, (how, lot) in enumerate(zip(drawn, lots, strict=True))]
    upto = max((lot for how, lot in zip(drawn, lots, strict=True) if how == "random"), default=-1.0)
    params = check_params(params_of(many_kinds().head(3), {}))
    teaches = any(lot > upto for lot in lots)
    patch = {"data.labels.reviewed": len(labels)} if teaches else {}
    assert learning_labels(params, labels, {"time": None}) == patch
    assert learning_labels(params, labels, {"time": "day"}) == {}  # they have none
    timed = [one.model_copy(update={"time": "2024-05-01"}) for one in labels]
    assert learning_labels(params, timed, {"time": "day"}) == patch
    fair = {one.id for one in labels if one.drawn == "complete" or (one.lot or 0.0) <= upto}
    assert any_rows(labels) == fair
