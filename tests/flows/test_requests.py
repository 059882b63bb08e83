"""Ways back asked for while a run is going: checked before they are written, taken once, in their order."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows import patching
from flows.decide import Move
from flows.people import requests
from flows.people.requests import Request
from stages.errors import ParamsError
from tests.flows.test_answers import line

SPLIT = {"data.split.copies": "drop"}


def asked(**changed: object) -> Request:
    return Request.model_validate({"stage": "data", "because": "so", "patch": SPLIT, "by": "Ann", **changed})


def test_a_request_is_checked_before_it_is_written(repository: Path) -> None:
    for wrong, says in (
        ({"stage": "released"}, "no stage 'released'; expected one of planning"),
        ({"because": " "}, "the reason is empty"),
        ({"patch": {}}, "changes nothing"),
        ({"patch": {"data.split.valid": 7}}, "data.split.valid: Input should be less than 1"),
        ({"patch": {"data.splt": 7}}, "do you mean"),
    ):
        with pytest.raises(ParamsError, match=says):
            requests.checked(repository, asked(**wrong))
    assert requests.checked(repository, asked(stage="deployment")).stage == "data", "which reads it"
    assert requests.checked(repository, asked(stage="planning")).stage == "planning"


def test_requests_wait_in_their_order_and_what_is_none_is_left_out(repository: Path) -> None:
    assert requests.pending(repository) == []
    first, second = asked(), asked(by="Bob")
    for request in (first, second):
        requests.put(repository, request)
    (repository / requests.FOLDER / "torn.json").write_text("{")
    assert requests.pending(repository) == [first, second]
    requests.remove(repository, first)
    requests.remove(repository, first)
    assert requests.pending(repository) == [second]


def test_a_request_in_the_record_is_not_taken_again() -> None:
    request = asked()
    said = line(3, Move(to="data", row="manual", reason="so", patch=SPLIT), [request.as_signal()])
    assert requests.taken([said], request)
    assert not requests.taken([said], asked())


def test_what_the_loop_did_meanwhile_is_a_refusal_in_words(repository: Path) -> None:
    assert requests.refusal(repository, asked()) is None
    patching.apply(repository, SPLIT)
    assert "changes nothing" in str(requests.refusal(repository, asked()))
