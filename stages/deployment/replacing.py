"""Software 2.0: whether the model surely brings more than the rule whose place it takes, on rows that chose nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stages.deployment.outcome import means, metric_gain
from stages.signals import Signal
from stages.training.metrics import Array, Figure, Scorer


def beside_rule(
    scorers: Mapping[str, Scorer], values: Mapping[str, Array], metric: str, rule: str, unit: str, **sampling: Any
) -> dict[str, Any]:
    """Return by how much the model is ahead of the rule: by value where it is measured, else by the metric.

    Parameters
    ----------
    scorers : mapping of str to Scorer
        The predictions of ``model`` and of the rule on the same rows.
    values : mapping of str to array of shape (n_rows,)
        Each row's outcome by both; empty where the charter measures none.
    metric : str
        The one that is optimised.
    rule : str
        The name of the rule: ``present``, or ``rule`` where the charter names none.
    unit : str
        Of the outcome.
    **sampling
        ``n``, ``level`` and ``seed`` of the block bootstrap, in which both are paired.
    """
    model = scorers["model"]
    if values:
        ahead = means({"gain": values["model"] - values[rule]}, *model.rows, **sampling)["gain"]
        return {"rule": rule, "by": "outcome", "unit": f"{unit} a row".strip(), "gain": ahead}
    return {"rule": rule, "by": metric, "unit": metric, "gain": metric_gain(model, scorers[rule], metric, **sampling)}


def no_better_than_rule(
    gain: Figure, *, rule: str, by: str, unit: str, min_gain: float = 0.0, evidence: Mapping[str, Any] | None = None
) -> Signal:
    """Fire unless the model is surely better than the rule: what is not sure does not take the place of what works.

    Without an interval it cannot tell, and the gate stays shut.

    Parameters
    ----------
    gain : figure
        By how much it is better, see `beside_rule`.
    rule, by, unit : str
        The rule, what it is compared by, and its unit.
    min_gain : float
        What it must be better by.
    evidence : mapping, optional
        What the loop may change.
    """
    value, low, high = (gain[key] for key in ("value", "low", "high"))
    names = {"present": "the present rule", "rule": "the rule baseline"}
    said = "cannot be held beside" if low is None or high is None else "is surely better than"
    if low is not None and high is not None and low <= min_gain:
        said = "is no better than" if high <= min_gain else "is not surely better than"
    ends = "" if low is None or high is None else f" ({low:.4g} … {high:.4g})"
    ahead = "an unknown amount" if value is None else f"{value:.4g}"
    beyond = f", wanted more than {min_gain:g}" if min_gain else ""
    return Signal(
        name="no_better_than_rule",
        value=value,
        low=low,
        high=high,
        threshold=min_gain,
        direction="below",
        unit=unit,
        fires=None if low is None or high is None else low <= min_gain,
        says=f"the model {said} {names[rule]} by {by} in the pilot: ahead by {ahead}{ends}{beyond}",
        evidence={
            **(evidence or {}),
            "gain": dict(gain),
            "rule": rule,
            "unsure": high is None or high > min_gain,
        },
    )
