"""Bugs and leaks are told, and sound models of every family and honest features are not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from flows import patching
from flows.decide import FORWARD, decide, gate_open
from flows.init import init
from flows.situation import Situation
from stages.context import Context
from stages.data import collect, label, split, validate
from stages.data.copies import by_chance, copied, drop_copies, hashed
from stages.errors import DataError, ParamsError
from stages.params import Candidate, Checks, load_params, read_params
from stages.planning import charter, feasibility
from stages.signals import Signal, read_signals
from stages.training import baselines, checks, choose, decompose, diagnose, evaluate, fit, label_quality, learning_curve
from stages.training.bugs import look_for_bugs
from stages.training.estimators import LINEAR, build, predict
from stages.training.estimators import fit as fitted
from stages.training.features_alone import features_alone
from stages.training.leakage import copies, future_timestamps
from stages.training.predictions import sound_predictions, steady
from stages.training.ranking import ranking
from stages.training.sampling import Sampling
from stages.training.sanity import fits_a_batch, right_sign, shuffled_control
from stages.training.suspicion import leakage
from tests.conftest import bundled_table
from tests.stages.signal_cases.training import copied_rows, drawn, halves

SAMPLING = Sampling(n=100)
FAMILIES: dict[str, dict[str, Any]] = {
    "sklearn.linear_model.LogisticRegression": {"C": 1e-9},
    "sklearn.ensemble.HistGradientBoostingClassifier": {"max_iter": 1, "learning_rate": 1e-3, "min_samples_leaf": 300},
    "sklearn.ensemble.RandomForestClassifier": {"n_estimators": 10, "max_depth": 1},
    "sklearn.tree.DecisionTreeClassifier": {"max_depth": 1, "min_samples_leaf": 200},
    "sklearn.neighbors.KNeighborsClassifier": {"n_neighbors": 90},
    "sklearn.naive_bayes.GaussianNB": {},
    "sklearn.dummy.DummyClassifier": {},
}


class Upside(LogisticRegression):  # type: ignore[misc]
    """A model whose author took the loss for a score."""

    def predict_proba(self, rows: Any) -> Any:
        return super().predict_proba(rows)[:, ::-1]


class Misaligned(LogisticRegression):  # type: ignore[misc]
    """A model whose author shuffled the rows and not the labels."""

    def fit(self, rows: Any, target: Any, sample_weight: Any = None) -> Any:
        return super().fit(rows[np.random.default_rng(0).permutation(len(rows))], target)


def named(findings: list[Signal]) -> dict[str, bool | None]:
    return {finding.name: finding.fires for finding in findings}


@pytest.mark.parametrize("estimator", FAMILIES)
@pytest.mark.parametrize("name", ["breast_cancer", "wine"])
def test_a_candidate_held_back_too_much_is_no_bug(estimator: str, name: str) -> None:
    frame, schema, _ = drawn(name, 170, 0)
    candidate = Candidate(estimator=estimator, params=FAMILIES[estimator])
    model = fitted(build("one", candidate, schema, "classification", 0), frame[:100], schema)
    found = look_for_bugs(
        candidate,
        lambda rows: predict(model, rows, schema),
        (frame[:100], frame[100:]),
        schema,
        "classification",
        Checks(),
        SAMPLING,
    )
    assert {item for item, fires in named(found).items() if fires} == set()
    assert len(found) == 9


@pytest.mark.parametrize("broken", ["Upside", "Misaligned"])
def test_an_estimator_that_learns_wrongly_cannot_fit_a_batch(broken: str) -> None:
    frame, schema, _ = drawn("breast_cancer", 300, 0)
    candidate = Candidate(estimator=f"{__name__}.{broken}", params={"max_iter": 500})
    signal = fits_a_batch(candidate, frame, schema, "classification", 0.5, SAMPLING)
    assert signal.fires is True
    assert (signal.value or 0) < 0.4


def test_the_wrong_way_round_is_told_from_no_way() -> None:
    random = np.random.default_rng(0)
    target = random.integers(0, 2, 400).astype(float)
    score = np.clip(0.5 + 0.2 * (target - 0.5) + 0.2 * random.normal(size=400), 0, 1)
    proper = np.c_[1 - score, score]
    assert right_sign("classification", target, proper, None, SAMPLING).fires is False
    assert right_sign("classification", target, proper[:, ::-1], None, SAMPLING).fires is True
    chance = np.asarray(random.permutation(proper), dtype=float)
    assert right_sign("classification", target, chance, None, SAMPLING).fires is None
    assert right_sign("regression", target, -score, None, SAMPLING).fires is True


def test_ranking_is_somers_d_or_the_correlation() -> None:
    target = np.array([0.0, 1, 0, 1, 1])
    proba = np.array([0.1, 0.9, 0.6, 0.5, 0.8])
    assert ranking("classification", target, np.c_[1 - proba, proba]) == pytest.approx(2 * 5 / 6 - 1)
    values = np.array([1.0, 2, 3, 4, 9])
    assert ranking("regression", values, proba) == pytest.approx(np.corrcoef(values, proba)[0, 1])
    assert ranking("regression", values, np.full(5, 3.0)) == 0


def test_labels_that_are_features_show_in_the_control() -> None:
    found = halves(*drawn("breast_cancer", 560, 0)[:2])
    schema = found["schema"]

    def control(schema: dict[str, Any]) -> Signal:
        return shuffled_control(found["train"], found["valid"], schema, "classification", None, 0.1, SAMPLING)

    assert control(schema).fires is not True
    features = schema["features"] | {"target": "number"}
    leaking = control(schema | {"features": features})
    assert leaking.fires is True
    assert leaking.value == pytest.approx(1.0)


def test_remembered_copies_show_in_the_control() -> None:
    found = copied_rows(0.4, 560, 0)
    units = np.concatenate(hashed(found["train"], found["valid"], found["schema"]).whole())
    splits = found["train"], found["valid"]
    signal = shuffled_control(*splits, found["schema"], "classification", units, 0.1, SAMPLING)
    assert signal.fires is True
    assert signal.value == pytest.approx(0.4, abs=0.2)


def test_predictions_must_be_numbers_that_vary_in_range() -> None:
    random = np.random.default_rng(0)
    target, sound = random.normal(size=300), random.normal(size=200)

    def found(prediction: Any, again: Any = sound) -> set[str]:
        checked = named(sound_predictions("regression", prediction, again, target, 0.01))
        return {name for name, fires in checked.items() if fires}

    flat = np.full(200, 0.5)
    assert found(sound) == set()
    assert found(np.where(np.arange(200) == 7, np.nan, sound)) == {"numbers"}
    assert found(flat) == {"varied"}
    assert found(flat, again=flat) == set()  # the candidate is held back; that is no bug
    assert found(1e3 * sound) == {"in_range"}
    assert found(np.where(np.arange(200) == 7, 1e9, sound)) == set()  # one odd row says nothing of the model


def test_a_prediction_depends_on_its_row_alone() -> None:
    frame, schema, _ = drawn("breast_cancer", 120, 0)
    model = fitted(build("one", LINEAR["classification"], schema, "classification", 0), frame, schema)
    assert set(named(steady(lambda rows: predict(model, rows, schema), frame, 1.0)).values()) == {False}
    by_position = steady(lambda rows: rows.iloc[:, 0].to_numpy(dtype=float), frame, 1.0)
    assert named(by_position) == {"column_order": True, "row_alone": False}
    by_batch = steady(lambda rows: rows["mean_area"].to_numpy() - rows["mean_area"].mean(), frame, 1.0)
    assert named(by_batch) == {"column_order": False, "row_alone": True}


@pytest.mark.parametrize("name", ["breast_cancer", "wine", "digits", "diabetes"])
def test_honest_features_are_no_leak(name: str) -> None:
    """Breast cancer has single features with a ROC AUC of 0.97."""
    frame, schema, _ = drawn(name, {"digits": 1000, "wine": 170}.get(name, 440), 1)
    task = "regression" if name == "diabetes" else "classification"
    found = features_alone(frame, schema, task, None, Checks(), SAMPLING)
    assert [item for item in found if (item["high"] or 0) > 0.3 or (item["ahead"]["low"] or 0) > 0.5] == []


def leaky(kind: str) -> tuple[pd.DataFrame, dict[str, Any], set[str]]:
    frame, schema, random = drawn("breast_cancer", 560, 2)
    target = frame["target"].to_numpy()
    added = {
        "copy": {"again": target * 2.0},
        "two copies": {"again": target * 2.0, "more": 3.0 - target},
        "order": {"id": np.argsort(np.argsort(target, kind="stable")).astype(float)},
        "category": {"outcome": np.where(target > 0, "benign tumour", "malign tumour")},
        "noisy": {"again": target + 0.1 * random.normal(size=560)},
    }[kind]
    kinds = dict.fromkeys(added, "category" if kind == "category" else "number")
    return frame.assign(**added), schema | {"features": schema["features"] | kinds}, set(added)


@pytest.mark.parametrize("kind", ["copy", "two copies", "order", "category", "noisy"])
def test_a_column_that_gives_the_target_away_is_told(kind: str) -> None:
    frame, schema, added = leaky(kind)
    found = features_alone(frame, schema, "classification", None, Checks(), SAMPLING)
    assert {item["feature"] for item in found if (item["low"] or 0) > 0.3} == added


@pytest.mark.parametrize(("name", "rows", "wrong"), [("digits", 1000, 0.02), ("wine", 100, 0.0)])
def test_a_copy_stands_out_where_the_others_know_all_too(name: str, rows: int, wrong: float) -> None:
    frame, schema, random = drawn(name, rows, 1)
    codes = frame["target"].to_numpy()
    again = np.where(random.random(rows) < wrong, random.permutation(codes), codes)
    frame["report"] = np.array([f"class {code}" for code in again])
    schema = schema | {"features": schema["features"] | {"report": "category"}}
    none: dict[str, Any] = {"future": [], "copies": {"value": None, "low": None, "high": None}}
    found = {"alone": features_alone(frame, schema, "classification", None, Checks(), SAMPLING), **none}
    told = leakage(found, Checks())
    assert told.fires and told.evidence["columns"] == ["report"]


def sensors(seed: int) -> tuple[pd.DataFrame, dict[str, Any], np.ndarray]:
    """Return twenty poor readings of one quantity, and the target, which is nearly that quantity."""
    random = np.random.default_rng(seed)
    true = random.normal(size=600)
    frame = pd.DataFrame({f"s{at}": true + random.normal(size=600) for at in range(20)})
    frame["target"] = true + 0.1 * random.normal(size=600)
    return frame, {"features": dict.fromkeys(frame.columns[:20], "number"), "target": "target", "classes": None}, true


def test_one_good_sensor_among_poor_ones_is_no_leak() -> None:
    frame, schema, true = sensors(0)
    frame["good"] = true + 0.3 * np.random.default_rng(1).normal(size=600)
    schema["features"]["good"] = "number"
    found = features_alone(frame, schema, "regression", None, Checks(), SAMPLING)
    assert found[0]["feature"] == "good"
    none: dict[str, Any] = {"future": [], "copies": {"value": None, "low": None, "high": None}}
    assert not leakage({"alone": found, **none}, Checks()).fires


@pytest.mark.parametrize("rows", [60, 150])
def test_two_copies_of_a_number_do_not_hide_each_other(rows: int) -> None:
    frame, schema, _ = sensors(2)
    frame = frame.head(rows).assign(copy=lambda part: part["target"], again=lambda part: 2 * part["target"] + 1)
    schema["features"] |= {"copy": "number", "again": "number"}
    found = features_alone(frame, schema, "regression", None, Checks(), SAMPLING)
    assert {item["feature"] for item in found if (item["low"] or 0) > 0.3} == {"copy", "again"}


def test_what_is_trusted_is_no_leak() -> None:
    frame, schema, _ = leaky("copy")
    none: dict[str, Any] = {"future": [], "copies": copies(frame[:300], frame[300:], schema)}
    found = {"alone": features_alone(frame, schema, "classification", None, Checks(), SAMPLING), **none}
    assert leakage(found, Checks()).evidence["columns"] == ["again"]
    trusting = leakage(found, Checks(trusted=["again"]))
    assert trusting.fires is False
    assert trusting.evidence["columns"] == []


@pytest.mark.parametrize(("unit", "step"), [("D", 1.0), ("s", 86_400.0)])
@pytest.mark.parametrize(("offset", "share"), [([-0.5, -2.0], 0.0), ([0.5, -2.0], 0.5), ([3.0, 3.0], None)])
def test_a_time_after_the_rows_own_is_told(unit: str, step: float, offset: list[float], share: float | None) -> None:
    rows = 200
    time = pd.date_range("2020-01-01", periods=rows, freq="3h", tz="UTC")
    days = ((time - pd.Timestamp("1970-01-01", tz="UTC")) / pd.Timedelta(days=1)).to_numpy()
    features = {"closed": "number", "price": "number"}
    frame = pd.DataFrame({"at": time, "closed": step * (days + np.tile(offset, rows // 2)), "price": 12.0})
    found = future_timestamps(frame, {"time": "at", "features": features})
    assert [(item["feature"], item["value"]) for item in found] == ([] if share is None else [("closed", share)])


def test_coarse_rows_are_equal_by_chance() -> None:
    frame = bundled_table("diabetes", spoilt=False)
    coarse = frame.apply(lambda column: pd.qcut(column, 3, labels=False, duplicates="drop"))
    schema = {"features": dict.fromkeys(list(frame)[:6], "number"), "target": "target"}
    rows = hashed(coarse[:250], coarse[250:], schema)
    assert copied(rows).mean() > 0.4
    assert by_chance(rows) > 0.9
    assert copies(coarse[:250], coarse[250:], schema)["value"] < 0.05


def test_copies_are_dropped_from_the_later_split() -> None:
    found = copied_rows(0.3, 560, 0)
    share = copies(*found.values())["value"]
    assert share == pytest.approx(0.3, abs=0.08)
    splits = {"train": found["train"], "valid": found["valid"], "pilot": found["valid"].head(50)}
    fresh = found["valid"].head(9).assign(mean_area=-1.0)
    kept = drop_copies({**splits, "pilot": pd.concat([found["train"].tail(1), fresh])}, found["schema"])
    assert len(kept["pilot"]) == 9
    assert kept["train"].equals(found["train"])
    assert len(kept["valid"]) == round((1 - share) * len(found["valid"]))
    assert copies(found["train"], kept["valid"], found["schema"])["rows"] == 0
    with pytest.raises(DataError, match="every row of pilot stands in an earlier split"):
        drop_copies(splits, found["schema"])


Steps = Callable[..., dict[str, Signal]]
DATA, TRAINING = (
    (collect, validate, label, split),
    (baselines, fit, choose, evaluate, checks, learning_curve, decompose, label_quality, diagnose),
)


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a leaking column and with rows that come twice."""
    folder = tmp_path_factory.mktemp("spoilt")
    frame = bundled_table("breast_cancer")
    random = np.random.default_rng(0)
    frame["diagnosis_code"] = pd.factorize(frame["target"], sort=True)[0] * 3 + random.normal(size=len(frame)) * 0.1
    pd.concat([frame, frame.sample(200, random_state=0)]).to_csv(folder / "table.csv", index=False)
    project = init(folder / "project", folder / "table.csv", "target")
    patching.apply(project, {"training.bootstrap.n": 50, "data.minimum.rows": 50})
    for step in (charter, feasibility, *DATA, *TRAINING):
        step.run(project)
    return project


def decided(project: Path) -> Any:
    signals = read_signals(project / "signals" / "training.json")
    now = Situation("training", signals, load_params(project), read_params(project))
    return now, decide(now)


def test_a_leak_closes_the_gate_and_its_cure_opens_it(spoilt: Path, tmp_path: Path) -> None:
    project = Path(shutil.copytree(spoilt, tmp_path / "project"))
    now, move = decided(project)
    assert now.signals["requirements_missed"].fires is False
    assert not gate_open(now)
    assert (move.row, move.to) == ("leakage", "data")
    assert move.patch == {"data.collect.without": ["diagnosis_code"], "data.split.copies": "drop"}
    assert "diagnosis_code alone saves" in move.reason
    patching.apply(project, move.patch)
    for step in (*DATA, *TRAINING):
        step.run(project)
    work = Context(project)
    assert "diagnosis_code" not in work.schema["features"]
    assert "diagnosis_code" in work.split("train")
    assert len(work.split("valid")) < 0.2 * 0.8 * 769
    now, move = decided(project)
    assert now.signals["leakage"].fires is False
    assert move.row == FORWARD or now.fires("requirements_missed")


def test_only_features_can_be_left_out(spoilt: Path, tmp_path: Path) -> None:
    project = Path(shutil.copytree(spoilt, tmp_path / "project"))
    patching.apply(project, {"data.collect.without": ["no_such"]})
    with pytest.raises(ParamsError, match=r"data\.collect\.without: unknown column 'no_such'"):
        collect.run(project)
    patching.apply(project, {"data.collect.without": list(Context(project).schema["features"])})
    with pytest.raises(ParamsError, match="no feature is left"):
        collect.run(project)
