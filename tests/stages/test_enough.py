"""How many rows a pilot needs: the laws of the number, and what an unsure pilot may do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stages.data.blocks import MIN_BLOCKS
from stages.deployment.enough import Size, gained, half_width, judged, pilot_unsure, rows_needed
from stages.params import Pilot
from stages.training.intervals import MIN_ROWS
from stages.training.metrics import Scorer, bootstrap

LEVEL, POWER = 0.95, 0.8
PLENTY = Size(1000, 1000, blocks=False)
small = st.floats(1e-3, 10)
sizes = st.builds(
    lambda units, each, blocks: Size(units * (each if blocks else 1), units, blocks),
    st.integers(1, 5000),
    st.integers(1, 50),
    st.booleans(),
)


def entry(value: float, half: float, bound: float, side: str = "at_least") -> dict[str, Any]:
    return {
        "metric": "roc_auc",
        "value": value,
        "low": value - half,
        "high": value + half,
        "bound": bound,
        "side": side,
    }


@given(size=sizes, half=small, distances=st.tuples(small, small))
def test_the_rows_needed_fall_as_the_distance_grows(size: Size, half: float, distances: tuple[float, float]) -> None:
    near, far = sorted(distances)
    more, fewer = rows_needed(size, near, half), rows_needed(size, far, half)
    assert more is not None and fewer is not None
    assert more >= fewer >= size.rows * size.least / max(size.units, size.least) * (size.units < size.least)
    assert rows_needed(size, 0.0, half) is None and rows_needed(size, -far, half) is None


@given(
    value=st.floats(0.71, 0.99),
    half=st.floats(0.001, 0.3),
    bound=st.floats(0.5, 0.7),
    margins=st.tuples(*[st.floats(0, 1)] * 2),
)
def test_a_wider_margin_never_asks_for_more(
    value: float, half: float, bound: float, margins: tuple[float, float]
) -> None:
    strict, wide = (judged(entry(value, half, bound), 0.5, PLENTY, margin) for margin in sorted(margins))
    assert strict["told"] <= wide["told"]
    assert (strict["rows_needed"] or 10**9) >= (wide["rows_needed"] or 10**9)
    assert strict["told"] or strict["rows_needed"] is None or strict["rows_needed"] > 2 * PLENTY.rows


@given(value=st.floats(-5, 5), half=st.floats(0.01, 2), bound=st.floats(-5, 5), size=sizes, margin=st.floats(0, 1))
def test_both_sides_of_a_bound_are_judged_alike(
    value: float, half: float, bound: float, size: Size, margin: float
) -> None:
    up = judged(entry(value, half, bound), -10.0, size, margin)
    down = judged(entry(-value, half, -bound, "at_most"), 10.0, size, margin)
    assert (up["told"], up["rows_needed"]) == (down["told"], down["rows_needed"])
    assert up["least"] == pytest.approx(-down["least"])


@given(
    units=st.integers(0, 60),
    blocks=st.booleans(),
    unsure=st.sampled_from(["by_source", "wait", "release"]),
    waits=st.booleans(),
    margin=st.floats(0, 1),
    missed=st.booleans(),
)
def test_a_pilot_without_an_interval_always_holds_up_the_release(
    units: int, blocks: bool, unsure: Any, waits: bool, margin: float, missed: bool
) -> None:
    """Whatever the params say; a missed requirement does that by itself."""
    size = Size(units, units, blocks)
    signal = pilot_unsure([], size, Pilot(unsure=unsure, margin=margin), waits=waits, missed=missed)
    assert signal.fires is (not missed and units < (MIN_BLOCKS if blocks else MIN_ROWS))
    assert signal.evidence["interval"] is size.tells


def test_one_row_is_no_pilot_however_right_it_is() -> None:
    scorer = Scorer("classification", np.array([1.0]), np.array([[0.0, 1.0]]), np.array([0.5, 0.5]))
    found = bootstrap(scorer, ["accuracy"], n=50, level=LEVEL, seed=0)["accuracy"]
    assert found == {"value": 1.0, "low": 1.0, "high": 1.0}
    one = Size.of(1, None, LEVEL, POWER)
    item = judged({"metric": "accuracy", **found, "bound": 0.6, "side": "at_least"}, 0.5, one, 1.0)
    signal = pilot_unsure([item], one, Pilot(unsure="release", margin=1.0), waits=False)
    assert not item["told"] and signal.fires is True
    assert "1 row, too few for any interval; 20 rows are needed at least" in signal.says
    assert signal.evidence["pilot_needs"] == MIN_ROWS


@pytest.mark.parametrize(("rows", "told"), [(20, False), (35, False), (36, True)])
def test_rows_without_exception_are_not_taken_for_certainty(rows: int, told: bool) -> None:
    """All right of n: the rule of three still allows for a share of 3.7 / n that is wrong."""
    item = {"metric": "accuracy", "value": 1.0, "low": 1.0, "high": 1.0, "bound": 0.95, "side": "at_least"}
    assert judged(item, 0.85, Size(rows, rows, blocks=False), 0.5)["told"] is told


def test_the_number_of_rows_tells_as_often_as_it_promises() -> None:
    """Pilots of the size that is asked for rule out what is to be ruled out in about 80 of 100 cases."""
    random, truth, bound, margin = np.random.default_rng(0), 0.75, 0.7, 0.5

    def piloted(rows: int) -> dict[str, Any]:
        right = random.random(rows) < truth
        draws = random.binomial(rows, right.mean(), 400) / rows
        low, high = np.quantile(draws, [0.025, 0.975])
        item = {"metric": "accuracy", "value": float(right.mean()), "low": low, "high": high, "bound": bound}
        return judged({**item, "side": "at_least"}, 0.5, Size(rows, rows, blocks=False), margin)

    first = np.median([piloted(60)["rows_needed"] or np.inf for _ in range(200)])
    told = np.mean([piloted(int(first))["told"] for _ in range(300)])
    assert 0.7 < told < 0.92


def test_what_it_says_names_rows_and_blocks() -> None:
    size = Size(31, 31, blocks=False)
    item = judged(
        {"metric": "roc_auc", "value": 0.71, "low": 0.52, "high": 0.88, "bound": 0.7, "side": "at_least"},
        0.5,
        size,
        0.5,
    )
    signal = pilot_unsure([item], size, Pilot(), waits=True)
    assert signal.fires is True
    assert signal.says == (
        "the pilot has 31 rows; about 220 are needed to tell roc_auc 0.71 (0.52 … 0.88) from the required at least "
        "0.7, to rule out 0.6"
    )
    days = Size(2000, 10, blocks=True)
    told = pilot_unsure([{**item, "rows_needed": 4000}], days, Pilot(), waits=True).says
    assert "2,000 rows in 10 blocks that hang together; about 4,000 in 20 blocks that hang together are needed" in told
    left = pilot_unsure([item], size, Pilot(unsure="release"), waits=False)
    assert left.fires is False and left.evidence["unsure"] == [signal.says]


@given(value=st.floats(-1, 1), half=st.floats(0.001, 1), beyond=st.floats(0, 0.5))
def test_a_gain_is_told_only_when_all_of_its_interval_lies_beyond(value: float, half: float, beyond: float) -> None:
    found = gained("gain", {"value": value, "low": value - half, "high": value + half}, beyond, PLENTY)
    assume(abs(value - half - beyond) > 0.01 * half)
    assert found["told"] is (value - half > beyond)
    assert value == beyond or abs(value - beyond) < 1e-5 or found["rows_needed"] is not None


def test_a_gain_on_the_wrong_side_takes_as_many_rows_to_be_told_as_one_on_the_right() -> None:
    up, down = (gained("gain", {"value": v, "low": v - 0.2, "high": v + 0.2}, 0.0, PLENTY) for v in (0.1, -0.1))
    assert up["rows_needed"] == down["rows_needed"] == rows_needed(PLENTY, 0.1, half_width(PLENTY, up, larger=True))
    assert not up["told"] and not down["told"]


@given(units=st.integers(MIN_ROWS, 500))
def test_fewer_units_make_an_interval_wider(units: int) -> None:
    item = {"value": 0.8, "low": 0.7, "high": 0.9}
    wide, narrow = (half_width(Size(n, n, blocks=False), item, larger=True) for n in (units, units + 50))
    assert wide > narrow > 0.1
