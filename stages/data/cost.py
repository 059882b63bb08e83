"""What the data of a plan cost, beside its budget of money."""

from __future__ import annotations

import math
from typing import Any

from scipy.stats import beta

from stages.params import Budgets, Minimum, Prices
from stages.signals import Signal, verdict

LEVEL = 0.95


def cost_of(rows: float, labels: float, prices: Prices) -> float:
    """Return what rows and the labels on them cost, in units of money."""
    return rows * prices.row + labels * prices.label


def label_cost(
    rows: int, labels: int, train_labels: int, rarest: int | None, minimum: Minimum, prices: Prices, budgets: Budgets
) -> Signal:
    """Return ``label_cost``: what the plan's rows and labels cost, as a share of the budget of money.

    The plan is what was collected; or, while that holds too few labels for ``data.minimum``, as many times of it as
    bring them. Where the rarest class is what is short, how many times is uncertain, as its share among the labels
    is: the interval is that of Clopper and Pearson (1934) for it.

    Parameters
    ----------
    rows, labels : int
        Collected rows, and how many of them have a label; window and pilot together.
    train_labels : int
        Labels among the training rows.
    rarest : int or None
        Training labels of the rarest class; None for a regression.
    minimum : Minimum
        How many training labels the plan needs, in all and of the rarest class.
    prices : Prices
        Of a row and of a label.
    budgets : Budgets
        ``money``; without it the signal is measured and never fires.
    """
    spent = cost_of(rows, labels, prices)
    times = _times(train_labels, rarest, minimum)
    budget = budgets.money
    said = f"{rows} rows and {labels} labels cost {spent:g}"
    evidence: dict[str, Any] = {
        "cost": {"rows": rows, "labels": labels, "money": spent},
        "prices": {"row": prices.row, "label": prices.label},
        "budget": budget,
    }
    if budget is None or not (prices.row or prices.label):
        says = f"{said}; " + ("no budget of money is set" if budget is None else "no price is set")
        return Signal(name="label_cost", fires=False, unit="of the budget", says=says, evidence=evidence)
    value, low, high = (None if factor is None else factor * spent / budget for factor in times)
    if times[0] != 1.0:
        need = "no one knows how much" if value is None else f"about {value * budget:.4g}"
        said += f"; enough labels for data.minimum cost {need}"
        evidence["needed_money"] = None if value is None else value * budget
    assert low is not None
    return Signal(
        name="label_cost",
        value=value,
        low=low,
        high=high,
        threshold=1.0,
        direction="above",
        unit="of the budget",
        fires=verdict(low, math.inf if high is None else high, 1.0, "above"),
        says=f"{said}; the budget is {budget:g}",
        evidence=evidence,
    )


def _times(train_labels: int, rarest: int | None, minimum: Minimum) -> tuple[float | None, float, float | None]:
    """Return how many times what was collected the plan needs, at least once, with an interval; None is unknown."""
    by_rows = max(1.0, minimum.rows / train_labels) if train_labels else None
    if by_rows is None:
        return None, 1.0, None
    if rarest is None or rarest >= minimum.per_class:
        return by_rows, by_rows, by_rows
    tail = (1 - LEVEL) / 2
    least = beta.ppf(tail, rarest, train_labels - rarest + 1) if rarest else 0.0
    most = beta.ppf(1 - tail, rarest + 1, train_labels - rarest) if rarest < train_labels else 1.0

    def times(share: float) -> float | None:
        return max(by_rows, minimum.per_class / (share * train_labels)) if share > 0 else None

    low = times(most)
    return times(rarest / train_labels), 1.0 if low is None else low, times(least)
