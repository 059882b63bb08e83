"""The tests of a release candidate: what they find when something is wrong, and that else they find nothing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fairlearn import metrics as fairlearn
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from flows import patching
from flows.init import init
from stages.context import Context
from stages.data import collect, label, split, validate
from stages.deployment import behaviour, examine, refit, serving
from stages.deployment import results as table_of
from stages.deployment.fairness import Groups, Sampling, by_group, compared, judged, metric_frame
from stages.deployment.flips import negative_flips
from stages.deployment.results import group_entries, own, results
from stages.deployment.shares import share
from stages.errors import DataError, ParamsError
from stages.files import read_json
from stages.params import Deployment, Requirement, check_params, load_params, read_params
from stages.planning import charter
from stages.training import choose, fit
from stages.training.calibration import recalibration
from stages.training.metrics import Scorer, bootstrap
from tests.conftest import ROOT, bundled_table

OPTIONS = Sampling(n=100, level=0.95, seed=0, min_rows=50)
LOGISTIC = {"estimator": "sklearn.linear_model.LogisticRegression", "params": {"max_iter": 1000}}


def decided(rows: int, seed: int, recall: dict[str, float]) -> tuple[Scorer, pd.Series[Any]]:
    """Rows of some groups, of which a model finds another share of the positives in each."""
    random = np.random.default_rng(seed)
    group = random.choice(list(recall), rows)
    target = (random.random(rows) < 0.4).astype(float)
    found = random.random(rows) < np.where(target == 1, [recall[name] for name in group], 0.1)
    second = np.where(found, 0.9, 0.1)
    prediction = np.c_[1 - second, second]
    return Scorer("classification", target, prediction, np.array([0.6, 0.4])), pd.Series(group, name="side")


def apart(scorer: Scorer, column: pd.Series[Any], metric: str, how: str) -> dict[str, Any]:
    groups = by_group(scorer, column, [metric], OPTIONS)
    return compared(groups, metric, how, OPTIONS.level, len(groups.names) * (len(groups.names) - 1) // 2)


@pytest.mark.parametrize(
    ("metric", "theirs"),
    [
        ("recall", fairlearn.true_positive_rate),
        ("selection_rate", fairlearn.selection_rate),
        ("false_positive_rate", fairlearn.false_positive_rate),
    ],
)
def test_groups_are_compared_as_fairlearn_does(metric: str, theirs: Any) -> None:
    scorer, column = decided(900, 0, {"left": 0.9, "right": 0.6, "middle": 0.8})
    frame = fairlearn.MetricFrame(metrics=theirs, y_true=scorer.target, y_pred=scorer.labels, sensitive_features=column)
    found = {how: apart(scorer, column, metric, how)["value"] for how in ("difference", "ratio")}
    assert found == pytest.approx({"difference": frame.difference(), "ratio": frame.ratio()})
    rows = [(name, np.flatnonzero(column == name)) for name in sorted(set(column))]
    ours = metric_frame(scorer, rows, [metric])
    assert ours.difference()[metric] == pytest.approx(frame.difference())


def test_groups_that_fare_alike_are_seldom_told_apart_and_others_mostly() -> None:
    alike, unlike = [], []
    for seed in range(20):
        fair = decided(1500, seed, dict.fromkeys("abcdef", 0.7))
        alike.append(judged(apart(*fair, "recall", "difference"), Requirement(at_most=0.0)))
        unfair = decided(1500, seed, dict.fromkeys("abcde", 0.7) | {"f": 0.3})
        unlike.append(judged(apart(*unfair, "recall", "difference"), Requirement(at_most=0.1)))
    assert alike.count(False) <= 1
    assert True not in alike  # no difference at all is never sure
    assert unlike.count(False) >= 18


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["difference", "ratio"]))
def test_the_interval_holds_the_value(seed: int, how: str) -> None:
    scorer, column = decided(400, seed, {"left": 0.9, "right": 0.5, "rare": 0.7})
    found = apart(scorer, column, "selection_rate", how)
    assert 0 <= found["low"] <= found["value"] <= found["high"]


def test_too_few_rows_cannot_tell_and_say_so() -> None:
    scorer, column = decided(900, 0, {"left": 0.9, "right": 0.1})
    few = column.where(np.arange(900) < 20, "left")
    found = apart(scorer, few, "recall", "difference")
    assert (found["value"], found["small"]) == (None, ["right"])
    assert judged(found, Requirement(at_most=0.1)) is None
    dated = Scorer("classification", scorer.target, scorer.prediction, scorer.constant, np.arange(900) % 3)
    assert judged(apart(dated, column, "recall", "difference"), Requirement(at_most=0.1)) is None  # three days


def test_a_share_of_none_is_not_sure_to_be_none() -> None:
    """Sixty rows that all agree have no spread in any resample."""
    values, nothing = np.array([[0.0], [0.0]]), np.zeros((100, 2, 1))
    floors = np.full((2, 1), 0.02)
    groups = Groups("side", ["a", "b"], [], [60, 60], [60, 60], ("recall",), values, nothing, floors)
    found = compared(groups, "recall", "difference", 0.95, 1)
    assert found["value"] == found["low"] == 0
    assert 0.04 < found["high"] < 0.08


def calibrated(rows: int, slope: float, seed: int) -> Scorer:
    random = np.random.default_rng(seed)
    logit = random.normal(size=rows) - 0.5
    target = (random.random(rows) < 1 / (1 + np.exp(-slope * logit))).astype(float)
    second = 1 / (1 + np.exp(-logit))
    return Scorer("classification", target, np.c_[1 - second, second], np.array([0.6, 0.4]))


def test_chance_is_no_calibration_error_and_a_wrong_slope_is() -> None:
    def error(scorer: Scorer) -> dict[str, Any]:
        return bootstrap(scorer, ["calibration_error"], n=100, level=0.95, seed=0)["calibration_error"]

    right = [error(calibrated(2000, 1.0, seed)) for seed in range(10)]
    assert sum(found["low"] > 0 for found in right) <= 1
    assert np.mean([found["value"] for found in right]) < 0.015
    wrong = error(calibrated(2000, 0.3, 0))
    assert wrong["low"] > 0.05
    spread = calibrated(300_000, 0.3, 0)
    logit = np.log(spread.prediction[:, 1] / spread.prediction[:, 0])
    truth = np.sqrt(np.mean((1 / (1 + np.exp(-0.3 * logit)) - spread.prediction[:, 1]) ** 2))
    assert wrong["low"] < truth < wrong["high"]


def test_the_line_of_recalibration_is_the_maximum_likelihood() -> None:
    scorer = calibrated(1500, 0.5, 1)
    logit = np.asarray(np.log(scorer.prediction[:, 1] / scorer.prediction[:, 0]), dtype=float)
    line, influence = recalibration(logit, scorer.target, logistic=True)
    reference = LogisticRegression(C=np.inf, tol=1e-10).fit(logit[:, None], scorer.target)
    assert line == pytest.approx([reference.intercept_[0], reference.coef_[0, 0]], abs=1e-4)
    assert influence.sum(axis=0) == pytest.approx([0, 0], abs=1e-6)
    values = recalibration(logit, np.asarray(2 * logit + 1, dtype=np.float64), logistic=False)[0]
    assert values == pytest.approx([1, 2])
    for score, target in (
        (np.zeros(50), scorer.target[:50]),
        (logit, np.ones(1500)),
        (logit, (logit > 0).astype(float)),
    ):
        assert np.isnan(recalibration(score, target, logistic=True)[0]).all()


@given(st.integers(20, 2000), st.floats(0, 1))
def test_a_share_has_an_interval_that_holds_it(rows: int, part: float) -> None:
    found = share(np.arange(rows) < part * rows, None, 0.95)
    low, value, high = found["low"], found["value"], found["high"]
    assert low is not None and value is not None and high is not None
    assert 0 <= low <= value <= high <= 1
    assert high - low > 0


def test_rows_of_a_day_count_for_less() -> None:
    day = np.repeat(np.arange(30), 100)
    bad = np.isin(day, [3, 7, 20])
    whole, by_day = share(bad, None, 0.95), share(bad, day, 0.95)
    assert (by_day["high"] or 0) - (by_day["low"] or 0) > 3 * ((whole["high"] or 0) - (whole["low"] or 0))
    assert share(bad[:300], day[:300], 0.95)["low"] is None


@pytest.mark.parametrize(
    ("lost", "limit", "fires"), [(0, 0.02, False), (30, None, False), (300, 0.02, True), (25, 0.02, None)]
)
def test_flips_fire_beyond_their_limit_only(lost: int, limit: float | None, fires: bool | None) -> None:
    was = np.ones(1000, dtype=bool)
    assert negative_flips(was, np.arange(1000) >= lost, None, limit, 0.95).fires is fires
    assert negative_flips(was[:8], ~was[:8], None, 0.02, 0.95).fires is None
    assert negative_flips(None, None, None, 0.02, 0.95, unknown="others").fires is None


VALUES = read_params(ROOT)


@pytest.mark.parametrize(
    ("patch", "says"),
    [
        ({"deployment.tests": [{"kind": "direction", "column": "x"}]}, r"tests\.0: direction needs low and high"),
        ({"deployment.tests": [{"kind": "direction", "column": "x", "low": 1}]}, "direction needs low and high"),
        ({"deployment.tests": [{"kind": "invariance", "column": "x", "noise": 1, "swap": {"a": "b"}}]}, "not both"),
        ({"deployment.tests": [{"kind": "minimum_functionality"}]}, "needs cases or rows"),
        ({"deployment.tests": [{"kind": "metamorphic"}]}, r"tests\.0.*'direction', 'minimum_functionality'"),
        ({"deployment.tests": [{"kind": "invariance", "colunm": "x"}]}, "do you mean column"),
        ({"data.nope": 1}, r"data\.nope: unknown key; see docs"),
        ({"data.splt": 1}, r"do you mean split\?"),
        ({"data.source.late_minuts": 1}, r"data\.source\.late_minuts: .*do you mean late_minutes\?"),
        ({"planning.requirements.recall": {"at_lest": 1}}, r"recall\.at_lest: .*do you mean at_least\?"),
        ({"planning.budgets": {"loops": [1]}}, r"budgets\.loops: .*\(found a list\)"),
        ({"planning.requirements.recall_difference": {"at_most": 0.1}}, "no groups to compare.*ethics.sensitive"),
        ({"planning.requirements.r2_difference": {"at_most": 0.1}}, "unknown metric 'r2_difference'"),
    ],
)
def test_slips_in_the_params_are_told_with_their_key(patch: dict[str, Any], says: str) -> None:
    with pytest.raises(ParamsError, match=says):
        check_params(patching.patched(VALUES, patch))


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a release candidate, a logistic regression of the cancer table, four times as many rows of it."""
    folder = tmp_path_factory.mktemp("tested")
    table, random = bundled_table("breast_cancer"), np.random.default_rng(0)
    table = pd.concat([table] * 4, ignore_index=True)
    numbers = table.select_dtypes("number").columns
    table[numbers] *= 1 + 0.05 * random.normal(size=(len(table), len(numbers)))
    table["side"] = random.choice(["left", "right"], len(table))
    table["who"] = [f"p{number}" for number in range(len(table))]
    table.to_csv(folder / "table.csv", index=False)
    project = init(folder / "project", folder / "table.csv", "target", key="who")
    few = {"training.bootstrap.n": 100, "training.candidates": {"one": LOGISTIC}, "training.use": ["one"]}
    patching.apply(project, few | {"planning.ethics.sensitive": ["side"]})
    for step in (charter, collect, validate, label, split, fit, choose, refit):
        step.run(project)
    return project


@pytest.fixture
def project(fitted: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(fitted, tmp_path / "project"))


def tried(project: Path, *tests: dict[str, Any]) -> list[dict[str, Any]]:
    patching.apply(project, {"deployment.tests": list(tests)})
    behaviour.run(project)
    return list(read_json(project / "release" / "behaviour.json"))


def test_behaviour_is_told_with_rows_shares_and_examples(project: Path) -> None:
    worst = Context(project).schema["classes"][-1] == "malignant"
    steps = [10.0, 20.0, 30.0] if worst else [30.0, 20.0, 10.0]
    noise: dict[str, Any] = {"kind": "invariance", "column": "worst_radius", "noise": 1.0, "tolerance": 1e-6}
    found = tried(
        project,
        {"kind": "direction", "column": "worst_radius", "values": steps, "max_failing": 0.01},
        {"kind": "direction", "column": "worst_radius", "values": steps[::-1], "max_failing": 0.5},
        noise | {"max_failing": 0.1},
        noise | {"tolerance": 1.0, "name": "a nudge"},
        {"kind": "invariance", "column": "side", "swap": {"left": "right"}, "tolerance": 0.05},
        {"kind": "invariance", "column": "side", "swap": {"up": "down"}},
    )
    assert [test["passed"] for test in found] == [True, False, False, True, True, True]
    assert found[5]["skipped"] == "no row has a value to be swapped"
    assert found[3]["test"] == "a nudge"
    rows = Context(project).split("test")
    assert found[4]["rows"] == (rows["side"] == "left").sum()
    failing = found[2]["failing"]
    assert failing["low"] <= failing["value"] <= failing["high"] and failing["low"] > 0.1
    example = found[1]["worst"][0]
    assert example["before"] > example["after"]
    assert example["key"] == rows.loc[example["row"], "who"]
    patching.apply(project, {"planning.security.private": ["who", "worst_radius"]})
    charter.run(project)
    behaviour.run(project)
    hidden = read_json(project / "release" / "behaviour.json")[1]["worst"][0]
    assert set(hidden) == {"row", "before", "after"}


def test_simple_cases_must_be_right(project: Path) -> None:
    sick = {"target": "malignant", "worst_radius": [28, 32], "worst_area": [2500, 3500], "worst_perimeter": 200}
    simple: dict[str, Any] = {"kind": "minimum_functionality", "rows": [sick]}
    right, wrong, lenient = tried(
        project,
        simple,
        {**simple, "rows": [sick | {"target": "benign"}]},
        {**simple, "rows": [sick, sick | {"target": "benign"}], "min_right": 0.5},
    )
    assert (right["passed"], right["rows"], right["figure"]) == (True, 4, 1.0)
    assert (wrong["passed"], wrong["figure"]) == (False, 0.0)
    assert wrong["worst"][0]["expected"] == "benign" and "malignant" in wrong["worst"][0]["predicted"]
    assert (lenient["passed"], lenient["rows"], lenient["figure"]) == (True, 8, 0.5)
    pd.DataFrame([{"target": "malignant", "worst_radius": 30}]).to_csv(project / "expectations" / "easy.csv")
    for rows, error, says in (
        ([{"worst_radius": 1}], ParamsError, r"tests\[1\]\.rows: a case has no 'target'"),
        ([sick | {"no_such": 1}], ParamsError, "unknown column 'no_such'"),
        ([sick | {"target": "well"}], ParamsError, "unknown class 'well'; expected one of benign, malignant"),
        ([sick | {"worst_radius": "wide"}], ParamsError, "is not a number"),
    ):
        with pytest.raises(error, match=says):
            tried(project, simple | {"rows": rows})
    with pytest.raises(ParamsError, match=r"tests\[1\]\.cases: expectations/no\.csv is not found"):
        tried(project, {"kind": "minimum_functionality", "cases": "expectations/no.csv"})
    with pytest.raises(DataError, match=r"easy\.csv: unknown column 'Unnamed: 0'"):
        tried(project, {"kind": "minimum_functionality", "cases": "expectations/easy.csv"})


def test_groups_missing_values_and_calibration_are_one_table(project: Path) -> None:
    bounds: dict[str, Any] = {"recall_difference": {"at_most": 0.9}, "selection_rate_ratio": {"at_least": 1.0}}
    wanted = {f"planning.requirements.{name}": bound for name, bound in bounds.items()}
    patching.apply(project, wanted | {"deployment.robustness.max_rise": 50.0})
    charter.run(project)
    for step in (behaviour, examine):
        step.run(project)
    examined = read_json(project / "release" / "examined.json")
    before = (project / "release" / "examined.json").read_bytes()
    examine.run(project)
    assert (project / "release" / "examined.json").read_bytes() == before
    lost = examined["robustness"]
    assert lost["rise"]["value"] > 0 and len(lost["features"]) == len(Context(project).schema["features"])
    rises = [item["rise"]["value"] for item in lost["features"]]
    assert rises == sorted(rises, reverse=True)

    def table(settings: Deployment) -> list[dict[str, Any]]:
        return own(results(read_json(project / "release" / "behaviour.json"), examined, [], [], settings))

    settings = load_params(project).deployment
    verdicts = {row["test"]: row["verdict"] for row in table(settings)}
    assert verdicts == {
        "recall_difference": "passed",
        "selection_rate_ratio": "cannot tell",
        "10% of all cells missing": "passed",
    }
    signal = table_of.tests_fail(table(settings), "one", group_entries(examined, "release"))
    assert signal.fires is False and signal.evidence["unsure"] == ["selection_rate_ratio"]
    assert "cannot tell: selection_rate_ratio" in signal.says
    held = settings.model_copy(update={"fairness": settings.fairness.model_copy(update={"unsure": "hold"})})
    signal = table_of.tests_fail(table(held), "one", group_entries(examined, "hold"))
    assert signal.fires is True
    assert [item["metric"] for item in signal.evidence["missed"]] == ["selection_rate_ratio"]


def test_a_group_that_is_served_worse_fails(project: Path) -> None:
    """The right side's measurements are scrambled in the pilot."""
    path, random = project / "data" / "splits" / "pilot.parquet", np.random.default_rng(0)
    pilot = pd.read_parquet(path)
    right = (pilot["side"] == "right").to_numpy()
    numbers = [name for name, kind in Context(project).schema["features"].items() if kind == "number"]
    pilot.loc[right, numbers] = pilot.loc[right, numbers].to_numpy()[random.permutation(right.sum())]
    pilot.to_parquet(path)
    patching.apply(project, {"planning.requirements.accuracy_difference": {"at_most": 0.1}})
    charter.run(project)
    examine.run(project)
    entry = group_entries(read_json(project / "release" / "examined.json"), "release")[0]
    assert (entry["metric"], entry["met"], entry["where"]) == ("accuracy_difference", False, "groups")
    assert entry["low"] > 0.1


def test_serving_is_measured_and_memory_where_it_is_asked_for(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ROWS", "ROUNDS"):
        monkeypatch.setattr(serving, name, 3)
    serving.run(project)
    figures = read_json(project / "reports" / "serving.json")
    assert 0 < figures["latency_p50_ms"] <= figures["latency_p99_ms"]
    assert figures["batch_rows_per_s"] > 1000 / figures["latency_p50_ms"]
    assert "memory_mb" not in figures
    bounds = {"memory_mb": {"at_most": 10.0}, "latency_p50_ms": {"at_most": 1e6}}
    patching.apply(project, {f"planning.requirements.{name}": bound for name, bound in bounds.items()})
    charter.run(project)
    serving.run(project)
    assert 50 < read_json(project / "reports" / "serving.json")["memory_mb"] < 2000
    verdicts = read_json(project / "release" / "serving.json")
    assert verdicts["memory_mb"] == {"met": False, "bound": 10.0, "side": "at_most"}  # and no figure: it is no function
    assert verdicts["latency_p50_ms"]["met"] is True
