"""What planning offers when the loop comes back to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows import patching
from flows.patching import changes_anything
from flows.revisions import Revision, revisions
from flows.situation import Situation
from flows.transitions import BY_NAME, TABLE
from stages.params import Requirement, check_params
from stages.training.requirement_signals import give_way, requirements_trade_off
from tests.flows.test_decide import MISSED, situation

ASKING = [row for row in TABLE if row.asks]
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
)
def test_every_revision_is_valid_changes_something_and_stands_once(
    row: Any, missed: list[dict[str, Any]], needed: float | None, money: float | None, by_rows: bool
) -> None:
    evidence: dict[str, Any] = {"missed": missed, "rows_needed": {"value": needed, "low": needed, "high": None}}
    evidence |= {"give_way": [SKILL | {"candidate": "boosting", "threshold": 0.4}]}
    evidence |= {"more": {"data.collect.rows": 40_000}} if by_rows else {}
    budgets = {"planning.budgets.money": money, "planning.prices.label": 0.5}
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


def test_where_nothing_is_sure_enough_more_errors_may_be_allowed() -> None:
    missed = {**FAILS, "metric": "failure_rate", "value": None, "low": None, "high": None}
    evidence = {"more": {}, "missed": [missed], "answering": {"max_error": less(0.08, value=0.6)}}
    charter = {"planning.answering.max_error": 0.05}
    now = with_evidence("training", evidence, fires=("requirements_missed",), patch=charter)
    found = revisions(BY_NAME["requirements_unreached"], now)
    assert kinds(found) == ["archetype", "stop"]
    assert found[0].patch["planning.answering.max_error"] == 0.08
    assert "60% of the rows" in found[0].says


def test_a_rule_that_is_not_beaten_stays_and_the_model_may_advise() -> None:
    software = {"planning.archetype": "software_2.0"}
    now = situation("deployment", fires=("no_better_than_rule",), patch=software)
    assert [revision.patch for revision in revisions(BY_NAME["rule_stays"], now)] == [
        {"planning.archetype": "human_in_the_loop"},
        {},
    ]
