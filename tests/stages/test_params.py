"""What params.yaml may hold: values that cannot be meant are refused with their key."""

from __future__ import annotations

import math
from typing import Any

import pytest

from flows import patching
from stages.errors import ParamsError
from stages.params import check_params, read_params
from stages.planning.charter import check_plan
from tests.conftest import ROOT

SCOPE = "data.collect.scope"
NO_CELLS: list[Any] = [{}, [1], None, math.nan]


def checked(key: str, value: Any) -> None:
    check_plan(check_params(patching.patched(read_params(ROOT), {key: value})).planning)


@pytest.mark.parametrize(
    ("key", "value", "where"),
    [
        *(
            (SCOPE, [{"column": "c", side: odd}], f"{SCOPE}.0.{side}")
            for side in ("at_least", "at_most")
            for odd in (math.nan, math.inf)
        ),
        *((SCOPE, [{"column": "c", "values": ["a", odd]}], f"{SCOPE}.0: values") for odd in NO_CELLS),
        *(("planning.answering.max_error", odd, "planning.answering.max_error") for odd in (0, 1e-17, 1, math.nan)),
        *(("planning.answering.level", odd, "planning.answering.level") for odd in (0.5, 0.9999999999999999, 1)),
        *(("planning.answering.tolerance", odd, "planning.answering.tolerance") for odd in (0, math.inf, math.nan)),
        *(("deployment.log.url_env", odd, "deployment.log.url_env") for odd in ("", "A B", "a=b")),
        *(("planning.replaces", odd, "planning.replaces") for odd in (":", "a:", ":f", "x:y:z", "../x:f", "a.:f")),
        *(
            ("planning.requirements", {"recall": {side: odd}}, f"planning.requirements.recall.{side}")
            for side in ("at_least", "at_most")
            for odd in (math.nan, -math.inf)
        ),
        ("planning.requirements", {"coverage": {"at_least": 2}}, "planning.requirements.coverage"),
        ("planning.requirements", {"failure_rate": {"at_least": 0.5}}, "planning.requirements.failure_rate"),
        ("planning.budgets.minutes", math.inf, "planning.budgets.minutes"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_key(key: str, value: Any, where: str) -> None:
    with pytest.raises(ParamsError) as refused:
        checked(key, value)
    assert f"params.yaml: {where}" in str(refused.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (SCOPE, [{"column": "c", "values": ["a", 1, 0.5, True]}, {"column": "d", "at_least": -1e9}]),
        ("planning.answering", {"max_error": 1e-6, "level": 0.999999, "tolerance": 1e9}),
        ("planning.replaces", "package.module:Class.method"),
        ("planning.replaces", "what the software says"),
        ("deployment.log.url_env", "SHOP_URL"),
    ],
)
def test_what_can_be_meant_is_taken(key: str, value: Any) -> None:
    checked(key, value)
