"""The commands that change a project: run, back, restore. Each is also a Python call."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.markup import escape

from flows import patching, pipeline, record, snapshots
from flows.entry import Ended, Entry, entry_after, new_run
from flows.lock import Running, owner, project_lock
from flows.people import boundary
from flows.people.requests import Request, checked, put
from flows.people.waiting import how_to_go_back, how_to_go_on
from flows.project import check_project
from flows.record import Iteration
from flows.session import Session, open_session
from flows.show import Show
from flows.snapshots import user_name
from flows.transitions import RELEASED, STAGES, WAITING
from flows.up.server import PrefectServer
from flows.words import remarks
from stages.errors import ProjectError


def run(project: Path, *, quiet: bool = False, allow_dirty: bool = False, again: bool = False) -> Iteration:
    """Go round the loop and return the last iteration.

    Raises
    ------
    LoopwrightError
        For any mistake in the project's files; nothing is lost by it.
    """
    show = Show(quiet=quiet)
    with open_session(project, show, allow_dirty=allow_dirty) as session:
        return _go(session, show) if begin(session, again=again) else record.read_record(project)[-1]


def begin(session: Session, *, again: bool = False) -> bool:
    """Set where a run begins, and tell whether there is anything to run; where not, say what to do about it."""
    said = boundary.at_start(session)
    if not isinstance(session.entry, Ended):
        return True
    last, show = session.entry.last, session.show
    changed = _changed(session) if not again else ["--again"]
    if not changed and said:
        _tell_end(record.read_record(session.project), show)
        return False
    if not changed:
        show.note(f"nothing changed since iteration {last.iteration}, which {_ended(last)}")
        if last.move["to"] == WAITING:
            for line in how_to_go_on(last):
                show.note(line)
        elif ways := how_to_go_back(last):
            for line in ways:
                show.note(line)
        else:
            show.note("next: loopwright back STAGE --because TEXT --set KEY=VALUE, or edit params.yaml")
        return False
    reason = "asked to run again" if again else f"changed since iteration {last.iteration}: {', '.join(changed)}"
    session.entry = Entry(new_run(), last.iteration + 1, STAGES[0], reason, "changed", by="person")
    return True


def back(
    project: Path,
    stage: str,
    because: str,
    patch: dict[str, Any],
    *,
    by: str | None = None,
    quiet: bool = False,
    allow_dirty: bool = False,
) -> Iteration | None:
    """Send the loop back to ``stage`` for a person's reason, and run on; return the last iteration.

    While a run is going it takes the way back at its next boundary, and None is returned.

    Raises
    ------
    ParamsError
        If the patch breaks the schema or changes nothing.
    """
    show = Show(quiet=quiet)
    asked = Request(stage=stage, because=because, patch=patch, by=by or user_name(project))
    request = checked(project, asked)
    if request.stage != stage:
        show.note(f"entering at {request.stage} already, which reads {', '.join(patch)}")
    try:
        with open_session(project, show, allow_dirty=allow_dirty) as session:
            lines = record.read_record(project)
            stands, number = (lines[-1].stage, lines[-1].iteration + 1) if lines else (STAGES[0], 1)
            session.entry = entry_after(boundary.take(session, request, new_run(), stands, number))
            return _go(session, show)
    except Running as held:
        put(project, request)
        if owner(project) is not None:
            show.note(f"{held.what}: it takes the way back at its next boundary")
            return None
    return run(project, quiet=quiet, allow_dirty=allow_dirty)  # it ended meanwhile, and the request waits


def restore(project: Path, number: int, *, force: bool = False) -> Iteration:
    """Bring params, data and model back as they were in an iteration; return it.

    Stages that the iteration had not reached are completed from DVC's run cache, or run when they never were, so that
    the workspace is whole: ``dvc status`` is clean and ``dvc repro`` has nothing to do.

    Raises
    ------
    ProjectError
        If there is no such iteration, or ``params.yaml`` holds edits that would be lost.
    """
    from flows.engine import Engine

    show = Show()
    check_project(project, allow_dirty=True)
    with project_lock(project):
        lines = record.read_record(project)
        item = find(lines, number)
        _refuse_to_lose_edits(project, lines, force=force)
        show.waiting(f"restoring iteration {number}")
        with Engine(project) as engine:
            edited = [] if force else engine.changed_sources()
            if edited:
                raise ProjectError(
                    "holds a table that no iteration has, and restoring would lose it",
                    where=", ".join(path.removesuffix(".dvc") for path in edited),
                    todo="loopwright run takes it up; or copy it away, or use --force",
                )
            snapshots.restore_files(project, item.experiment)
            engine.checkout()
            done = [engine.run(step) for steps in pipeline.steps_by_stage(project).values() for step in steps]
            left = engine.status()
        show.close()
        if left:
            raise ProjectError(f"not clean after the restore: {', '.join(left)}", where=f"iteration {number}")
        ran = [step.name for step in done if step.how == "ran"]
        show.note(
            f"iteration {number} ({item.stage}, data {(item.data_version or 'none')[:8]}) is back in the workspace"
        )
        for words in why_ran(ran, {step["name"] for line in lines if line.iteration <= number for step in line.steps}):
            show.note(words)
        return item


def why_ran(ran: Sequence[str], reached: Set[str]) -> list[str]:
    """Say why a restore ran steps, given those that some iteration up to that one had reached.

    Logs of labels only grow and are not restored: a step that read them depends on other files than then, and reads as
    many of their lines as it did.
    """
    now, again = ([name for name in ran if (name in reached) == known] for known in (False, True))
    told = [f"run now, because the loop had not reached them then: {', '.join(now)}"] if now else []
    if again:
        why = "what they read was added to since (labels/), or is no longer in DVC's cache"
        told.append(f"run again, because {why}: {', '.join(again)}")
    return told


def find(lines: list[Iteration], number: int) -> Iteration:
    """Return an iteration by its number.

    Raises
    ------
    ProjectError
        If the record does not hold it.
    """
    for item in lines:
        if item.iteration == number:
            return item
    known = f"1 to {lines[-1].iteration}" if lines else "none yet: loopwright run"
    raise ProjectError(f"no iteration {number}", where="the record", expected=known, todo="loopwright history")


def _go(session: Session, show: Show) -> Iteration:
    with with_prefect(session, show) as go:
        last = go()
        _tell_end(record.read_record(session.project), show)
        return last


@contextmanager
def with_prefect(session: Session, show: Show) -> Iterator[Callable[[], Iteration]]:
    """Yield what goes round the loop from ``session.entry`` as a Prefect flow; its server starts when it is needed."""
    server = PrefectServer(session.project)

    def progress(text: str) -> None:
        session.raise_if_failed()
        show.waiting(text)

    def go() -> Iteration:
        session.start_ahead()
        server.start()
        show.waiting("starting Prefect")
        from flows.lifecycle import run_with_prefect, send_what_waits

        server.wait_ready(progress)
        try:
            return run_with_prefect(session)[-1]
        finally:
            send_what_waits()

    try:
        yield go
    finally:
        show.close()
        server.close()


def _changed(session: Session) -> list[str]:
    """Return what differs from ``dvc.lock``, but for steps of stages behind the one that the last run ended in."""
    ended = STAGES.index(record.read_record(session.project)[-1].stage)
    steps = pipeline.steps_by_stage(session.project)
    ahead = {step for stage in STAGES[ended + 1 :] for step in steps[stage]}
    return [name for name in session.engine.status() if name not in ahead]


def _tell_end(lines: list[Iteration], show: Show) -> None:
    last = lines[-1]
    color = "green" if last.move["to"] == RELEASED else "yellow"
    show.console.print(
        f"\n[bold {color}]{last.move['to']}[/] after iteration {last.iteration}: {escape(str(last.move['reason']))}",
        soft_wrap=not show.console.is_terminal,
    )
    if last.move["to"] == RELEASED:
        for remark in remarks(lines):
            show.note(f"beside it: {remark}")
        show.note("the model: releases/current.json; to keep its params: git add params.yaml dvc.lock && git commit")
        show.note(f"next: loopwright history; loopwright why {last.iteration}")
        return
    lines_on = how_to_go_on if last.move["to"] == WAITING else how_to_go_back
    if ways := lines_on(last, options=False):
        for line in ways:
            show.note(line)
        return
    proposed = " ".join(f"--set {shlex.quote(f'{key}={value}')}" for key, value in last.move["proposal"].items())
    way = f"planning --because TEXT {proposed}" if proposed else "STAGE --because TEXT --set KEY=VALUE"
    show.note(f"next: loopwright why {last.iteration}; then loopwright back {way}")


def _ended(last: Iteration) -> str:
    return f"ended {last.move['to']} ({last.move['row']}): {last.move['reason']}"


def _refuse_to_lose_edits(project: Path, lines: list[Iteration], *, force: bool) -> None:
    known = {value for item in lines for value in (item.params_before, item.params_after)}
    if not force and patching.params_hash(project) not in known:
        raise ProjectError(
            "holds edits that no iteration has, and restoring would lose them",
            where="params.yaml",
            todo="commit or copy it, or use --force",
        )
