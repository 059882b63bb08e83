"""Every metric is scikit-learn's, also under weights, which are repeated rows; undefined figures are None."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as sk
from sklearn.dummy import DummyClassifier

from stages.metric_names import OF_ANSWERS, OFFLINE
from stages.training.metrics import (
    Array,
    Scorer,
    bootstrap,
    constant_prediction,
    names_of,
    repeat,
    resampled,
    row_losses,
)

# Tested elsewhere: those of answers (test_failures.py), and what scikit-learn has not (test_model_tests.py).
CLASSIFICATION, REGRESSION = (
    [name for name in OFFLINE[task] if name not in OF_ANSWERS | {"calibration_error"}]
    for task in ("classification", "regression")
)
Counts = NDArray[np.int64]
Reference = Callable[[Array, Array], float]


def macro(score: Callable[..., float]) -> Reference:
    """Of the positive class when there are two, else the mean over classes."""

    def of(target: Array, prediction: Array) -> float:
        average = "binary" if prediction.shape[1] == 2 else "macro"
        return score(target, prediction.argmax(axis=1), average=average, zero_division=0)

    return of


def ranking(score: Callable[..., float]) -> Reference:
    def of(target: Array, prediction: Array) -> float:
        classes = [1] if prediction.shape[1] == 2 else range(prediction.shape[1])
        return float(np.mean([score(target == code, prediction[:, code]) for code in classes]))

    return of


SKLEARN: dict[str, Reference] = {
    "accuracy": lambda y, p: sk.accuracy_score(y, p.argmax(axis=1)),
    "balanced_accuracy": lambda y, p: sk.balanced_accuracy_score(y, p.argmax(axis=1)),
    "average_precision": ranking(sk.average_precision_score),
    "brier": lambda y, p: sk.brier_score_loss(y, p[:, 1] if p.shape[1] == 2 else p),
    "f1": macro(sk.f1_score),
    "log_loss": sk.log_loss,
    "log_loss_skill": sk.d2_log_loss_score,
    "precision": macro(sk.precision_score),
    "recall": macro(sk.recall_score),
    "roc_auc": ranking(sk.roc_auc_score),
    "mae": sk.mean_absolute_error,
    "mae_skill": lambda y, p: 1 - sk.mean_absolute_error(y, p) / sk.mean_absolute_error(y, np.full(len(y), y.mean())),
    "r2": sk.r2_score,
    "rmse": sk.root_mean_squared_error,
    "rmse_skill": lambda y, p: 1 - (1 - sk.r2_score(y, p)) ** 0.5,
}


@st.composite
def classified(draw: st.DrawFn) -> tuple[Array, Array, Counts]:
    """Class codes, probabilities with many ties, and weights under which every class is there."""
    k = draw(st.integers(2, 4))
    n = draw(st.integers(k, 25))
    code, part = st.integers(0, k - 1), st.integers(1, 4)
    codes = [*range(k), *draw(st.lists(code, min_size=n - k, max_size=n - k))]
    parts = np.array(draw(st.lists(st.lists(part, min_size=k, max_size=k), min_size=n, max_size=n)), dtype=float)
    weight = np.array(draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    weight[:k] += 1
    return np.array(codes, dtype=float), parts / parts.sum(axis=1, keepdims=True), weight


@st.composite
def valued(draw: st.DrawFn) -> tuple[Array, Array, Counts]:
    n = draw(st.integers(2, 25))
    values = st.lists(st.integers(-9, 9), min_size=n, max_size=n)
    target, prediction = np.array(draw(values), dtype=float), np.array(draw(values), dtype=float)
    target[:2] = -10, 10
    weight = np.array(draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    weight[:2] += 1
    return target, prediction, weight


def check(task: str, names: list[str], target: Array, prediction: Array, weight: Counts) -> None:
    rows = np.repeat(np.arange(len(target)), weight)
    constant = constant_prediction(task, target[rows], prediction.shape[1] if prediction.ndim == 2 else 1)
    weighted = Scorer(task, target, prediction, constant).score(names, weight.astype(float))
    repeated = Scorer(task, target[rows], prediction[rows], constant).score(names)
    expected = {name: SKLEARN[name](target[rows], prediction[rows]) for name in names}
    assert weighted == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert repeated == pytest.approx(expected, rel=1e-9, abs=1e-9)


@settings(deadline=None)
@given(classified())
def test_classification(drawn: tuple[Array, Array, Counts]) -> None:
    check("classification", CLASSIFICATION, *drawn)


@settings(deadline=None)
@given(valued())
def test_regression(drawn: tuple[Array, Array, Counts]) -> None:
    check("regression", REGRESSION, *drawn)


def test_the_roc_auc_of_many_classes_is_one_against_the_rest() -> None:
    random = np.random.default_rng(0)
    target, prediction = random.integers(0, 4, 300).astype(float), random.dirichlet(np.ones(4), 300)
    scorer = Scorer("classification", target, prediction, constant_prediction("classification", target, 4))
    expected = sk.roc_auc_score(target, prediction, multi_class="ovr", average="macro")
    assert scorer.score(["roc_auc"])["roc_auc"] == pytest.approx(expected)


def test_the_constant_is_that_of_a_dummy() -> None:
    target = np.array([0, 2, 2, 1, 2], dtype=float)
    constant = constant_prediction("classification", target, 3)
    dummy = DummyClassifier(strategy="prior").fit(np.zeros((5, 1)), target).predict_proba(np.zeros((4, 1)))
    assert np.allclose(repeat(constant, 4), dummy)
    assert repeat(constant_prediction("regression", target, 1), 3).tolist() == [1.4, 1.4, 1.4]


def test_a_certain_mistake_costs_much_but_not_everything() -> None:
    found = row_losses("classification", np.array([1.0, 0.0]), np.array([[1.0, 0.0], [1.0, 0.0]]))
    assert np.isfinite(found).all() and found[0] > 30 and found[1] == 0


def sample(task: str, n: int = 300) -> Scorer:
    random = np.random.default_rng(1)
    if task == "regression":
        target = random.normal(size=n)
        prediction = target + random.normal(size=n)
    else:
        target = random.integers(0, 3, n).astype(float)
        prediction = random.dirichlet(np.ones(3), n) + 0.3 * np.eye(3)[target.astype(int)]
        prediction /= prediction.sum(axis=1, keepdims=True)
    return Scorer(task, target, prediction, constant_prediction(task, target, 3))


@pytest.mark.parametrize(("task", "names"), [("classification", CLASSIFICATION), ("regression", REGRESSION)])
def test_the_interval_holds_the_value_and_follows_the_seed(task: str, names: list[str]) -> None:
    scorer = sample(task)
    found = bootstrap(scorer, names, n=200, level=0.95, seed=3)
    assert list(found) == names
    for item in found.values():
        value, low, high = (item[key] for key in ("value", "low", "high"))
        assert value is not None and low is not None and high is not None
        assert low < value < high
    assert bootstrap(scorer, names, n=200, level=0.95, seed=3) == found
    assert bootstrap(scorer, names, n=200, level=0.95, seed=4) != found
    narrow = bootstrap(scorer, names, n=200, level=0.5, seed=3)
    for name in names:
        bounds: list[Any] = [found[name]["low"], narrow[name]["low"], narrow[name]["high"], found[name]["high"]]
        assert bounds == sorted(bounds)


def test_the_interval_of_a_mean_is_the_textbook_one() -> None:
    values = np.random.default_rng(0).normal(size=400)
    draws = resampled(lambda weight: [float(weight @ values / weight.sum())], 400, None, n=4000, seed=0)
    assert draws.shape == (4000, 1)
    assert draws.mean() == pytest.approx(values.mean(), abs=0.005)
    assert draws.std() == pytest.approx(values.std() / 20, rel=0.05)


@pytest.mark.parametrize("code", [0.0, 1.0])
def test_one_class_alone_has_no_ranking(code: float) -> None:
    n = 20
    prediction = np.random.default_rng(0).dirichlet(np.ones(2), n)
    scorer = Scorer("classification", np.full(n, code), prediction, np.array([0.5, 0.5]))
    found = bootstrap(scorer, CLASSIFICATION, n=60, level=0.95, seed=0)
    assert found["roc_auc"] == {"value": None, "low": None, "high": None}
    assert found["balanced_accuracy"]["value"] is None
    assert all(found[name]["value"] is not None for name in ("accuracy", "brier", "log_loss", "log_loss_skill"))


def test_one_class_that_is_all_there_ever_was() -> None:
    """The constant is certain and right: nothing can be better than it, and no skill is defined."""
    target, prediction = np.zeros(10), np.tile([0.9, 0.1], (10, 1))
    scorer = Scorer("classification", target, prediction, constant_prediction("classification", target, 2))
    assert bootstrap(scorer, ["log_loss_skill"], n=50, level=0.95, seed=0)["log_loss_skill"]["value"] is None


def test_a_rare_class_is_left_out_of_some_resamples_only() -> None:
    target = np.zeros(30)
    target[0] = 1.0
    prediction = np.random.default_rng(0).dirichlet(np.ones(2), 30)
    found = bootstrap(
        Scorer("classification", target, prediction, np.array([0.9, 0.1])), ["roc_auc"], n=100, level=0.95, seed=0
    )
    assert all(item is not None for item in found["roc_auc"].values())


@pytest.mark.parametrize("name", REGRESSION)
def test_resamples_with_one_value_only_are_left_out(name: str) -> None:
    """A target that is mostly zero, as rain or claims are, gives resamples that are all zero."""
    target = np.zeros(30)
    target[0] = 5.0
    prediction = np.random.default_rng(0).normal(size=30)
    scorer = Scorer("regression", target, prediction, constant_prediction("regression", target, 1))
    assert all(item is not None for item in bootstrap(scorer, [name], n=100, level=0.95, seed=0)[name].values())


@pytest.mark.parametrize("name", REGRESSION)
def test_a_constant_target_has_no_skill_but_an_error(name: str) -> None:
    target = np.full(20, 3.0)
    scorer = Scorer("regression", target, target + 1, constant_prediction("regression", target, 1))
    found = bootstrap(scorer, [name], n=50, level=0.95, seed=0)[name]
    assert found["value"] == (1.0 if name in {"mae", "rmse"} else None)


def test_the_metrics_of_a_charter_are_those_computed_offline() -> None:
    charter: dict[str, object] = {
        "task": "classification",
        "optimise": "log_loss",
        "requirements": {"roc_auc": {}, "log_loss": {}, "size_mb": {}, "latency_p99_ms": {}},
    }
    assert names_of(charter) == ["log_loss", "roc_auc"]
