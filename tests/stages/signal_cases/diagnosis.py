"""The cases of what ails a model and what the charter asks of it, on scikit-learn's bundled tables."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn import datasets
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from stages.deployment import gate
from stages.deployment.enough import Size, judged, pilot_unsure
from stages.deployment.outcome import measure, outcome_flat, outcome_low
from stages.deployment.results import tests_fail
from stages.deployment.slices import judge
from stages.params import Pilot, Requirement
from stages.requirements import serving_missed
from stages.signals import Signal
from stages.training.ceiling import ceiling
from stages.training.comparison import better_than_constant
from stages.training.decomposition import Rows, decompose
from stages.training.error_signals import curve_falling, overfitting, too_flexible, underfitting
from stages.training.learning_curve import doubling_gain
from stages.training.metrics import Array, Scorer, bootstrap, constant_prediction, repeat, row_losses
from stages.training.reference import NAME
from stages.training.requirement_signals import metric_reached, requirements_missed, requirements_trade_off
from stages.training.thresholds import sweep
from tests.stages.signal_cases import Case

SAMPLING: dict[str, Any] = {"n": 200, "level": 0.95, "seed": 0}
TASK, CLASSES = "classification", 2
Codes = NDArray[np.intp]


@lru_cache(maxsize=1)
def digits() -> tuple[Array, Codes]:
    """Whether a digit is odd, from its pixels: real, and not linear."""
    pixels, digit = datasets.load_digits(return_X_y=True)
    return pixels, digit % 2


def halves() -> tuple[Codes, Codes]:
    """Rows to fit on, rows to judge by."""
    order = np.random.default_rng(0).permutation(len(digits()[1]))
    return order[:1000], order[1000:]


@cache
def probabilities(kind: str, rows: int = 1000) -> Array:
    """Every digit's prediction by a model fitted on the first ``rows`` of those to fit on."""
    models = {
        "logistic": make_pipeline(StandardScaler(), LogisticRegression(C=0.001)),
        "sound": HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=6, random_state=0),
        "tree": DecisionTreeClassifier(random_state=0),
        "leaves": DecisionTreeClassifier(min_samples_leaf=4, random_state=0),
        "stump": DecisionTreeClassifier(max_depth=1, random_state=0),
        "shallow": DecisionTreeClassifier(max_depth=3, random_state=0),
    }
    pixels, odd = digits()
    fitted = halves()[0][:rows]
    return np.asarray(models[kind].fit(pixels[fitted], odd[fitted]).predict_proba(pixels))


def losses(kind: str) -> Array:
    return row_losses(TASK, digits()[1].astype(float), probabilities(kind))


def constant() -> Array:
    return constant_prediction(TASK, digits()[1][halves()[0]].astype(float), CLASSES)


def drawn(part: Codes, rows: int, seed: int) -> Codes:
    """As many rows as wanted, with replacement: the table is small."""
    return np.random.default_rng(seed).choice(part, rows)


def loss_case(kinds: dict[float, str]) -> Any:
    """Inputs of the decomposition: a model by severity, on drawn rows."""

    def make(severity: float, rows: int, seed: int) -> dict[str, Any]:
        train, valid = (drawn(part, rows, seed) for part in halves())
        own, flat = losses(kinds[severity]), row_losses(TASK, digits()[1].astype(float), repeat(constant(), 1797))
        return {
            "train": own[train],
            "valid": own[valid],
            "reference": losses("sound")[valid],
            "constant_train": flat[train],
            "constant_valid": flat[valid],
        }

    return make


def parts(train: Array, valid: Array, reference: Array, constant_train: Array, constant_valid: Array) -> dict[str, Any]:
    return decompose(Rows(train, constant_train), Rows(valid, constant_valid), {NAME: reference}, **SAMPLING)


def no_goal(found: dict[str, Any]) -> Signal:
    return underfitting(found, {}, {}, 0.05)


def make_curve(severity: float, rows: int, seed: int) -> dict[str, Any]:
    """Severity: how few rows were learned from, so how steep the curve still is."""
    last = {0.0: 1000, 0.5: 400, 1.0: 120}[severity]
    valid = drawn(halves()[1], rows, seed)
    truth = digits()[1].astype(float)
    before, after = (row_losses(TASK, truth, probabilities("sound", n))[valid] for n in (last // 2, last))
    if severity == 0:
        before = after  # no digits are left that are not learned from: the next half brings nothing
    return {"before": [before], "after": after, "train_rows": last}


def measure_curve(before: list[Array], after: Array, train_rows: int) -> Signal:
    gain = doubling_gain(before, after, 0.5, None, **SAMPLING)
    points = [
        {"rows": train_rows // 2, "valid_loss": float(before[0].mean())},
        {"rows": train_rows, "valid_loss": float(after.mean())},
    ]
    return curve_falling(gain, points, {}, train_rows, 0.005)


def make_noise(severity: float, rows: int, seed: int) -> dict[str, Any]:
    """Labels of which some are flipped, beside the right ones: what a sample that was labelled again shows."""
    random = np.random.default_rng(seed)
    odd = digits()[1][drawn(halves()[1], rows, seed)]
    return {"labels": np.where(random.random(rows) < 0.2 * severity, 1 - odd, odd), "right": odd}


def measure_noise(labels: Codes, right: Codes) -> Signal:
    wrong = (labels != right).astype(float)
    n, rate = len(wrong), wrong.mean()
    z = 1.96
    middle, half = (rate + z**2 / 2 / n) / (1 + z**2 / n), z / (1 + z**2 / n)  # Wilson 1927
    half *= (rate * (1 - rate) / n + z**2 / 4 / n**2) ** 0.5
    noise = {"value": float(rate), "low": min(rate, middle - half), "high": max(rate, middle + half)}
    return ceiling({"accuracy": Requirement(at_least=0.9)}, noise=noise)


def make_scores(severity: float, rows: int, seed: int) -> dict[str, Any]:
    """A model by severity, on rows drawn for judging."""
    kind = {0.0: "sound", 0.5: "shallow", 1.0: "stump"}[severity]
    valid = drawn(halves()[1], rows, seed)
    return {"target": digits()[1][valid].astype(float), "prediction": probabilities(kind)[valid]}


REACHED = 0.2
BOUNDS = {"roc_auc": Requirement(at_least=0.9), "log_loss": Requirement(at_most=0.5)}


def measure_missed(target: Array, prediction: Array) -> Signal:
    found = bootstrap(Scorer(TASK, target, prediction, constant()), ["roc_auc", "log_loss"], **SAMPLING)
    return requirements_missed(found, BOUNDS, chosen="one", optimise="log_loss")


def make_better(severity: float, rows: int, seed: int) -> dict[str, Any]:
    """The better the model, the surer it has reached what was asked of it."""
    return make_scores(1.0 - severity, rows, seed)


def measure_reached(target: Array, prediction: Array) -> Signal:
    found = bootstrap(Scorer(TASK, target, prediction, constant()), ["log_loss"], **SAMPLING)
    return metric_reached("log_loss", found["log_loss"], Requirement(at_most=REACHED), ["size_mb"])


def measure_pilot(target: Array, prediction: Array) -> Signal:
    scorer = Scorer(TASK, target, prediction, constant())
    found = bootstrap(scorer, list(BOUNDS), **SAMPLING)
    entries = [
        {"metric": name, **found[name], "bound": b.bound, "side": b.side, "met": b.met_by(found[name]["value"])}
        for name, b in BOUNDS.items()
    ]
    better = better_than_constant(scorer, **SAMPLING)
    return gate.pilot_fails(entries, better, aims_at_loss=True, size=Size.of(len(target), None, 0.95, 0.8))


NEAR = {"roc_auc": Requirement(at_least=0.8)}


def make_fewer(severity: float, rows: int, seed: int) -> dict[str, Any]:
    """Ever fewer rows of a pilot on which the model is ever nearer to what was asked of it."""
    return make_scores(severity, int(rows * (1 - 0.99 * severity)), seed)


def measure_unsure(target: Array, prediction: Array) -> Signal:
    found = bootstrap(Scorer(TASK, target, prediction, constant()), list(NEAR), **SAMPLING)
    size = Size.of(len(target), None, 0.95, 0.8)
    entries = [
        judged({"metric": name, **found[name], "bound": b.bound, "side": b.side}, 0.5, size, 0.25)
        for name, b in NEAR.items()
    ]
    return pilot_unsure(entries, size, Pilot(), waits=True)


def make_slices(severity: float, rows: int, seed: int) -> dict[str, Any]:
    """Digits written by one half of the writers are answered by a model that knows nothing, in a share of the rows."""
    valid = drawn(halves()[1], rows, seed)
    side = np.where(np.random.default_rng(seed).random(rows) < 0.3, "left", "right")
    prediction = probabilities("sound")[valid]
    hit = (side == "left") & (np.random.default_rng(seed + 1).random(rows) < severity)
    prediction = np.where(hit[:, None], prediction[:, ::-1], prediction)
    frame = pd.DataFrame({"side": side, "odd": digits()[1][valid]})
    return {"frame": frame, "prediction": prediction}


def measure_slices(frame: pd.DataFrame, prediction: Array) -> Signal:
    target = frame["odd"].to_numpy(dtype=float)

    def own(member: Codes) -> Array:
        return row_losses(TASK, target[member], repeat(constant_prediction(TASK, target[member], 2), len(member)))

    found = judge(frame, row_losses(TASK, target, prediction), own, ["side"], 50, 0.95, None)
    return gate.hard_slices(found, 0.05)


def make_tests(severity: float, rows: int, seed: int) -> dict[str, Any]:
    """Ten tests, of which some fail: a count."""
    return {"tests": [{"test": f"number {n}", "passed": n >= 4 * severity} for n in range(10)]}


def make_serving(severity: float, rows: int, seed: int) -> dict[str, Any]:
    """Size and latency, of which some are missed: a count."""
    met = {0.0: (True, True), 0.5: (True, False), 1.0: (False, False)}[severity]
    names = ("size_mb", "latency_p99_ms")
    return {
        "entries": [{"metric": n, "met": m, "bound": 10.0, "side": "at_most"} for n, m in zip(names, met, strict=True)]
    }


def make_odds(severity: float, rows: int, seed: int) -> dict[str, Any]:
    """Precision and recall wanted of a model that can have one or the other, the more the higher both are."""
    valid = drawn(halves()[1], rows, seed)
    target, prediction = digits()[1][valid].astype(float), probabilities("logistic")[valid]
    return {"target": target, "prediction": prediction, "wanted": {0.0: 0.6, 0.5: 0.9, 1.0: 0.97}[severity]}


def measure_odds(target: Array, prediction: Array, wanted: float) -> Signal:
    scorer = Scorer(TASK, target, prediction, constant())
    options = [{"threshold": t, **s} for t, s in sweep(scorer, scorer.score(["precision", "recall"])).items()]
    bounds = {name: Requirement(at_least=wanted) for name in ("precision", "recall")}
    return requirements_trade_off({"one": options}, bounds)


def make_worth(severity: float, rows: int, seed: int) -> dict[str, Any]:
    """What an answer brings: a euro when it is right, but only in the share of cases in which anybody listens."""
    valid = drawn(halves()[1], rows, seed)
    target = digits()[1][valid].astype(float)
    predictions = {"model": probabilities("sound")[valid], "rule": probabilities("stump")[valid]}
    heard = np.random.default_rng(seed).random(rows) >= severity
    values = {name: heard * ((p[:, 1] > 0.5) == (target == 1)).astype(float) for name, p in predictions.items()}
    return {"target": target, "predictions": predictions, "values": values}


def measured_worth(target: Array, predictions: dict[str, Array], values: dict[str, Array]) -> dict[str, Any]:
    scorers = {name: Scorer(TASK, target, p, constant()) for name, p in predictions.items()}
    return measure(values, scorers, "log_loss", **SAMPLING)


def measure_flat(**inputs: Any) -> Signal:
    found = measured_worth(**inputs)
    return outcome_flat(found["gain"], found["metric_gain"], "log_loss", 0.0, "EUR")


def measure_low(**inputs: Any) -> Signal:
    return outcome_low(measured_worth(**inputs)["model"], 0.3, "EUR", met=True)


CASES = [
    Case(
        "overfitting",
        loss_case({0.0: "logistic", 0.5: "leaves", 1.0: "tree"}),
        lambda **inputs: overfitting(parts(**inputs), 0.05),
    ),
    Case(
        "underfitting",
        loss_case({0.0: "sound", 0.5: "shallow", 1.0: "stump"}),
        lambda **inputs: no_goal(parts(**inputs)),
    ),
    Case(
        "too_flexible",
        loss_case({0.0: "sound", 0.5: "leaves", 1.0: "tree"}),
        lambda **inputs: too_flexible({**parts(**inputs), "reference": {}}, {}, 0.05),
    ),
    Case("curve_falling", make_curve, measure_curve),
    Case("ceiling", make_noise, measure_noise),
    Case("outcome_flat", make_worth, measure_flat),
    Case("outcome_low", make_worth, measure_low),
    # Held against the estimate (docs/concepts.md), so these tell on any number of rows.
    Case("requirements_trade_off", make_odds, measure_odds, tiny=None),
    Case("requirements_missed", make_scores, measure_missed, tiny=None),
    Case("metric_reached", make_better, measure_reached),
    Case("pilot_fails", make_scores, measure_pilot, tiny=None),
    Case("pilot_unsure", make_fewer, measure_unsure, tiny=None),
    Case("hard_slices", make_slices, measure_slices),
    Case("tests_fail", make_tests, lambda tests: tests_fail(tests, "one"), tiny=None),
    Case("serving_missed", make_serving, lambda entries: serving_missed(entries, "one"), tiny=None),
]
