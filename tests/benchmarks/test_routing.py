"""The routing benchmark tells a fault from none, and counts what it saw."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.routing.__main__ import PLANS, append, read, trials
from benchmarks.routing.faults import FAULTS
from benchmarks.routing.lifecycle import Outcome, Trial, run
from benchmarks.routing.report import report, wilson
from benchmarks.routing.tables import TABLES
from flows.transitions import BY_NAME, RELEASED


@pytest.mark.parametrize(
    ("fault", "row"), [("none", RELEASED), ("capacity_too_low", "underfitting"), ("loss_sign", "worse_than_baseline")]
)
def test_a_trial_ends_where_the_fault_is(fault: str, row: str) -> None:
    outcome = run(Trial("breast_cancer", fault, 0.0 if fault == "none" else 1.0, 0))
    assert outcome.row == row
    assert outcome.right


def test_every_fault_has_a_live_row_as_its_truth() -> None:
    for fault in FAULTS.values():
        rows = {fault.row(severity) if callable(fault.row) else fault.row for severity in (0.1, 0.5, 1.0)}
        rows |= set(fault.also)
        assert rows <= {RELEASED, *(name for name, row in BY_NAME.items() if row.live)}


def test_what_is_reported_was_not_developed_with() -> None:
    develop, reported = (set(trials(plan, list(FAULTS), list(TABLES))) for plan in PLANS.values())
    assert not {trial.seed for trial in develop} & {trial.seed for trial in reported}
    assert not {t.severity for t in develop} & {t.severity for t in reported} - {0.0}
    assert len(reported) >= 300


def test_the_report_counts() -> None:
    wanted = ("worse_than_baseline", "leakage")
    right = Outcome(Trial("wine", "loss_sign", 1.0, 0), wanted, wanted[0], "training", 1, "", ())
    wrong = replace(right, row=RELEASED, trial=replace(right.trial, seed=1))
    alarm = Outcome(Trial("wine", "none", 0.0, 0), (RELEASED,), "shift", "deployment", 1.0, "", ())
    text = report([right, wrong, alarm])
    assert "right at the upper severities (>= 0.7): 50.0% (9.5 to 90.5) of 2" in text
    assert "false alarms on clean projects: 100.0%" in text and "wine: shift" in text
    assert "| worse_than_baseline | **worse_than_baseline** 1, released 1 |" in text


@given(st.integers(1, 1000).flatmap(lambda count: st.tuples(st.integers(0, count), st.just(count))))
def test_the_interval_holds_the_share(drawn: tuple[int, int]) -> None:
    hits, count = drawn
    low, high = wilson(hits, count, 0.95)
    assert low <= hits / count + 1e-12 and hits / count - 1e-12 <= high
    assert math.isfinite(low) and low >= 0 and high <= 1


def test_a_run_goes_on_where_it_was_cut_off(tmp_path: Path) -> None:
    outcome = Outcome(Trial("wine", "none", 0.0, 0), (RELEASED,), "shift", "deployment", 1.0, "it moved", ("shift",))
    file = tmp_path / "outcomes.jsonl"
    assert read(file) == []
    append(file, outcome)
    append(file, outcome)
    assert read(file) == [outcome, outcome]
