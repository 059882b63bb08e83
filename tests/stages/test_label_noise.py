"""Wrong labels are told from hard rows, where the data allow it, and not where they do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from stages.training.label_audit import irreducible, overruled
from stages.training.label_noise import noise_rate
from stages.training.label_quality import assign_folds, quality, sample
from stages.training.label_signal import label_noise
from stages.training.label_sources import source_rates
from stages.training.suspects import suspects
from tests.conftest import bundled_table

LIMIT = 0.033


def table(name: str, columns: slice = slice(None)) -> tuple[np.ndarray, np.ndarray]:
    frame = bundled_table(name, spoilt=False)
    return frame.drop(columns="target").to_numpy(float)[:, columns], pd.factorize(frame["target"], sort=True)[0]


def held_out(features: np.ndarray, codes: np.ndarray, *, forest: bool = False) -> np.ndarray:
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    model = RandomForestClassifier(60, min_samples_leaf=2, random_state=0) if forest else linear
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    return np.asarray(cross_val_predict(model, features, codes, cv=folds, method="predict_proba"))


def flipped(codes: np.ndarray, share: np.ndarray | float, seed: int) -> np.ndarray:
    """Another class, each alike, for a share of the rows."""
    random, k = np.random.default_rng(seed), codes.max() + 1
    return np.where(random.random(len(codes)) < share, (codes + random.integers(1, k, len(codes))) % k, codes)


@pytest.mark.parametrize("name", ["breast_cancer", "wine"])
@pytest.mark.parametrize("forest", [False, True])
def test_right_labels_are_left_in_peace(name: str, forest: bool) -> None:
    features, codes = table(name)
    found = noise_rate(codes, held_out(features, codes, forest=forest))
    assert found.low == 0
    assert found.high is not None
    assert found.high < 0.04


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("name", "rate"), [("breast_cancer", 0.1), ("breast_cancer", 0.2), ("wine", 0.2)])
def test_uniform_noise_is_found_and_measured(name: str, rate: float, seed: int) -> None:
    features, right = table(name)
    codes = flipped(right, rate, seed)
    found = noise_rate(codes, held_out(features, codes))
    assert found.low is not None
    assert found.high is not None
    assert LIMIT < found.low <= float(np.mean(codes != right)) <= found.high


def test_noise_in_one_class_is_found() -> None:
    features, right = table("breast_cancer")
    codes = flipped(right, np.where(right == 1, 0.2, 0.0), 0)
    found = quality(codes, held_out(features, codes), classes=["benign", "malignant"])
    assert found["noise_rate"]["low"] > LIMIT
    assert found["class_pairs"][0]["given"] == "benign"
    listed = suspects(codes, held_out(features, codes))[0][: found["suspects"]]
    assert np.mean(codes[listed] != right[listed]) > 0.7


@pytest.mark.parametrize("quantile", [0.25, 0.5, 0.8])
def test_a_hard_task_with_right_labels_is_not_called_noise(quantile: float) -> None:
    """A third of what a model contradicts there are rows that nothing in the table tells apart."""
    frame = bundled_table("diabetes", spoilt=False)
    codes = (frame["target"] > frame["target"].quantile(quantile)).to_numpy().astype(np.intp)
    prediction = held_out(frame.drop(columns="target").to_numpy(float), codes)
    found = noise_rate(codes, prediction)
    assert found.contradicted > 0.1
    assert found.low == 0
    listed, _ = suspects(codes, prediction)
    assert len(listed) > 0.05 * len(codes)  # what confident learning alone would call wrong


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("forest", [False, True])
def test_what_one_binary_feature_leaves_open_is_not_called_noise(seed: int, forest: bool) -> None:
    """The score is two plateaus with a gap between, across which any slope fits."""
    random = np.random.default_rng(seed)
    group = random.integers(0, 2, 500)
    features = np.column_stack([group, random.normal(size=(500, 5))])
    codes = (random.random(500) < np.where(group == 1, 0.9, 0.1)).astype(np.intp)
    coarse = RandomForestClassifier(60, min_samples_leaf=15, max_features=0.5, random_state=0)
    smooth = cross_val_predict(coarse, features, codes, cv=5, method="predict_proba")
    found = noise_rate(codes, held_out(features, codes, forest=forest), smooth=smooth)
    assert found.low == 0
    assert found.high is not None
    assert found.high > 0.05  # nor is it excluded


def test_too_few_rows_tell_nothing() -> None:
    features, codes = table("wine")
    prediction = held_out(features, codes)
    assert noise_rate(codes[:40], prediction[:40]).value is None
    days = np.zeros(len(codes), dtype=np.intp)
    assert noise_rate(codes, prediction, days).value is None
    assert label_noise(quality(codes[:40], prediction[:40]), LIMIT).fires is None


def test_rows_that_hang_together_widen_the_interval() -> None:
    features, right = table("breast_cancer")
    days = np.arange(len(right)) // 30
    bad = np.isin(days, [3, 8, 13])
    codes = flipped(right, np.where(bad, 0.9, 0.0), 0)
    prediction = held_out(features, codes)
    alone, together = noise_rate(codes, prediction), noise_rate(codes, prediction, days)
    assert alone.low is not None
    assert together.low is not None
    assert together.low < alone.low


def test_a_bad_source_is_named_even_where_rows_are_hard() -> None:
    frame = bundled_table("diabetes", spoilt=False)
    right = (frame["target"] > frame["target"].median()).to_numpy().astype(np.intp)
    random = np.random.default_rng(0)
    origin = pd.Series(random.choice(["clinic", "phone", "form"], len(right), p=[0.4, 0.3, 0.3]))
    features = frame.drop(columns="target").to_numpy(float)
    assert not any(item["bad"] for item in source_rates(right, held_out(features, right), origin))
    codes = flipped(right, np.where(origin == "phone", 0.5, 0.0), 1)
    found = quality(codes, held_out(features, codes), None, origin)
    assert [item["source"] for item in found["sources"] if item["bad"]] == ["phone"]
    signal = label_noise(found, LIMIT)
    assert signal.fires is True
    assert signal.evidence["bad_sources"] == ["phone"]
    assert "worst source phone" in signal.says


def test_a_bad_source_is_found_across_days_that_differ() -> None:
    """Whole days are hard; what differs within each of them is the source."""
    frame = bundled_table("diabetes", spoilt=False)
    right = (frame["target"] > frame["target"].median()).to_numpy().astype(np.intp)
    days = np.arange(len(right)) // 37
    random = np.random.default_rng(0)
    origin = pd.Series(random.choice(["a", "b"], len(right)))
    features = frame.drop(columns="target").to_numpy(float)
    hard = flipped(right, np.where(days % 3 == 0, 0.4, 0.0), 1)
    assert not any(item["bad"] for item in source_rates(hard, held_out(features, hard), origin, days))
    codes = flipped(hard, np.where(origin == "a", 0.5, 0.0), 2)
    found = source_rates(codes, held_out(features, codes), origin, days)
    assert [item["source"] for item in found if item["bad"]] == ["a"]


@pytest.mark.parametrize("blocks", [1, 2, 3, 6])
def test_no_source_is_called_bad_for_blocks_of_its_own(blocks: int) -> None:
    """A source's influences sum to zero, so those of its only block tell nothing of how much they vary."""
    source = np.repeat(np.arange(10), 60)
    block = source * blocks + np.tile(np.arange(60) * blocks // 60, 10)
    names, called = pd.Series([f"s{one}" for one in source]), 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        chance = random.beta(3, 3, 600)
        codes = (random.random(600) < chance).astype(np.intp)
        found = source_rates(codes, np.column_stack([1 - chance, chance]), names, block)
        called += any(item["bad"] for item in found)
    assert called <= 3


def test_sources_are_compared_only_when_there_are_two() -> None:
    features, codes = table("wine")
    prediction = held_out(features, codes)
    assert source_rates(codes, prediction, pd.Series(["a"] * len(codes))) == []
    few = pd.Series(["a"] * (len(codes) - 5) + ["b"] * 5)
    assert source_rates(codes, prediction, few) == []


ROUND = {"iteration": 3, "noise": 0.2, "asked": 40, "answered": 40, "changed": 30, "shared": 0, "disputed": 0}


@pytest.mark.parametrize(
    ("changed", "rate", "says"),
    [
        ({}, 0.1, ""),
        ({}, 0.19, "the estimate went from 20.0% to 19.0%"),
        ({"answered": 10}, 0.19, ""),
        ({"shared": 40, "disputed": 12}, 0.1, "contradict each other"),
        ({"shared": 40, "disputed": 1}, 0.1, ""),
    ],
)
def test_noise_that_asking_again_does_not_lower_is_irreducible(changed: dict[str, Any], rate: float, says: str) -> None:
    found = irreducible([ROUND | changed], rate, 400, LIMIT)
    assert says in found
    assert bool(found) == bool(says)


def test_suspects_that_keep_their_label_overrule_the_estimate() -> None:
    assert overruled([ROUND]) == ""
    assert overruled([ROUND | {"changed": 5}])
    features, right = table("breast_cancer")
    codes = flipped(right, 0.2, 0)
    found = quality(codes, held_out(features, codes))
    assert label_noise(found | {"audit": []}, LIMIT).fires is True
    assert label_noise(found | {"audit": [ROUND | {"changed": 5}]}, LIMIT).fires is False
    assert label_noise(found | {"audit": [ROUND]}, LIMIT).evidence["irreducible"]


def test_folds_and_samples_keep_blocks_whole() -> None:
    codes = np.arange(3000) % 2
    days = np.arange(3000) // 100
    folds = assign_folds(codes, days, 0)
    assert folds is not None
    assert all(len(np.unique(folds[days == day])) == 1 for day in range(30))
    chosen = sample(3000, days, 1000, 0)
    assert len(chosen) == 1000
    assert set(np.bincount(days[chosen], minlength=30)) == {0, 100}
    assert assign_folds(np.array([0, 0, 0, 1]), None, 0) is None
