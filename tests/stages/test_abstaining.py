"""What is answered: the confidence keeps its promise on fresh rows, guardrails and prices leave rows to people."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.answering import OUT_OF_RANGE, UNSEEN, UNSURE, Policy, confidence, expected_cost, limits, reasons
from stages.files import read_json, write_json
from stages.params import Requirement
from stages.planning.outcome import by_prices, with_review
from stages.training.abstaining import (
    NOBODY,
    abstaining,
    at_errors,
    least_confidence,
    only,
    reachable,
    risk_coverage,
)
from stages.training.failures import rows_without_failure
from stages.training.metrics import Scorer
from stages.training.selection import by_metric
from stages.training.thresholds import sweep, threshold_to_abstain_from

NAMES = ["coverage", "failure_rate", "failure_bound"]


def world(rows: int, seed: int, noise: float = 0.005) -> Scorer:
    """A model that ranks well and is far too sure of itself."""
    random = np.random.default_rng(seed)
    logit = 3 * random.normal(size=rows)
    true = noise + (1 - 2 * noise) / (1 + np.exp(-logit))
    said = 1 / (1 + np.exp(-1.4 * logit))
    target = (random.random(rows) < true).astype(float)
    return Scorer("classification", target, np.c_[1 - said, said], np.array([0.5, 0.5]))


@pytest.mark.parametrize(("rows", "most"), [(300, 0.05), (1500, 0.05)])
def test_the_confidence_keeps_its_promise_on_fresh_rows(rows: int, most: float) -> None:
    fresh, times = world(20_000, 999), 100
    chosen = [least_confidence(world(rows, seed), most) for seed in range(times)]
    answering = [least for least in chosen if least < NOBODY]
    broken = sum((only(fresh, least).score(NAMES)["failure_rate"] > most) for least in answering)
    assert broken / times <= 0.05 + 2 * (0.05 * 0.95 / times) ** 0.5
    assert len(answering) > (0.1 if rows < 1000 else 0.5) * times


def hopeless_at_every_threshold(rows: int, seed: int) -> Scorer:
    """A model that is wrong in 10.5% of the rows, however sure it is and wherever it decides from."""
    random = np.random.default_rng(seed)
    said = random.random(rows)
    target = (random.random(rows) < np.where(said > 0.5, 0.895, 0.105)).astype(float)
    return Scorer("classification", target, np.c_[1 - said, said], np.array([0.5, 0.5]))


def test_the_promise_is_kept_where_the_threshold_is_chosen_on_the_same_rows() -> None:
    """The threshold that answers most breaks it in 15% of the trials."""
    times, broken, aim = 150, 0, by_metric("coverage", "classification")
    for seed in range(times):
        scorer = hopeless_at_every_threshold(200, seed)
        options = sweep(scorer, scorer.score(["coverage", "failure_rate"]))
        chosen = threshold_to_abstain_from(options, {"failure_rate": Requirement(at_most=0.1)}, aim)
        broken += least_confidence(replace(scorer, threshold=chosen), 0.1) < NOBODY  # whoever answers breaks it
    assert broken / times <= 0.05 + 2 * (0.05 * 0.95 / times) ** 0.5


def test_a_threshold_is_chosen_by_its_decisions_alone_where_a_confidence_follows() -> None:
    scorer = world(400, 0)
    options = sweep(scorer, scorer.score(["coverage", "failure_rate", "failure_bound", "recall"]))
    aim = by_metric("coverage", "classification")
    fewest_wrong = min(options, key=lambda at: options[at]["failure_rate"] or 0.0)
    lucky = {at: {**scores, "coverage": float(at == 0.5)} for at, scores in options.items()}
    wanted = {"failure_bound": Requirement(at_most=0.01), "coverage": Requirement(at_least=0.9)}
    assert threshold_to_abstain_from(options, wanted, aim) == fewest_wrong
    assert threshold_to_abstain_from(lucky, wanted, aim) == 0.5  # an aim of these scores stays the aim
    recall = threshold_to_abstain_from(options, {"recall": Requirement(at_least=0.97)}, aim)
    assert (options[recall]["recall"] or 0) >= 0.97


def test_rows_that_hang_together_keep_the_promise_too() -> None:
    """Days on which the model fails more, or less, by a rate of their own."""
    blocks, times, broken, answering = np.repeat(np.arange(30), 30), 30, 0, 0
    fresh = world(20_000, 999, noise=0.02)
    for seed in range(times):
        random, scorer = np.random.default_rng(seed), world(900, seed, noise=0.0)
        bad = random.random(900) < random.beta(0.1, 4.9, 30)[blocks]  # 2% of the rows
        scorer = replace(scorer, target=np.where(bad, 1 - scorer.target, scorer.target), blocks=blocks)
        least = least_confidence(scorer, 0.1)
        answering += least < NOBODY
        broken += least < NOBODY and only(fresh, least).score(NAMES)["failure_rate"] > 0.1
    assert broken / times <= 0.05 + 2 * (0.05 * 0.95 / times) ** 0.5
    assert answering > times / 2


@given(seed=st.integers(0, 30), lower=st.floats(0.5, 1.0), higher=st.floats(0.5, 1.0))
def test_coverage_falls_as_confidence_rises(seed: int, lower: float, higher: float) -> None:
    scorer, (lower, higher) = world(200, seed), sorted((lower, higher))
    assert only(scorer, higher).score(["coverage"])["coverage"] <= only(scorer, lower).score(["coverage"])["coverage"]


@settings(max_examples=25)
@given(seed=st.integers(0, 30), most=st.floats(0.02, 0.4), threshold=st.floats(0.2, 0.8))
def test_what_is_answered_is_within_the_limit_by_its_own_bound(seed: int, most: float, threshold: float) -> None:
    scorer = replace(world(400, seed), threshold=threshold)
    least, kept = abstaining(scorer, most)
    found = kept.score(NAMES)
    assert (found["coverage"] == 0) == (least == NOBODY)
    assert least == NOBODY or found["failure_bound"] <= most
    assert abstaining(scorer, None) == (0.0, scorer)


def test_too_few_rows_answer_nothing_and_what_would_is_known() -> None:
    scorer = world(50, 0, noise=0.0)
    assert least_confidence(scorer, 0.05) == NOBODY  # 59 rows are the least
    assert rows_without_failure(0.05, 0.95) == 59
    error = reachable(scorer, 0.05)
    assert error is not None and 0.05 < error < 0.5
    assert least_confidence(scorer, error) < NOBODY
    assert reachable(replace(scorer, answered=np.zeros(50, dtype=bool)), 0.05) is None
    found = at_errors(scorer, {"failure_bound": 0.05}, n=50, level=0.95, seed=0)["failure_bound"]
    assert found["coverage"]["value"] == 0
    assert found["least"]["max_error"] == error and found["least"]["coverage"]["low"] > 0


def test_a_perfect_model_answers_everything() -> None:
    target = (np.arange(300) % 2).astype(float)
    sure = Scorer("classification", target, np.c_[0.9 - 0.8 * target, 0.1 + 0.8 * target], np.array([0.5, 0.5]))
    assert least_confidence(sure, 0.05) == 0.0


def test_the_curve_goes_from_the_surest_row_to_all() -> None:
    curve = risk_coverage(world(500, 1))
    assert curve["coverage"].is_monotonic_increasing and curve["coverage"].iloc[-1] == 1
    assert (curve["bound"] > curve["error"]).all()
    assert curve["error"].iloc[-1] > curve["error"].iloc[len(curve) // 2]
    found = at_errors(world(2000, 1), {"failure_bound": 0.05}, n=50, level=0.95, seed=0)["failure_bound"]
    coverage = found["coverage"]
    assert 0.5 < found["confidence"] < 1 and 0 < coverage["low"] < coverage["value"] < coverage["high"] < 1


def test_guardrails_are_the_limits_of_what_was_learned() -> None:
    seen = pd.DataFrame({"size": [1.0, 2.0, np.nan], "colour": ["red", "blue", "red"]})
    policy = Policy(guardrails=limits(seen, {"size": "number", "colour": "category"}))
    rows = pd.DataFrame({"size": [1.5, 2.1, 1.0, np.nan], "colour": ["red", "red", "green", None]})
    assert reasons(rows, np.ones((4, 2)) / 2, policy).tolist() == ["", OUT_OF_RANGE, UNSEEN, ""]
    assert Policy(**policy.to_json()) == policy


@settings(max_examples=30)
@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=20))
def test_what_was_learned_lies_within_its_own_limits_out_of_a_file(sizes: list[float]) -> None:
    seen = pd.DataFrame({"size": sizes})
    with TemporaryDirectory() as folder:
        write_json(Path(folder) / "card.json", limits(seen, {"size": "number"}))
        policy = Policy(guardrails=read_json(Path(folder) / "card.json"))
    assert set(reasons(seen, np.ones((len(seen), 2)) / 2, policy)) == {""}


@given(
    prices=st.fixed_dictionaries({k: st.floats(0.1, 10) for k in ("false_positive", "false_negative", "review")}),
    seed=st.integers(0, 50),
)
def test_rows_left_to_people_make_the_expected_cost_least(prices: dict[str, float], seed: int) -> None:
    """Chow (1970): no other rule of two classes and a person expects less."""
    chance = np.random.default_rng(seed).random(300)
    prediction, rows = np.c_[1 - chance, chance], pd.DataFrame(index=range(300))
    threshold = prices["false_positive"] / (prices["false_positive"] + prices["false_negative"])
    left = reasons(rows, prediction, Policy(threshold=threshold, prices=prices)) == UNSURE
    cost = np.where(left, prices["review"], expected_cost(prediction, threshold, prices))
    every = np.c_[
        (1 - chance) * prices["false_positive"], chance * prices["false_negative"], np.full(300, prices["review"])
    ]
    assert cost == pytest.approx(every.min(axis=1))


def test_a_row_left_to_a_person_costs_its_review_where_decisions_are_priced() -> None:
    rows, target, prediction = pd.DataFrame(index=range(3)), np.array([0.0, 1.0, 1.0]), np.tile([0.4, 0.6], (3, 1))
    values = by_prices(2, 2)(rows, target, prediction)
    answered = np.array([False, True, True])
    priced = {"prices": {"review": 0.5}, "outcome": {"call": "prices"}}
    assert with_review(values, answered, priced).tolist() == [-0.5, 0, 0]
    assert with_review(values, answered, {**priced, "outcome": {"call": "my:own"}}) is values
    assert confidence(prediction).tolist() == [0.6, 0.6, 0.6]
