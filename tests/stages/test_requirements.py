"""How far a requirement is missed: the sign is the verdict, the interval is in order, the unknown cannot be told."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.params import Requirement
from stages.requirements import shortfall, worst
from stages.signals import verdict

FIGURES = st.floats(-1e3, 1e3)


@given(FIGURES, st.tuples(FIGURES, FIGURES, FIGURES).map(sorted), st.booleans())
def test_it_is_positive_when_the_requirement_is_missed(bound: float, ends: list[float], at_least: bool) -> None:
    required = Requirement(**{"at_least" if at_least else "at_most": bound})
    low, value, high = ends
    found, least, most = shortfall(required, {"value": value, "low": low, "high": high})
    assert least <= found <= most
    assert required.met_by(value) == (found <= 0)


def test_it_is_a_share_of_the_bound() -> None:
    figure = {"value": 0.6, "low": 0.5, "high": 0.9}
    assert shortfall(Requirement(at_least=0.8), figure) == pytest.approx((0.25, -0.125, 0.375))
    assert shortfall(Requirement(at_most=0.5), figure) == pytest.approx((0.2, 0.0, 0.8))
    assert shortfall(Requirement(at_least=0.0), figure) == pytest.approx((-0.6, -0.9, -0.5))


def test_the_unknown_misses_and_cannot_be_told() -> None:
    value, low, high = shortfall(Requirement(at_least=0.8), {"value": None, "low": None, "high": None})
    assert value == 1.0
    assert verdict(low, high, 0.0, "above") is None
    assert verdict(*worst([(value, low, high), (0.5, 0.4, 0.6)])[1:], 0.0, "above") is None


def test_the_worst_is_the_largest_with_an_interval_for_all() -> None:
    assert worst([(0.1, 0.0, 0.2), (-0.1, -0.4, 0.3)]) == (0.1, 0.0, 0.3)
    assert worst([]) == (0.0, 0.0, 0.0)
    assert not math.isnan(worst([(0.0, 0.0, 0.0)])[0])
