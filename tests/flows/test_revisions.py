"""What planning offers when the loop comes back to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows import patching
from flows.changes.ladder import untried
from flows.patching import changes_anything
from flows.revisions import Kind, Revision, revisions
from flows.situation import Past, Situation
from flows.transitions import BY_NAME, TABLE
from flows.untended import taken
from stages.params import Planning, Requirement, check_params
from stages.training.requirement_signals import give_way, requirements_trade_off
from tests.flows.test_decide import MISSED, situation

ASKING = [row for row in TABLE if row.asks]
PART = {
    "condition": {"column": "origin", "values": ["EWR", "LGA"]},
    "rows": 700,
    "share": 0.71,
    "figures": [
        {"metric": "roc_auc", "value": 0.72, "low": 0.7, "high": 0.74, "bound": 0.7, "side": "at_least", "was": 0.66}
    ],
}
SWAP = {
    "metric": "roc_auc",
    "side": "at_least",
    "value": 0.71,
    "was": 0.66,
    "instead_of": {"metric": "log_loss", "side": "at_most", "value": 0.5213, "was": 0.51},
    "candidate": "boosting",
    "threshold": None,
}
COST = {"rows": 28_000, "labels": 27_000, "money": 14_000.0}
SKILL = {"metric": "log_loss_skill", "value": 0.011, "low": 0.002, "high": 0.02, "bound": 0.03, "side": "at_least"}


def with_evidence(stage: str, evidence: dict[str, Any], **changed: Any) -> Situation:
    """A situation in which every signal carries some more evidence."""
    now = situation(stage, **changed)
    signals = {n: s.model_copy(update={"evidence": {**s.evidence, **evidence}}) for n, s in now.signals.items()}
    return replace(now, signals=signals)


def kinds(found: list[Revision]) -> list[str]:
    return [revision.kind for revision in found]


@settings(max_examples=200)
@given(
    row=st.sampled_from(ASKING),
    missed=st.lists(st.sampled_from([MISSED, SKILL]), unique_by=lambda item: str(item["metric"])),
    needed=st.one_of(st.none(), st.floats(1.0, 1e6)),
    money=st.one_of(st.none(), st.floats(1.0, 1e6)),
    by_rows=st.booleans(),
    elsewhere=st.booleans(),
    scope=st.sampled_from(
        [[], [{"column": "origin", "values": ["EWR", "LGA", "JFK"]}], [{"column": "hour", "at_least": 6}]]
    ),
)
def test_every_revision_is_valid_changes_something_and_stands_once(
    row: Any,
    missed: list[dict[str, Any]],
    needed: float | None,
    money: float | None,
    by_rows: bool,
    elsewhere: bool,
    scope: list[dict[str, Any]],
) -> None:
    evidence: dict[str, Any] = {"missed": missed, "rows_needed": {"value": needed, "low": needed, "high": None}}
    evidence |= {"give_way": [SKILL | {"candidate": "boosting", "threshold": 0.4}]}
    evidence |= {"more": {"data.collect.rows": 40_000}} if by_rows else {}
    evidence |= {"narrow": [PART], "swap": [SWAP], "cost": COST} if elsewhere else {}
    budgets = {"planning.budgets.money": money, "planning.prices.label": 0.5, "data.collect.scope": scope}
    now = with_evidence(row.stage, evidence, fires=row.signals, patch=budgets)
    found = revisions(row, now)
    assert found == revisions(row, now)
    assert found[-1].kind == "stop"
    assert kinds(found).count("stop") == 1
    patches = [revision.patch for revision in found]
    assert all(one not in patches[:at] for at, one in enumerate(patches))
    for revision in found[:-1]:
        assert changes_anything(now.values, revision.patch) or revision.kind == "cure"
        check_params(patching.patched(now.values, revision.patch))
        assert revision.says


def test_one_missed_requirement_is_relaxed_to_what_was_reached() -> None:
    now = with_evidence("training", {"more": {}}, fires=("requirements_missed",))
    found = revisions(BY_NAME["requirements_unreached"], now)
    assert kinds(found) == ["cure", "stop"]
    assert found[0].patch == {"planning.requirements.roc_auc.at_least": 0.66}
    assert "roc_auc 0.66 instead of at least 0.7" in found[0].says


def test_of_several_each_may_be_relaxed_alone_and_the_rest_is_told() -> None:
    now = with_evidence("training", {"more": {}, "missed": [MISSED, SKILL]}, fires=("requirements_missed",))
    found = revisions(BY_NAME["requirements_unreached"], now)
    assert kinds(found) == ["cure", "relax", "relax", "stop"]
    assert set(found[0].patch) == set(found[1].patch) | set(found[2].patch)
    assert "roc_auc 0.66 instead of at least 0.7; log_loss_skill stays missed" in found[1].says
    assert "log_loss_skill 0.011 (0.002 … 0.02) instead of at least 0.03" in found[2].says


@pytest.mark.parametrize("by_rows", [True, False])
def test_rows_are_offered_with_what_they_reach_and_cost(by_rows: bool) -> None:
    more = {"data.collect.rows": 40_000} if by_rows else {"data.collect.end": "2013-03-01"}
    needed = {"value": 100_000.0, "low": 50_000.0, "high": None}
    prices = {"planning.prices.label": 0.5, "planning.budgets.money": 15_000, "planning.budgets.labels": 60_000}
    now = with_evidence("training", {"more": more, "rows_needed": needed}, fires=("requirements_missed",), patch=prices)
    bought = next(found for found in revisions(BY_NAME["task_too_hard"], now) if found.kind == "buy_rows")
    assert "about 100,000 rows of the window" in bought.says
    assert "(50,000 … no number); there are 20,000" in bought.says
    if by_rows:
        assert bought.patch == {
            "data.collect.rows": 110_000,
            "planning.budgets.labels": 118_000,
            "planning.budgets.money": 59_000.0,
        }
        assert bought.money == (118_000 - 28_000) * 0.5
    else:
        assert "this step brings 20,000" in bought.says
        assert bought.patch == {**more, "planning.budgets.money": 24_000.0}
        assert bought.money == 10_000


def test_the_lectures_three_models_show_what_gives_way() -> None:
    """Precision and recall of at least 0.8 each: no model has both; what one reaches with the other held is offered."""
    models = {
        "one": [{"precision": 0.9, "recall": 0.5}],
        "two": [{"precision": 0.8, "recall": 0.7}],
        "three": [{"precision": 0.7, "recall": 0.9}],
    }
    bounds = {name: Requirement(at_least=0.8) for name in ("precision", "recall")}
    found = requirements_trade_off(models, bounds)
    assert found.fires is True
    assert [(item["metric"], item["value"], item["candidate"]) for item in found.evidence["give_way"]] == [
        ("precision", 0.7, "three"),
        ("recall", 0.7, "two"),
    ]
    assert give_way([("one", {"precision": 0.9, "recall": None})], bounds) == []
    charter = {"planning.requirements": {name: {"at_least": 0.8} for name in bounds}}
    evidence = {**found.evidence, "more": {}, "missed": [{**MISSED, "metric": "recall", "value": 0.7, "bound": 0.8}]}
    now = with_evidence("training", evidence, fires=("requirements_trade_off",), patch=charter)
    offered = revisions(BY_NAME["requirements_trade_off"], now)
    assert [revision.patch for revision in offered] == [
        {"planning.requirements.recall.at_least": 0.7},
        {"planning.requirements.precision.at_least": 0.7},
        {},
    ]


def less(most: float, **coverage: float) -> dict[str, Any]:
    return {"max_error": most, "confidence": 0.9, "coverage": {"low": None, "high": None, **coverage}}


FAILS = {"metric": "failure_bound", "value": 0.08, "low": 0.07, "high": 0.09, "bound": 0.05, "side": "at_most"}


@pytest.mark.parametrize(("stage", "row"), [("training", "requirements_unreached"), ("deployment", "pilot_unreached")])
@pytest.mark.parametrize("own", [True, False])
def test_what_fails_too_often_alone_may_be_made_less_autonomous(stage: str, row: str, own: bool) -> None:
    fires = BY_NAME[row].signals
    evidence = {"more": {}, "missed": [FAILS], "answering": {"failure_bound": less(0.05, value=0.8, low=0.7, high=0.9)}}
    charter: dict[str, Any] = {"planning.archetype": "autonomous"}
    charter |= {"planning.requirements.failure_bound": {"at_most": 0.05}} if own else {}
    now = with_evidence(stage, evidence, fires=fires, patch=charter)
    found = revisions(BY_NAME[row], now)
    assert kinds(found) == ["cure", "archetype", "stop"]
    assert found[0].patch == {"planning.requirements.failure_bound.at_most": 0.08}
    assert "80% (70 … 90%) of the rows are answered, of which no more than 5% are wrong" in found[1].says
    changed = check_params(patching.patched(now.values, found[1].patch)).planning
    assert (changed.archetype, changed.answering.max_error) == ("human_in_the_loop", 0.05)
    hard = {name for name, bound in changed.required.items() if bound.hard}
    assert "failure_rate" in hard and "failure_bound" not in hard


def test_a_bound_that_all_decisions_keep_is_no_revision() -> None:
    missed = {**FAILS, "value": 1.0, "low": 1.0, "high": 1.0}
    now = with_evidence("training", {"more": {}, "missed": [missed]}, fires=("requirements_missed",), patch={})
    now = replace(now, params=check_params(patching.patched(now.values, {"planning.archetype": "autonomous"})))
    assert kinds(revisions(BY_NAME["requirements_unreached"], now)) == ["stop"]


def test_where_nothing_is_sure_enough_more_errors_may_be_allowed() -> None:
    missed = {**FAILS, "metric": "failure_rate", "value": None, "low": None, "high": None}
    evidence = {"more": {}, "missed": [missed], "answering": {"max_error": less(0.08, value=0.6)}}
    charter = {"planning.answering.max_error": 0.05}
    now = with_evidence("training", evidence, fires=("requirements_missed",), patch=charter)
    found = revisions(BY_NAME["requirements_unreached"], now)
    assert kinds(found) == ["archetype", "stop"]
    assert found[0].patch["planning.answering.max_error"] == 0.08
    assert "60% of the rows" in found[0].says


@pytest.mark.parametrize("own", [{}, {"planning.requirements.failure_rate": {"at_most": 0.1}}])
def test_where_what_is_asked_of_all_lets_nothing_be_answered_the_least_error_that_does_is_offered(
    own: dict[str, Any],
) -> None:
    missed = {**FAILS, "value": 0.36, "low": 0.3, "high": 0.4, "bound": 0.1}
    asked = less(0.1, value=0.0) | {"least": less(0.2, value=0.4, low=0.3, high=0.5)}
    evidence = {"more": {}, "missed": [missed], "answering": {"failure_bound": asked}}
    charter = {"planning.archetype": "autonomous", "planning.requirements.failure_bound": {"at_most": 0.1}} | own
    now = with_evidence("training", evidence, fires=("requirements_missed",), patch=charter)
    found = revisions(BY_NAME["requirements_unreached"], now)
    assert kinds(found) == ["cure", "archetype", "stop"]
    says = "40% (30 … 50%) of the rows are answered, of which no more than 20% are wrong (at 10% nothing would be"
    assert says in found[1].says
    changed = check_params(patching.patched(now.values, found[1].patch)).planning
    assert (changed.archetype, changed.answering.max_error) == ("human_in_the_loop", 0.2)
    assert changed.required["failure_rate"].at_most == 0.2 and not changed.required["failure_bound"].hard


def test_a_rule_that_is_not_beaten_stays_and_the_model_may_advise() -> None:
    software = {"planning.archetype": "software_2.0"}
    now = situation("deployment", fires=("no_better_than_rule",), patch=software)
    assert [revision.patch for revision in revisions(BY_NAME["rule_stays"], now)] == [
        {"planning.archetype": "human_in_the_loop"},
        {},
    ]


QUALITY = ("task_too_hard", "requirements_trade_off", "requirements_unreached", "pilot_unreached")


@pytest.mark.parametrize("row", QUALITY)
def test_a_narrower_scope_is_offered_where_the_requirements_hold_there(row: str) -> None:
    fires = BY_NAME[row].signals
    now = with_evidence(BY_NAME[row].stage, {"narrow": [PART]}, fires=fires)
    (found,) = [option for option in revisions(BY_NAME[row], now) if option.kind == "narrow"]
    assert found.patch == {"data.collect.scope": [{"column": "origin", "values": ["EWR", "LGA"]}]}
    assert found.says == (
        "only origin in (EWR, LGA): 71% of the rows; by this model there roc_auc 0.72 (0.7 … 0.74) instead of 0.66"
    )
    judged = with_evidence(BY_NAME[row].stage, {"narrow": [PART | {"judged_by": "the pilot"}]}, fires=fires)
    (found,) = [option for option in revisions(BY_NAME[row], judged) if option.kind == "narrow"]
    assert "by the rows of the pilot, which are then no longer unseen" in found.says


def test_it_is_not_offered_where_quality_is_not_what_is_missed() -> None:
    now = with_evidence("training", {"narrow": [PART], "swap": [SWAP]}, fires=("serving_missed",))
    assert not {"narrow", "swap"} & set(kinds(revisions(BY_NAME["size_unreached"], now)))


def test_a_scope_is_narrowed_further() -> None:
    held = [{"column": "origin", "values": ["EWR", "LGA", "JFK"]}, {"column": "hour", "at_least": 6}]
    now = with_evidence(
        "training", {"narrow": [PART]}, fires=("requirements_missed",), patch={"data.collect.scope": held}
    )
    (found,) = [one for one in revisions(BY_NAME["requirements_unreached"], now) if one.kind == "narrow"]
    assert found.patch == {"data.collect.scope": [{"column": "hour", "at_least": 6.0}, PART["condition"]]}


def test_the_missed_metric_may_be_optimised_and_the_present_one_be_a_threshold() -> None:
    now = with_evidence("deployment", {"swap": [SWAP]}, fires=("pilot_fails",))
    (found,) = [one for one in revisions(BY_NAME["pilot_unreached"], now) if one.kind == "swap"]
    assert found.patch == {"planning.optimise": "roc_auc", "planning.requirements.log_loss": {"at_most": 0.522}}
    assert "boosting is best by it, 0.71 instead of 0.66 on the validation rows" in found.says
    assert "log_loss goes from 0.51 to 0.5213, which it then must keep (at most 0.522)" in found.says
    held = {"planning.requirements.log_loss": {"at_most": 0.6}, "planning.requirements.roc_auc.at_least": 0.75}
    now = with_evidence("training", {"swap": [SWAP]}, fires=("requirements_missed",), patch=held)
    (found,) = [one for one in revisions(BY_NAME["requirements_unreached"], now) if one.kind == "swap"]
    assert found.patch == {"planning.optimise": "roc_auc", "planning.requirements.roc_auc.at_least": 0.71}


def test_what_is_too_dear_may_be_less_or_paid_for() -> None:
    table = {"kind": "table", "path": "t.csv", "target": "y"}
    charter = {"data.source": table, "planning.prices.label": 0.5, "planning.budgets.money": 10_000.0}
    now = with_evidence("data", {"cost": COST, "train_rows": 12_000}, fires=("label_cost",), patch=charter)
    few = now.signals["labels_too_few"].model_copy(update={"value": 1.2})
    now = replace(now, signals={**now.signals, "labels_too_few": few})
    found = {option.kind: option for option in revisions(BY_NAME["labels_too_dear"], now)}
    assert list(found) == ["cure", "fewer_rows", "stop"]
    assert found["cure"].patch == {"planning.budgets.money": 14_000.0}
    assert found["fewer_rows"].patch == {
        "data.collect.rows": 12_000,
        "data.minimum.rows": 5_000,
        "data.minimum.per_class": 300,
    }
    rich = replace(now, signals={**now.signals, "labels_too_few": few.model_copy(update={"value": 3.0})})
    found = {option.kind: option for option in revisions(BY_NAME["labels_too_dear"], rich)}
    assert list(found) == ["cure", "raise_budget", "stop"]
    assert found["cure"].patch == {"data.collect.rows": 12_000}
    assert found["raise_budget"].patch == {"planning.budgets.money": 14_000.0}
    assert "28,000 rows and 27,000 labels are kept" in found["raise_budget"].says


def test_an_outcome_that_is_not_good_enough_may_choose_or_be_accepted() -> None:
    wanted = {"planning.outcome": {"call": "worth:of", "at_least": 0.5, "min_gain": 0.4}}
    best = {"by_outcome": {"candidate": "logistic", "value": 0.48, "was": 0.41}}
    low = {"value": 0.4, "low": 0.35, "high": 0.45, "threshold": 0.5, "unit": "EUR a row"}
    now = with_evidence("deployment", best, fires=("outcome_low",), patch=wanted)
    now = replace(now, signals={**now.signals, "outcome_low": now.signals["outcome_low"].model_copy(update=low)})
    found = revisions(BY_NAME["world_not_good_enough"], now)
    assert kinds(found) == ["cure", "swap", "stop"]
    assert "an outcome of 0.4 (0.35 … 0.45) EUR a row instead of 0.5" in found[0].says
    assert found[1].patch == {"planning.combine.by": "outcome"}
    assert "logistic brings 0.48 a row, and the one chosen 0.41" in found[1].says
    flat = {"value": 0.3, "low": 0.2, "high": 0.4, "threshold": 0.4, "unit": "EUR a row"}
    now = with_evidence("deployment", best, fires=("outcome_flat",), patch=wanted)
    now = replace(now, signals={**now.signals, "outcome_flat": now.signals["outcome_flat"].model_copy(update=flat)})
    found = revisions(BY_NAME["metric_misleads"], now)
    assert kinds(found) == ["cure", "relax", "stop"]
    assert found[1].patch == {"planning.outcome.min_gain": 0.3}


def test_kinds_that_a_charter_may_allow_are_kinds_that_are_offered() -> None:
    allowed = set(get_args(get_args(Planning.model_fields["revise"].annotation)[0]))
    assert allowed <= set(get_args(Kind)) - {"stop", "buy_rows", "raise_budget"}


def after_a_failed_pilot(reached: float, best: float, **changed: Any) -> Situation:
    """The better candidate failed in the pilot and was dropped; what is left reaches less on the validation rows."""
    item = {"metric": "log_loss_skill", "value": reached, "low": -0.1, "high": 0.1, "bound": 0.02, "side": "at_least"}
    failed = Past("deployment", "pilot_fails", 0.1, "training", "boosting", ({**item, "value": best},))
    charter = {"planning.requirements": {"log_loss_skill": {"at_least": 0.02}}, "training.use": ["logistic"]}
    evidence = {"more": {}, "missed": [item], "chosen": "logistic"}
    now = with_evidence("training", evidence, fires=("requirements_missed",), patch=charter | changed)
    return replace(now, history=(failed,))


def test_what_was_reached_is_that_of_the_best_candidate_and_it_is_brought_back() -> None:
    now = after_a_failed_pilot(-0.0558, 0.018)
    found = revisions(BY_NAME["requirements_unreached"], now)
    assert kinds(found) == ["cure", "stop"]
    assert found[0].patch == {
        "planning.requirements.log_loss_skill.at_least": 0.018,
        "training.use": ["logistic", "boosting"],
    }
    assert "log_loss_skill 0.018 (-0.1 … 0.1) by boosting in deployment instead of at least 0.02" in found[0].says
    planned = replace(now, history=(*now.history, Past("training", "requirements_unreached", 1.5, "planning")))
    assert kinds(revisions(BY_NAME["requirements_unreached"], planned)) == ["stop"]  # -0.0558 is all there is then
    assert "boosting" in untried(planned)
    other = after_a_failed_pilot(0.01, 0.018, **{"planning.requirements.log_loss_skill": {"at_least": 0.03}})
    (first, *_) = revisions(BY_NAME["requirements_unreached"], other)
    assert first.patch["planning.requirements.log_loss_skill.at_least"] == 0.01  # boosting was held against another


@pytest.mark.parametrize(("metric", "value"), [("log_loss_skill", -0.0558), ("log_loss_skill", 0.0), ("roc_auc", 0.5)])
def test_nothing_is_relaxed_to_what_a_constant_reaches(metric: str, value: float) -> None:
    missed = {"metric": metric, "value": value, "low": -0.1, "high": 0.6, "bound": 0.7, "side": "at_least"}
    charter = {"planning.requirements": {metric: {"at_least": 0.7}}}
    now = with_evidence("training", {"more": {}, "missed": [missed]}, fires=("requirements_missed",), patch=charter)
    assert kinds(revisions(BY_NAME["requirements_unreached"], now)) == ["stop"]


def test_a_test_that_fails_is_forgiven_only_where_planning_is_asked_about_it() -> None:
    charter = {"training.use": ["logistic"]}
    history = (
        Past("deployment", "tests_fail", 1.0, "training", "boosting"),
        Past("deployment", "too_many_flips", 1.0, "training", "shallow_boosting"),
    )
    for row, back in (("pilot_unreached", None), ("tests_unreached", ["logistic", "boosting"])):
        now = with_evidence("deployment", {"missed": [MISSED]}, fires=BY_NAME[row].signals, patch=charter)
        (first, *_) = revisions(BY_NAME[row], replace(now, history=history))
        assert first.patch.get("training.use") == back


def test_a_model_worse_than_a_constant_is_never_relaxed_for_when_nobody_is_there() -> None:
    relax = {"planning.unattended": "relax", "training.use": ["logistic"]}
    evidence = {"missed": [MISSED], "worse_than_constant": True}
    now = with_evidence("deployment", evidence, fires=("pilot_fails",), patch=relax)
    assert taken(BY_NAME["pilot_unreached"], now) == (None, "cure: a loss below the constant's would stay missed")
