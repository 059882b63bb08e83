"""Labels by people: what goes out, what comes in, and that no answer is lost or counted twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from flows import entry, patching, snapshots
from flows.entry import Ended, Entry
from flows.people import labelling
from flows.record import Iteration, append
from flows.transitions import STOP, WAITING
from stages.data.labels.log import QUEUE, read_answers, read_queue
from stages.errors import DataError, LoopwrightError, ProjectError
from stages.files import write_json, write_parquet
from stages.params import load_params
from tests.conftest import full_disk, git
from tests.stages.test_labels import cancers, project

__all__ = ["cancers"]


@pytest.fixture
def asking(tmp_path: Path, cancers: pd.DataFrame) -> Path:
    """A project in which the first five rows wait for labels."""
    project(tmp_path, cancers, {"queued": 5})
    for part, rows in (("window", cancers.iloc[:400]), ("pilot", cancers.iloc[400:])):
        write_parquet(tmp_path / f"data/{part}.parquet", rows)
    rows = cancers.iloc[:5].drop(columns="target").add_prefix("row.")
    head = pd.DataFrame({"key": rows["row.id"], "why": "suspect"})
    write_parquet(tmp_path / "data/pending.parquet", pd.concat([head, rows], axis=1))
    return tmp_path


def fill(path: Path, labels: dict[str, str], who: str = "") -> None:
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table["label"], table["annotator"] = table["key"].map(labels).fillna(""), who
    table.to_csv(path, index=False)


def test_a_csv_goes_out_and_comes_back_once(asking: Path) -> None:
    sheet = asking / "sheet.csv"
    assert labelling.export(asking, out=sheet, count=3) == 3
    header = sheet.read_text().splitlines()[0]
    assert header == "key,label,annotator,mean_radius,mean_texture,id"
    fill(sheet, {"p000": "benign", "p001": "malignant"})
    assert labelling.take(asking, sheet, by="ann") == 2
    before = (asking / "labels/answers.jsonl").read_bytes()
    assert labelling.take(asking, sheet, by="ann") == 0
    assert (asking / "labels/answers.jsonl").read_bytes() == before
    found = read_answers(asking)
    assert [(one.key, one.label, one.by) for one in found] == [("p000", "benign", "ann"), ("p001", "malignant", "ann")]
    assert all(one.at.endswith("+00:00") and len(one.file) == 64 for one in found)
    assert labelling.export(asking, out=sheet) == 3  # those that are answered are not asked again


def test_a_file_is_taken_in_whole_or_not_at_all_and_a_repeat_takes_the_rest(asking: Path) -> None:
    sheet, log = asking / "sheet.csv", asking / "labels/answers.jsonl"
    labelling.export(asking, out=sheet)
    fill(sheet, {f"p00{n}": "benign" for n in range(5)})
    with full_disk(500), pytest.raises(ProjectError, match=r"answers\.jsonl: cannot be written \(File too large\)"):
        labelling.take(asking, sheet, by="ann")
    assert read_answers(asking) == []
    assert labelling.take(asking, sheet, by="ann") == 5
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:2]) + lines[2][:50])  # as a kill left it in older versions
    assert labelling.take(asking, sheet, by="bob") == 0  # the same file in another's name is no second word
    assert labelling.take(asking, sheet, by="ann") == 3
    assert [one.key for one in read_answers(asking)] == [f"p00{n}" for n in range(5)]


def test_keys_that_look_like_formulas_come_back_as_they_were(asking: Path) -> None:
    keys = ["=1+1", "'=1+1", "-5", "+49 30", "'tis"]
    for name in ("window", "pending"):
        path = asking / f"data/{name}.parquet"
        column = "id" if name == "window" else "key"
        frame = pd.read_parquet(path)
        write_parquet(path, frame.assign(**{column: [*keys, *frame[column].iloc[5:]]}))
    labelling.export(asking, out=asking / "sheet.csv")
    sheet = pd.read_csv(asking / "sheet.csv", dtype=str)
    assert sheet["key"].tolist() == ["'=1+1", "''=1+1", "-5", "'+49 30", "'tis"]
    sheet.assign(label="benign", annotator="ann").to_csv(asking / "sheet.csv", index=False)
    assert labelling.take(asking, asking / "sheet.csv") == 5
    assert [one.key for one in read_answers(asking)] == keys


def test_private_columns_do_not_leave(asking: Path) -> None:
    patching.apply(asking, {"planning.security": {"private": ["mean_radius", "key"]}})
    for form in ("csv", "labelstudio"):
        sheet = asking / f"sheet.{form}"
        labelling.export(asking, form=form, out=sheet)
        assert "mean_radius" not in sheet.read_text()
        assert "mean_texture" in sheet.read_text()
        assert "p000" in sheet.read_text()


def test_a_correction_is_added_and_an_old_file_does_not_undo_it(asking: Path) -> None:
    first, second = asking / "first.csv", asking / "second.csv"
    first.write_text("key,label\np000,benign\np001,benign\n")
    second.write_text("key,label\np000,malignant\np001,benign\n")
    assert labelling.take(asking, first, by="ann") == 2
    assert labelling.take(asking, second, by="ann") == 1
    assert labelling.take(asking, first, by="ann") == 0
    assert [one.label for one in read_answers(asking)] == ["benign", "benign", "malignant"]
    assert labelling.take(asking, first, by="bob") == 0  # the same file is the same answers
    third = asking / "third.csv"
    third.write_text("key,annotator,label\np000,bob,benign\np000,cy,benign\n")
    assert labelling.take(asking, third) == 2


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("key,label\np000,benign\np001,bening\n", r"row 3: the label 'bening' is unknown; expected one of benign, mal"),
        ("key,label\np000,benign\nq1,benign\n", "row 3: no row has the key 'q1'"),
        ("key,label\np000,benign\n,benign\n", "row 3: has a label and no key"),
        ("key,label\np000,benign\np000,malignant\n", "row 3: ann gives p000 two labels"),
        ("id,label\np000,benign\n", "has no column 'key'"),
        ("key,label\np000,\n", "holds no label"),
        ("", "has no column 'key'"),
        ("key,label,label\np000,benign,malignant\n", r"answers\.csv row 1: column 'label' appears more than once"),
        ("key,label\np000,benign\np001,malignant,benign\n", r"answers\.csv row 3: has 3 cells; expected 2, as in the"),
        ('[{"data": {"key": "p000"}, "annotations": [{"result": [{"value": {}}]}]}]', "task 1: is no labelled task"),
        ('[{"data": {}, "annotations": []}]', "task 1: is no labelled task"),
        ("[{", "is not JSON"),
        ("[" * 100_000, "is nested too deeply; expected tasks"),
    ],
)
def test_a_half_bad_file_takes_nothing_in(asking: Path, content: str, says: str) -> None:
    path = asking / "answers.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=says):
        labelling.take(asking, path, by="ann")
    assert not (asking / "labels/answers.jsonl").exists()


def annotation(choice: str, who: Any, at: str, **more: Any) -> dict[str, Any]:
    result = [{"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": [choice]}}]
    return {"completed_by": who, "result": result, "created_at": at, "updated_at": at, "was_cancelled": False, **more}


def test_label_studio_gets_tasks_and_its_export_comes_in(asking: Path) -> None:
    """The shape is that of Label Studio's own JSON export: https://labelstud.io/guide/task_format."""
    path = asking / "tasks.json"
    assert labelling.export(asking, form="labelstudio", out=path) == 5
    tasks = json.loads(path.read_text())
    assert tasks[0]["data"].keys() == {"key", "mean_radius", "mean_texture", "id"}
    early, late = "2024-05-01T10:00:00.123456Z", "2024-05-02T10:00:00Z"
    tasks[0]["annotations"] = [annotation("benign", {"email": "ann@x.org"}, early), annotation("malignant", 7, early)]
    tasks[1]["annotations"] = [annotation("benign", 7, early), annotation("malignant", 7, late)]
    tasks[2]["annotations"] = [annotation("benign", 7, early, was_cancelled=True)]
    path.write_text(json.dumps(tasks))
    assert labelling.take(asking, path) == 3
    found = {(one.key, one.by): (one.label, one.at) for one in read_answers(asking)}
    assert found == {
        ("p000", "ann@x.org"): ("benign", "2024-05-01T10:00:00+00:00"),
        ("p000", "7"): ("malignant", "2024-05-01T10:00:00+00:00"),
        ("p001", "7"): ("malignant", "2024-05-02T10:00:00+00:00"),
    }
    tasks[0]["annotations"].append(annotation("malignant", {"email": "ann@x.org"}, late))
    tasks[3]["annotations"] = [annotation("benign", 7, late)]
    path.write_text(json.dumps(tasks))
    assert labelling.take(asking, path) == 2  # the export again, with what came since


def test_nothing_to_export_is_said(tmp_path: Path, cancers: pd.DataFrame) -> None:
    project(tmp_path, cancers, {})
    with pytest.raises(LoopwrightError, match="no label is asked for yet"):
        labelling.export(tmp_path)


def test_the_queue_takes_the_most_suspect_and_the_same_again_after_a_kill(asking: Path) -> None:
    write_json(asking / "metrics/label_quality.json", {"noise_rate": {"value": 0.2}})
    (asking / "models").mkdir()
    (asking / "models/suspects.csv").write_text("key,quality\np009,0.1\np008,0.2\np007,0.3\n")
    write_json(asking / "params.yaml", patching.patched(json.loads((asking / "params.yaml").read_text()), {}))
    labels = load_params(asking).data.labels.model_copy(update={"queued": 0})
    for _ in range(2):
        labelling.enqueue(asking, labels, {"data.labels.queued": 2}, 5)
        found = [(one.key, one.iteration, one.noise) for one in read_queue(asking)]
        assert found == [("p009", 5, 0.2), ("p008", 5, 0.2)]
    more = labels.model_copy(update={"queued": 2})
    labelling.enqueue(asking, more, {"data.labels.queued": 3}, 8)
    assert [one.key for one in read_queue(asking, 3)] == ["p009", "p008", "p009"]
    (asking / QUEUE).write_text("key,why,iteration,noise\na,suspect,x,0\n")
    with pytest.raises(DataError, match="damaged"):
        read_queue(asking)


def line(folder: Path, to: str, answers: int = 0) -> Iteration:
    """Record an iteration that ended so."""
    now = patching.params_hash(folder)
    pending = {"name": "labels_pending", "evidence": {"answers": answers}}
    made = Iteration(
        **{"iteration": 4, "run": "r", "stage": "data", "because": "", "by": "loop", "patch": {}, "metrics": {}},
        **{"data_version": None, "steps": [], "seconds": 0.0, "rows": None, "labels": None, "experiment": "e"},
        **{"code": "c", "params_before": now, "params_after": now, "started": "", "ended": ""},
        signals=[pending],
        move={"to": to, "row": "labels_pending", "reason": "labels are awaited", "patch": {}},
    )
    append(folder, made)
    return made


@pytest.mark.parametrize(("to", "same_run"), [(WAITING, True), (STOP, False)])
def test_a_run_takes_up_at_data_when_labels_came_in(asking: Path, to: str, same_run: bool) -> None:
    last = line(asking, to)
    assert entry.take_up(asking, [last]) == Ended(last)
    answers = asking / "answers.csv"
    answers.write_text("key,label\np000,benign\np001,benign\n")
    labelling.take(asking, answers, by="ann")
    for _ in range(2):  # the second time, as after a kill before the iteration was recorded
        found = entry.take_up(asking, [last])
        assert isinstance(found, Entry)
        assert (found.stage, found.row, found.by) == ("data", "labels_arrived", "person")
        assert found.because == "2 labels came in"
        assert found.patch == {"data.labels.answers": 2}
        assert (found.run == "r") == same_run
        assert load_params(asking).data.labels.answers == 2
    patching.apply(asking, {"seed": 9})
    edited = entry.take_up(asking, [last])
    assert isinstance(edited, Entry)
    assert (edited.stage, edited.row) == ("planning", "edited")


def test_a_restore_brings_the_queue_back_and_no_answer_is_lost(asking: Path) -> None:
    git(asking, "init", "--quiet")
    git(asking, "add", "params.yaml")
    git(asking, "commit", "--quiet", "-m", "Start")
    (asking / QUEUE).write_text("key,why,iteration,noise\np000,suspect,3,0.2\n")
    first = asking / "first.csv"
    first.write_text("key,label\np000,benign\n")
    labelling.take(asking, first, by="ann")
    snapshots.save(asking, "lw-3", "iteration 3")
    (asking / QUEUE).write_text("key,why,iteration,noise\np001,suspect,5,0.2\n")
    first.write_text("key,label\np001,benign\n")
    labelling.take(asking, first, by="ann")
    snapshots.restore_files(asking, "lw-3")
    assert [one.key for one in read_queue(asking)] == ["p000"]
    assert [one.key for one in read_answers(asking)] == ["p000", "p001"]
    assert snapshots.dirty_files(asking) == []
