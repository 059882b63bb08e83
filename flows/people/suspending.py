"""A question of the loop as a suspended Prefect run: its form, the answer that comes back, and going on."""

from __future__ import annotations

from pathlib import Path
from textwrap import shorten
from typing import Any, Literal
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Scheduled
from pydantic import Field, create_model

from flows.people import answers
from flows.people.deciding import made
from flows.people.suspended import Suspended, forget, point, suspended
from flows.record import Iteration, read_record
from flows.up.service import name_of
from flows.words import option_lines
from stages.errors import LoopwrightError
from stages.params import load_params

OWN, LONG = "changes of my own", 80


def ask(project: Path, asked: Iteration) -> None:
    """Suspend this flow run until the question is answered; an answer that cannot be taken is asked for again.

    The flow starts from its beginning when Prefect resumes it, and `suspend_flow_run` then returns what was filled in:
    the key tells it that it was here before.
    """
    wrong, attempt = "", 1
    while answers.answer_or_rule(project, asked) is None:
        point(project, Suspended(flow_run=str(flow_run.id), run=asked.run, iteration=asked.iteration))
        key = f"{asked.run}-{asked.iteration}-{attempt}"
        said: Any = suspend_flow_run(wait_for_input=form(project, asked, wrong), key=key)
        try:
            answers.give(project, asked, read_form(project, asked, said.model_dump()))
        except answers.TooLate as late:
            get_run_logger().warning("%s", late)
        except LoopwrightError as error:
            wrong, attempt = str(error), attempt + 1
            get_run_logger().warning("asked again: %s", error)


def form(project: Path, asked: Iteration, wrong: str = "") -> type[RunInput]:
    """Return the typed form of a question; ``wrong`` says what could not be taken in the last answer."""
    release = answers.about_release(asked)
    labels = [*_labels(asked), *([] if release else [OWN])]
    people = load_params(project).planning.approvals.by
    who: Any = Literal[tuple(people)] if people else str
    fields: dict[str, Any] = {
        "answer": (Literal[tuple(labels)], Field(title="Answer")),
        "because": (str, Field("", title="Why", description="Goes into the record; a rejection needs it.")),
        "by": (who, Field(title="Your name", min_length=None if people else 1)),
        "changes": (
            dict[str, Any],
            Field({}, title="Changes of my own", description='e.g. {"planning.requirements.roc_auc.at_least": 0.7}'),
        ),
    }
    if release:
        del fields["changes"]
    model = create_model("Decision", __base__=RunInput, **fields)
    model._description = description(asked, wrong)
    return model


def description(asked: Iteration, wrong: str = "") -> str:
    """Return the question in Markdown, as the form shows it."""
    options = [f"- {line}" for line in option_lines(asked.move)]
    until = f"It waits until {answers.deadline(asked):%Y-%m-%d %H:%M} UTC."
    head = [f"**That could not be taken:** {wrong}"] if wrong else []
    reason = f"**Iteration {asked.iteration}**: {asked.move['reason']}"
    return "\n\n".join([*head, "\n".join(options), until, reason])


def read_form(project: Path, asked: Iteration, said: dict[str, Any]) -> answers.Answer:
    """Return the answer that a filled-in form makes.

    Raises
    ------
    LoopwrightError
        If it cannot be taken.
    """
    labels = _labels(asked)
    option = labels.index(said["answer"]) + 1 if said["answer"] in labels else None
    return made(
        project,
        asked,
        option=option,
        patch=said["changes"] if said["answer"] == OWN else None,
        reject=False,  # to stop is one of the options
        because=said["because"],
        by=said["by"],
        via="Prefect",
    )


def resume_due(project: Path) -> None:
    """Let Prefect go on when the question of its suspended run is answered by another way, settled, or over.

    Where that run is gone or was cancelled meanwhile, and the loop still stands there, another one is started.
    """
    waits = suspended(project)
    if waits is None:
        return
    asked = answers.question(read_record(project))
    open_still = asked is not None and waits.waits_for(asked)
    if asked is not None and open_still and answers.answer_or_rule(project, asked) is None:
        return
    with get_client(sync_client=True) as client:
        try:
            state = client.read_flow_run(UUID(waits.flow_run)).state
        except ObjectNotFound:
            state = None
        if state is not None and state.is_paused():
            client.set_flow_run_state(UUID(waits.flow_run), Scheduled(name="Resuming"))
        elif state is not None and not state.is_final():
            return  # it is just suspending, or going on by itself
        elif open_still:
            deployment = client.read_deployment_by_name(f"run/{name_of(project)}-run")
            client.create_flow_run_from_deployment(deployment.id)
    forget(project)


def _labels(asked: Iteration) -> list[str]:
    options = enumerate(answers.options_of(asked), start=1)
    return [shorten(f"{number}: {option.says}", LONG, placeholder=" …") for number, option in options]
