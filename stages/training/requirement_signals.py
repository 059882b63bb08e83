"""Whether the charter is met on the validation rows, and whether anything at all that was tried meets it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stages.params import Requirement
from stages.requirements import bound_words, serving_missed, shortfall, worst
from stages.signals import Signal
from stages.training.error_signals import number

Figure = Mapping[str, float | None]


def requirements_missed(
    valid: Mapping[str, Figure],
    bounds: Mapping[str, Requirement],
    *,
    chosen: str,
    optimise: str,
    evidence: Mapping[str, Any] | None = None,
) -> Signal:
    """Fire when the chosen model misses a requirement on the validation rows.

    The value is the largest relative shortfall. A requirement is held against the estimate: the interval says how sure
    the verdict is, and does not decide it, so that the loop always has a way to go.

    Parameters
    ----------
    valid : mapping of str to figure
        The offline metrics on the validation rows.
    bounds : mapping of str to Requirement
        The offline requirements.
    chosen, optimise : str
        The model, and the metric it was chosen by.
    evidence : mapping, optional
        What the loop may change, and what stands beside.
    """
    entries: list[dict[str, Any]] = [
        {"metric": name, **valid[name], "bound": bound.bound, "side": bound.side} for name, bound in bounds.items()
    ]
    missed = [item for item in entries if not bounds[item["metric"]].met_by(item["value"])]
    told = "; ".join(
        f"{i['metric']} {number(i['value'])}, required {bound_words(i['side'], i['bound'])}" for i in missed
    )
    value, low, high = worst(shortfall(bounds[item["metric"]], item) for item in entries)
    return Signal(
        name="requirements_missed",
        value=value,
        low=low,
        high=high,
        threshold=0.0,
        direction="above",
        unit="of the bound",
        fires=bool(missed),
        says=f"{chosen}: {told or 'every requirement is met on the validation rows'}",
        evidence={
            **(evidence or {}),
            "missed": missed,
            "met": [item for item in entries if item not in missed],
            "optimise": {"metric": optimise, **valid[optimise]},
        },
    )


def too_large(size: float, bound: Requirement | None, chosen: str) -> Signal:
    """Return ``serving_missed`` for what is known of serving by now: the size in MB."""
    if bound is None:
        return serving_missed([], chosen)
    entry = {"metric": "size_mb", "value": size, "bound": bound.bound, "side": bound.side, "met": bound.met_by(size)}
    return serving_missed([entry], chosen)


def requirements_trade_off(selection: dict[str, Any], candidates: dict[str, Any]) -> Signal:
    """Fire when no candidate meets every requirement, yet each requirement is met by some candidate."""
    missed: dict[str, list[str]] = selection["missed"]
    everywhere = [name for name in selection["bounds"] if all(name in found for found in missed.values())]
    enough = len(missed) > 1 and all(missed.values())
    table = {
        name: {metric: item["valid"].get(metric, item.get(metric)) for metric in selection["bounds"]}
        for name, item in candidates.items()
    }
    return Signal(
        name="requirements_trade_off",
        value=float(len(everywhere)),
        low=float(len(everywhere)),
        high=float(len(everywhere)),
        threshold=1.0,
        direction="below",
        fires=enough and not everywhere,
        says=(
            f"{sum(not found for found in missed.values())} of {len(missed)} candidates meet all requirements"
            + (f"; none meets {', '.join(everywhere)}" if everywhere else "")
        ),
        evidence={"frontier": selection["frontier"], "table": table},
    )
