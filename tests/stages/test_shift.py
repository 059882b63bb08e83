"""Shift on real rows: kinds are told apart, blocks and large samples do not fool it, small ones are not trusted."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from stages.params import Shift
from stages.shift import attribution, horizon, unlabelled
from stages.shift.concept import concept_change, residuals
from stages.shift.detector import detect
from stages.shift.drop import Losses, drop_by_labels, effective_rows, parts_of_drop, total_drop
from stages.shift.features import feature_shifts, smallest_p
from stages.shift.joint import auc, overlap, two_sample_scores
from stages.shift.measure import measure
from stages.shift.moments import moments_p
from stages.shift.sides import Sides, binned, coded, draw, folds_of
from stages.shift.target import estimated_shares, rate_change
from stages.shift.verdicts import covariate_shift, shift
from tests.stages.signal_cases.shift import FEATURES, concept, drawn, flights, rate, sensor, task, windows

LIMITS = Shift()
NONE = (None, None)


def sides_of(inputs: dict[str, Any]) -> Sides:
    return Sides(inputs["before"], inputs["after"], FEATURES)


def columns_of(frames: list[pd.DataFrame], blocks: Any = NONE) -> Sides:
    kinds = {str(name): "number" if frames[0][name].dtype.kind == "f" else "category" for name in frames[0]}
    return Sides(frames[0], frames[1], kinds, blocks)


def losses(frame: pd.DataFrame) -> Losses:
    return Losses("classification", frame["late"].to_numpy(float), task().predict(frame))


def chance_of(sides: Sides) -> Any:
    scores = two_sample_scores(sides, 0)
    assert scores is not None
    return overlap(sides, scores)


def pair(rows: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, np.random.Generator]:
    """Two windows of the same flights."""
    before, rest, random = windows(rows, seed)
    return before, rest.head(rows), random


def by_hour(rows: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two windows whose hours differ, and whose outcomes at each hour do not: a shift of the inputs alone."""
    before, rest, random = windows(rows, seed)
    return before, drawn(rest, np.exp((rest["hour"].to_numpy() - 13) / 4), rows, random)


# features and the detector


def test_a_million_rows_do_not_fire_on_a_hundredth_of_a_standard_deviation() -> None:
    random = np.random.default_rng(0)
    frame = flights().iloc[random.integers(0, len(flights()), 1_000_000)].reset_index(drop=True)
    moved = frame.assign(temp=frame["temp"] + 0.01 * frame["temp"].std())
    signal = covariate_shift(detect(Sides(frame, moved, FEATURES), level=0.95, seed=0), LIMITS)
    assert signal.fires is False
    assert signal.evidence["moved"] == []


def test_a_handful_of_rows_is_not_trusted() -> None:
    before, after, _ = pair(20, 0)
    found = detect(Sides(before, after.assign(hour=99.0), FEATURES), level=0.95, seed=0)
    assert covariate_shift(found, LIMITS).fires is None


def test_features_are_named_in_the_order_of_their_effects() -> None:
    before, after, random = pair(2000, 0)
    after = after.assign(
        carrier=after["carrier"].where(random.random(2000) < 0.3, "ZZ"),
        temp=after["temp"] + after["temp"].std(),
        visib=after["visib"].mask(random.random(2000) < 0.35),
    )
    found = feature_shifts(Sides(before, after, FEATURES), level=0.95)
    assert [item["feature"] for item in found[:3]] == ["carrier", "temp", "visib"]
    new, temp, gone = found[:3]
    assert new["new"] == pytest.approx(0.7, abs=0.03) and new["distance"]["value"] == pytest.approx(0.7, abs=0.04)
    assert temp["mean"]["value"] == pytest.approx(1.0, abs=0.1)
    assert gone["missing"]["value"] == pytest.approx(0.35, abs=0.03) == gone["effect"]["value"]
    assert all(item["p_effect"] < 1e-6 for item in found[:3])
    assert all(item["p"] > 0.001 for item in found[3:])


def test_a_few_rows_of_a_new_category_are_seen_and_rare_ones_are_not_new() -> None:
    before, after, random = pair(2000, 0)
    rare = {"before": random.integers(0, 5000, 2000).astype(str), "after": random.integers(0, 5000, 1000).astype(str)}
    sides = columns_of([pd.DataFrame({"code": rare["before"]}), pd.DataFrame({"code": rare["after"]})])
    assert smallest_p(feature_shifts(sides, level=0.95)) > 0.01  # most codes are new, as they will always be
    some = after.assign(origin=after["origin"].where(np.arange(2000) > 15, "XX"))
    found = {item["feature"]: item for item in feature_shifts(Sides(before, some, FEATURES), level=0.95)}
    assert found["origin"]["p"] < 0.01 and found["origin"]["new"] == pytest.approx(0.008)


def test_many_small_moves_add_up_and_new_pairs_are_seen() -> None:
    """Simulated days of ten features: nothing, a little of all, and two that go together otherwise."""
    day, names = np.repeat(np.arange(60), 20), list("abcdefghij")
    few, found = 0, {"means": 0, "pairs": 0}
    for seed in range(30):
        random = np.random.default_rng(seed)
        before, after = (
            pd.DataFrame(random.normal(size=(60, 10))[day] + random.normal(size=(1200, 10)), columns=names)
            for _ in range(2)
        )
        few += min(moments_p(columns_of([before, after], (day, day)), 0).values()) < 0.025
        for name, changed in (("means", after + 0.5), ("pairs", after.assign(b=after["a"] + after["b"]))):
            found[name] += moments_p(columns_of([before, changed], (day, day)), 0)[name] < 0.001
    assert few <= 5
    assert min(found.values()) >= 25


def test_a_column_that_was_constant_and_moved_has_moved() -> None:
    before, after = binned(np.zeros(500), np.full(400, 50.0))
    assert before.max() < after.min()
    same, still = binned(np.zeros(9), np.zeros(9))
    assert np.array_equal(same, still)


def test_p_values_of_random_windows_are_uniform_enough() -> None:
    found = []
    for seed in range(60):
        before, after, _ = pair(400, seed)
        found.append(smallest_p(feature_shifts(Sides(before, after, FEATURES), level=0.95)))
    assert np.mean(np.asarray(found) < 0.05) <= 0.12  # 95% of binomials with 60 tries at 0.05 are below
    assert np.mean(np.asarray(found) < 0.5) > 0.15  # and not for being too careful


def test_rows_of_a_day_count_as_a_day() -> None:
    """Simulated days whose rows hang together: 40 rows of 20 days are 20 observations, not 800."""
    alarms = {"days": 0, "rows": 0}
    for seed in range(60):
        random = np.random.default_rng(seed)
        day = np.repeat(np.arange(20), 40)
        frames = [
            pd.DataFrame(
                {"a": random.normal(size=20)[day] + random.normal(size=800), "b": random.choice(list("xyz"), 20)[day]}
            )
            for _ in range(2)
        ]
        for name, blocks in (("days", (day, day)), ("rows", NONE)):
            alarms[name] += smallest_p(feature_shifts(columns_of(frames, blocks), level=0.95)) < 0.05
    assert alarms["days"] <= 8
    assert alarms["rows"] > 50


def test_a_day_is_not_known_again_by_its_weather() -> None:
    random = np.random.default_rng(0)
    day = np.repeat(np.arange(20), 40)
    frames = [pd.DataFrame(random.normal(size=(20, 3))[day], columns=list("abc")) for _ in range(2)]
    whole, torn = columns_of(frames, (day, day)), columns_of(frames)
    told = [auc(sides, scores) for sides in (whole, torn) if (scores := two_sample_scores(sides, 0)) is not None]
    assert told[0].p_above(0.5) > 0.05
    assert told[1].value > 0.99
    few = np.minimum(day, 1)
    assert two_sample_scores(columns_of(frames, (few, few)), 0) is None


def test_what_only_two_features_together_tell_is_found() -> None:
    before, after, _ = pair(3000, 0)
    order = after["temp"].argsort().to_numpy()
    mixed = after.assign(humid=after["humid"].sort_values().to_numpy()[np.argsort(order)])
    found = detect(Sides(before, mixed, FEATURES), level=0.95, seed=0)
    assert covariate_shift(found, LIMITS).fires is True
    assert covariate_shift(found, LIMITS).evidence["moved"] == []


def test_folds_keep_blocks_whole_and_are_near_equal() -> None:
    blocks = np.repeat(np.arange(30), 10)
    fold = folds_of(300, blocks, 3, 0)
    assert fold is not None
    assert all(len(np.unique(fold[blocks == block])) == 1 for block in range(30))
    assert np.bincount(fold).tolist() == [100, 100, 100]
    assert folds_of(300, np.minimum(blocks, 1), 3, 0) is None
    assert len(np.unique(folds_of(300, np.maximum(blocks - 27, 0), 3, 0))) == 3  # type: ignore[arg-type]


def test_codes_and_bins_keep_what_is_missing() -> None:
    one, two = coded(pd.Series(["b", "a", None, "b"]), pd.Series(["c", np.nan]))
    assert one[0] == one[3] != one[1] and math.isnan(one[2]) and math.isnan(two[1])
    grid = np.repeat(np.arange(30.0), 40)
    codes, moved = binned(grid, np.r_[grid + 0.01, np.nan])
    assert codes.tolist() == moved[:-1].tolist() and math.isnan(moved[-1])
    assert [len(np.unique(side)) for side in binned(np.arange(10_000.0), np.arange(5000.0, 9e4))] == [128, 65]
    assert np.isnan(binned(np.full(3, np.nan), np.full(2, np.nan))[1]).all()
    assert draw(10, 20, 0).tolist() == list(range(10)) and len(draw(100, 20, 0)) == 20


# the target


@pytest.mark.parametrize("moved", [0.0, 0.15, 0.5, -0.5])
def test_a_moved_target_is_told(moved: float) -> None:
    random = np.random.default_rng(0)
    before, after = random.normal(size=2000), random.normal(size=1000)
    after += moved - after.mean() + before.mean()
    found = rate_change(before * 3 + 7, after * 3 + 7, None, NONE, level=0.95)
    assert found["value"] == pytest.approx(moved, abs=0.03)
    assert found["high"] - found["low"] == pytest.approx(2 * 1.96 * (1 / 2000 + 1 / 1000) ** 0.5, rel=0.05)


def test_moved_shares_of_three_classes_are_told() -> None:
    """Their mean code stays where it is."""
    before, after = (np.repeat([0.0, 1.0, 2.0], n) for n in ([200, 200, 200], [300, 0, 300]))
    found = rate_change(before, after, ["low", "middle", "high"], NONE, level=0.95)
    assert found["class"] == "middle" and found["high"] < -0.2
    still = rate_change(np.ones(40), np.ones(50), ["no", "yes"], NONE, level=0.95)
    assert (still["low"], still["high"]) == (0.0, 0.0)
    assert rate_change(np.ones(9), np.zeros(9), None, NONE, level=0.95)["low"] is None


def test_shares_are_found_without_labels() -> None:
    """Digits, of which the later rows have half of 0 to 4 and twice of 5 to 9; the interval holds the truth."""
    X, y = load_digits(return_X_y=True)
    random = np.random.default_rng(0)
    order = random.permutation(len(y))
    learn, held, rest = np.split(order, [700, 1200])
    model = LogisticRegression(max_iter=200).fit(X[learn] / 16, y[learn])
    weight = np.where(y[rest] < 5, 1.0, 4.0)
    later = random.choice(rest, 500, p=weight / weight.sum())
    found = estimated_shares(
        y[held].astype(float), tuple(model.predict_proba(X[rows] / 16) for rows in (held, later)), NONE, level=0.95
    )
    assert found is not None
    truth = np.bincount(y[later], minlength=10) / 500
    before = np.bincount(y[held], minlength=10) / 500
    estimate = np.asarray([item["value"] for item in found], dtype=float)
    assert np.abs(estimate - truth).max() < 0.03 < np.abs(before - truth).max()
    covered = [(item["low"] or 0) <= share <= (item["high"] or 0) for item, share in zip(found, truth, strict=True)]
    assert sum(covered) >= 8


# concept, drop, without labels


def test_a_shift_of_the_inputs_is_no_concept_shift_and_a_turned_outcome_is() -> None:
    fooled: list[float | None] = []
    told: list[float | None] = []
    for seed in range(3):
        for found, inputs in ((fooled, by_hour(2000, seed)), (told, tuple(concept(0.8, 2000, seed).values()))):
            sides = Sides(inputs[0], inputs[1], FEATURES)
            one, two = map(losses, inputs)
            rest = np.concatenate([residuals("classification", side.target, side.prediction) for side in (one, two)])
            told_by = np.concatenate([one.prediction, two.prediction])[:, 1:]
            found.append(concept_change(sides, rest, told_by, chance_of(sides), seed).figure(0.95)["low"])
    limit = LIMITS.max_concept * flights()["late"].std()
    assert all(low is not None and low < limit for low in fooled)
    assert all(low is not None and low > limit for low in told)


def test_the_parts_of_a_drop_sum_up_and_go_where_they_belong() -> None:
    turned = concept(0.6, 3000, 0)
    for (before, after), name in (((turned["before"], turned["after"]), "not_inputs"), (hard_hours(3000), "inputs")):
        one, two = losses(before), losses(after)
        sides = Sides(before, after, FEATURES)
        parts = parts_of_drop(one, two, chance_of(sides), NONE, level=0.95)
        total, blamed = parts["total"]["value"], parts[name]["value"]
        assert parts["inputs"]["value"] + parts["not_inputs"]["value"] == pytest.approx(total)
        assert parts["total"]["low"] > 0
        assert blamed > 0.6 * total
        assert min(parts["effective_rows"]) > 100


def hard_hours(rows: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two windows, of which the later holds more of the hours that the model does badly on."""
    before, rest, random = windows(rows, 0)
    side = losses(rest)
    hard = pd.Series(side.model / side.constant(np.ones(len(rest)))).groupby(rest["hour"]).transform("mean").to_numpy()
    return before, drawn(rest, np.exp(8 * (hard - hard.mean())), rows, random)


def test_intervals_of_a_drop_hold_what_they_promise() -> None:
    """No drop between two random windows; 95% of the intervals hold zero."""
    covered = 0
    for seed in range(60):
        before, after, _ = pair(500, seed)
        figure = total_drop(losses(before), losses(after), NONE).figure(0.95)
        covered += (figure["low"] or 0) <= 0 <= (figure["high"] or 0)
    assert covered >= 52  # 99% of binomials with 60 tries at 0.95


def test_a_shift_of_the_labels_accounts_for_its_drop() -> None:
    inputs = rate(1.0, 3000, 0)
    one, two = losses(inputs["before"]), losses(inputs["after"])
    total = total_drop(one, two, NONE)
    by_labels = drop_by_labels(one, two, NONE, level=0.95)
    assert total.p_above() < 1e-3
    assert by_labels["value"] == pytest.approx(total.value, rel=0.35)


def test_no_common_ground_leaves_only_the_total() -> None:
    before, after, _ = pair(300, 0)
    chance = np.r_[np.full(299, 1e-3), 1.0, np.full(300, 1 - 1e-3)]
    parts = parts_of_drop(losses(before), losses(after), chance, NONE, level=0.95)
    assert parts["inputs"]["value"] is None and parts["total"]["value"] is not None
    assert effective_rows(np.ones(7)) == pytest.approx(7)


def test_the_loss_is_foretold_without_labels() -> None:
    """Where the inputs alone moved, both estimates come near what the labels then show; their intervals hold it."""
    errors, held = [], 0
    for seed in range(10):
        before, after = by_hour(2000, seed)
        sides, one, two = Sides(before, after, FEATURES), losses(before), losses(after)
        sure = unlabelled.loss_by_confidence(one, two.prediction, NONE, level=0.95)
        weighed = unlabelled.loss_by_importance(one, chance_of(sides)[:2000], NONE, level=0.95)
        truth = two.model.mean()
        held += sure["low"] <= truth <= sure["high"]
        errors.append([abs(one.model.mean() - truth), abs(sure["value"] - truth), abs(weighed["value"] - truth)])
    stale, by_confidence, by_importance = np.mean(errors, axis=0)
    assert by_confidence < stale / 2 and by_importance < stale
    assert held >= 8


# attribution and the whole


def test_the_broken_sensor_is_to_blame() -> None:
    before, after, _ = pair(2000, 0)
    whole = after.assign(hour=after["hour"] * 60)
    partly = sensor(0.7, 2000, 0)["after"]
    features = [(name, FEATURES[name]) for name in ("carrier", "temp", "hour")]
    for wrong in (whole, partly):
        found = attribution.responsible(
            before, wrong, features, task().predict, losses(wrong), None, level=0.95, seed=0
        )
        assert found[0]["feature"] == "hour"
        assert (found[0]["regained"]["low"] > 0.05) is (wrong is whole)


def test_put_back_is_as_it_was() -> None:
    before, after, random = pair(2000, 0)
    inches = attribution.restored(before["temp"], after["temp"] * 2.54 + 7, "number", 0)
    assert np.corrcoef(inches, after["temp"])[0, 1] > 0.99
    assert inches.mean() == pytest.approx(before["temp"].mean(), rel=0.01)
    names = attribution.restored(
        before["carrier"], after["carrier"].where(random.random(2000) < 0.5, "ZZ"), "category", 0
    )
    assert (names == "ZZ").sum() <= 1
    back = attribution.restored(before["temp"], after["temp"].mask(random.random(2000) < 0.4), "number", 0)
    assert back.isna().mean() == pytest.approx(before["temp"].isna().mean(), abs=0.005)


def test_a_shift_that_costs_nothing_does_not_fire() -> None:
    """A barometer that drifts; one model heeds it and one does not."""
    before, after, _ = pair(3000, 3)
    drifted = Sides(before, after.assign(pressure=after["pressure"] + 0.8 * flights()["pressure"].std()), FEATURES)
    heedless = replace(task(), predict=lambda frame: task().predict(frame.assign(pressure=1015.0)))
    for model, harmed in ((task(), True), (heedless, False)):
        found = measure(drifted, drifted, model, level=0.95, seed=0)
        assert covariate_shift(found, LIMITS).fires is True
        assert "covariate" in shift(found, LIMITS).evidence["kinds"]
        assert (shift(found, LIMITS).fires is True) is harmed


def test_a_broken_requirement_needs_no_further_proof_of_harm() -> None:
    """Beside a sure kind of shift; a drop that nothing explains, or none, is no reason by itself."""
    before, after, _ = pair(3000, 3)
    found = measure(Sides(before, after, FEATURES), Sides(before, after, FEATURES), task(), level=0.95, seed=0)
    moved = {**found, "auc": {"value": 0.9, "low": 0.85, "high": 0.95}}

    def fires(figures: dict[str, Any], value: float, *, broken: bool) -> bool | None:
        total = {"value": value, "low": value - 0.05, "high": value + 0.05}
        return shift({**figures, "drop": {**found["drop"], "total": total}}, LIMITS, broken=broken).fires

    assert fires(moved, 0.03, broken=True) is True
    assert fires(moved, 0.03, broken=False) is None
    assert fires(found, 0.03, broken=True) is not True
    assert fires(moved, -0.01, broken=True) is None
    assert fires(moved, -0.1, broken=True) is False


def test_kinds_are_told_apart() -> None:
    for make, severity, kind in ((rate, 1.0, "label"), (concept, 0.8, "concept")):
        inputs = make(severity, 3000, 1)
        signal = shift(measure(sides_of(inputs), sides_of(inputs), task(), level=0.95, seed=0), LIMITS)
        assert signal.fires is True
        assert signal.evidence["kinds"] == [kind]
    broken = sensor(0.8, 3000, 1)  # what a wrong reading says of the outcome has changed too
    signal = shift(measure(sides_of(broken), sides_of(broken), task(), level=0.95, seed=0), LIMITS)
    assert signal.fires is True
    assert "covariate" in signal.evidence["kinds"]


# many looks


def test_many_looks_at_what_stays_keep_the_alarm_rate_of_the_horizon() -> None:
    """Fifty windows of the same flights in random order, each held against one reference; real p-values."""
    alarms, naive, runs, looks = 0, 0, 12, 50
    kinds = {str(name): FEATURES[name] for name in ("hour", "temp", "carrier", "visib")}
    for run in range(runs):
        random = np.random.default_rng(run)
        rows = random.permutation(len(flights()))
        reference = flights().iloc[rows[:2000]]
        ps = [
            smallest_p(feature_shifts(Sides(reference, flights().iloc[window], kinds), level=0.95))
            for window in np.array_split(rows[2000:22_000], looks)
        ]
        alarms += horizon.spend(ps, alpha=0.05).alarm is not None
        naive += min(ps) < 0.05
    assert alarms <= 3  # 99% of binomials with 12 tries at 0.05 are below
    assert naive >= 4


def test_a_lasting_rise_of_the_loss_is_found_and_none_is_not() -> None:
    """Real losses of days' worth of flights; the rise is one that no single look shows."""
    per_look = losses(flights().iloc[10_000:]).model.reshape(400, 50).mean(axis=1)
    options: dict[str, Any] = {"limit": 2.0, "tolerance": 0.01, "alpha": 0.05}
    alarms, found = 0, 0
    for run in range(60):
        random = np.random.default_rng(run)
        reference, later = np.split(random.permutation(per_look), [200])
        alarms += horizon.watch_risk(reference, later[:50], **options).alarm is not None
        found += horizon.watch_risk(reference, later + 0.15, **options).alarm is not None
    assert alarms <= 7
    assert found >= 55


def test_spending_stays_within_alpha_and_names_the_first_look() -> None:
    assert sum(0.05 / (t * (t + 1)) for t in range(1, 10_000)) < 0.05
    watch = horizon.spend([0.5, 0.9, 1e-9, 1e-12], alpha=0.05)
    assert watch.alarm == 2 and len(watch.evidence) == 4
    assert horizon.spend([], alpha=0.05).alarm is None
    assert horizon.spend([1e-6] * 222, alpha=0.05).alarm == 0
    assert horizon.spend([1.0] * 222 + [1e-6], alpha=0.05).alarm == 222
