"""What is worth a label, and what labels bring: laws of the ranking, the slices, the lots and the slopes."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stages.data.labels.log import Reviewed
from stages.flywheel.growth import growth, periods_of, slope
from stages.flywheel.judging import learned_labels, production
from stages.flywheel.marginal import widened
from stages.flywheel.ranking import Likeness, fused, ranked
from stages.flywheel.slices import Condition, find_slices
from stages.flywheel.worth import answer
from stages.production.lots import frontier, lot_of
from tests.stages.test_reviewed import reviewed

FEATURES = {"a": "number", "b": "category"}
SCORES = arrays(
    np.float64, st.tuples(st.integers(1, 20), st.integers(1, 4)), elements=st.sampled_from([0, 0.2, 0.5, 1])
)


@st.composite
def pools(draw: st.DrawFn) -> tuple[np.ndarray, pd.DataFrame, np.ndarray]:
    """Return relevance, features and lots of some rows, many of them alike."""
    rows = draw(st.integers(1, 25))
    a = draw(st.lists(st.sampled_from([0.0, 1.0, 2.5, np.nan]), min_size=rows, max_size=rows))
    b = draw(st.lists(st.sampled_from(["x", "y", None]), min_size=rows, max_size=rows))
    relevance = draw(arrays(np.float64, rows, elements=st.sampled_from([0.0, 0.01, 0.02, 0.03])))
    frame = pd.DataFrame({"a": a, "b": pd.Series(b, dtype="str")})
    return relevance, frame, np.array([lot_of(f"{number * 7919 % 65536:04x}" + "0" * 20) for number in range(rows)])


@given(SCORES)
def test_what_speaks_for_a_row_grows_with_each_score(scores: np.ndarray) -> None:
    found = fused(scores)
    assert ((found > 0) == (scores > 0).any(axis=1)).all()
    order = np.random.default_rng(0).permutation(len(scores))
    assert fused(scores[order]) == pytest.approx(found[order])
    for one in range(len(scores)):
        for other in range(len(scores)):
            if (scores[one] >= scores[other]).all():
                assert found[one] >= found[other] - 1e-12


@given(pools(), st.integers(1, 30), st.floats(0.05, 0.95))
def test_no_two_alike_are_asked_and_the_order_of_rows_decides_nothing(
    pool: tuple[np.ndarray, pd.DataFrame, np.ndarray], count: int, weight: float
) -> None:
    relevance, frame, lots = pool
    found = ranked(relevance, frame, FEATURES, lots, count, weight)
    told = frame.iloc[found].astype(object).where(frame.iloc[found].notna(), "gone")
    assert not told.duplicated().any()
    useful = frame[relevance > 0]
    assert len(found) == min(count, len(useful.drop_duplicates()))
    assert all(relevance[at] > 0 for at in found)
    if found:
        assert relevance[found[0]] == relevance.max()
    order = np.random.default_rng(1).permutation(len(frame))
    again = ranked(relevance[order], frame.iloc[order].reset_index(drop=True), FEATURES, lots[order], count, weight)
    assert [int(order[at]) for at in again] == found
    assert ranked(relevance, frame, FEATURES, lots, count + 3, weight)[: len(found)] == found  # more is more


def test_a_group_of_copies_does_not_crowd_out_the_rest() -> None:
    random = np.random.default_rng(0)
    crowd = pd.DataFrame({"a": random.normal(0, 0.01, 50), "b": "x"})
    others = pd.DataFrame({"a": random.normal(5, 3, 50), "b": "y"})
    frame = pd.concat([crowd, others], ignore_index=True)
    relevance = np.r_[np.full(50, 1.0), np.full(50, 0.8)]
    found = ranked(relevance, frame, FEATURES, random.random(100), 10, 0.5)
    assert sum(at >= 50 for at in found) >= 3
    assert all(at < 50 for at in ranked(relevance, frame, FEATURES, random.random(100), 10, 0.999))


def test_a_missing_value_is_like_another_missing_one_alone() -> None:
    frame = pd.DataFrame({"a": [np.nan, np.nan, 0.0, 1.0], "b": ["x", "x", "x", "x"]})
    assert Likeness(frame, FEATURES).to(0).tolist() == [1.0, 1.0, 0.5, 0.5]


def sliced(seed: int, rows: int = 600, harm: float = 0.0) -> tuple[pd.DataFrame, np.ndarray]:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"a": random.normal(size=rows), "b": random.choice(["x", "y", "z"], rows), "c": random.choice(["u", "v"], rows)}
    ).assign(d=random.normal(size=rows))
    hard = (frame["b"] == "y") & (frame["a"] > 0)
    return frame, random.exponential(1.0, rows) + harm * hard.to_numpy()


KINDS = {"a": "number", "b": "category", "c": "category", "d": "number"}


def test_a_hard_slice_is_found_and_confirmed_on_other_rows() -> None:
    frame, losses = sliced(0, harm=1.5)
    found = find_slices(frame, losses, KINDS, None, min_rows=20, level=0.95, seed=0)
    best = found[0]
    assert best.confirmed
    assert "b = y" in best.says
    assert best.low is not None
    assert best.high is not None
    inside = best.holds(frame)
    assert inside.sum() == best.rows + best.found_on
    assert 0 < best.low <= (losses[inside].mean() - losses[~inside].mean()) / losses.mean() <= best.high
    assert find_slices(frame, losses, KINDS, None, min_rows=20, level=0.95, seed=0) == found


def test_no_slice_is_confirmed_where_there_is_none() -> None:
    """On the rows that it was found on the worst slice always looks bad; on the others one in twenty may by chance."""
    confirmed = bad = 0
    for seed in range(60):
        frame, losses = sliced(seed, rows=300)
        found = find_slices(frame, losses, KINDS, None, min_rows=15, level=0.95, seed=seed)
        bad += bool(found)
        confirmed += any(item.confirmed for item in found)
    assert bad > 50
    assert confirmed <= 6


def test_blocks_lie_in_one_half_and_few_of_them_confirm_nothing() -> None:
    frame, losses = sliced(3, harm=2.0)
    blocks = np.arange(600, dtype=np.intp) // 75  # 8 blocks, 4 in a half
    assert not any(
        item.confirmed for item in find_slices(frame, losses, KINDS, blocks, min_rows=20, level=0.95, seed=0)
    )
    many = np.arange(600, dtype=np.intp) // 10
    assert any(item.confirmed for item in find_slices(frame, losses, KINDS, many, min_rows=20, level=0.95, seed=0))


def test_too_few_rows_or_no_loss_give_no_slice() -> None:
    frame, losses = sliced(0, rows=50)
    assert find_slices(frame, losses, KINDS, None, min_rows=20, level=0.95, seed=0) == []
    frame, losses = sliced(0)
    assert find_slices(frame, np.zeros(600), KINDS, None, min_rows=20, level=0.95, seed=0) == []


def test_a_condition_says_what_it_holds_for() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0, np.nan], "b": ["x", None, "y"]})
    for condition, says, holds in (
        (Condition("a", None, 1.0, 2.0), "a > 1 and ≤ 2", [False, True, False]),
        (Condition("a", None, None, 1.5), "a ≤ 1.5", [True, False, False]),
        (Condition("a"), "a is missing", [False, False, True]),
        (Condition("b", "x"), "b = x", [True, False, False]),
    ):
        assert condition.says == says
        assert condition.holds(frame).tolist() == holds


def test_lots_are_uniform_and_stay() -> None:
    import hashlib

    lots = [lot_of(hashlib.sha256(str(number).encode()).hexdigest()[:24]) for number in range(4000)]
    assert 0 <= min(lots) < max(lots) < 1
    assert np.histogram(lots, 10, (0, 1))[0] == pytest.approx(np.full(10, 400), rel=0.2)


def test_the_random_sample_is_right_where_a_list_of_draws_would_not_be() -> None:
    """People label what is unsure, at first; a draw from the rest would meet the sure rows only."""
    random = np.random.default_rng(0)
    wrong, lots = random.random(20_000) < 0.1, random.random(20_000)
    unsure = wrong | (random.random(20_000) < 0.1)
    labelled = unsure & (random.random(20_000) < 0.7)
    rest = np.flatnonzero(~labelled)
    asked = rest[np.argsort(lots[rest])[:1000]]
    upto = lots[asked].max()
    sample = lots <= upto
    assert (labelled | np.isin(np.arange(20_000), asked))[sample].all()  # all of it has a label by now
    assert wrong[sample].mean() == pytest.approx(0.1, abs=0.025)
    assert wrong[asked].mean() < 0.05  # what was drawn from the rest


def line(name: str, lot: float, drawn: Any = "") -> Reviewed:
    return reviewed(name, lot=lot, drawn=drawn)


def test_what_a_model_may_have_learned_from_does_not_judge_it() -> None:
    labels = [line("p0", 0.3), line("p1", 0.1), line("p2", 0.2, "random"), line("p3", 0.4, "random")]
    assert frontier(labels[:2]) is None
    assert frontier(labels) == 0.4
    rows = pd.DataFrame(
        {
            "review.id": ["p0", "p1", "p2", "p3"],
            "review.first": [0, 1, 2, 3],
            "review.place": "judges",
            "review.drawn": ["", "", "random", "random"],
        }
    )

    def ids(*learned: int) -> list[str]:
        return production(rows, labels, learned)["random"]["review.id"].tolist()

    assert ids(0) == ["p0", "p1", "p2", "p3"]
    assert ids(2) == ["p2", "p3"]  # p0 and p1 were trained on, as nothing was drawn yet
    assert ids(3) == ["p1", "p2", "p3"]  # up to 0.2 they judged by then; p0 was trained on
    assert ids(2, 3) == ["p2", "p3"]
    assert ids(4) == ["p0", "p1", "p2", "p3"]  # p0 judges from then on, for models that began with four labels


def test_a_release_may_stand_on_any_number_of_labels_before_it() -> None:
    record = [(number, {"labels": {"reviewed": {"labels": count}}}) for number, count in ((1, 0), (2, 5), (5, 9))]
    assert learned_labels(record, 4) == {0, 5}
    assert learned_labels(record, 9) == {0, 5, 9}
    assert learned_labels([(1, {})], 9) is None


def days(*counts: int) -> dict[dt.date, int]:
    first = dt.date(2026, 1, 1)
    return {first + dt.timedelta(days=at): count for at, count in enumerate(counts) if count}


def test_more_use_with_more_labels_is_told_and_few_days_are_not() -> None:
    made = days(*range(10, 40, 2))
    came = [day for day, count in made.items() for _ in range(count // 5)]
    found = growth(made, came, 0.95)
    assert found["unit"] == "day"
    assert found["predictions"]["value"] == pytest.approx(2.0)
    assert found["yes"] is True
    assert found["by_use"]["low"] > 0
    few = growth(days(5, 6, 7), [], 0.95)
    assert (few["yes"], few["labels"]["value"]) == (None, None)
    assert "8 tell a slope" in few["says"]
    assert growth({}, [], 0.95)["says"].startswith("0 predictions")


def test_labels_that_do_not_come_are_no_flywheel() -> None:
    assert growth(days(*range(10, 40, 2)), [], 0.95)["yes"] is False


@given(st.lists(st.integers(0, 5), min_size=1, max_size=80), st.lists(st.integers(-5, 90), max_size=20))
@settings(max_examples=50)
def test_only_what_came_in_a_week_that_goes_on_is_left_out(counts: list[int], when: list[int]) -> None:
    made, came = days(*counts), [dt.date(2026, 1, 1) + dt.timedelta(days=at) for at in when]
    periods, unit = periods_of(made, came)
    total = sum(item["predictions"] for item in periods), sum(item["labels"] for item in periods)
    if not made:
        assert periods == []
    elif unit == "day":
        assert total == (sum(counts), len(came))
    else:
        assert len(periods) >= 8
        assert total[0] <= sum(counts)


def test_a_slope_that_one_day_cannot_turn() -> None:
    x = np.arange(20, dtype=float)
    y = 2 * x
    y[-1] = 1e6
    found = slope(x, y, 0.95)
    assert found["value"] == pytest.approx(2.0)
    assert slope(np.ones(20), y, 0.95)["value"] is None


def test_a_better_model_without_a_better_outcome_is_a_no() -> None:
    def step(metric: float, outcome: float) -> dict[str, Any]:
        def ends(value: float) -> dict[str, float]:
            return {"value": value, "low": value - 1, "high": value + 1}

        return {"metric_gain": ends(metric), "outcome_gain": ends(outcome)}

    assert answer([]) is None
    assert answer([step(2, 2)]) is True
    assert answer([step(2, -2), step(0, 5)]) is False
    assert answer([step(2, 2), step(2, -2)]) is None
    assert answer([step(2, 0)]) is None


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 2))
def test_another_error_widens_an_interval_by_its_square(value: float, below: float, above: float, error: float) -> None:
    found = widened({"value": value, "low": value - below, "high": value + above}, error)
    low, high = found["low"], found["high"]
    assert low is not None
    assert high is not None
    assert low <= value - max(below, error) + 1e-9
    assert high >= value + max(above, error) - 1e-9
    assert high - low <= below + above + 2 * error + 1e-9
    assert widened({"value": value, "low": None, "high": None}, error)["low"] is None
    assert widened({"value": value, "low": value, "high": value}, float("nan"))["high"] is None
