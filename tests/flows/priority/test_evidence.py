"""What a project's files say of the drivers: figures with intervals and their source, and nothing where nothing is."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flows import patching
from flows.priority.drivers import BY_NAME
from flows.priority.evidence import MEASURES, evidence
from flows.priority.knowledge import Knowledge
from flows.priority.schema import Candidates
from flows.priority.scoring import NO_MODEL, graded, judge
from flows.record import append
from stages.data.labels.signals import annotators_disagree
from stages.errors import ProjectError
from stages.files import write_json
from stages.params import Requirement
from stages.signals import write_signals
from stages.training.error_signals import curve_falling
from stages.training.requirement_signals import requirements_missed
from tests.conftest import ROOT
from tests.flows.test_record import iteration

POINTS: list[dict[str, Any]] = [{"rows": n, "train_loss": 0.4, "valid_loss": 0.6 - n / 1e5} for n in (2000, 4000)]
GAIN = {"value": 0.02, "low": 0.01, "high": 0.03}
OPTIMISE: dict[str, dict[str, float | None]] = {"log_loss": {"value": 0.5, "low": 0.45, "high": 0.55}}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The charter of the flights, of which nothing is measured yet."""
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    return tmp_path


def auc(value: float) -> dict[str, dict[str, float | None]]:
    return {"roc_auc": {"value": value, "low": value - 0.02, "high": value + 0.02}, **OPTIMISE}


def trained(project: Path, value: float, needed: dict[str, float | None] | None = None) -> None:
    """Write the signals of a training stage whose model reaches an AUC, of which 0.7 is required."""
    valid = auc(value)
    bounds = {"roc_auc": Requirement(at_least=0.7)}
    reach = {"roc_auc": {"rows": needed, "never": False}} if needed else {}
    missed = requirements_missed(valid, bounds, chosen="boosting", optimise="log_loss", evidence={"rows": 6000})
    write_signals(project / "signals/training.json", [missed, curve_falling(GAIN, POINTS, reach, 6000, 0.005)])
    write_json(project / "metrics/data.json", {"collected": {"rows": 8000, "labels": 8000, "money": 0}})


def test_what_is_not_measured_is_unknown(project: Path) -> None:
    known = Knowledge(project)
    found = evidence(known)
    assert set(found) == {"data_label", "how_often_right"}  # of the charter alone
    assert found["data_label"].value is None
    assert list(known.remarks()) == ["nothing is measured yet: loopwright run"]


def test_every_measure_is_of_a_driver_that_says_so() -> None:
    assert {name for name, driver in BY_NAME.items() if driver.measured} == set(MEASURES)
    assert {name for name, driver in BY_NAME.items() if driver.levels} == set(MEASURES) - {"cheap_prediction"}


def test_rows_that_suffice_are_enough(project: Path) -> None:
    trained(project, 0.75)
    found = evidence(Knowledge(project))["data_amount"]
    assert (found.value, found.source) == (1.0, "signals/training.json")


def test_rows_needed_are_held_against_those_there(project: Path) -> None:
    trained(project, 0.65, {"value": 12_000.0, "low": 8_000.0, "high": None})
    found = evidence(Knowledge(project))["data_amount"]
    assert (found.low, found.value, found.high) == (2.0, 3.0, math.inf)
    assert "6,000 rows are there; the requirements need 18,000" in found.says
    span = graded(found, BY_NAME["data_amount"].levels)
    assert span is not None
    assert (span.low, span.value, span.high) == (1, 3, 4)


@pytest.mark.parametrize(("budget", "value", "high"), [(None, None, None), (100_000, 0.16, math.inf)])
def test_labels_cost_what_is_still_to_buy(
    budget: float | None, value: float | None, high: float | None, project: Path
) -> None:
    trained(project, 0.65, {"value": 12_000.0, "low": 8_000.0, "high": None})
    patching.apply(project, {"planning.prices": {"label": 1.0}, "planning.budgets.money": budget})
    found = evidence(Knowledge(project))["data_label"]
    assert "8,000 labels at 1 cost 8,000; those still needed cost 16,000 more" in found.says
    assert (found.value, found.high) == (value, high)


def test_a_missing_nine_is_the_log_of_the_errors(project: Path) -> None:
    patching.apply(project, {"planning.requirements": {"roc_auc": {"at_least": 0.99}}})
    write_json(project / "metrics/evaluation.json", {"valid": auc(0.9)})
    found = evidence(Knowledge(project))["further_nines"]
    assert found.value == pytest.approx(1.0)
    assert found.low == pytest.approx(math.log10(8))
    assert found.source == "metrics/evaluation.json, on the validation rows"
    assert "about 10 times the cost" in found.says
    patching.apply(project, {"planning.requirements": {"roc_auc": {"at_least": 1.0}}})
    assert evidence(Knowledge(project))["further_nines"].value == math.inf
    assert evidence(Knowledge(project))["how_often_right"].value == math.inf


def test_people_are_held_against_the_charter_and_against_each_other(project: Path) -> None:
    patching.apply(project, {"planning.requirements": {"accuracy": {"at_least": 0.9}}})
    write_json(project / "metrics/baselines.json", {"human": {"accuracy": {"value": 0.81, "low": 0.72, "high": 0.9}}})
    found = evidence(Knowledge(project))
    assert found["person_can"].value == pytest.approx(0.1)
    assert found["person_can"].high == pytest.approx(0.2)
    random = np.random.default_rng(0)
    truth = random.integers(2, size=100)
    answers = pd.DataFrame(
        [(f"i{at}", who, int(label)) for at, label in enumerate(truth) for who in "abc"],
        columns=["item", "annotator", "label"],
    )
    write_signals(project / "signals/data.json", [annotators_disagree(answers, 2, 0.667, 0)])
    agreed = evidence(Knowledge(project))["well_defined"]
    assert agreed.value == pytest.approx(1.0)
    assert "Krippendorff" in agreed.says


def test_serving_is_graded_by_its_figures_and_told_by_its_verdicts(project: Path) -> None:
    verdicts = {"latency_p99_ms": {"met": True, "bound": 100.0, "side": "at_most"}}
    write_json(project / "release/serving.json", verdicts)
    told = evidence(Knowledge(project))["compute_to_serve"]
    assert (told.value, told.says) == (None, "latency_p99_ms is met; the figures are not here")
    write_json(project / "reports/serving.json", {"latency_p99_ms": 30.0, "size_mb": 15.0})
    found = evidence(Knowledge(project))["compute_to_serve"]
    assert (found.value, found.source) == (0.75, "reports/serving.json")


def test_a_rule_is_judged_by_training_after_a_leak_is_gone(project: Path) -> None:
    patching.apply(project, {"planning.requirements": {"roc_auc": {"at_least": 0.8}}})
    leaking = {"name": "rule_suffices", "value": 0.2, "low": 0.1, "high": 0.3, "says": "the rule on billed suffices"}
    write_json(project / "signals/planning.json", [leaking])
    assert evidence(Knowledge(project))["complicated_rules"].value == 0.2
    write_json(project / "metrics/baselines.json", {"rule": auc(0.6)})
    found = evidence(Knowledge(project))["complicated_rules"]
    assert found.source == "metrics/baselines.json"
    assert found.value == pytest.approx(-0.25)
    assert found.low == pytest.approx(-0.275)
    span = graded(found, BY_NAME["complicated_rules"].levels)
    assert span is not None
    assert span.low == span.high == 5


def test_a_rule_that_surely_suffices_puts_the_first_question(project: Path) -> None:
    def remarks() -> tuple[str, ...]:
        (one,) = judge(Candidates.model_validate({"projects": [{"name": "A", "project": "."}]}), project)
        return one.remarks

    patching.apply(project, {"planning.requirements": {"roc_auc": {"at_least": 0.8}}})
    write_json(project / "metrics/baselines.json", {"rule": auc(0.81)})
    assert NO_MODEL not in remarks()  # 0.79 … 0.83: not surely
    write_json(project / "metrics/baselines.json", {"rule": auc(0.9)})
    assert NO_MODEL in remarks()


def test_the_last_iteration_counts_and_the_worst_window(project: Path) -> None:
    def signal(name: str, value: float) -> dict[str, Any]:
        return {"name": name, "value": value, "low": value - 0.01, "high": value + 0.01, "says": "", "evidence": {}}

    for number, drop in ((1, 0.2), (2, 0.01)):
        append(project, iteration(number, stage="deployment", signals=[signal("shift", drop)], metrics={}))
    known = Knowledge(project)
    found = evidence(known)["data_stability"]
    assert (found.value, found.source) == (0.2, "iterations 1, 2")
    assert list(known.remarks()) == [
        "params.yaml was changed since the last iteration; what is measured holds for the params before"
    ]


def test_a_damaged_file_is_named(project: Path) -> None:
    (project / "metrics").mkdir()
    (project / "metrics/data.json").write_text("{")
    with pytest.raises(ProjectError, match=r"data.json: damaged"):
        Knowledge(project)
