"""The loop as a Prefect flow: stages are tasks, named after what happens; decisions come from the table."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.events.worker import EventsWorker
from prefect.logging import get_run_logger
from prefect.logging.handlers import APILogWorker

from flows.artifacts import publish_artifacts
from flows.decide import FORWARD
from flows.entry import Ended, Entry, new_run
from flows.people import boundary
from flows.record import Iteration, read_record
from flows.session import Session, Worked, open_session
from flows.show import Show
from flows.transitions import STAGES

# Engine, lock and terminal are live objects, and a flow's parameters are plain values: so they come by here.
_session: ContextVar[Session] = ContextVar("session")


@flow(name="lifecycle", flow_run_name="{project} from {start}, run {run}", persist_result=False)
def lifecycle(project: str = ".", start: str = "where it stands", run: str = "as recorded") -> list[int]:
    """Go round the loop until a release or an honest stop.

    Parameters
    ----------
    project : str
        Folder of the project.
    start : str
        Where the run takes up, for the name of the flow run.
    run : str
        Its id in the record, for the same.

    Returns
    -------
    list of int
        The numbers of the iterations of this flow run, in order.
    """
    session = _session.get(None)
    if session is not None:
        return [item.iteration for item in go_round(session)]
    with open_session(Path(project).resolve(), Show()) as opened:
        return [item.iteration for item in go_round(opened)]


@task(task_run_name="{title}", cache_policy=NO_CACHE, persist_result=False, tags={"loopwright"})
def run_stage(title: str, stage: str) -> dict[str, Any]:
    """Run one stage's steps; the title says what happens and why, as people read it in Prefect's UI."""
    worked = _session.get().work(stage)
    logger = get_run_logger()
    for step in worked.steps:
        logger.info("%s %s in %.2f s", step.name, step.how, step.seconds)
    return {"worked": worked}


def go_round(session: Session) -> list[Iteration]:
    """Enter stage after stage as the table decides; return the iterations made."""
    token = _session.set(session)
    try:
        return _go_round(session)
    finally:
        _session.reset(token)


def run_with_prefect(session: Session) -> list[Iteration]:
    """Run the flow on an open session and return the iterations it made."""
    token = _session.set(session)
    try:
        entry = session.entry
        start, run = (entry.stage, entry.run) if isinstance(entry, Entry) else (STAGES[0], "new")
        numbers = set(lifecycle(project=session.project.name, start=start, run=run))
        return [item for item in read_record(session.project) if item.iteration in numbers]
    finally:
        _session.reset(token)


def send_what_waits() -> None:
    """Send Prefect the logs and events still queued; once its server is gone each would be tried again for a minute."""
    for queue in (APILogWorker, EventsWorker):
        queue.drain_all(timeout=10)


def _go_round(session: Session) -> list[Iteration]:
    entry, made = session.entry, list[Iteration]()
    if isinstance(entry, Ended):
        entry = Entry(new_run(), entry.last.iteration + 1, STAGES[0], "run again", by="person")
    while True:
        earlier = [item for item in read_record(session.project) if item.run == entry.run]
        title = stage_title(entry, earlier)
        session.show.stage_started(title, entry)
        worked: Worked = run_stage(title, entry.stage)["worked"]
        done = session.conclude(entry, worked)
        made.append(done)
        publish_artifacts(session.project.name, done, [*earlier, done])
        get_run_logger().info(
            "iteration %d: %s -> %s: %s", done.iteration, done.stage, done.move["to"], done.move["reason"]
        )
        session.show.stage_done(done)
        said, following = boundary.after(session, done)
        made += said
        if following is None:
            return made
        entry = following


def stage_title(entry: Entry, earlier: Sequence[Iteration]) -> str:
    """Return a task's name: which stage, for which time in this run, and after what.

    Examples
    --------
    >>> stage_title(Entry("r", 7, "training", "", row="overfitting_curve_flat"), [])
    'training #1 after overfitting curve flat'
    """
    nth = 1 + sum(item.stage == entry.stage and bool(item.steps) for item in earlier)
    after = f" after {entry.row.replace('_', ' ')}" if entry.row and entry.row != FORWARD else ""
    return f"{entry.stage} #{nth}{after}"
