"""What holds for every signal, whatever it measures."""

from __future__ import annotations

import copy
import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.signals import Signal
from tests.stages.signal_cases import Case, every_case

CASES = [pytest.param(case, id=case.signal) for case in every_case()]
pytestmark = pytest.mark.parametrize("case", CASES)


MEASURED: dict[tuple[int, float, int], Signal] = {}  # what several laws look at is measured once


def measure(case: Case, severity: float, seed: int = 0) -> Signal:
    key = (id(case), severity, seed)
    if key not in MEASURED:
        MEASURED[key] = afresh(case, severity, seed)
    return MEASURED[key]


def afresh(case: Case, severity: float, seed: int = 0, rows: int | None = None) -> Signal:
    return case.measure(**case.make(severity, rows or case.rows, seed))


def test_it_is_a_whole_signal(case: Case) -> None:
    for severity in case.severities:
        signal = measure(case, severity)
        assert signal.name == case.signal
        assert signal.says
        assert Signal.model_validate_json(signal.model_dump_json()) == signal  # no NaN: JSON has none
        if signal.value is not None and signal.low is not None and signal.high is not None:
            assert signal.low <= signal.value <= signal.high


def test_it_fires_at_the_highest_severity_and_not_without_a_fault(case: Case) -> None:
    for seed in range(3):
        assert measure(case, case.severities[0], seed).fires is not True
        assert measure(case, case.severities[-1], seed).fires is True


def test_it_is_monotone_in_severity(case: Case) -> None:
    values = [measure(case, severity).value for severity in case.severities]
    known = [value for value in values if value is not None]
    sign = 1 if measure(case, case.severities[-1]).direction == "above" else -1
    assert known[-1] == values[-1]
    assert all(sign * later >= sign * earlier for earlier, later in itertools.pairwise(known)), values


def test_it_is_deterministic(case: Case) -> None:
    assert afresh(case, case.severities[-1]) == measure(case, case.severities[-1])


def test_it_cannot_tell_on_a_handful_of_rows(case: Case) -> None:
    if case.tiny is None:
        pytest.skip("a count is exact on any number of rows")
    assert afresh(case, case.severities[-1], rows=case.tiny).fires is None


def test_it_leaves_its_input_alone(case: Case) -> None:
    inputs = case.make(case.severities[-1], case.rows, 0)
    before = copy.deepcopy(inputs)
    case.measure(**inputs)
    assert inputs.keys() == before.keys()
    for name in inputs:
        assert same(inputs[name], before[name]), name


def same(one: Any, two: Any) -> bool:
    if isinstance(one, pd.DataFrame | pd.Series):
        return bool(one.equals(two))
    if isinstance(one, np.ndarray):
        return bool(np.array_equal(one, two, equal_nan=one.dtype.kind == "f"))
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(same, one, two))
    if isinstance(one, float) and math.isnan(one):
        return isinstance(two, float) and math.isnan(two)
    return bool(one == two) if isinstance(one, str | int | float | None) else True
