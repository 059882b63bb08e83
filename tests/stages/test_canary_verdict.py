"""Laws of the verdict on a canary, of the rows that it needs, and of the draw."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stages.production.beside import takes
from stages.production.canary_rows import representative
from stages.production.canary_verdict import CANNOT_TELL, INFERIOR, NOT_INFERIOR, more_rows, verdict
from stages.training.metrics import Figure

small = st.floats(-1, 1)
ORDER = [INFERIOR, CANNOT_TELL, NOT_INFERIOR]
UNKNOWN: Figure = {"value": None, "low": None, "high": None}


@st.composite
def gains(draw: st.DrawFn) -> Figure:
    low, value, high = sorted(draw(st.lists(small, min_size=3, max_size=3)))
    return {"value": value, "low": low, "high": high}


@given(gains(), st.floats(1e-6, 1), st.floats(1e-6, 1))
def test_who_may_be_worse_by_more_is_judged_no_harder(gain: Figure, one: float, other: float) -> None:
    strict, wide = sorted([one, other])
    assert ORDER.index(verdict(gain, strict)) <= ORDER.index(verdict(gain, wide))


@given(gains(), st.floats(0, 0.5), st.floats(1e-6, 1))
def test_a_better_model_is_judged_no_worse_and_a_wider_interval_tells_no_more(
    gain: Figure, more: float, margin: float
) -> None:
    value, low, high = (gain[name] or 0.0 for name in ("value", "low", "high"))
    better: Figure = {"value": value + more, "low": low + more, "high": high + more}
    assert ORDER.index(verdict(better, margin)) >= ORDER.index(verdict(gain, margin))
    wider: Figure = {"value": value, "low": low - more, "high": high + more}
    assert verdict(wider, margin) in (CANNOT_TELL, verdict(gain, margin))


@given(gains(), st.floats(1e-3, 1), st.integers(20, 10_000), st.floats(0.5, 0.99))
def test_more_rows_are_asked_for_just_where_the_rows_cannot_tell(
    gain: Figure, margin: float, rows: int, level: float
) -> None:
    more = more_rows(gain, margin, rows, level)
    if verdict(gain, margin) != CANNOT_TELL:
        assert more == 0
    else:
        assert more is None or more >= 1
        stronger = more_rows(gain, margin, rows, level, power=0.95)
        assert more is None or stronger is None or stronger >= more


@given(st.floats(-0.05, 0.05), st.floats(0.001, 0.2), st.integers(20, 10_000))
def test_with_the_rows_that_it_asks_for_it_tells_where_nothing_else_changes(
    value: float, half: float, rows: int
) -> None:
    margin, level = 0.03, 0.95
    gain: Figure = {"value": value, "low": value - half, "high": value + half}
    more = more_rows(gain, margin, rows, level)
    assume(more)
    shorter = half * math.sqrt(rows / (rows + (more or 0)))
    truth = min(value, 0.0)
    later: Figure = {"value": truth, "low": truth - shorter, "high": truth + shorter}
    assert verdict(later, margin) != CANNOT_TELL


def test_what_is_not_known_tells_nothing_and_on_the_margin_no_rows_do() -> None:
    assert verdict(UNKNOWN, 0.1) == CANNOT_TELL
    assert more_rows(UNKNOWN, 0.1, 10, 0.95) is None
    assert more_rows({"value": -0.1, "low": -0.2, "high": 0.0}, 0.1, 100, 0.95) is None


def test_the_power_is_what_it_is_said_to_be() -> None:
    """Of normal samples as large as asked for, four of five tell, the two being equal."""
    deviation, margin = 1.0, 0.05
    first = 1000
    half = 1.96 * deviation / math.sqrt(first)
    rows = first + (more_rows({"value": 0.0, "low": -half, "high": half}, margin, first, 0.95) or 0)
    means = np.random.default_rng(0).normal(0, deviation / math.sqrt(rows), 4000)
    ends = 1.96 * deviation / math.sqrt(rows)
    told = [verdict({"value": mean, "low": mean - ends, "high": mean + ends}, margin) for mean in means]
    assert told.count(NOT_INFERIOR) / len(told) == pytest.approx(0.8, abs=0.02)


@given(st.text(), st.text(), st.floats(0, 1), st.floats(0, 1))
def test_a_thing_stays_on_its_side_and_who_is_drawn_stays_drawn(name: str, salt: str, one: float, other: float) -> None:
    less, more = sorted([one, other])
    assert takes(name, salt, less) == takes(name, salt, less)
    assert takes(name, salt, more) or not takes(name, salt, less)
    assert not takes(name, salt, 0.0)
    assert takes(name, salt, 1.0)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
def test_the_share_is_drawn_and_by_another_salt_anew(share: float) -> None:
    drawn = np.array([[takes(str(number), salt, share) for number in range(5000)] for salt in ("a", "b")])
    four = 4 * math.sqrt(share * (1 - share) / 5000)
    assert np.abs(drawn.mean(axis=1) - share).max() < four
    assert abs((drawn[0] & drawn[1]).mean() - share**2) < four


@given(st.lists(st.booleans(), min_size=10, max_size=60), st.floats(0.02, 0.98))
def test_labelled_rows_stand_for_all_rows(answered: list[bool], share: float) -> None:
    flags = np.array(answered)
    worth, why = representative(flags, share)
    assert bool(why) == (min(flags.sum(), (~flags).sum()) < 5)
    if not why:
        assert worth.mean() == pytest.approx(1)
        assert worth[flags].sum() / worth.sum() == pytest.approx(share)
    assert representative(flags, None)[0].tolist() == [1.0] * len(flags)
