"""The form of a question in Prefect: what it offers, and what a filled-in one means."""

from __future__ import annotations

from pathlib import Path

import pytest
from prefect.input import RunInput
from pydantic import ValidationError

from flows import patching
from flows.people import suspending
from flows.people.suspended import Suspended, forget, point, suspended
from flows.record import append
from stages.errors import ParamsError
from tests.flows.test_answers import KEY, asking, asking_release

STOP = "3: stop here"
FILLED = {"answer": "1: option 0", "because": "so", "by": "Ann", "changes": {}}


@pytest.fixture
def project(repository: Path) -> Path:
    append(repository, asking(options=2))
    return repository


def test_the_form_offers_the_options_and_is_typed(project: Path) -> None:
    form = suspending.form(project, asking(options=2))
    assert issubclass(form, RunInput)
    offered = form.model_json_schema()["properties"]["answer"]["enum"]
    assert offered == ["1: option 0", "2: option 1", STOP, suspending.OWN]
    assert form.model_validate(FILLED).model_dump() == FILLED
    for wrong in ({"answer": "4: option 3"}, {"by": ""}, {"changes": 7}, {"more": 1}):
        with pytest.raises(ValidationError):
            form.model_validate({**FILLED, **wrong})
    patching.apply(project, {"planning.approvals.by": ["Ann", "Bob"]})
    people = suspending.form(project, asking()).model_json_schema()["properties"]["by"]
    assert people["enum"] == ["Ann", "Bob"]


def test_the_form_of_a_release_has_no_changes(project: Path) -> None:
    asked = asking_release()
    form = suspending.form(project, asked)
    approve, stop = form.model_json_schema()["properties"]["answer"]["enum"]
    filled = form.model_validate({"answer": approve, "because": "", "by": "Ann"}).model_dump()
    assert suspending.read_form(project, asked, filled).releases
    assert suspending.read_form(project, asked, {**filled, "answer": stop, "because": "no"}).verdict == "rejected"
    with pytest.raises(ValidationError):
        form.model_validate({**filled, "changes": {KEY: 0.5}})


def test_a_filled_in_form_is_the_answer_that_the_command_line_gives(project: Path) -> None:
    asked = asking(options=2)
    first = suspending.read_form(project, asked, FILLED)
    assert (first.verdict, first.patch, first.by, first.via) == ("approved", {KEY: 0.65}, "Ann", "Prefect")
    second = suspending.read_form(project, asked, {**FILLED, "answer": "2: option 1"})
    assert (second.verdict, second.patch) == ("chosen", {KEY: 0.64})
    own = suspending.read_form(project, asked, {**FILLED, "answer": suspending.OWN, "changes": {KEY: 0.5}})
    assert (own.verdict, own.patch) == ("chosen", {KEY: 0.5})
    no = suspending.read_form(project, asked, {**FILLED, "answer": STOP})
    assert (no.verdict, no.patch, no.because) == ("rejected", {}, "so")


def test_what_cannot_be_taken_is_said_in_the_next_form(project: Path) -> None:
    asked = asking(options=2)
    for wrong, says in (
        ({"answer": STOP, "because": " "}, "the reason is empty"),
        ({"answer": suspending.OWN}, "changes nothing"),
        ({"answer": suspending.OWN, "changes": {"planing": 1}}, "unknown key"),
    ):
        with pytest.raises(ParamsError, match=says) as refused:
            suspending.read_form(project, asked, {**FILLED, **wrong})
        assert str(refused.value) in suspending.description(asked, str(refused.value))
    assert "waits until 2026-03-01 13:00 UTC" in suspending.description(asked)


def test_which_flow_run_waits_is_remembered_and_forgotten(project: Path) -> None:
    assert suspended(project) is None
    asked = asking()
    waits = Suspended(flow_run="f", run=asked.run, iteration=asked.iteration)
    point(project, waits)
    assert suspended(project) == waits
    assert waits.waits_for(asked)
    assert not waits.waits_for(asking(number=6))
    assert not waits.waits_for(None)
    forget(project)
    forget(project)
    assert suspended(project) is None
