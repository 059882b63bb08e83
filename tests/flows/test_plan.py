"""The charter by questions and from a file: what holds is written whole, what does not is said and asked again."""

from __future__ import annotations

import io
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.plan import from_file, plan, show
from flows.questions import explanation, questions_for
from stages.errors import ParamsError, ProjectError
from stages.files import write_json
from stages.params import ARCHETYPES, HUMAN, check_params, read_params
from tests.conftest import ROOT, bundled_table
from tests.stages.test_planning import planned

Answer = Callable[..., None]
QUESTIONS = questions_for(HUMAN)  # the archetype of the flights


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    return tmp_path


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Answer:
    """Answer questions by their keys, Enter to the others; after the last question come the lines of ``end``."""

    def answered(lines: dict[str, list[str]], end: list[str]) -> None:
        typed = [line for question in QUESTIONS for line in lines.get(question.key, [""])]
        stream = io.StringIO("\n".join([*typed, *end]) + "\n")
        monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
        monkeypatch.setattr("sys.stdin", stream)

    return answered


def planning(project: Path) -> dict[str, Any]:
    return dict(read_params(project)["planning"])


def test_every_question_is_of_a_key_and_is_explained() -> None:
    every = {question for archetype in ARCHETYPES for question in questions_for(archetype)}
    assert len({question.key for question in every}) == len(every)
    for question in every:
        assert question.asks.endswith(("?", ")"))
        assert explanation(question.key).endswith(".")


@pytest.mark.parametrize("ran", [False, True])
def test_prices_name_the_classes_before_and_after_a_run(
    tmp_path: Path, ran: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = bundled_table("breast_cancer", spoilt=False)
    bounds = {"roc_auc": {"at_least": 0.9}}
    planned(tmp_path, frame, "target", bounds, "classification")
    if ran:
        (tmp_path / "t.csv").unlink()
        write_json(tmp_path / "data/schema.json", {"target": "target", "classes": ["benign", "malignant"]})
    show(tmp_path)
    said = capsys.readouterr().out
    assert "What does it cost to take benign for malignant?" in said
    assert "What does it cost to take malignant for benign?" in said


def test_where_no_data_are_yet_the_classes_are_left_open(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    planned(tmp_path, bundled_table("breast_cancer", spoilt=False), "target", {"f1": {"at_least": 0}}, "classification")
    (tmp_path / "t.csv").unlink()
    show(tmp_path)
    assert "What does it cost to take the first of two classes for the second?" in capsys.readouterr().out


def test_what_has_no_answer_in_a_task_is_not_asked() -> None:
    def keys(*about: Any) -> set[str]:
        return {question.key for question in questions_for(*about)}

    assert "answering.tolerance" not in keys("autonomous", "classification")
    assert "answering.tolerance" in keys("autonomous", "regression")
    assert not {"prices.false_positive", "answering.max_error"} & keys(HUMAN, "regression")
    assert not {key for key in keys(HUMAN, "classification", ["a", "b", "c"]) if key.startswith("prices.false")}


def test_answers_are_written_and_comments_stay(
    project: Path, answer: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(
        {
            "goal": ["?", "Warn passengers."],
            "prices.label": ["a lot", "0.5"],
            "ethics.sensitive": ["[carrier]"],
            "requirements": ["recal", "recall", "?", "a lot", "0.4", "n", "the airport", "", ""],
        },
        ["y"],
    )
    before = (project / "params.yaml").read_text(encoding="utf-8")
    plan(project)
    found = planning(project)
    assert found["goal"] == "Warn passengers."
    assert found["prices"] == {"label": 0.5}
    assert found["ethics"]["sensitive"] == ["carrier"]
    assert found["requirements"]["recall"] == {"at_least": 0.4, "hard": False, "asked_by": "the airport"}
    said = capsys.readouterr().out
    assert "What the project is for, in one sentence." in said
    assert "valid number" in said
    assert "'recal' is no metric of a classification" in said
    assert said.count("recall must be this or more. A number, such as 0.8 or 12.") == 2
    assert "'dict'" not in said
    assert f"next: loopwright run -C {project}" in said.replace("\n", "")
    after = (project / "params.yaml").read_text(encoding="utf-8")
    assert [line for line in before.splitlines() if line.startswith("#")] == [
        line for line in after.splitlines() if line.startswith("#")
    ]


def test_what_an_archetype_adds_is_said_when_it_is_chosen(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = ["autonomous" if question.key == "archetype" else "" for question in questions_for("autonomous")]
    stream = io.StringIO("\n".join([*typed, "n"]) + "\n")
    monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdin", stream)
    plan(project)
    said = capsys.readouterr().out
    assert "the archetype autonomous adds failure_bound at most 0.05" in said
    assert "rows unlike all that it learned from go to a person" in said
    assert "it asks for answering.level, answering.guardrails" in said


def test_enter_to_all_changes_nothing(project: Path, answer: Answer, capsys: pytest.CaptureFixture[str]) -> None:
    before = (project / "params.yaml").read_bytes()
    answer({}, [])
    plan(project)
    assert "nothing changed" in capsys.readouterr().out
    answer({"users": ["Nobody."]}, ["n"])
    plan(project)
    assert (project / "params.yaml").read_bytes() == before


def test_what_contradicts_itself_is_asked_once_more(
    project: Path, answer: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    once_more = ["" if question.key != "prices.false_negative" else "5" for question in QUESTIONS]
    answer({"prices.false_positive": ["1"]}, [*once_more, "y"])
    plan(project)
    assert "prices.false_negative: is open" in capsys.readouterr().out
    assert planning(project)["prices"] == {"false_positive": 1, "false_negative": 5}


def test_a_file_is_taken_whole_or_not_at_all(project: Path, tmp_path: Path) -> None:
    path = tmp_path / "charter.yaml"
    path.write_text("planning:\n  users: Pilots.\n  budgets: {money: 500}\n  requirements: {f1: {at_least: 0.3}}\n")
    plan(project, source=path)
    found = planning(project)
    assert (found["users"], found["budgets"]["money"], found["budgets"]["loops"]) == ("Pilots.", 500, 12)
    assert set(found["requirements"]) == {"f1", "roc_auc", "log_loss_skill", "latency_p99_ms", "size_mb"}
    path.write_text("security: {retention_days: 400}\n")
    plan(project, source=path)
    assert planning(project)["security"] == {"private": [], "retention_days": 400}
    before = (project / "params.yaml").read_bytes()
    for text, message in (
        ("users: A.\nbudget: {money: 1}\n", r"charter\.yaml: planning\.budget: unknown key.*edit .*charter\.yaml"),
        (
            "requirements: {log_loss: {at_least: 0.3}}\n",
            r"charter\.yaml: planning.*log_loss.*edit .*charter",
        ),
        ("requirements: {f1: {at_least: {a: 1}}}\n", r"valid number \(found the keys a\)"),
        ("requirements: {f1: {}}\n", r"needs exactly one of at_least and at_most; edit"),
        ("budgets: {money: -1}\n", r"planning\.budgets\.money.*greater than 0"),
        ("requirements: {f1: {at_most: 0.3}}\n", "f1: needs exactly one|asks for a bad f1"),
        ("- 1\n", "holds no mapping"),
        ("a: [\n", "is not YAML"),
    ):
        path.write_text(text)
        with pytest.raises(ParamsError, match=message):
            plan(project, source=path)
        assert (project / "params.yaml").read_bytes() == before
    with pytest.raises(ParamsError, match="cannot be read"):
        from_file(tmp_path / "none.yaml", {})


def test_without_a_terminal_a_file_is_asked_for(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(ProjectError, match=r"no terminal.*--from FILE"):
        plan(project)


def test_the_charter_is_shown_with_what_is_open(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show(project)
    said = capsys.readouterr().out
    assert "Passengers of the New York airports." in said
    assert f"of {len(QUESTIONS)} questions are open" in said
    check_params(read_params(project))


def test_a_real_terminal_is_asked_and_ctrl_c_leaves_everything(project: Path) -> None:
    before = (project / "params.yaml").read_bytes()
    ours, theirs = pty.openpty()
    asked = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "plan"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    os.write(ours, b"Something else.\n")
    said = b""
    while b"Who uses" not in said:
        said += os.read(ours, 1024)
    asked.send_signal(2)
    assert asked.wait(timeout=30) == 130
    os.close(ours)
    assert (project / "params.yaml").read_bytes() == before
