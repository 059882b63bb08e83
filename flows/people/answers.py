"""Answers to the questions of the loop: the first one counts, whoever gives it and by whichever way it comes.

A question is the last line of the record, when its move holds `asks`; so it survives whatever the record survives. The
answer is a file of its own, written once, and then a line of the record, which is what the loop goes by.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock
from pydantic import BaseModel, ConfigDict

from flows.changes.charter import alone
from flows.decide import Move
from flows.entry import ANSWER, goes_back
from flows.lock import STATE
from flows.patching import changes_anything
from flows.people.asking import Asks
from flows.record import Iteration, read_record
from flows.revisions import Revision
from flows.transitions import RELEASED, STOP, WAITING
from flows.words import patch_line
from stages.deployment.release import CHARTER
from stages.errors import ProjectError
from stages.files import read_json, write_text
from stages.signals import Signal

FOLDER, LOCK = f"{STATE}/answers", f"{STATE}/answers.lock"
SAID = {"approved": "approved", "chosen": "chose", "rejected": "rejected"}


class TooLate(ProjectError):  # noqa: N818
    """The question was answered before, or its time is over."""


class Answer(BaseModel):
    """What was decided, by whom, when and why.

    Attributes
    ----------
    verdict : {"approved", "chosen", "rejected", "timed_out"}
        The first option, another one or own changes, no, or nobody in time.
    patch : dict
        The params it changes; empty for no, and for a release.
    releases : bool
        Whether the model that waits for it is released.
    via : str
        The way it came: the command line, Prefect, or the clock.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    verdict: Literal["approved", "chosen", "rejected", "timed_out"]
    patch: dict[str, Any]
    because: str
    by: str
    at: str
    via: str
    releases: bool = False


def question(lines: Sequence[Iteration]) -> Iteration | None:
    """Return the iteration whose question waits for its answer, None when nothing does."""
    last = lines[-1] if lines else None
    return last if last is not None and last.move["to"] == WAITING and last.move.get("asks") else None


def stopped(lines: Sequence[Iteration]) -> Iteration | None:
    """Return the iteration that a run stopped after, and that says what a person may choose; None where none does."""
    last = lines[-1] if lines else None
    options = [] if last is None else options_of(last)
    return last if last is not None and last.move["to"] == STOP and any(o.kind != "stop" for o in options) else None


def asks_of(asked: Iteration) -> Asks:
    """Return the question that an iteration asks."""
    return Asks.model_validate(asked.move["asks"])


def about_release(asked: Iteration) -> bool:
    """Tell whether the question is whether to release."""
    return asks_of(asked).to == RELEASED


def options_of(asked: Iteration) -> list[Revision]:
    """Return what may be chosen from, numbered from 1 in the order of the list."""
    return [Revision.model_validate(option) for option in asked.move["options"]]


def deadline(asked: Iteration) -> dt.datetime:
    """Return the moment until which the question can be answered."""
    return dt.datetime.fromisoformat(asked.ended) + dt.timedelta(minutes=asks_of(asked).wait_minutes)


def given(project: Path, asked: Iteration) -> Answer | None:
    """Return the answer to a question, None while there is none."""
    path = _path(project, asked)
    return Answer.model_validate(read_json(path)) if path.exists() else None


def give(project: Path, asked: Iteration, answer: Answer) -> None:
    """Answer a question, once.

    Raises
    ------
    TooLate
        If it was answered before, by whom and when; or its time is over.
    """
    (project / STATE).mkdir(exist_ok=True)
    with FileLock(project / LOCK):
        before = given(project, asked)
        where, todo = f"the question of iteration {asked.iteration}", "loopwright status"
        if before is not None:
            raise TooLate(f"was answered already: {describe(before)}", where=where, todo=todo)
        if question(read_record(project)) != asked:
            raise TooLate("is open no more: the loop went on", where=where, todo=todo)
        if answer.verdict != "timed_out" and dt.datetime.fromisoformat(answer.at) > deadline(asked):
            ended = f"{deadline(asked):%Y-%m-%d %H:%M} UTC"
            todo = "loopwright run goes on by the charter's rule; then loopwright back"
            raise TooLate(f"could be answered until {ended}", where=where, todo=todo)
        write_text(_path(project, asked), json.dumps(answer.model_dump(), indent=1, sort_keys=True) + "\n")


def answer_or_rule(project: Path, asked: Iteration) -> Answer | None:
    """Return what the question was answered with; when its time is over, by the charter's rule. None: it waits."""
    if given(project, asked) is None and now() > deadline(asked):
        nobody = f"nobody answered until {deadline(asked):%Y-%m-%d %H:%M} UTC"
        takes = asks_of(asked).then == "relax"
        rule = Answer(
            verdict="timed_out",
            patch=by_charter(asked) if takes else {},
            because=nobody,
            by=CHARTER,
            at=now().isoformat(timespec="seconds"),
            via="the clock",
            releases=takes and about_release(asked),
        )
        with suppress(TooLate):  # an answer that came at the last moment counts
            give(project, asked, rule)
    return given(project, asked)


def by_charter(asked: Iteration) -> dict[str, Any]:
    """Return what may be taken of the proposal when nobody answers: nothing where it leaves a requirement missed."""
    proposal = asked.move["proposal"]
    idle = any(option.leaves and option.patch == proposal for option in options_of(asked))
    return {} if idle else alone(proposal)


def settled(
    asked: Iteration, answer: Answer, values: Mapping[str, Any], record: Sequence[Iteration], per_row: int
) -> Move:
    """Return the move that an answer makes: pure, and total like `flows.decide.decide`.

    What is taken when nobody answered is bounded like any way back of the loop's own.
    """
    row, reason = str(asked.move["row"]), describe(answer)
    taken = sum(
        item.run == asked.run and item.by != "person" and item.move["row"] == row and goes_back(item.move)
        for item in record
    )
    stop = Move(to=STOP, row=row, reason=reason, proposal=dict(asked.move["proposal"]))
    if answer.verdict == "rejected":
        return stop
    if answer.releases:
        return Move(to=RELEASED, row=row, reason=reason)
    if not answer.patch:
        return stop.model_copy(update={"reason": f"{reason}; {asked.move['reason']}"})
    if not changes_anything(values, answer.patch):
        return stop.model_copy(update={"reason": f"{reason}, but it changes nothing"})
    if answer.verdict == "timed_out" and taken >= per_row:
        return stop.model_copy(update={"reason": f"{reason}, and {row} was taken {taken} times in this run"})
    return Move(to=asks_of(asked).to, row=row, reason=reason, patch=answer.patch)


def as_signal(asked: Iteration, answer: Answer) -> Signal:
    """Return the answer as the one signal of its line in the record."""
    evidence = {"question": asked.iteration, **answer.model_dump(exclude={"patch"})}
    return Signal(name=ANSWER, fires=True, says=describe(answer), evidence=evidence)


def describe(answer: Answer) -> str:
    """Return an answer as a sentence.

    Examples
    --------
    >>> at = "2026-01-01T00:00:00+00:00"
    >>> describe(Answer(verdict="rejected", patch={}, because="too dear", by="Ann", at=at, via="Prefect"))
    'Ann rejected it on 2026-01-01 00:00 UTC: too dear'
    """
    if answer.verdict == "timed_out":
        takes = f"the charter says to take what is proposed, {patch_line(answer.patch)}" if answer.patch else "it stops"
        return f"{answer.because}: {'the charter says to release then' if answer.releases else takes}"
    at = dt.datetime.fromisoformat(answer.at).astimezone(dt.UTC)
    what = "the release" if answer.releases else "it" if answer.verdict != "chosen" else patch_line(answer.patch)
    because = f": {answer.because}" if answer.because else ""
    return f"{answer.by} {SAID[answer.verdict]} {what} on {at:%Y-%m-%d %H:%M} UTC{because}"


def now() -> dt.datetime:
    """Return the present moment, which the tests set."""
    return dt.datetime.now(dt.UTC)


def _path(project: Path, asked: Iteration) -> Path:
    return project / FOLDER / f"{asked.run}-{asked.iteration}.json"
