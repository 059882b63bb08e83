"""A file of candidate projects: every mistake is told with its line and key, and the template is a file itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.priority.drivers import DRIVERS
from flows.priority.loading import load_candidates
from flows.priority.schema import Answer, Candidates
from flows.priority.scoring import judge
from flows.priority.template import template
from stages.errors import PriorityError
from tests.conftest import ROOT


def load(folder: Path, text: str) -> Candidates:
    (folder / "many.yaml").write_text(text, encoding="utf-8")
    return load_candidates(folder / "many.yaml")


def test_the_template_is_a_file_in_which_everything_is_unknown(tmp_path: Path) -> None:
    (project,) = judge(load(tmp_path, template()), tmp_path)
    assert {item.driver.name for item in project.replies.values() if item.by == "nobody"} == {d.name for d in DRIVERS}
    assert (project.axes["impact"].low, project.axes["feasibility"].high) == (1, 5)
    assert project.verdict == "cannot tell"


def test_the_example_uses_every_kind_of_answer() -> None:
    found = load_candidates(ROOT / "examples" / "candidates.yaml")
    answers = [answer for item in found.projects for answer in {**item.impact, **item.feasibility}.values()]
    assert {answer.given for answer in answers} == {True, False}
    assert any(answer.low < answer.high for answer in answers if answer.given)
    assert any(item.project for item in found.projects)


def test_answers_are_read_in_each_of_their_forms(tmp_path: Path) -> None:
    text = """
projects:
  - name: A
    impact: {friction: 4, others_do: [2, 4], cheap_prediction: unknown}
    feasibility: {ethics: {answer: 5, why: "nobody is  decided about"}}
"""
    (project,) = load(tmp_path, text).projects
    assert project.answer("friction") == Answer(4, 4, given=True)
    assert project.answer("others_do") == Answer(2, 4, given=True)
    assert project.answer("cheap_prediction") == Answer() == project.answer("reliability")
    assert project.answer("ethics").why == "nobody is decided about"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("projects: [", r"many.yaml line \d+: is not YAML"),
        ("", "is empty or not a mapping; expected the key projects"),
        ("weights: {}", "line 1: projects: missing"),
        ("projects: [x]", r"line 1: projects\[0\]: is no mapping \(found 'x'\)"),
        ("projects:\n  - name: 3", r"line 2: projects\[0\].name: is no text; put it in quotes \(found 3\)"),
        ("projects: []", "line 1: projects: .*at least 1"),
        ("projects:\n  - about: x", r"line 2: projects\[0\].name: missing"),
        ("projects:\n  - name: A\n    abuot: x", r"line 3: projects\[0\].abuot: unknown key"),
        ("projects:\n  - name: A\n  - name: A", "two projects are called 'A'"),
        ("projects:\n  - name: A\n    name: B", "line 3: is not YAML: found duplicate key"),
        (
            "projects:\n  - name: A\n    impact:\n      frictio: 3",
            r"line 4: projects\[0\].impact.frictio: unknown driver of impact; do you mean friction\?",
        ),
        ("projects:\n  - name: A\n    impact:\n      ethics: 3", "line 4: .*ethics: .*it belongs under feasibility"),
        ("projects:\n  - name: A\n    impact:\n      friction: 6", r"line 4: .*not on the scale.*from 1 to 5.*found 6"),
        (
            f"projects:\n  - name: A\n    impact:\n      friction: 1{'0' * 400}",
            "line 4: .*friction: is not on the scale",
        ),
        ("projects:\n  - name: A\n    impact:\n      friction: true", "line 4: .*friction: is no answer.*found True"),
        ("projects:\n  - name: A\n    impact:\n      friction: .nan", "line 4: .*friction: is not on the scale"),
        ("projects:\n  - name: A\n    impact:\n      friction: [4, 2]", "line 4: .*friction: is not on the scale"),
        ("projects:\n  - name: A\n    impact:\n      friction: {anwser: 4}", "line 4: .*unknown key 'anwser'"),
        ("projects:\n  - name: A\n    impact:\n      friction: {why: x}", "line 4: .*the answer is missing"),
        ("projects:\n  - name: A\n    impact:\n      friction: {answer: 4, why: 3}", "line 4: .*why is no text"),
        ("projects:\n  - name: A\n    project: ../none", r"line 3: projects\[0\].project: ../none is no Loopwright"),
        ("weights: {dta: 2}\nprojects:\n  - name: A", r"line 1: weights.dta: .*do you mean data\?"),
        ("weights:\n  data: -1\nprojects:\n  - name: A", "line 2: weights.data: .*greater than or equal to 0"),
        ("weights: {value: 0}\nprojects:\n  - name: A", "the weights leave nothing of impact"),
        ("levels: {friction: [1, 2, 3, 4]}\nprojects:\n  - name: A", "line 1: levels.friction: unknown measured"),
        ("levels: {data_amount: [1, 2, 2, 4]}\nprojects:\n  - name: A", "four figures that rise"),
        ("levels: {data_amount: [.nan, 2, 3, 4]}\nprojects:\n  - name: A", "line 1: levels.data_amount.*finite number"),
        ("levels: {data_amount: [4, 3, 2, 1]}\nprojects:\n  - name: A", "the levels of data_amount must rise"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_key(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(PriorityError, match=says):
        load(tmp_path, text)


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(PriorityError, match=r"line 2: .*name: missing.*line 4: .*frictio.*line 5: .*others_do"):
        load(tmp_path, "projects:\n  - about: x\n    impact:\n      frictio: 3\n      others_do: 9")


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(PriorityError, match=r"none.yaml: not found; loopwright prioritise --template"):
        load_candidates(tmp_path / "none.yaml")
    with pytest.raises(PriorityError, match="cannot be read"):
        load_candidates(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"projects:\n  - name: \xe9")
    with pytest.raises(PriorityError, match="is not UTF-8"):
        load_candidates(tmp_path / "latin.yaml")
