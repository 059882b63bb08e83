"""Answers: the first one counts, the clock decides by the charter, and every answer makes a move that is bounded."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows import patching
from flows.decide import FORWARD, Move
from flows.entry import Ended, Entry, entry_after, past_of, take_up
from flows.patching import hash_of
from flows.people import answers
from flows.people.answers import Answer, TooLate
from flows.people.asking import Asks
from flows.people.deciding import made, way_back
from flows.people.waiting import how_to_go_back, how_to_go_on
from flows.record import Iteration, append, read_record
from flows.revisions import Revision, releasing
from flows.telling import tell_status
from flows.transitions import RELEASED, STAGES, STOP, WAITING
from stages.deployment.release import CHARTER
from stages.errors import ParamsError, ProjectError
from stages.files import write_json
from stages.params import read_params
from stages.signals import Signal
from tests.conftest import ROOT

VALUES = read_params(ROOT)
KEY = "planning.requirements.roc_auc.at_least"
RELAX = {KEY: 0.65}
ASKED_AT = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
MISSED = {"metric": "roc_auc", "value": 0.66, "bound": 0.7, "side": "at_least"}


def line(number: int, move: Move, signals: list[Signal] | None = None, **changed: Any) -> Iteration:
    plain = {
        "iteration": number,
        "run": "ab12",
        "stage": "training",
        "because": "so",
        "by": "loop",
        "patch": {},
        "data_version": None,
        "metrics": {},
        "signals": [signal.model_dump() for signal in signals or []],
        "move": move.model_dump(),
        "steps": [{"name": "fit", "how": "ran", "seconds": 1.0}],
        "seconds": 1.0,
        "rows": None,
        "labels": None,
        "experiment": "lw",
        "code": "c",
        "params_before": hash_of(VALUES),
        "params_after": hash_of(VALUES),
        "started": ASKED_AT.isoformat(),
        "ended": ASKED_AT.isoformat(),
    }
    return Iteration.model_validate({**plain, **changed})


def asking(*, then: str = "stop", options: int = 1, number: int = 5) -> Iteration:
    offered = [Revision(kind="relax", patch={KEY: 0.65 - n / 100}, says=f"option {n}") for n in range(options)]
    move = Move(
        to=WAITING,
        row="requirements_unreached",
        reason="all was tried",
        proposal=offered[0].patch if offered else {},
        options=[*offered, Revision(kind="stop", says="stop here")],
        asks=Asks.model_validate({"to": "planning", "wait_minutes": 60, "then": then}),
    )
    return line(number, move, [Signal(name="requirements_missed", fires=True, evidence={"missed": [MISSED]})])


def asking_release(*, then: str = "stop") -> Iteration:
    asks = Asks.model_validate({"to": RELEASED, "wait_minutes": 60, "then": then})
    move = Move(to=WAITING, row=FORWARD, reason="the gate is open", options=releasing(), asks=asks)
    return line(5, move, [Signal(name="pilot_fails", fires=False)], stage="deployment")


def answer(verdict: str = "approved", **changed: Any) -> Answer:
    patch = {} if verdict == "rejected" else RELAX
    plain = {"verdict": verdict, "patch": patch, "because": "so", "by": "Ann", "via": "the command line"}
    return Answer.model_validate({**plain, "at": (ASKED_AT + dt.timedelta(minutes=1)).isoformat(), **changed})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write_json(tmp_path / "params.yaml", VALUES)
    append(tmp_path, asking())
    return tmp_path


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, dt.datetime]:
    at = {"now": ASKED_AT + dt.timedelta(minutes=2)}
    monkeypatch.setattr(answers, "now", lambda: at["now"])
    return at


def test_the_first_answer_counts_and_a_second_is_told_so(project: Path) -> None:
    asked = asking()
    first = answer()
    answers.give(project, asked, first)
    with pytest.raises(TooLate, match=r"question of iteration 5: was answered already: Ann approved it on .*: so"):
        answers.give(project, asked, answer("rejected", by="Bob"))
    assert answers.given(project, asked) == first


def test_a_question_is_the_last_line_and_survives_anything(project: Path) -> None:
    asked = answers.question(read_record(project))
    assert asked == asking()
    assert asked is not None
    assert take_up(project, read_record(project)) == Ended(asked)
    append(project, line(6, Move(to=STOP, row="manual", reason="enough")))
    assert answers.question(read_record(project)) is None
    with pytest.raises(TooLate, match="open no more"):
        answers.give(project, asked, answer())


def test_an_answer_of_another_record_is_not_taken(project: Path) -> None:
    """Numbers begin again in a new record; runs do not."""
    answers.give(project, asking(), answer())
    (project / ".loopwright/record.jsonl").unlink()
    other = asking().model_copy(update={"run": "cd34"})
    append(project, other)
    assert answers.given(project, other) is None


@pytest.mark.parametrize(("then", "patch"), [("stop", {}), ("relax", RELAX)])
def test_when_the_time_is_over_the_charter_decides(
    then: str, patch: dict[str, float], project: Path, clock: dict[str, dt.datetime]
) -> None:
    asked = asking(then=then)
    (project / ".loopwright/record.jsonl").unlink()
    append(project, asked)
    assert answers.answer_or_rule(project, asked) is None
    assert "waits until 2026-03-01 13:00 UTC; then" in "\n".join(how_to_go_on(asked))
    clock["now"] = ASKED_AT + dt.timedelta(minutes=61)
    assert "(over: loopwright run)" in "\n".join(how_to_go_on(asked))
    late = answer(at=clock["now"].isoformat())
    with pytest.raises(TooLate, match="could be answered until 2026-03-01 13:00 UTC"):
        answers.give(project, asked, late)
    ruled = answers.answer_or_rule(project, asked)
    assert ruled is not None
    assert (ruled.verdict, ruled.patch, ruled.by) == ("timed_out", patch, "the charter")
    assert answers.answer_or_rule(project, asked) == ruled
    move = answers.settled(asked, ruled, VALUES, [asked], 4)
    assert (move.to, move.patch) == (("planning", patch) if patch else (STOP, {}))


@pytest.mark.parametrize(("then", "to"), [("stop", STOP), ("relax", RELEASED)])
def test_nobody_approves_a_release_and_the_charter_decides(
    then: str, to: str, project: Path, clock: dict[str, dt.datetime]
) -> None:
    asked = asking_release(then=then)
    (project / ".loopwright/record.jsonl").unlink()
    append(project, asked)
    told = "\n".join(how_to_go_on(asked))
    assert ("then it is released" in told) == (to == RELEASED)
    assert "approve (releases it)" in told
    clock["now"] = ASKED_AT + dt.timedelta(minutes=61)
    ruled = answers.answer_or_rule(project, asked)
    assert ruled is not None
    move = answers.settled(asked, ruled, VALUES, [asked], 4)
    assert (move.to, move.row, move.patch) == (to, FORWARD, {})
    assert ("the charter says to release" in move.reason) == (to == RELEASED)


def test_a_release_is_approved_or_rejected_and_nothing_else(project: Path) -> None:
    asked = asking_release()

    def said(**what: Any) -> Answer:
        plain = {"option": None, "patch": None, "reject": False, "because": "", "by": "Ann", "via": "here"}
        return made(project, asked, **{**plain, **what})

    approved = said(option=1)
    assert (approved.verdict, approved.releases, approved.patch) == ("approved", True, {})
    move = answers.settled(asked, approved, VALUES, [asked], 4)
    assert (move.to, move.reason.startswith("Ann approved the release on ")) == (RELEASED, True)
    for no in (said(option=2, because="too soon"), said(reject=True, because="too soon")):
        assert (no.verdict, no.releases) == ("rejected", False)
        assert answers.settled(asked, no, VALUES, [asked], 4).to == STOP
    with pytest.raises(ParamsError, match=r"approved as it is, or rejected.*loopwright back"):
        said(patch=RELAX)


def test_an_answer_in_time_counts_when_the_time_is_over(project: Path, clock: dict[str, dt.datetime]) -> None:
    answers.give(project, asking(), answer())
    clock["now"] = ASKED_AT + dt.timedelta(days=9)
    assert answers.answer_or_rule(project, asking()) == answer()


def test_what_the_charter_takes_is_a_way_back_of_the_loop_and_bounded() -> None:
    asked = asking(then="relax")
    ruled = answer("timed_out", by=CHARTER)
    took = answers.settled(asked, ruled, VALUES, [asked], 1)
    said = line(6, took, [answers.as_signal(asked, ruled)], steps=[])
    (past,) = past_of([asked, said], "ab12")
    assert past.row == "requirements_unreached"
    assert past.distance == pytest.approx(1 + 0.04 / 0.7), "the model that was judged is that of the question"
    assert past.missed == (MISSED,)
    manual = line(7, Move(to="planning", row="manual", reason="so", patch={KEY: 0.6}), by="person", steps=[])
    assert [found.missed for found in past_of([asked, said, manual], "ab12")] == [()], (
        "it was held against other params"
    )
    again = asking(then="relax", number=9)
    stopped = answers.settled(again, ruled, VALUES, [asked, said, again], 1)
    assert stopped.to == STOP
    assert "was taken 1 times" in stopped.reason
    by_person = said.model_copy(update={"by": "person"})
    assert past_of([asked, by_person], "ab12") == ()
    assert entry_after(by_person).by == "person"
    assert entry_after(said).by == "loop"


def test_a_kill_after_the_answers_line_loses_nothing(project: Path) -> None:
    asked, said = asking(), answer()
    move = answers.settled(asked, said, VALUES, [asked], 4)
    values = {**VALUES, "planning": {**VALUES["planning"]}}
    values["planning"]["requirements"] = {
        **VALUES["planning"]["requirements"],
        "roc_auc": {**VALUES["planning"]["requirements"]["roc_auc"], "at_least": 0.65},
    }
    append(
        project, line(6, move, [answers.as_signal(asked, said)], steps=[], by="person", params_after=hash_of(values))
    )
    entry = take_up(project, read_record(project))
    assert isinstance(entry, Entry)
    assert (entry.number, entry.stage, entry.by, entry.row) == (7, "planning", "person", "requirements_unreached")
    assert read_params(project)["planning"]["requirements"]["roc_auc"]["at_least"] == 0.65


ANSWERS = st.builds(
    answer,
    st.sampled_from(["approved", "chosen", "rejected", "timed_out"]),
    patch=st.sampled_from([{}, RELAX, {KEY: VALUES["planning"]["requirements"]["roc_auc"]["at_least"]}, {"seed": 1}]),
    by=st.sampled_from(["Ann", "Bob"]),
)


@given(st.lists(ANSWERS, min_size=1, max_size=5))
@settings(max_examples=25)
def test_whatever_is_said_in_whatever_order_the_first_counts(
    tmp_path_factory: pytest.TempPathFactory, said: list[Answer]
) -> None:
    project = tmp_path_factory.mktemp("project")
    append(project, asking())
    refused = 0
    for one in said:
        try:
            answers.give(project, asking(), one)
        except TooLate:
            refused += 1
    assert answers.given(project, asking()) == said[0]
    assert refused == len(said) - 1


@given(ANSWERS, st.integers(0, 3), st.sampled_from(["stop", "relax"]), st.integers(1, 4))
def test_an_answer_makes_a_move_that_changes_something_or_ends(
    said: Answer, options: int, then: str, per_row: int
) -> None:
    asked = asking(then=then, options=options)
    move = answers.settled(asked, said, VALUES, [asked], per_row)
    assert move == answers.settled(asked, said, VALUES, [asked], per_row)
    assert answers.describe(said) in move.reason
    if move.to in STAGES:
        assert move.patch == said.patch
        assert said.verdict != "rejected"
    else:
        assert (move.to, move.patch) == (STOP, {})


def stopping(number: int = 5) -> Iteration:
    """A run that stopped, as nobody is there, with what may be chosen."""
    asked = asking(options=2, number=number)
    return asked.model_copy(update={"move": {**asked.move, "to": STOP, "asks": None}})


def test_an_option_of_a_run_that_stopped_is_a_way_back(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    append(project, stopping())
    tell_status(project)
    told = capsys.readouterr().out.replace("\n", " ")
    assert "option 2: option 1" in told
    assert "loopwright choose N goes back with an option" in told
    stopped = answers.stopped(read_record(project))
    assert stopped is not None
    choice: dict[str, Any] = {"patch": {}, "reject": False, "because": "", "by": "Ann"}
    taken = way_back(project, stopped, option=2, **choice)
    assert (taken.stage, taken.patch, taken.by) == ("planning", {KEY: 0.64}, "Ann")
    assert taken.because == "option 2 of iteration 5: option 1"
    own = way_back(project, stopped, option=None, **choice | {"patch": {KEY: 0.6}, "because": "so"})
    assert (own.patch, own.because) == ({KEY: 0.6}, "so")
    with pytest.raises(ParamsError, match="there is no option 4"):
        way_back(project, stopped, option=4, **choice)
    with pytest.raises(ProjectError, match="has stopped already"):
        way_back(project, stopped, option=3, **choice)
    patching.apply(project, {"seed": 99})
    with pytest.raises(ProjectError, match="was edited since"):
        way_back(project, stopped, option=1, **choice)


def test_a_run_that_stopped_with_nothing_to_choose_offers_nothing() -> None:
    bare = line(5, Move(to=STOP, row="no_progress", reason="so"))
    assert answers.stopped([bare]) is None
    assert how_to_go_back(bare) == []
