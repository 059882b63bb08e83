"""What Prefect deploys: go round the loop, send it back, watch production. See prefect.yaml and docs/people.md.

A flow run of these works in the folder it is started in, as prefect.yaml says. It suspends where a person decides, and
Prefect starts it again from the top: the record tells where it stands, so nothing is done twice.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.runtime import flow_run
from prefect.states import Completed
from pydantic import Field

from flows.artifacts import publish_looks
from flows.lifecycle import go_round
from flows.lock import Running
from flows.people import answers, requests, suspending
from flows.people.requests import Request
from flows.people.suspended import forget, suspended
from flows.record import read_record
from flows.running import begin
from flows.session import open_session
from flows.show import Show
from flows.watching.events import emit_alarm
from flows.watching.looks import Look, read_looks
from flows.watching.watch import look_at_all

Stage = Literal["planning", "data", "training", "deployment"]
Text = Annotated[str, Field(min_length=1)]


def _run_name() -> str:
    return f"{flow_run.flow_name} {Path.cwd().name}"


# Prefect takes the texts of its forms from docstrings of Google's style.
@flow(name="run", flow_run_name=_run_name, persist_result=False)
def run(again: bool = False) -> State[Any]:
    """Go round the loop until a release, an honest stop or a decision that a person takes.

    Args:
        again: Go round even when nothing changed since the last run.
    """
    return _go_on(Path.cwd(), again=again and _first_start())


@flow(name="back", flow_run_name=_run_name, persist_result=False)
def back(stage: Stage, reason: Text, changes: dict[str, Any], by: str = "") -> State[Any]:
    """Send the loop back to a stage, for a reason; a run that is going takes it at its next boundary.

    Args:
        stage: Where the loop goes back to.
        reason: Why; it goes into the record.
        changes: Keys of params.yaml and their new values, as JSON: {"data.split.valid": 0.3}
        by: Your name, for the record.
    """
    project = Path.cwd()
    if _first_start():
        asked = Request(stage=stage, because=reason, patch=changes, by=by or "Prefect's form", id=str(flow_run.id))
        requests.put(project, requests.checked(project, asked))
    return _go_on(project)


@flow(name="watch", flow_run_name=_run_name, persist_result=False)
def watch() -> State[Any]:
    """Look at what has come to production; when a signal fires, the loop goes back to where the table says."""
    project, show, made = Path.cwd(), Show(), list[Look]()
    if _suspended_here(project):
        return _go_on(project)

    def tell(look: Look) -> None:
        made.append(look)
        publish_looks(project.name, read_looks(project))
        if look.alarm:
            emit_alarm(project, look)

    try:
        with open_session(project, show) as session:
            not_yet = look_at_all(session, lambda: go_round(session), tell)
    except Running as held:
        return Completed(name="Skipped", message=f"{held.what}; production is looked at the next time")
    finally:
        show.close()
    asked, entered = answers.question(read_record(project)), [look.entered for look in made if look.entered is not None]
    if asked is not None and entered and asked.iteration > min(entered):
        return _go_on(project)
    return Completed(message="; ".join([*(look.says for look in made), *not_yet]))


def _first_start() -> bool:
    """Tell whether this flow run starts for the first time: its suspensions leave their keys with it."""
    context = FlowRunContext.get()
    return context is None or context.flow_run is None or not context.flow_run.empirical_policy.pause_keys


def _go_on(project: Path, *, again: bool = False) -> State[Any]:
    ours, show = _suspended_here(project), Show()
    while True:
        asked = answers.question(read_record(project))
        if asked is not None and ours:
            suspending.ask(project, asked)
        try:
            with open_session(project, show) as session:
                if begin(session, again=again):
                    session.start_ahead()
                    go_round(session)
        except Running as held:
            return Completed(name="Skipped", message=f"{held.what}; it takes up what waits")
        finally:
            show.close()
        again, ours = False, True
        lines = read_record(project)
        if answers.question(lines) is None:
            if _suspended_here(project):
                forget(project)
            return Completed(message=f"{lines[-1].move['to']} after iteration {lines[-1].iteration}")


def _suspended_here(project: Path) -> bool:
    waits = suspended(project)
    return waits is not None and str(waits.flow_run) == str(flow_run.id)
