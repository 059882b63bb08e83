"""The parts of a model's loss, and curves extrapolated: laws, known truths, and the intervals' coverage."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.params import Requirement
from stages.signals import Signal
from stages.training.ceiling import ceiling, noise_ceilings
from stages.training.decompose import people_loss, waterfall
from stages.training.decomposition import MODEL, PEOPLE, Rows, decompose
from stages.training.error_signals import overfitting, rows_needed, too_flexible, underfitting
from stages.training.extrapolation import fit_power_law, noisy, reach, training_noise
from stages.training.intervals import block_draws, spread, units, widening

SAMPLING: dict[str, Any] = {"n": 200, "level": 0.95, "seed": 0}


def rows(mean: float, n: int = 400, seed: int = 0) -> Rows:
    """Losses of a given mean beside a constant's of mean 1; every tenth row has the mean."""
    noise = np.random.default_rng(seed).uniform(0.5, 1.5, n)
    return Rows(mean * noise / noise.mean(), np.ones(n))


def parts(train: float, valid: float, reference: float, **more: Any) -> dict[str, Any]:
    judged = rows(valid, seed=1)
    found = decompose(rows(train), judged, {"reference": judged.losses * reference / valid}, **SAMPLING, **more)
    return {**found, "reference": {"log_loss": reference}}


def test_the_parts_are_those_of_the_losses_and_add_up() -> None:
    found = parts(train=0.5, valid=0.8, reference=0.4)
    assert found["best"] == "reference"
    assert found["irreducible"]["value"] == pytest.approx(0.5)
    assert found["variance"]["value"] == pytest.approx(0.3 / 0.8)
    assert found["bias"]["value"] == pytest.approx(0.1 / 0.8)
    steps = waterfall(found)
    assert steps["end"].iloc[2] == pytest.approx(0.8)
    assert (steps["start"].iloc[1:].to_numpy() == steps["end"].iloc[:-1].to_numpy()).all()


@settings(max_examples=50, deadline=None)
@given(st.floats(0.05, 2), st.floats(0.05, 2), st.floats(0.05, 2))
def test_parts_sum_to_one_and_only_one_of_bias_and_variance_decides(
    train: float, valid: float, reference: float
) -> None:
    found = parts(train, valid, reference)
    variance = max(found["variance"]["value"], 0.0)
    assert found["irreducible"]["value"] + found["bias"]["value"] + variance == pytest.approx(1.0)
    assert reference == pytest.approx(valid) or (found["best"] == MODEL) == (reference > valid)
    under, flexible = underfitting(found, {}, {}, 0.05), too_flexible(found, {}, 0.05)
    assert not (under.fires and flexible.fires)
    for name in ("irreducible", "bias", "variance", "excess"):
        assert found[name]["low"] <= found[name]["value"] <= found[name]["high"]


@pytest.mark.parametrize(
    ("train", "valid", "reference", "fires"),
    [
        (0.70, 0.72, 0.50, {"underfitting"}),  # the lecture: the same curves ...
        (0.70, 0.72, 0.72, set()),  # ... with another baseline
        (0.30, 0.72, 0.72, {"overfitting"}),
        (0.30, 0.72, 0.50, {"overfitting", "too_flexible"}),
        (0.50, 0.60, 0.30, {"overfitting", "underfitting"}),
        (0.40, 0.60, 0.35, {"overfitting", "too_flexible"}),
        (0.75, 0.70, 0.70, set()),  # rows that are easier than those learned from are no bias
    ],
)
def test_the_same_curves_with_another_baseline_mean_another_next_step(
    train: float, valid: float, reference: float, fires: set[str]
) -> None:
    found = parts(train, valid, reference)
    signals = [overfitting(found, 0.05), underfitting(found, {}, {}, 0.05), too_flexible(found, {}, 0.05)]
    assert {signal.name for signal in signals if signal.fires} == fires


def test_a_simpler_model_that_misses_the_goal_too_is_no_cure() -> None:
    found = parts(train=0.3, valid=0.72, reference=0.5)
    for bound, fires in ((0.6, True), (0.4, False)):
        signal = too_flexible(found, {"log_loss": Requirement(at_most=bound)}, 0.05)
        assert signal.fires is fires
        assert ("misses log_loss too" in signal.says) is not fires


def test_people_are_the_best_when_nobody_does_better() -> None:
    people = {"value": 0.2, "low": 0.15, "high": 0.25}
    found = parts(0.7, 0.72, 0.6, people=people)
    assert found["best"] == PEOPLE
    assert found["irreducible"]["value"] == pytest.approx(0.2 / 0.72)
    assert found["irreducible"]["low"] == pytest.approx(0.15 / 0.72, abs=0.03)
    assert underfitting(found, {}, {}, 0.05).fires is True
    assert too_flexible(found, {}, 0.05).fires is False


def test_people_who_give_answers_have_a_loss() -> None:
    """A tenth wrong, of three classes: the loss of 0.9 for each answer and 0.05 for each of the others."""
    figure: dict[str, float | None] = {"value": 0.9, "low": 0.85, "high": 0.95}
    loss = people_loss({"accuracy": figure}, 3)
    assert loss is not None and loss["value"] == pytest.approx(-0.9 * np.log(0.9) - 0.1 * np.log(0.05))
    assert (loss["low"] or 9) < (loss["value"] or 0) < (loss["high"] or 0)
    assert people_loss({"accuracy": dict.fromkeys(figure, 0.1)}, 3) == pytest.approx(dict.fromkeys(figure, np.log(3)))
    assert people_loss({"rmse": dict.fromkeys(figure, 3.0)}, 1) == dict.fromkeys(figure, 9.0)
    assert people_loss({}, 2) is None


def test_a_goal_missed_on_the_training_rows_is_underfitting_whatever_the_variance() -> None:
    goal = {"roc_auc": Requirement(at_least=0.9)}
    train = {"roc_auc": {"value": 0.7, "low": 0.69, "high": 0.71}}
    signal = underfitting(parts(0.3, 0.72, 0.72), train, goal, 0.05)
    assert signal.fires is True
    assert signal.value == pytest.approx(0.2 / 0.9)
    assert signal.evidence["metric"] == "roc_auc"


def test_a_perfect_model_has_no_parts_to_tell() -> None:
    found = decompose(rows(0.0), rows(0.0), {"reference": rows(0.1).losses}, **SAMPLING)
    assert {overfitting(found, 0.05).fires, underfitting(found, {}, {}, 0.05).fires} == {None}


def test_drawing_blocks_gives_the_spread_of_sums() -> None:
    random = np.random.default_rng(0)
    columns = random.normal(size=(20_000, 2)) + np.asarray([1.0, 2.0])
    drawn = block_draws(columns, None, 1000, 0) / len(columns)
    assert drawn.std(axis=0) == pytest.approx(np.full(2, 20_000**-0.5), rel=0.1)
    days = np.repeat(np.arange(20), 1000)
    moved = columns + random.normal(size=20)[days][:, None]
    means = np.asarray([moved[days == day].mean(axis=0) for day in range(20)])
    drawn = block_draws(moved, days, 1000, 0) / len(columns)
    assert drawn.std(axis=0) == pytest.approx(means.std(axis=0) / 20**0.5, rel=0.1)


def test_few_units_widen_an_interval_and_too_few_give_none() -> None:
    assert widening(10_000, 0.95) == pytest.approx(1.0, abs=0.001)
    assert widening(5, 0.95) == pytest.approx(2.776 / 1.96 * 1.25**0.5, rel=0.001)
    assert (units(19, None), units(20, None)) == (0, 20)
    assert units(400, np.repeat(np.arange(4), 100)) == 0
    draws = np.random.default_rng(0).normal(size=200)
    assert spread(0.0, draws, 0, 0.95) == {"value": 0.0, "low": None, "high": None}
    assert spread(float("nan"), draws, 50, 0.95)["value"] is None


AUC = ("classification", "roc_auc")
ROWS = np.asarray([2000.0, 4000.0, 8000.0, 16000.0])


@pytest.mark.parametrize(("a", "b", "c"), [(0.2, 0.05, 0.5), (0.0, 0.3, 0.2), (0.25, 0.0, 1.0), (0.1, 0.1, 1.0)])
def test_a_power_law_is_found_again(a: float, b: float, c: float) -> None:
    law = fit_power_law(ROWS, (a + b * (ROWS / 16000) ** -c)[None], ROWS)
    assert law.at(16000.0)[0] == pytest.approx(a + b, abs=1e-3)
    assert law.at(32000.0)[0] == pytest.approx(a + b * 2**-c, abs=2e-3)
    assert law.a[0] == pytest.approx(a, abs=0.02)
    if b:
        assert law.at(float(law.rows_for(a + b / 2)[0]))[0] == pytest.approx(a + b / 2)
    assert law.rows_for(a - 0.05)[0] == np.inf or a == 0


def simulated(a: float, b: float, c: float, seed: int, sd: float = 0.01) -> Any:
    """A curve of 1 - ROC AUC with the noise of training sets, and its fits."""
    random, times = np.random.default_rng(seed), np.asarray([2, 2, 3, 1])
    noise = sd**2 * 16000
    curve = a + b * (ROWS / 16000) ** -c + random.normal(size=4) * np.sqrt(noise / (ROWS * times))
    draws = noisy(np.tile(curve, (200, 1)), ROWS, noise, times, seed)
    return fit_power_law(ROWS, np.vstack([curve, draws]), ROWS * times)


def test_the_interval_of_an_asymptote_covers_it_and_never_means_never() -> None:
    """Simulated a hundred times: 1 - AUC comes to 0.25; 0.70 is reached at 41,000 rows, 0.90 never."""
    found = [reach(simulated(0.25, 0.08, 0.5, seed), *AUC, at(0.70), limit=1e9, level=0.95) for seed in range(100)]
    assert np.mean([item["asymptote"]["low"] <= 0.75 <= item["asymptote"]["high"] for item in found]) >= 0.88
    assert np.mean([item["never"] for item in found]) <= 0.05
    in_rows = [(item["rows"]["low"] or np.inf) <= 40_960 <= (item["rows"]["high"] or np.inf) for item in found]
    assert np.mean(in_rows) >= 0.88
    hopeless = [
        reach(simulated(0.25, 0.02, 1.0, seed, sd=0.001), *AUC, at(0.90), limit=1e9, level=0.95) for seed in range(20)
    ]
    assert all(item["never"] and item["rows"]["value"] is None for item in hopeless)


def at(bound: float) -> Requirement:
    return Requirement(at_least=bound)


def test_a_metric_of_which_less_is_better_is_extrapolated_too() -> None:
    found = reach(
        simulated(0.25, 0.08, 1.0, 0), "classification", "log_loss", Requirement(at_most=0.2), limit=1e9, level=0.95
    )
    assert found["asymptote"]["value"] == pytest.approx(0.25, abs=0.03)
    assert found["rows"]["value"] is None


def test_what_may_be_had_bounds_what_the_curve_comes_to() -> None:
    """0.75 is where it comes to at last; with twice the rows there are it comes to 0.69, and surely not to 0.73."""
    law = simulated(0.25, 0.08, 0.5, 0, sd=0.003)
    found = reach(law, *AUC, at(0.73), limit=32_000, level=0.95)
    assert found["at_limit"]["value"] == pytest.approx(0.75 - 0.08 / 2**0.5, abs=0.01)
    assert found["never"] is True and found["rows"]["low"] > 32_000
    assert reach(law, *AUC, at(0.73), limit=1e9, level=0.95)["never"] is False
    assert found["asymptote"]["low"] <= 0.75 <= found["asymptote"]["high"]


def test_what_a_threshold_trades_off_has_no_ceiling() -> None:
    low = {"value": 0.5, "low": 0.49, "high": 0.51}
    curve = {"precision": {"at_limit": low}}
    assert ceiling({"precision": at(0.9), "recall": at(0.9)}, curve=curve).fires is None
    assert ceiling({"accuracy": at(0.9), "recall": at(0.9)}, people={"accuracy": low}).fires is None
    assert ceiling({"accuracy": at(0.9)}, people={"accuracy": low}).fires is True


def test_rows_needed_are_those_of_the_hardest_requirement_in_rows_of_the_window() -> None:
    one = {"rows": {"value": 2000.0, "low": 1000.0, "high": None}}
    two = {"rows": {"value": 1500.0, "low": 1200.0, "high": 9000.0}}
    assert rows_needed({"a": one, "b": two}, 1000, 1600) == {"value": 3200.0, "low": 1920.0, "high": None}
    assert rows_needed({}, 1000, 1600) is None


def test_the_noise_of_training_sets_is_estimated_from_overlapping_parts() -> None:
    """Means of halves of one set: they overlap, and differ by less than halves of two sets do."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(300):
        whole = random.normal(size=400)
        halves = np.asarray([random.permutation(whole)[:200].mean() for _ in range(3)])
        found.append(training_noise(np.asarray([200.0]), [halves], np.asarray([0.5])))
    assert np.mean(found) == pytest.approx(1.0, rel=0.1)
    assert training_noise(np.asarray([200.0]), [np.asarray([1.0])], np.asarray([0.5])) == 0.0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=30))
def test_no_model_beats_the_ceilings_of_label_noise(rates: list[float]) -> None:
    """The best predictor knows each row's chance of a wrong label: its scores are on the safe side of the ceilings."""
    e = np.asarray(rates)
    entropy = -(np.where(e > 0, e * np.log(np.maximum(e, 1e-12)), 0) + (1 - e) * np.log(1 - e)).mean()
    rate = float(e.mean())
    best = noise_ceilings({"value": rate, "low": rate, "high": rate}, constant_loss=0.7)
    assert (1 - e).mean() <= (best["accuracy"]["value"] or 0) + 1e-9
    assert entropy >= (best["log_loss"]["value"] or 0) - 1e-9
    assert (e * (1 - e)).mean() >= (best["brier"]["value"] or 0) - 1e-9
    assert 1 - entropy / 0.7 <= (best["log_loss_skill"]["value"] or 0) + 1e-9


def test_a_ceiling_is_said_by_whom() -> None:
    bounds = {"accuracy": at(0.95), "roc_auc": at(0.8)}
    people = {"accuracy": {"value": 0.9, "low": 0.88, "high": 0.92}}
    signal: Signal = ceiling(bounds, people=people)
    assert signal.fires is True
    assert "people" in signal.says and signal.evidence["missed"][0]["metric"] == "accuracy"
    wide = {"roc_auc": {"at_limit": {"value": 0.75, "low": 0.7, "high": 0.85}}}
    assert ceiling(bounds, curve=wide).fires is None
    assert ceiling(bounds, noise={"value": 0.01, "low": 0.005, "high": 0.02}).fires is False
    assert ceiling(bounds).fires is None
