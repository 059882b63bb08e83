"""What a plan costs, and what enough labels for it would."""

from __future__ import annotations

from typing import Any

import pytest

from stages.data.cost import label_cost
from stages.params import Budgets, Minimum, Prices
from stages.signals import Signal


def measured(**changed: Any) -> Signal:
    given: dict[str, Any] = {"rows": 120, "labels": 100, "train_labels": 60, "rarest": 20}
    given |= {"minimum": Minimum(rows=50, per_class=5), "prices": Prices(row=0.5, label=2.0)}
    return label_cost(**(given | {"budgets": Budgets(money=300.0)} | changed))


def test_what_was_collected_is_priced_exactly() -> None:
    found = measured()
    assert found.evidence["cost"] == {"rows": 120, "labels": 100, "money": 260.0}
    assert found.value == found.low == found.high == pytest.approx(260 / 300)
    assert found.fires is False
    assert measured(budgets=Budgets(money=200.0)).fires is True


def test_a_plan_that_lacks_labels_is_priced_as_what_it_needs() -> None:
    found = measured(minimum=Minimum(rows=120, per_class=5))
    assert found.value == found.low == found.high == pytest.approx(2 * 260 / 300)
    assert found.fires is True
    assert found.evidence["needed_money"] == pytest.approx(520)


def test_a_rare_class_makes_it_uncertain() -> None:
    found = measured(rarest=4, minimum=Minimum(rows=50, per_class=5))
    assert found.value is not None
    assert found.value == pytest.approx(1.25 * 260 / 300)
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < found.high
    assert found.fires is None
    assert measured(rarest=4, minimum=Minimum(rows=50, per_class=50)).fires is True


def test_a_class_never_seen_has_no_upper_end() -> None:
    found = measured(rarest=0, budgets=Budgets(money=400.0))
    assert (found.value, found.high, found.fires) == (None, None, None)
    assert "no one knows" in found.says
    assert measured(rarest=0, minimum=Minimum(rows=50, per_class=60)).fires is True, "even the lower end is too dear"
    assert measured(train_labels=0, rarest=0).fires is None


@pytest.mark.parametrize("changed", [{"budgets": Budgets()}, {"prices": Prices()}])
def test_without_a_budget_or_a_price_it_never_fires(changed: dict[str, Any]) -> None:
    found = measured(**changed)
    assert found.fires is False
    assert found.evidence["cost"]["rows"] == 120
