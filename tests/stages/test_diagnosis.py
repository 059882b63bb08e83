"""The training and deployment steps on real tables: signals fire when they should, and only then."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flows import patching
from flows.init import init
from stages.context import Context
from stages.data import collect, label, split, validate
from stages.deployment import behaviour, examine, gate, pilot, refit, results, serving, slices
from stages.errors import DataError, ParamsError
from stages.files import read_json
from stages.params import Requirement
from stages.planning import charter, feasibility
from stages.signals import Signal, read_signals
from stages.training import baselines, checks, choose, decompose, diagnose, evaluate, fit, label_quality, learning_curve
from stages.training.metrics import standard_error
from stages.training.requirement_signals import requirements_trade_off
from tests.conftest import bundled_table

Make = Callable[..., Path]
LOGISTIC = {"estimator": "sklearn.linear_model.LogisticRegression", "params": {"max_iter": 1000}}
CRIPPLED = {"estimator": "sklearn.linear_model.LogisticRegression", "params": {"C": 1e-9}}
BOOSTING = {"estimator": "sklearn.ensemble.HistGradientBoostingClassifier", "params": {"max_iter": 20}}
TREE = {"estimator": "sklearn.tree.DecisionTreeClassifier", "params": {}}
FEW_DRAWS = {"training.bootstrap.n": 50}
FITTING = (baselines, fit, choose, evaluate)
TRAINING = (*FITTING, checks, learning_curve, decompose, label_quality, diagnose)
DEPLOYMENT = (refit, behaviour, serving, slices, pilot, examine, gate)


def prepare(folder: Path, frame: pd.DataFrame, *planned: Any) -> Path:
    """Make a project around a table, and take it through data; ``planned`` are steps of planning beside the charter."""
    frame.to_csv(folder / "table.csv", index=False)
    project = init(folder / "project", folder / "table.csv", "target")
    for step in (charter, *planned, collect, validate, label, split):
        step.run(project)
    return project


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Give a fresh copy of a prepared project, with a patch of its params."""
    made: dict[str, Path] = {}

    def copy(name: str, patch: dict[str, Any]) -> Path:
        if name not in made:
            made[name] = prepare(tmp_path_factory.mktemp(name), bundled_table(name))
        project = Path(shutil.copytree(made[name], tmp_path_factory.mktemp("copy") / name))
        patching.apply(project, patch)
        return project

    return copy


def train(project: Path) -> dict[str, Signal]:
    for step in TRAINING:
        step.run(project)
    return read_signals(project / "signals" / "training.json")


def fit_and_refit(project: Path) -> None:
    """Fit, choose and refit: what a test of the model alone needs."""
    for step in (*FITTING, refit):
        step.run(project)


def deploy(project: Path) -> dict[str, Signal]:
    for step in DEPLOYMENT:
        step.run(project)
    return read_signals(project / "signals" / "deployment.json")


def only(**candidate: Any) -> dict[str, Any]:
    return {"training.candidates": {"one": candidate}, "training.use": ["one"]}


def test_a_sound_model_passes(make: Make) -> None:
    project = make("breast_cancer", only(**LOGISTIC))
    signals = train(project)
    assert {name for name, signal in signals.items() if signal.fires} <= {
        "overfitting",
        "curve_falling",
        "too_flexible",
    }
    for name in ("leakage", "bug_suspected", "underfitting", "requirements_missed", "requirements_trade_off"):
        assert signals[name].fires is False
    found = deploy(project)
    kinds = {"covariate_shift", "label_shift", "concept_shift"}
    always = {"tests_fail", "serving_missed", "pilot_fails", "pilot_unsure", "shift", "hard_slices"}
    assert set(found) == always | kinds
    assert found["pilot_fails"].fires is False and found["tests_fail"].fires is False
    assert not any(found[name].fires for name in ("shift", *kinds))
    assert read_json(project / "release" / "candidate.json")["meets"] is True


def test_a_fully_grown_tree_overfits(make: Make) -> None:
    signals = train(make("breast_cancer", only(**TREE) | FEW_DRAWS))
    assert signals["overfitting"].fires is True
    assert signals["overfitting"].value == pytest.approx(1.0)
    assert signals["underfitting"].fires is False
    assert signals["bug_suspected"].fires is False


def test_a_crippled_model_underfits(make: Make) -> None:
    skill = {"planning.requirements.log_loss_skill.at_least": 0.5}
    project = make("breast_cancer", only(**CRIPPLED) | FEW_DRAWS | skill)
    charter.run(project)
    signals = train(project)
    assert signals["underfitting"].fires is True
    assert signals["underfitting"].evidence["metric"] == "log_loss_skill"
    assert signals["underfitting"].value == pytest.approx(1.0, abs=0.05)
    assert signals["overfitting"].fires is not True
    assert signals["requirements_missed"].fires is True
    assert [item["metric"] for item in signals["requirements_missed"].evidence["missed"]] == ["log_loss_skill"]


def test_the_better_of_two_is_chosen_and_kept(make: Make) -> None:
    two = {"training.candidates": {"crippled": CRIPPLED, "sound": LOGISTIC}, "training.use": ["crippled", "sound"]}
    project = make("breast_cancer", two)
    for step in FITTING:
        step.run(project)
    assert read_json(project / "models" / "chosen.json")["name"] == "sound"
    models = project / "models"
    assert (models / "model.skops").read_bytes() == (models / "candidates" / "sound.skops").read_bytes()


def test_doing_it_again_changes_no_byte(make: Make) -> None:
    project = make("breast_cancer", FEW_DRAWS)
    train(project), deploy(project)
    files = [p for f in ("models", "metrics", "signals", "release", "plots") for p in (project / f).rglob("*.*")]
    before = {path: path.read_bytes() for path in files}
    for step in (*TRAINING, *DEPLOYMENT):
        if step is not serving:  # slow, and a timing
            step.run(project)
    assert len(before) > 15
    assert [path for path in before if path.read_bytes() != before[path]] == []


def test_requirements_at_odds() -> None:
    bounds = {"recall": Requirement(at_least=0.8), "precision": Requirement(at_least=0.8)}
    a, b = {"recall": 0.9, "precision": 0.6}, {"recall": 0.5, "precision": 0.9}
    signal = requirements_trade_off({"a": [a], "b": [b]}, bounds)
    assert signal.fires is True
    assert signal.value == pytest.approx(0.25)  # a's precision, which is the better compromise
    assert signal.evidence["compromise"]["candidate"] == "a"
    one_model: list[dict[str, Any]] = [{"threshold": 0.3, **a}, {"threshold": 0.6, **b}]
    assert requirements_trade_off({"one": one_model}, bounds).fires is True
    meets: dict[str, Any] = {"threshold": 0.45, "recall": 0.8, "precision": 0.8}
    assert requirements_trade_off({"one": [*one_model, meets]}, bounds).fires is False
    out_of_reach = {**bounds, "precision": Requirement(at_least=0.95)}
    signal = requirements_trade_off({"a": [a], "b": [b]}, out_of_reach)
    assert signal.fires is False
    assert "none meets precision" in signal.says


def test_the_gain_is_that_of_one_doubling() -> None:
    before = np.random.default_rng(0).exponential(size=200)
    options: dict[str, Any] = {"n": 50, "level": 0.95, "seed": 0}
    gain = learning_curve.doubling_gain
    assert gain([before], before * 0.9, 0.5, None, **options)["value"] == pytest.approx(0.1)
    assert gain([before], before * 0.9, 0.25, None, **options)["value"] == pytest.approx(0.05)
    assert gain([before], before, 0.5, None, **options) == {"value": 0.0, "low": 0.0, "high": 0.0}
    spread = gain([before, before * 1.1], before, 0.5, None, **options)
    assert spread["low"] == pytest.approx(0.0, abs=0.005)
    assert spread["high"] == pytest.approx(1 - 1 / 1.1, abs=0.005)
    assert gain([before[:8]], before[:8] * 0.5, 0.5, None, **options)["low"] is None


def test_a_regression_passes_through_all_steps(make: Make) -> None:
    project = make("diabetes", FEW_DRAWS)
    assert Context(project).task == "regression"
    signals = train(project)
    assert signals["bug_suspected"].fires is False
    assert signals["requirements_missed"].fires is False
    found = deploy(project)
    assert found["pilot_fails"].fires is False
    assert set(pd.read_csv(project / "plots" / "roc.csv")) == {"quantile", "residual"}
    assert read_json(project / "release" / "candidate.json")["meets"] is True


@pytest.mark.parametrize("name", ["breast_cancer", "diabetes"])
def test_cases_must_stay_right(make: Make, name: str) -> None:
    project = make(name, FEW_DRAWS)
    fit_and_refit(project)
    work = Context(project)
    cases = work.split("train").head(20)[[*work.schema["features"], "target"]]
    if work.task == "classification":
        cases["target"] = [work.schema["classes"][code] for code in cases["target"]]

    def tried(cases: pd.DataFrame) -> tuple[bool, float]:
        cases.to_csv(project / "expectations" / "cases.csv", index=False)
        behaviour.run(project)
        (test,) = read_json(project / "release" / "behaviour.json")
        assert test["test"] == f"regression: {len(cases)} cases stay right"
        return test["passed"], test["figure"]

    _, share = tried(cases)
    assert share > 0.5
    swapped = cases["target"].map({"malignant": "benign", "benign": "malignant"})
    passed, share = tried(cases.assign(target=1e6 if work.task == "regression" else swapped))
    assert not passed and share < 0.5
    with pytest.raises(DataError, match=r"cases\.csv: unknown column 'no_such'"):
        tried(cases.assign(no_such=1))


def test_behaviour_is_held_to_its_tests(make: Make) -> None:
    tests = [
        {"kind": "direction", "column": "worst_radius", "low": 30.0, "high": 10.0},
        {"kind": "direction", "column": "worst_radius", "low": 10.0, "high": 30.0},
        {"kind": "invariance", "column": "worst_radius", "tolerance": 0.0},
        {"kind": "invariance", "column": "mean_texture_size", "tolerance": 1.0},
    ]
    project = make("breast_cancer", {"deployment.tests": tests} | only(**LOGISTIC))
    fit_and_refit(project)
    behaviour.run(project)
    found = read_json(project / "release" / "behaviour.json")
    benign_last = Context(project).schema["classes"][-1] == "benign"
    assert [test["passed"] for test in found] == [benign_last, not benign_last, False, True]
    signal = results.tests_fail(found, "one")
    assert signal.fires is True
    assert signal.value == 2
    assert results.tests_fail(found[3:], "one").fires is False
    patching.apply(project, {"deployment.tests": [{"kind": "invariance", "column": "no_such"}]})
    with pytest.raises(ParamsError, match=r"deployment\.tests\[1\]: unknown column 'no_such'"):
        behaviour.run(project)


def test_a_perfect_model_passes_through_all_steps(tmp_path: Path) -> None:
    """A leak, or an easy table: the loss is zero on every row, and shares of it are not defined."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"leak": random.integers(0, 9, 600), "side": random.choice(["left", "right"], 600)})
    project = prepare(tmp_path, frame.assign(target=np.where(frame["leak"] > 4, "yes", "no")), feasibility)
    patching.apply(project, only(**TREE) | {"deployment.slices.columns": ["side"]})
    signals = train(project)
    assert signals["overfitting"].fires is not True
    found = deploy(project)
    assert found["hard_slices"].fires is not True
    assert found["pilot_fails"].fires is False


def test_columns_may_be_called_what_they_like(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    names = ["weight", "source", "row", "expectations", "block", "index", "late"]
    frame = pd.DataFrame(random.normal(size=(300, 7)), columns=names)
    project = prepare(tmp_path, frame.assign(target=np.where(frame["weight"] > 0, "heavy", "light")), feasibility)
    patching.apply(project, only(**LOGISTIC) | FEW_DRAWS)
    assert train(project)["requirements_missed"].fires is False
    assert deploy(project)["pilot_fails"].fires is False


def test_a_rare_class_passes_through_all_steps(tmp_path: Path) -> None:
    """The first part of the learning curve holds one class only."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"x": random.normal(size=200), "z": random.normal(size=200)})
    rare = np.arange(200) % 16 == 0
    project = prepare(
        tmp_path, frame.assign(x=frame["x"] + 3 * rare, target=np.where(rare, "ill", "well")), feasibility
    )
    crashed = []
    for kind in (LOGISTIC, BOOSTING):
        patching.apply(project, only(**kind) | FEW_DRAWS | {"seed": 1})
        try:
            assert set(train(project)) >= {"overfitting", "underfitting", "curve_falling"}
        except ValueError as error:
            crashed.append((kind["estimator"], str(error)))
    assert crashed == []


def test_slices_are_judged_on_rows_that_the_model_has_not_seen(tmp_path: Path) -> None:
    """A tree that knows its training rows by heart is perfect on them, and no better than chance on others."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"x": random.normal(size=900), "side": random.choice(["left", "right"], 900)})
    known = np.where(frame["x"] > 0, "yes", "no")
    known = np.where(frame["side"] == "left", random.permutation(known), known)
    project = prepare(tmp_path, frame.assign(target=known))
    patching.apply(project, only(**TREE) | FEW_DRAWS | {"deployment.slices.columns": ["side"]})
    fit_and_refit(project)
    rows, predicted = slices.unseen(Context(project))
    splits = {name: len(Context(project).split(name)) for name in ("train", "valid")}
    assert len(rows) == len(predicted) == sum(splits.values())
    wrong = predicted.argmax(axis=1) != rows["target"]
    assert wrong[rows["side"] == "left"].mean() == pytest.approx(0.5, abs=0.1)
    assert wrong[rows["side"] == "right"].mean() < 0.1
    found = deploy(project)["hard_slices"]
    assert [item["value"] for item in found.evidence["slices"]] == ["left"]
    assert found.evidence["slices"][0]["rows"] > splits["valid"]


def test_a_soft_requirement_holds_up_no_release_and_is_told(make: Make) -> None:
    wished = {"planning.requirements.accuracy": {"at_least": 0.9999, "hard": False}}
    wished |= {"planning.requirements.size_mb": {"at_most": 1e-5, "hard": False}}
    project = make("breast_cancer", only(**LOGISTIC) | FEW_DRAWS | wished)
    charter.run(project)
    signals = train(project)
    assert signals["requirements_missed"].fires is False
    assert signals["serving_missed"].fires is False
    found = deploy(project)
    assert found["serving_missed"].fires is False
    assert found["pilot_fails"].fires is False
    missed = {item["metric"] for item in found["pilot_fails"].evidence["wishes_missed"]}
    assert missed == {"accuracy", "size_mb"}
    candidate = read_json(project / "release" / "candidate.json")
    assert candidate["meets"] is True
    assert {item["metric"] for item in candidate["wishes"]} == missed


def test_the_whole_charter_is_measured(make: Make) -> None:
    """A figure to beat, priced errors, and a group that must not fare worse."""
    column = "mean_texture_size"
    paper = {"metric": "accuracy", "value": 0.9999, "source": "Smith 2020"}
    patch: dict[str, Any] = {"planning.beat": {"paper": paper, "guess": {"metric": "roc_auc", "value": 0.6}}}
    patch |= {"planning.prices": {"false_positive": 1.0, "false_negative": 5.0}}
    patch |= {"planning.ethics": {"sensitive": [column]}, "deployment.slices.min_rows": 20}
    project = make("breast_cancer", only(**LOGISTIC) | FEW_DRAWS | patch)
    charter.run(project)
    signals = train(project)
    assert signals["requirements_missed"].evidence["baselines"]["paper"] is None  # not of the metric optimised
    assert read_json(project / "metrics" / "baselines.json")["paper"] == {
        "accuracy": {"value": 0.9999, "low": None, "high": None}
    }
    found = deploy(project)
    (missed,) = found["pilot_fails"].evidence["wishes_missed"]
    assert (missed["beat"], missed["source"], missed["met"]) == ("paper", "Smith 2020", False)
    brought = read_json(project / "metrics" / "pilot.json")["outcome"]
    assert -5 < brought["constant"]["value"] < brought["model"]["value"] <= 0
    assert found["outcome_flat"].fires is False
    assert {item["column"] for item in read_json(project / "release" / "slices.json")} == {column}
    patching.apply(project, {"planning.ethics": {"sensitive": ["gender"]}})
    charter.run(project)
    with pytest.raises(ParamsError, match=r"planning\.ethics\.sensitive: 'gender' is no column of the data"):
        slices.run(project)


def even(member: Any) -> Any:
    """Return the losses of a slice's own mean: one a row, in every slice."""
    return np.ones(len(member))


def test_a_planted_hard_slice_is_found() -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"city": random.choice(list("abcdef"), 6000), "age": random.uniform(0, 90, 6000)})
    losses = random.exponential(size=6000) * np.where(frame["city"] == "c", 2.0, 0.8)
    found = slices.judge(frame, losses, even, ["city", "age"], 200, 0.95, None)
    assert len(found) == 6 + 5
    assert [item["value"] for item in found if item["low"] > 0.25] == ["c"]
    assert found[0]["excess"] == pytest.approx(1.0, abs=0.1)
    assert [item["binned"] for item in found if item["column"] == "age"] == [True] * 5
    assert slices.judge(frame, losses, even, ["city", "age"], 5000, 0.95, None) == []


def test_a_toss_up_is_not_a_hard_slice() -> None:
    """The true probabilities cannot be bettered, however large the loss is where they are near a half."""
    random = np.random.default_rng(0)
    chance = np.where(np.arange(8000) % 2, 0.45, 0.05)
    truth = (random.random(8000) < chance).astype(float)
    losses = -np.log(np.where(truth == 1, chance, 1 - chance))

    def own(member: Any) -> Any:
        share = truth[member].mean()
        return -np.log(np.where(truth[member] == 1, share, 1 - share))

    found = slices.judge(pd.DataFrame({"kind": np.arange(8000) % 2}), losses, own, ["kind"], 100, 0.95, None)
    assert len(found) == 2
    assert all(abs(item["excess"]) < 0.01 and item["low"] <= 0 for item in found)


def test_random_slices_keep_quiet() -> None:
    """All intervals hold together: with a level of 95%, about one table in forty shows a slice above zero."""
    alarms = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        frame = pd.DataFrame({"one": random.integers(0, 8, 2000), "two": random.choice(list("abcdefghij"), 2000)})
        losses = random.exponential(size=2000)
        found = slices.judge(frame, losses, even, ["one", "two"], 100, 0.95, None)
        assert len(found) == 18
        assert not any(item["low"] > 0.25 for item in found)
        alarms += found[0]["low"] > 0
    assert alarms <= 10


def test_the_error_of_a_mean_knows_blocks() -> None:
    """Simulated: twenty days whose means differ, forty rows each."""
    random = np.random.default_rng(0)
    blocks = np.repeat(np.arange(20), 40)
    means, errors = [], []
    for _ in range(400):
        values = random.normal(size=800) + random.normal(size=20)[blocks]
        means.append(values.mean())
        errors.append(standard_error(values - values.mean(), blocks))
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.1)
    iid = random.normal(size=5000)
    assert standard_error(iid - iid.mean(), None) == pytest.approx(1 / 5000**0.5, rel=0.05)
