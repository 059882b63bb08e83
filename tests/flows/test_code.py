"""A project knows which code it runs on: an upgrade runs everything again, and brings what steps read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows import code
from flows.pipeline import PIPELINE_FILE, pipeline
from flows.snapshots import CODE_FILE
from stages.errors import ProjectError
from stages.files import read_json, write_json
from stages.params import PARAMS_FILE, read_params

PARAMS = """
seed: 1
planning: {goal: x, task: TASK, optimise: METRIC, requirements: {METRIC: {SIDE: 0.7}}}
data: {source: {kind: table, path: t.csv, target: y}}
training: {candidates: {a: {estimator: sklearn.dummy.DummyClassifier}}, use: [a]}
"""


@pytest.fixture(params=["classification", "regression"])
def project(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    metric, side = {"classification": ("roc_auc", "at_least"), "regression": ("rmse", "at_most")}[request.param]
    text = PARAMS.replace("TASK", request.param).replace("METRIC", metric).replace("SIDE", side)
    (tmp_path / "params.yaml").write_text(text)
    code.write_pipeline(tmp_path, request.param)
    return tmp_path


def age(project: Path) -> None:
    """Make the project one of an earlier version, whose pipeline and steps were others."""
    old = "# as it was once\n" + (project / PIPELINE_FILE).read_text()
    (project / PIPELINE_FILE).write_text(old)
    mark = code._hash(old.encode())
    write_json(project / CODE_FILE, {"template": mark, "written": mark, "stages": "0" * 16})


def test_a_fresh_project_has_nothing_to_upgrade(project: Path) -> None:
    before = (project / CODE_FILE).read_bytes()
    code.check_pipeline(project)
    code.upgrade(project)
    assert code.upgrade(project) == []
    code.refresh(project)
    assert (project / CODE_FILE).read_bytes() == before


def test_other_code_is_noted_when_a_run_begins(project: Path) -> None:
    write_json(project / CODE_FILE, read_json(project / CODE_FILE) | {"stages": "0" * 16})
    code.refresh(project)
    assert read_json(project / CODE_FILE)["stages"] == code.installed()


def test_an_earlier_pipeline_is_refused_and_upgraded(project: Path) -> None:
    new = (project / PIPELINE_FILE).read_text()
    age(project)
    with pytest.raises(ProjectError, match=r"of another version.*loopwright upgrade"):
        code.check_pipeline(project)
    assert code.upgrade(project)[:2] == [PIPELINE_FILE, CODE_FILE]
    assert (project / PIPELINE_FILE).read_text() == new
    code.check_pipeline(project)
    assert code.upgrade(project) == []


def test_params_that_the_pipeline_names_are_written_with_their_defaults(project: Path) -> None:
    assert code.upgrade(project) == [PARAMS_FILE]
    kept = read_params(project)
    assert kept["planning"]["security"] == {"private": [], "retention_days": None}
    named = {key for stage in pipeline(project).values() for key in stage["params"] if isinstance(key, str)}
    assert [key for key in named if not code._has(kept, key)] == []


@pytest.mark.parametrize("noted", [True, False])
def test_what_a_person_edited_is_left_to_them(project: Path, noted: bool) -> None:
    code.upgrade(project)
    new = (project / PIPELINE_FILE).read_text()
    age(project)
    edited = (project / PIPELINE_FILE).read_text() + "# mine\n"
    (project / PIPELINE_FILE).write_text(edited)
    if not noted:
        (project / CODE_FILE).unlink()
    with pytest.raises(ProjectError, match=r"dvc\.yaml: was edited"):
        code.upgrade(project)
    assert (project / PIPELINE_FILE).read_text() == edited
    with pytest.raises(ProjectError, match=r"not brought together yet"):
        code.check_pipeline(project)
    (project / code.NEW).write_text(new + "# half merged\n")
    with pytest.raises(ProjectError, match=r"not brought together yet"):
        code.upgrade(project)
    assert (project / code.NEW).read_text() == new + "# half merged\n"
    (project / code.NEW).replace(project / PIPELINE_FILE)
    code.check_pipeline(project)
    assert code.upgrade(project) == []


def test_a_new_pipeline_that_was_thrown_away_is_missed(project: Path) -> None:
    age(project)
    old = (project / PIPELINE_FILE).read_text().replace("models/selection.json, ", "")
    (project / PIPELINE_FILE).write_text(old)
    with pytest.raises(ProjectError, match="was edited"):
        code.upgrade(project)
    (project / code.NEW).unlink()
    with pytest.raises(ProjectError, match=r"makes no models/selection\.json"):
        code.check_pipeline(project)


@pytest.mark.parametrize("content", ["{", "[]", json.dumps({"stages": "x"})])
def test_a_damaged_note_is_named(project: Path, content: str) -> None:
    (project / CODE_FILE).write_text(content)
    with pytest.raises(ProjectError, match=r"code\.json: is damaged"):
        code.refresh(project)


def test_a_project_that_holds_its_own_steps_has_no_note(tmp_path: Path) -> None:
    code.refresh(tmp_path)
    assert not (tmp_path / CODE_FILE).exists()
