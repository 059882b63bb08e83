"""The bound on failures: above the rate, falling with rows, honest where rows hang together; what is counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from stages.errors import ParamsError
from stages.training.failures import Failing, clopper_pearson, failure_bound
from stages.training.metrics import Scorer, bootstrap

LEVEL = 0.95
NAMES = ["coverage", "failure_rate", "failure_bound"]


def bound(wrong: Any, blocks: Any = None, answered: Any = None, level: float = LEVEL) -> float:
    everywhere = np.ones(len(wrong), dtype=bool)
    return failure_bound(wrong, everywhere if answered is None else answered, np.ones(len(wrong)), blocks, level)


@given(rows=st.integers(1, 500), share=st.floats(0, 1), level=st.floats(0.51, 0.999))
def test_it_is_the_exact_bound(rows: int, share: float, level: float) -> None:
    failed = int(share * rows)
    exact = binomtest(failed, rows, alternative="less").proportion_ci(level, method="exact").high
    assert clopper_pearson(failed, rows, level) == pytest.approx(exact)
    assert clopper_pearson(failed, rows, level) > failed / rows or failed == rows


@given(failed=st.integers(0, 20), rows=st.integers(21, 400), times=st.integers(2, 5))
def test_it_falls_with_rows_and_rises_with_failures_and_with_the_level(failed: int, rows: int, times: int) -> None:
    here = clopper_pearson(failed, rows, LEVEL)
    assert clopper_pearson(times * failed, times * rows, LEVEL) < here
    assert clopper_pearson(failed + 1, rows, LEVEL) > here
    assert clopper_pearson(failed, rows, 0.99) > here
    assert here > 0  # no failure shows that none will be


@settings(max_examples=50)
@given(data=st.data(), days=st.integers(5, 12), each=st.integers(2, 8))
def test_rows_that_hang_together_are_never_worth_more(data: st.DataObject, days: int, each: int) -> None:
    flags = st.lists(st.booleans(), min_size=days * each, max_size=days * each)
    wrong, answered = np.array(data.draw(flags)), np.array(data.draw(flags))
    blocks = np.repeat(np.arange(days), each)
    found = bound(wrong, blocks, answered)
    assert found >= bound(wrong, None, answered) - 1e-12
    assert (answered & wrong).sum() <= found * max(1, answered.sum()) + 1e-9


def test_it_holds_at_its_level_where_whole_days_fail() -> None:
    """Of 40 days with a failure rate of their own; rows taken for independent break their promise far more often."""
    blocks = np.repeat(np.arange(40), 50)
    broken, naive = 0, 0
    for seed in range(150):
        random = np.random.default_rng(seed)
        rate = random.beta(0.5, 4.5, 40)  # mean 0.1
        wrong = random.random(2000) < rate[blocks]
        broken += bound(wrong, blocks) < 0.1
        naive += bound(wrong) < 0.1
    assert broken / 150 < 0.09
    assert naive / 150 > 0.25


@pytest.mark.parametrize(("days", "each", "rate"), [(5, 60, 0.05), (15, 20, 0.02), (30, 20, 0.02)])
def test_it_holds_where_few_days_fail(days: int, each: int, rate: float) -> None:
    """An intraclass correlation of 0.2; without a least design effect it is broken in 19%, 21% and 15%."""
    blocks, broken = np.repeat(np.arange(days), each), 0
    random = np.random.default_rng(days)
    for _ in range(400):
        chance = random.beta(4 * rate, 4 * (1 - rate), days)
        broken += bound(random.random(days * each) < chance[blocks], blocks) < rate
    assert broken / 400 < 0.08


@pytest.mark.parametrize("each", [2, 20, 2000])
def test_the_first_failure_never_makes_it_fall_and_many_failing_days_speak_for_themselves(each: int) -> None:
    blocks = np.repeat(np.arange(60), each)
    found = []
    for failing in range(60):
        wrong = np.zeros(60 * each, dtype=bool)
        wrong[: failing * each : each] = True  # one a day
        found.append(bound(wrong, blocks))
    assert found[1:11] == sorted(found[1:11]) and found[1] >= found[0]
    assert found[40] == pytest.approx(clopper_pearson(40, 60 * each, LEVEL), rel=0.05)


def test_too_few_blocks_do_not_tell_and_nothing_answered_is_no_promise() -> None:
    wrong = np.zeros(40, dtype=bool)
    assert np.isnan(bound(wrong, np.repeat(np.arange(4), 10)))
    assert bound(wrong, answered=wrong) == 1.0


def scorer(n: int = 400, **more: Any) -> Scorer:
    random = np.random.default_rng(0)
    chance = random.random(n)
    target = (random.random(n) < chance).astype(float)
    return Scorer("classification", target, np.c_[1 - chance, chance], np.array([0.5, 0.5]), **more)


def test_answers_alone_are_counted_and_other_metrics_are_of_all_rows() -> None:
    certain = np.abs(scorer().prediction[:, 1] - 0.5) > 0.3
    every, some = scorer(), scorer(answered=certain)
    whole, part = (found.score([*NAMES, "accuracy", "log_loss"]) for found in (every, some))
    assert (whole["accuracy"], whole["log_loss"]) == (part["accuracy"], part["log_loss"])
    assert whole["failure_rate"] == pytest.approx(1 - whole["accuracy"]) and whole["coverage"] == 1
    assert part["coverage"] == certain.mean() and part["failure_rate"] < whole["failure_rate"] / 2
    for found in (whole, part):
        assert found["failure_rate"] < found["failure_bound"]


@pytest.mark.parametrize("blocked", [False, True])
def test_a_resample_counts_as_the_rows_it_holds(blocked: bool) -> None:
    blocks = np.repeat(np.arange(40), 10) if blocked else None
    times = np.random.default_rng(1).integers(0, 3, 40)
    weight = times[np.repeat(np.arange(40), 10)].astype(float)
    rows = np.repeat(np.arange(400), weight.astype(int))
    one = scorer(blocks=blocks)
    # Every copy of a block is a block of its own.
    copies = np.concatenate([np.tile(np.arange(10) + 10 * block, count) for block, count in enumerate(times)])
    named = np.repeat(np.arange(len(copies) // 10), 10) if blocked else None
    other = Scorer(one.task, one.target[copies], one.prediction[copies], one.constant, named)
    assert len(rows) == len(copies)
    assert one.score(NAMES, weight) == pytest.approx(other.score(NAMES))
    figures = bootstrap(one, NAMES, n=50, level=0.95, seed=0)
    assert figures["failure_bound"]["low"] < figures["failure_bound"]["high"]  # type: ignore[operator]


def test_a_regression_fails_beyond_its_tolerance_and_says_so_without_one() -> None:
    target = np.arange(100.0)
    off = Scorer("regression", target, target + np.where(target < 10, 3.0, 0.5), np.array([50.0]))
    with pytest.raises(ParamsError, match=r"planning\.answering\.tolerance: is empty"):
        off.score(["failure_rate"])
    within = Scorer("regression", target, off.prediction, off.constant, failing=Failing(tolerance=1.0))
    assert within.score(["failure_rate"])["failure_rate"] == 0.1
