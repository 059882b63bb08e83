"""The commands that change a project: run, back, restore. Each is also a Python call."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from rich.markup import escape

from flows import patching, pipeline, record, snapshots
from flows.entry import Ended, Entry, new_run
from flows.lock import project_lock
from flows.project import check_project
from flows.record import Iteration
from flows.server import PrefectServer
from flows.session import Session, check_files, open_session
from flows.show import Show
from flows.transitions import RELEASED, STAGES, WAITING
from flows.words import remarks
from stages.errors import ParamsError, ProjectError
from stages.params import check_params, read_params
from stages.planning.charter import check_plan
from stages.signals import Signal

HOW_TO_LABEL = (
    "next: loopwright label export --out FILE; fill in the labels; loopwright label import FILE; loopwright run"
)


def run(project: Path, *, quiet: bool = False, allow_dirty: bool = False, again: bool = False) -> Iteration:
    """Go round the loop and return the last iteration.

    Raises
    ------
    LoopwrightError
        For any mistake in the project's files; nothing is lost by it.
    """
    show = Show(quiet=quiet)
    with open_session(project, show, allow_dirty=allow_dirty) as session:
        if isinstance(session.entry, Ended):
            last = session.entry.last
            changed = _changed(session) if not again else ["--again"]
            if not changed:
                show.note(f"nothing changed since iteration {last.iteration}, which {_ended(last)}")
                if last.move["to"] == WAITING:
                    show.note(HOW_TO_LABEL)
                else:
                    show.note("next: loopwright back STAGE --because TEXT --set KEY=VALUE, or edit params.yaml")
                return last
            reason = (
                "asked to run again" if again else f"changed since iteration {last.iteration}: {', '.join(changed)}"
            )
            session.entry = Entry(new_run(), last.iteration + 1, STAGES[0], reason, "changed", by="person")
        return _go(session, show)


def back(
    project: Path,
    stage: str,
    because: str,
    patch: dict[str, Any],
    *,
    quiet: bool = False,
    allow_dirty: bool = False,
) -> Iteration:
    """Send the loop back to ``stage`` for a person's reason, and run on; return the last iteration.

    Raises
    ------
    ParamsError
        If the patch breaks the schema or changes nothing.
    """
    show = Show(quiet=quiet)
    values = read_params(project)
    if not patch or not patching.changes_anything(values, patch):
        raise ParamsError(
            "a way back that changes nothing is refused",
            where="loopwright back",
            expected="at least one --set KEY=VALUE that differs from params.yaml",
            todo="to run again as it is: loopwright run --again",
        )
    patched = check_params(patching.patched(values, patch))
    check_plan(patched.planning)
    check_files(project, patched)
    if not because.strip():
        raise ParamsError("the reason is empty", where="--because", expected="a sentence for the record")
    reader = pipeline.first_reader(project, patch)
    if reader is None:
        raise ParamsError(f"no step reads {', '.join(patch)}", where="--set", expected="params that dvc.yaml names")
    if STAGES.index(reader) < STAGES.index(stage):
        show.note(f"entering at {reader} already, which reads {', '.join(patch)}")
        stage = reader
    with open_session(project, show, allow_dirty=allow_dirty) as session:
        lines = record.read_record(project)
        stands = lines[-1].stage if lines else STAGES[0]
        number = lines[-1].iteration + 1 if lines else 1
        entry = Entry(new_run(), number, stands, because, "manual", by="person")
        signal = Signal(name="manual", fires=True, says=because, evidence={"to": stage, "patch": patch})
        said = session.conclude_manual(entry, signal)
        show.stage_started("a person's way back", entry)
        show.stage_done(said)
        session.entry = Entry(entry.run, number + 1, stage, because, "manual", patch, by="person")
        return _go(session, show)


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
        if ran:
            show.note(f"run now, because the loop had not reached them then: {', '.join(ran)}")
        return item


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
    server = PrefectServer(session.project)
    try:
        session.start_ahead()
        server.start()
        show.waiting("starting Prefect")
        from flows.lifecycle import run_with_prefect, send_what_waits

        def progress(text: str) -> None:
            session.raise_if_failed()
            show.waiting(text)

        server.wait_ready(progress)
        try:
            last = run_with_prefect(session)[-1]
        finally:
            send_what_waits()
        _tell_end(record.read_record(session.project), show)
        return last
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
    if last.move["to"] == WAITING:
        show.note(HOW_TO_LABEL)
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
