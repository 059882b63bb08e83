"""The commands that answer a question of the loop: approve, choose, reject. Then the loop goes on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from flows import patching
from flows.entry import ANSWER
from flows.lock import Running
from flows.people import answers
from flows.people.answers import Answer
from flows.people.requests import Request, check_patch
from flows.people.suspended import suspended
from flows.record import Iteration, read_record
from flows.revisions import Revision
from flows.running import back, run
from flows.show import Show
from flows.snapshots import user_name
from flows.transitions import STAGES
from flows.up.service import url_of
from stages.errors import ParamsError, ProjectError
from stages.params import load_params

TAIL_SECONDS = 15.0  # a run that has just asked may still be ending


def decide_and_go_on(
    project: Path,
    *,
    option: int | None = None,
    patch: dict[str, Any] | None = None,
    reject: bool = False,
    because: str = "",
    by: str | None = None,
    quiet: bool = False,
    allow_dirty: bool = False,
) -> Iteration | None:
    """Answer the question that waits, and run on; return the last iteration, None when another process runs on.

    Of a run that stopped with options, it is a person's way back with one of them.

    Parameters
    ----------
    project : Path
        The project.
    option : int, optional
        Which option, counted from 1.
    patch : dict, optional
        Changes of one's own, in place of an option.
    reject : bool
        No to all of them: the run stops.
    because : str
        The reason, for the record; a rejection needs one.
    by : str, optional
        Who decides; Git's ``user.name`` when not given.
    quiet, allow_dirty : bool
        As for `flows.running.run`.

    Raises
    ------
    ProjectError
        If no question waits, somebody has answered it, or the person may not.
    ParamsError
        If the answer cannot be taken; the question waits on.
    """
    stopped = answers.stopped(read_record(project))
    if stopped is not None:
        request = way_back(project, stopped, option=option, patch=patch, reject=reject, because=because, by=by)
        return back(
            project,
            request.stage,
            request.because,
            request.patch,
            by=request.by,
            quiet=quiet,
            allow_dirty=allow_dirty,
        )
    asked = open_question(project)
    answer = made(
        project, asked, option=option, patch=patch, reject=reject, because=because, by=by, via="the command line"
    )
    answers.give(project, asked, answer)
    show = Show(quiet=quiet)
    show.note(answers.describe(answer))
    waits, url = suspended(project), url_of(project)
    if waits is not None and waits.waits_for(asked) and url is not None:
        show.note(f"Prefect's run goes on: {url.removesuffix('/api')}/runs/flow-run/{waits.flow_run}")
        return None
    return _run_on(project, show, quiet=quiet, allow_dirty=allow_dirty)


def open_question(project: Path) -> Iteration:
    """Return the iteration whose question waits.

    Raises
    ------
    ProjectError
        If none does, or ``params.yaml`` was edited since, which begins a new run.
    """
    lines = read_record(project)
    asked = answers.question(lines)
    if asked is None:
        said = [s["says"] for item in lines for s in item.signals if s["name"] == ANSWER]
        last = f"; the last one: {said[-1]}" if said else ""
        raise ProjectError(f"no decision waits for an answer{last}", where=str(project), todo="loopwright status")
    _refuse_edits(project, asked)
    return asked


def way_back(
    project: Path,
    stopped: Iteration,
    *,
    option: int | None,
    patch: dict[str, Any] | None,
    reject: bool,
    because: str,
    by: str | None,
) -> Request:
    """Return the way back that a person makes of an option of a run that stopped.

    Raises
    ------
    ProjectError
        If ``params.yaml`` was edited since, or it is to stop, which it did.
    ParamsError
        If it names no option, or the person may not decide.
    """
    _refuse_edits(project, stopped)
    taken = _option(answers.options_of(stopped), option)
    if reject or (taken is not None and taken.kind == "stop"):
        raise ProjectError(f"has stopped already, after iteration {stopped.iteration}", where="the run")
    of = f"option {option} of iteration {stopped.iteration}: {taken.says}" if taken else ""
    why = because.strip() or of or f"in place of the options of iteration {stopped.iteration}"
    chosen = taken.patch if taken is not None else dict(patch or {})
    return Request(stage=STAGES[0], because=why, patch=chosen, by=decider(project, by, where="the answer"))


def _option(options: list[Revision], number: int | None) -> Revision | None:
    if number is not None and not 1 <= number <= len(options):
        raise ParamsError(f"there is no option {number}", where="the answer", expected=f"1 to {len(options)}")
    return options[number - 1] if number is not None else None


def _refuse_edits(project: Path, asked: Iteration) -> None:
    if patching.params_hash(project) != asked.params_after:
        raise ProjectError(
            f"was edited since iteration {asked.iteration} asked, which settles its question",
            where="params.yaml",
            todo="loopwright run starts at planning with the edits",
        )


def made(
    project: Path,
    asked: Iteration,
    *,
    option: int | None,
    patch: dict[str, Any] | None,
    reject: bool,
    because: str,
    by: str | None,
    via: str,
) -> Answer:
    """Return an answer that can be taken, made of what a person said.

    Raises
    ------
    ParamsError
        If it names no option, cannot be done, lacks a reason, or the person may not decide.
    """
    who = decider(project, by, where="the answer")
    taken = _option(answers.options_of(asked), option)
    reject = reject or (taken is not None and taken.kind == "stop")
    if reject and not because.strip():
        raise ParamsError("the reason is empty", where="--because", expected="a sentence for the record")
    chosen = {} if reject else taken.patch if taken is not None else dict(patch or {})
    releases = taken is not None and taken.kind == "release"
    if answers.about_release(asked) and chosen:
        todo = "loopwright reject --because TEXT, then loopwright back"
        raise ParamsError("a release is approved as it is, or rejected", where="the answer", todo=todo)
    if not reject and not releases:
        check_patch(project, chosen, where="the answer")
    verdict = "rejected" if reject else "approved" if option == 1 else "chosen"
    at = answers.now().isoformat(timespec="seconds")
    said = {"because": because.strip(), "by": who, "at": at, "via": via}
    return Answer.model_validate({"verdict": verdict, "patch": chosen, "releases": releases, **said})


def decider(project: Path, by: str | None, *, where: str) -> str:
    """Return who decides; Git's ``user.name`` when not given.

    Raises
    ------
    ParamsError
        If the charter names others.
    """
    who = (by or "").strip() or user_name(project)
    allowed = load_params(project).planning.approvals.by
    if allowed and who not in allowed:
        expected = f"one of {', '.join(allowed)} (planning.approvals.by)"
        raise ParamsError(f"{who} may not decide this", where=where, expected=expected, todo="--by NAME")
    return who


def _run_on(project: Path, show: Show, *, quiet: bool, allow_dirty: bool) -> Iteration | None:
    """Run the loop on; where another process holds it and does not end, the answer waits for that one or the next."""
    until = time.monotonic() + TAIL_SECONDS
    while True:
        try:
            return run(project, quiet=quiet, allow_dirty=allow_dirty)
        except Running as held:
            if time.monotonic() > until:
                show.note(f"the answer is kept; {held.what}")
                return None
            time.sleep(0.5)
