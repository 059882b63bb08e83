"""``predict`` and ``review`` on files: what comes out, what is asked of people, and what comes back from them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from flows import entry, patching
from flows.cli import main
from flows.people import reviewing
from flows.people.sheets import shown
from flows.predicting import predict
from flows.record import Iteration
from flows.transitions import RELEASED
from stages.answering import Policy
from stages.data.labels.log import read_reviewed
from stages.errors import DataError, LoopwrightError
from stages.files import read_json, write_json
from stages.params import load_params
from stages.production.log import PredictionLog
from tests.conftest import ROOT, full_disk
from tests.stages.releasing import many_kinds, release

SOURCE = {"key": "id", "time": "day"}
UNSURE = Policy(confidence=0.8)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A release that leaves some rows to people, and a file of 60 new rows."""
    frame = many_kinds()
    release(tmp_path, frame.iloc[:500], SOURCE, UNSURE)
    frame.iloc[500:560].drop(columns="target").to_csv(tmp_path / "new.csv", index=False)
    return tmp_path


def label(project: Path, name: str = "sheet.csv", said: str = "benign", rows: int | None = None) -> pd.DataFrame:
    sheet = pd.read_csv(project / name, dtype=str, keep_default_na=False)
    sheet.loc[: len(sheet) if rows is None else rows - 1, "label"] = said
    sheet.to_csv(project / name, index=False)
    return sheet


def test_a_file_is_answered_logged_and_queued_once(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = predict(project, project / "new.csv", out=project / "out.csv")
    told = capsys.readouterr()
    assert told.out == ""
    assert (found.rows, found.logged) == (60, 60)
    assert found.reasons == {"unsure": 60 - found.answered}
    assert 0 < found.answered < 60
    assert f"{found.answered} of 60 rows are answered by release {found.release}" in told.err
    assert f"{60 - found.answered} unsure" in told.err
    table = pd.read_csv(project / "out.csv", dtype={"key": str})
    assert table.columns[:6].tolist() == ["prediction_id", "key", "prediction", "confidence", "answered", "reason"]
    assert table["key"].tolist() == pd.read_csv(project / "new.csv")["id"].tolist()
    assert (table["prediction"].isna() == ~table["answered"]).all()
    again = predict(project, project / "new.csv", out=project / "out.parquet")
    assert again.logged == 0
    assert "60 of them stood in the log already" in capsys.readouterr().err
    pd.testing.assert_frame_equal(pd.read_parquet(project / "out.parquet")[["key"]], table[["key"]], check_dtype=False)
    assert len(reviewing.waiting(project)) == 60 - found.answered


def test_nothing_heavy_is_imported_but_what_predicts(project: Path) -> None:
    """Great Expectations, Prefect and DVC take seconds, and no prediction needs them."""
    code = (
        "import sys; from flows.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "finally:\n"
        "    import flows.serving.app\n"
        "    print(sorted({'prefect', 'great_expectations', 'dvc', 'optuna', 'cleanlab'} & set(sys.modules)))"
    )
    arguments = ["predict", "-C", str(project), str(project / "new.csv"), "--out", str(project / "o.csv")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"


def test_rows_without_a_key_are_told_apart_by_file_and_row(project: Path) -> None:
    rows = pd.read_csv(project / "new.csv", dtype=str, keep_default_na=False).drop(columns="id")
    twice = pd.concat([rows.iloc[:3], rows.iloc[:3]])
    twice.to_csv(project / "twice.csv", index=False)
    assert predict(project, project / "twice.csv", out=project / "o.csv").logged == 6
    assert predict(project, project / "twice.csv", out=project / "o.csv").logged == 0
    twice.assign(more=1).to_csv(project / "another.csv", index=False)
    assert predict(project, project / "another.csv", out=project / "o.csv").logged == 6


def test_a_time_that_comes_later_is_logged_and_its_review_counts(project: Path) -> None:
    rows = pd.read_csv(project / "new.csv", dtype=str, keep_default_na=False)
    for name, part, day in (
        ("no_time.csv", rows.drop(columns="day"), None),
        ("new.csv", rows, f"{rows['day'].iloc[0]}T00:00:00+00:00"),
        ("put_right.csv", rows.assign(day="2024-01-09"), "2024-01-09T00:00:00+00:00"),
    ):
        part.to_csv(project / name, index=False)
        assert predict(project, project / name, out=project / "o.csv").logged == 60
        assert predict(project, project / name, out=project / "o.csv").logged == 0
        table = pd.read_csv(project / "o.csv", dtype=str)
        table.iloc[[0]][["prediction_id"]].assign(label="benign").to_csv(project / "sheet.csv", index=False)
        waiting = len(reviewing.waiting(project))
        assert waiting == (table["answered"] == "False").sum()
        assert reviewing.take(project, project / "sheet.csv", by="ann") == 1
        last = read_reviewed(project)[-1]
        assert (last.key, last.time) == (rows["id"].iloc[0], day)


def test_another_policy_is_another_answer(project: Path) -> None:
    predict(project, project / "new.csv", out=project / "o.csv")
    path = project / read_json(project / "releases/current.json")["card"]
    write_json(path, read_json(path) | {"policy": Policy().to_json()})
    assert predict(project, project / "new.csv", out=project / "o.csv").answered == 60
    assert reviewing.waiting(project) == []  # the last word on a key counts


def test_a_dry_run_keeps_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["predict", "-C", str(project), str(project / "new.csv"), "--dry-run"])
    assert ended.value.code == 0
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == 61
    assert "nothing is kept in the log" in told.err
    assert not (project / ".loopwright/predictions.db").exists()


def test_what_became_of_the_rows_comes_as_json(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    predict(project, project / "new.csv", out=project / "o.csv", as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["rows"] == found["logged"] == 60
    with pytest.raises(LoopwrightError, match="--json: the predictions are printed"):
        predict(project, project / "new.csv", as_json=True)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("mean_radius\n1\n", r"new\.csv: has no column 'born'"),
        (None, r"new\.csv: not found; expected a CSV or Parquet file; check the path"),
    ],
)
def test_a_file_that_cannot_be_used_changes_nothing(
    project: Path, content: str | None, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = project / "new.csv"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(SystemExit) as ended:
        main(["predict", "-C", str(project), str(path), "--out", str(project / "o.csv")])
    assert ended.value.code == 2
    with pytest.raises(DataError, match=says):
        predict(project, path, out=project / "o.csv")
    assert not (project / "o.csv").exists()
    assert PredictionLog(project).counts() == {}
    with pytest.raises(DataError, match=r"ends in '\.xlsx'; expected \.csv, \.parquet"):
        predict(project, path, out=project / "o.xlsx")


def test_rows_go_out_without_a_hint_and_their_labels_come_back_once(project: Path) -> None:
    predict(project, project / "new.csv", out=project / "o.csv")
    waiting = reviewing.waiting(project)
    sure = [item["confidence"] for item in waiting]
    assert sure == sorted(sure)
    assert reviewing.export(project, out=project / "sheet.csv", count=3) == 3
    sheet = label(project, rows=2)
    assert sheet.columns[:5].tolist() == ["prediction_id", "key", "reason", "label", "annotator"]
    assert "born" in sheet and "day" in sheet
    assert reviewing.take(project, project / "sheet.csv", by="ann") == 2
    before = (project / "labels/reviewed.jsonl").read_bytes()
    assert reviewing.take(project, project / "sheet.csv", by="ann") == 0
    assert (project / "labels/reviewed.jsonl").read_bytes() == before
    one = read_reviewed(project)[0]
    assert (one.id, one.key, one.label, one.by) == (waiting[0]["id"], waiting[0]["key"], "benign", "ann")
    assert one.predicted == waiting[0]["prediction"]
    assert one.row == json.loads(PredictionLog(project).find([one.id])[one.id]["row"])
    assert one.withheld == []
    assert len(reviewing.waiting(project)) == len(waiting) - 2
    hinted = project / "hinted.csv"
    reviewing.export(project, out=hinted, suggest=True)
    assert pd.read_csv(hinted)["suggestion"].isin(["benign", "malignant"]).all()
    predict(project, project / "new.csv", out=project / "o.csv")
    assert len(reviewing.waiting(project)) == len(waiting) - 2  # nobody is asked again


def test_answers_that_find_no_room_are_said(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "o.csv").write_text("old")
    for name in ("o.csv", "o.parquet"):
        arguments = ["predict", "-C", str(project), str(project / "new.csv"), "--out", str(project / name), "--dry-run"]
        with full_disk(1000), pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
        assert f"{name}: cannot be written (File too large); it stays as it was; make room" in capsys.readouterr().err
    assert (project / "o.csv").read_text() == "old"


def test_an_answer_can_be_corrected_too(project: Path) -> None:
    predict(project, project / "new.csv", out=project / "o.csv")
    table = pd.read_csv(project / "o.csv")
    answered = table[table["answered"]].iloc[[0]]
    answered[["prediction_id"]].assign(label="malignant").to_csv(project / "wrong.csv", index=False)
    assert reviewing.take(project, project / "wrong.csv", by="ann") == 1
    assert read_reviewed(project)[0].reason == ""


def test_private_columns_do_not_leave(tmp_path: Path) -> None:
    frame = many_kinds()
    private: dict[str, Any] = {"planning": {"security": {"private": ["born", "day", "id"]}}}
    release(tmp_path, frame.iloc[:500], SOURCE, UNSURE, **private)
    frame.iloc[500:560].to_csv(tmp_path / "new.csv", index=False)
    predict(tmp_path, tmp_path / "new.csv", out=tmp_path / "o.csv")
    reviewing.export(tmp_path, out=tmp_path / "sheet.csv", count=1)
    sheet = label(tmp_path)
    assert not {"born", "day", "id", "key", "target"} & set(sheet)
    reviewing.take(tmp_path, tmp_path / "sheet.csv", by="ann")
    (one,) = read_reviewed(tmp_path)
    assert "born" not in one.row
    assert one.withheld == ["born"]
    assert (one.key, one.time, one.withheld_roles) == (None, None, ["key", "time"])
    (entry,) = PredictionLog(tmp_path).find([one.id]).values()
    assert entry["key"] not in (tmp_path / "labels/reviewed.jsonl").read_text()


def test_private_columns_do_not_leave_whatever_they_are_called() -> None:
    names = ("key", "row.row.key", "row.key", "row.row.s", "row.s", "row.a")
    rows = pd.DataFrame({name: [number] for number, name in enumerate(names)})
    assert shown(rows, ["key", "label"], ["row.s", "a"]).columns.tolist() == ["key", "row.row.key", "row.key", "s"]


def test_no_cell_that_goes_out_is_a_formula_and_all_come_back(project: Path) -> None:
    rows = pd.read_csv(project / "new.csv", dtype=str, keep_default_na=False)
    rows["id"] = [f"{'=+-@'[n % 4]}cmd|' /C calc'!A{n}" for n in range(len(rows))]
    rows["stage"] = ["'=1+1", "-2"] * 30
    rows.to_csv(project / "new.csv", index=False)
    predict(project, project / "new.csv", out=project / "o.csv")
    predict(project, project / "new.csv", out=project / "o.parquet")
    assert pd.read_csv(project / "o.csv")["key"].tolist() == [f"'{key}" for key in rows["id"]]
    assert pd.read_parquet(project / "o.parquet")["key"].tolist() == rows["id"].tolist()
    reviewing.export(project, out=project / "sheet.csv")
    sheet = label(project)
    assert set(sheet["stage"]) <= {"''=1+1", "-2"}
    assert not sheet["key"].str.contains(r"^[=+\-@]").any()
    reviewing.take(project, project / "sheet.csv", by="ann")
    assert {one.key for one in read_reviewed(project)} <= set(rows["id"])


def test_label_studio_gets_tasks_and_its_export_comes_in(project: Path) -> None:
    predict(project, project / "new.csv", out=project / "o.csv")
    path = project / "tasks.json"
    assert reviewing.export(project, form="labelstudio", out=path, count=2) == 2
    tasks = json.loads(path.read_text())
    choice = [{"type": "choices", "value": {"choices": ["benign"]}}]
    at = "2024-05-01T10:00:00Z"
    tasks[0]["annotations"] = [{"completed_by": 7, "result": choice, "updated_at": at, "was_cancelled": False}]
    path.write_text(json.dumps(tasks))
    assert reviewing.take(project, path) == 1
    assert read_reviewed(project)[0].by == "7"


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("{id},benign\n{id2},bening\n", "row 3: the label 'bening' is unknown; expected one of benign, malignant"),
        ("{id},benign\nnone,benign\n", "row 3: no row has the prediction_id 'none'"),
        ("{id},benign\n{id},malignant\n", "row 3: ann gives .* two labels"),
        (",benign\n", "row 2: has a label and no prediction_id"),
        ("{id},\n", "holds no label"),
    ],
)
def test_a_half_bad_file_takes_nothing_in(project: Path, rows: str, says: str) -> None:
    predict(project, project / "new.csv", out=project / "o.csv")
    one, two = (item["id"] for item in reviewing.waiting(project)[:2])
    (project / "sheet.csv").write_text("prediction_id,label\n" + rows.format(id=one, id2=two))
    with pytest.raises(DataError, match=says):
        reviewing.take(project, project / "sheet.csv", by="ann")
    assert read_reviewed(project) == []


def test_the_queue_is_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reviewing.tell(project)
    assert "0 predictions, 0 answered; 0 rows wait for review" in capsys.readouterr().out
    found = predict(project, project / "new.csv", out=project / "o.csv")
    reviewing.export(project, out=project / "sheet.csv", count=1)
    label(project)
    reviewing.take(project, project / "sheet.csv", by="ann")
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["review", "-C", str(project)])
    told = capsys.readouterr().out
    wait = 60 - found.answered - 1
    assert f"60 predictions, {found.answered} answered; {wait} rows wait for review" in told
    assert f"{wait} unsure" in told
    assert "1 labels of 1 rows in labels/reviewed.jsonl, 1 not learned from yet" in told
    with pytest.raises(SystemExit):  # where the project is named does not matter
        main(["review", "-C", str(project), "export", "--out", str(project / "sheet.csv")])
    assert f"wrote {wait} rows" in capsys.readouterr().out


def test_a_run_takes_up_at_data_when_labels_of_reviewed_rows_came_in(project: Path) -> None:
    predict(project, project / "new.csv", out=project / "o.csv")
    last = ended(project)
    assert entry.take_up(project, [last]) == entry.Ended(last)
    reviewing.export(project, out=project / "sheet.csv", count=2)
    label(project)
    reviewing.take(project, project / "sheet.csv", by="ann")
    for _ in range(2):  # the second time, as after a kill before the iteration was recorded
        found = entry.take_up(project, [last])
        assert isinstance(found, entry.Entry)
        assert (found.stage, found.row, found.because) == (
            "data",
            "labels_arrived",
            "2 labels of reviewed rows came in",
        )
        assert found.patch == {"data.labels.reviewed": 2}
        assert load_params(project).data.labels.reviewed == 2
    known = last.model_copy(update={"metrics": {"labels": {"reviewed": {"labels": 2, "rows": 2}}}})
    known = known.model_copy(update={"params_after": patching.params_hash(project)})
    assert entry.take_up(project, [known]) == entry.Ended(known)


def test_an_edit_of_the_params_takes_labels_along_and_a_restored_iteration_does_not(project: Path) -> None:
    predict(project, project / "new.csv", out=project / "o.csv")
    last = ended(project)
    reviewing.export(project, out=project / "sheet.csv", count=2)
    label(project)
    reviewing.take(project, project / "sheet.csv", by="ann")
    patching.apply(project, {"planning.budgets.labels": 7})
    restored = last.model_copy(update={"iteration": 3, "params_before": patching.params_hash(project)})
    found = entry.take_up(project, [restored, last])
    assert isinstance(found, entry.Entry)
    assert (found.stage, found.because, found.patch) == ("planning", "params.yaml is now that of iteration 3", {})
    for _ in range(2):  # the second time, as after a kill before the iteration was recorded
        found = entry.take_up(project, [last])
        assert isinstance(found, entry.Entry)
        assert (found.stage, found.row) == ("planning", "edited")
        assert found.because == "a person edited params.yaml; 2 labels of reviewed rows came in"
        assert found.patch == {"data.labels.reviewed": 2}
        assert load_params(project).data.labels.reviewed == 2


def ended(project: Path) -> Iteration:
    now = patching.params_hash(project)
    return Iteration(
        **{"iteration": 4, "run": "r", "stage": "deployment", "because": "", "by": "loop", "patch": {}, "metrics": {}},
        **{"data_version": None, "steps": [], "seconds": 0.0, "rows": None, "labels": None, "experiment": "e"},
        **{"code": "c", "params_before": now, "params_after": now, "started": "", "ended": ""},
        signals=[],
        move={"to": RELEASED, "row": "gate_passed", "reason": "", "patch": {}},
    )
