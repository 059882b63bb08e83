"""The tests of a model, told: in the terminal, as JSON, and as JUnit XML that CI systems read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from flows import modeltests, record
from flows.decide import decide
from flows.modeltests import JUNIT, TESTS, tell_tests, write_junit, write_reports
from flows.situation import Past
from flows.transitions import RELEASED, STOP
from stages.deployment.flips import negative_flips
from stages.errors import ProjectError
from stages.files import write_json
from stages.signals import Signal
from tests.flows.test_decide import situation
from tests.flows.test_record import iteration
from tests.flows.test_report import HOSTILE

NOTHING: dict[str, Any] = {"value": None, "low": None, "high": None}


def row(kind: str, test: str, verdict: str, **more: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "test": test,
        "verdict": verdict,
        "passed": verdict != "failed",
        "says": test,
        **NOTHING,
        **more,
    }


ROWS = [
    row("direction", "more rain", "failed", value=0.2, low=0.1, high=0.3, limit="at most 5%", worst=[{"row": 3}]),
    row("direction", "more wind", "passed"),
    row("fairness", "recall_difference", "cannot tell"),
    row("fairness", "accuracy_difference", "told", value=0.1, low=0.0, high=0.2),
    row("pilot", "f1", "failed", passed=True),  # a wish
    row("serving", "latency_p99_ms", "passed", limit="at most 100"),
]


def project(folder: Path, rows: list[dict[str, Any]]) -> Path:
    (folder / "params.yaml").write_text("seed: 1\n")
    write_json(folder / TESTS, rows)
    write_json(folder / "reports" / "serving.json", {"latency_p99_ms": 31.5, "latency_p50_ms": 12.0, "calls": 250})
    return folder


def suites(path: Path) -> dict[str, ET.Element]:
    return {str(suite.get("name")): suite for suite in ET.parse(path).getroot()}


def test_junit_counts_only_what_holds_up_a_release_as_a_failure(tmp_path: Path) -> None:
    limit = negative_flips(None, None, None, 0.1, 0.95)
    write_reports(project(tmp_path, ROWS), 7, [Signal(name="shift", fires=False), limit])
    path = tmp_path / JUNIT
    top, found = ET.parse(path).getroot(), suites(path)
    assert {name: top.get(name) for name in ("tests", "failures", "errors")} == {
        "tests": "6",
        "failures": "1",
        "errors": "0",
    }
    assert sum(int(suite.get("skipped") or 0) for suite in found.values()) == 3
    assert list(found) == ["direction", "fairness", "pilot", "serving", "regression"]
    for suite in found.values():
        cases = suite.findall("testcase")
        assert suite.get("tests") == str(len(cases))
        assert suite.get("failures") == str(len(suite.findall("testcase/failure")))
        assert suite.get("skipped") == str(len(suite.findall("testcase/skipped")))
        assert [child.tag for child in suite][:1] == ["properties"]
    failure = found["direction"].find("testcase/failure")
    assert failure is not None
    assert (failure.get("message"), failure.text) == ("failed: more rain; at most 5%", "row 3")
    skipped = found["fairness"].find("testcase/skipped")
    assert skipped is not None and str(skipped.get("message")).startswith("cannot tell")
    assert found["serving"].findtext("testcase/system-out") == "measured 31.5"


def test_texts_of_the_user_stay_texts_in_the_xml(tmp_path: Path) -> None:
    write_junit(
        tmp_path / "out.xml", modeltests.Tests([row("direction", HOSTILE, "failed", worst=[{HOSTILE: HOSTILE}])])
    )
    (case,) = ET.parse(tmp_path / "out.xml").getroot().iter("testcase")
    assert str(case.get("name")).startswith('<script>alert("x")</script>')
    first = (tmp_path / "out.xml").read_bytes()
    write_junit(
        tmp_path / "out.xml", modeltests.Tests([row("direction", HOSTILE, "failed", worst=[{HOSTILE: HOSTILE}])])
    )
    assert (tmp_path / "out.xml").read_bytes() == first


def test_a_project_run_by_dvc_alone_is_told_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tell_tests(project(tmp_path, ROWS), None)
    said = capsys.readouterr().out
    assert "tests of the model: 2 passed, 2 failed, 1 cannot tell, 2 told only" in said
    assert "more rain, for example" in said and "row 3" in said
    tell_tests(tmp_path, None, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert [item["value"] for item in told["tests"] if item["kind"] == "serving"] == [31.5, 12.0]
    tell_tests(tmp_path, None, junit=tmp_path / "ci.xml")
    assert set(suites(tmp_path / "ci.xml")) == {"direction", "fairness", "pilot", "serving"}


def test_where_nothing_was_tested_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="is no project"):
        tell_tests(tmp_path, None)
    (tmp_path / "params.yaml").write_text("seed: 1\n")
    with pytest.raises(ProjectError, match="no model was tested yet"):
        tell_tests(tmp_path, None)
    record.append(tmp_path, iteration(1))
    with pytest.raises(ProjectError, match="iteration 4 tested no model"):
        tell_tests(tmp_path, 4)


def test_too_many_flips_try_another_candidate_and_then_keep_the_released_model() -> None:
    flips = situation("deployment", fires=("negative_flips",))
    move = decide(flips)
    assert (move.to, move.row, move.patch) == ("training", "too_many_flips", {"training.use": ["shallow_boosting"]})
    everything = ["logistic", "shallow_boosting", "boosting", "deep_boosting"]
    tried = tuple(Past("deployment", "too_many_flips", None, "training", name) for name in everything)
    none = situation("deployment", fires=("negative_flips",), history=tried)
    assert (decide(none).row, decide(none).to) == ("flips_stay", STOP)
    unknown = {**flips.signals, "negative_flips": negative_flips(None, None, None, 0.1, 0.95)}
    assert decide(type(flips)(flips.stage, unknown, flips.params, flips.values)).to == RELEASED


def test_a_requirement_between_groups_that_no_candidate_meets_goes_to_planning() -> None:
    missed = {"metric": "roc_auc", "value": 0.66, "bound": 0.7, "side": "at_least", "where": "groups"}
    patch = {"training.use": ["boosting"], "planning.unattended": "relax"}
    names = ["logistic", "shallow_boosting", "boosting", "deep_boosting"]
    history = tuple(Past("deployment", "tests_fail", None, "training", name) for name in names)
    now = situation("deployment", fires=("tests_fail",), patch=patch, history=history)
    fails = now.signals["tests_fail"]
    signals = {
        **now.signals,
        "tests_fail": fails.model_copy(update={"evidence": {**fails.evidence, "missed": [missed]}}),
    }
    move = decide(type(now)(now.stage, signals, now.params, now.values, now.history))
    assert (move.to, move.row) == ("planning", "tests_unreached")
    # The candidates failed by another charter.
    assert move.patch == {"planning.requirements.roc_auc.at_least": 0.66, "training.use": names}
