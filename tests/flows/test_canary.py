"""A canary by hand: who may start one, what is refused, what is told, and what a kill in between leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flows import patching
from flows.cli import main
from flows.releases import canary, canary_telling
from flows.releases.by_hand import release
from stages.deployment.canary_log import CANARY_LOG, CANARY_POINTER, current_canary, read_canaries
from stages.deployment.release import current
from stages.deployment.release_log import read_log
from stages.errors import DataError, LoopwrightError, ParamsError, ProjectError
from stages.files import write_json
from stages.training.store import save_model
from tests.flows.test_releases import deployed, fitted
from tests.flows.test_releases import project as released_project  # noqa: F401


@pytest.fixture
def project(released_project: Path) -> Path:  # noqa: F811
    """One with a release (2), a candidate that misses its charter (3) and one that meets it (4)."""
    save_model(released_project / "release" / "model.skops", fitted(0.5))
    deployed(released_project, 4)
    release(released_project, 2, because="the first", by="Ann")
    return released_project


def test_it_is_started_stopped_and_started_again(project: Path) -> None:
    before = {
        path: path.read_bytes() for path in project.glob("*/*") if path.is_file() and path.parent.name != "releases"
    }
    line = canary.start(project, 4, because="faster", by="Ann")
    assert (line.iteration, line.share, line.missed, line.number) == (4, 0.1, [], 1)
    assert current_canary(project) == line
    assert {path: path.read_bytes() for path in before} == before
    assert canary.start(project, 4, because="again", by="Bob") == line
    for other in (3, 4):
        with pytest.raises(ProjectError, match="iteration 4 stands beside the release"):
            canary.start(project, other, because="so", share=0, by="Ann")
    canary.stop(project, because="enough", by="Bob")
    assert current_canary(project) is None
    with pytest.raises(ProjectError, match="no model stands beside"):
        canary.stop(project, because="so", by="Ann")
    assert canary.start(project, 3, because="only to see", share=0).number == 2
    assert [line.kind for line in read_canaries(project)] == ["start", "stop", "start"]
    assert [line.iteration for line in read_log(project)] == [2]


def test_who_may_not_release_may_not_let_it_answer_and_may_stop_it(project: Path) -> None:
    patching.apply(project, {"planning.approvals.by": ["Ann"]})
    with pytest.raises(ParamsError, match="canary of iteration 4: Bob may not decide this"):
        canary.start(project, 4, because="so", by="Bob")
    canary.start(project, 4, because="nobody hears it", share=0, by="Bob")
    with pytest.raises(ParamsError, match="release of iteration 4: Bob may not decide this"):
        canary.promote(project, because="so", by="Bob")
    assert current_canary(project) is not None
    canary.stop(project, because="slow", by="Bob")
    canary.start(project, 4, because="so", by="Ann")


def test_what_misses_its_charter_answers_only_when_that_is_said(project: Path) -> None:
    with pytest.raises(ParamsError, match=r"iteration 3 does not meet its charter: roc_auc.*--although-missed"):
        canary.start(project, 3, because="so", by="Ann")
    line = canary.start(project, 3, because="so", by="Ann", although_missed=True)
    assert line.missed == ["roc_auc", "1 of the model's tests"]
    with pytest.raises(ParamsError, match="does not meet its charter"):
        canary.promote(project, because="so", by="Ann")
    assert current_canary(project) == line


def test_what_cannot_be_put_there_is_refused(project: Path) -> None:
    for share in (-0.1, 1.0, float("nan")):
        with pytest.raises(ParamsError, match=r"0 \(a shadow\) or more, and less than 1"):
            canary.start(project, 4, because="so", share=share, by="Ann")

    with pytest.raises(ParamsError, match="the reason is empty"):
        canary.start(project, 4, because=" ", by="Ann")
    with pytest.raises(ProjectError, match="iteration 2 is the release in force"):
        canary.start(project, 2, because="so", by="Ann")
    with pytest.raises(ProjectError, match="made no model"):
        canary.start(project, 1, because="so", by="Ann")
    assert not (project / CANARY_LOG).exists()


STRANGE: list[tuple[dict[str, Any], str]] = [
    ({"features": {"c": "number"}}, "do not hold its c"),
    ({"features": {"a|b": "category"}}, r"reads a\|b in another way"),
    ({"classes": ["yes", "no"]}, "its classes are others"),
]


def test_a_model_of_other_rows_is_refused(project: Path) -> None:
    save_model(project / "release" / "model.skops", fitted(4.0))
    for number, (card, says) in enumerate(STRANGE, start=5):
        deployed(project, number, **card)
        with pytest.raises(ProjectError, match=says):
            canary.start(project, number, because="so", by="Ann")
    assert not (project / CANARY_LOG).exists()


def test_a_file_that_is_no_model_is_refused(project: Path) -> None:
    (project / "release" / "model.skops").write_bytes(b"no model")
    deployed(project, 5)
    with pytest.raises(DataError, match="is no model"):
        canary.start(project, 5, because="so", by="Ann")
    assert not (project / CANARY_LOG).exists()


def test_it_is_released_and_after_a_kill_in_between_once_more(project: Path) -> None:
    line = canary.start(project, 4, because="faster", by="Ann")
    held = [(project / path).read_bytes() for path in (CANARY_LOG, CANARY_POINTER)]
    made, _ = canary.promote(project, because="no worse", by="Ann")
    assert (made.iteration, made.sha256, made.because) == (4, line.sha256, "no worse")
    assert (current(project) or {})["sha256"] == line.sha256
    assert current_canary(project) is None
    for path, content in zip((CANARY_LOG, CANARY_POINTER), held, strict=True):
        (project / path).write_bytes(content)  # as a kill leaves it after the release
    assert canary.promote(project, because="no worse", by="Ann")[0] == made
    assert [line.kind for line in read_canaries(project)] == ["start", "promote"]
    assert len(read_log(project)) == 2


def test_a_damaged_model_comes_back_out_of_the_cache(project: Path) -> None:
    line = canary.start(project, 4, because="faster", by="Ann")
    (project / line.path).write_bytes(b"spoilt")
    with pytest.raises(ProjectError, match="not what was put beside"):
        current_canary(project)
    assert canary.start(project, 4, because="faster", by="Ann") == line
    assert current_canary(project) == line


def test_how_it_stands_is_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def told(*arguments: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["canary", "-C", str(project), *arguments])
        assert ended.value.code == 0
        return capsys.readouterr().out

    charter = {"task": "classification", "optimise": "accuracy", "requirements": {}}
    write_json(project / "charter" / "charter.json", charter)
    write_json(project / "data" / "schema.json", {"group": None, "time": None, "classes": ["no", "yes"]})
    assert "no model stands beside the release" in told()
    assert told("--json").strip() == "null"
    assert "0.25 of the rows beside the release" in told(
        "start", "4", "--share", "0.25", "--because", "[see]", "--by", "Ann"
    )
    text = told()
    assert "answers 0.25 of the rows since" in text
    assert "(Ann: [see])" in text
    assert "no row that both could be compared on is labelled yet" in text
    assert "cannot tell yet: it may be worse by 0.01" in text
    assert json.loads(told("--json"))["canary"]["iteration"] == 4
    assert "released the model of iteration 4" in told("promote", "--because", "so", "--by", "Ann")
    assert "no model stands beside the release" in told()


def test_that_it_is_the_release_by_now_is_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    canary.start(project, 4, because="faster", by="Ann")
    release(project, 4, because="so", by="Ann")
    canary_telling.tell(project)
    told = capsys.readouterr().out
    assert told == (
        "the model of iteration 4 is the release in force by now; next: loopwright canary stop --because TEXT\n"
    )


def test_a_damaged_log_is_no_reason_to_stop_what_cannot_be_stopped(project: Path) -> None:
    canary.start(project, 4, because="faster", by="Ann")
    (project / CANARY_LOG).write_text("{}\n")
    with pytest.raises(ProjectError, match=r"canary\.jsonl line 1: damaged") as caught:
        canary.stop(project, because="so", by="Ann")
    assert "canary stop" not in caught.value.todo
    (project / CANARY_POINTER).write_text("{}\n")
    with pytest.raises(ProjectError, match=r"canary\.json: damaged") as caught:
        current_canary(project)
    assert "canary stop" in caught.value.todo


def test_without_a_release_there_is_nothing_to_stand_beside(released_project: Path) -> None:  # noqa: F811
    with pytest.raises(LoopwrightError, match="nothing is released"):
        canary.start(released_project, 2, because="so", by="Ann")
