"""Two signals on whose account no figure can be trusted: a bug is suspected, or the target leaks."""

from __future__ import annotations

from typing import Any

from stages.params import Checks
from stages.requirements import surely
from stages.signals import Signal

Found = dict[str, Any]
MAX_SHOWN = 10
NEXT = "of the next feature's loss"
TELLING = (
    "fits_a_batch",
    "remembers_a_batch",
    "same_as_refitted",
    "right_sign",
)  # the others are exact on any number of rows


def bug_suspected(better: Found, findings: list[Found], explained: bool = False) -> Signal:
    """Fire when a check of model or evaluation fails; the value counts those that do.

    Parameters
    ----------
    better : dict
        `comparison.better_than_constant` on the model's own training rows. A model that loses to the constant there
        cannot even fit those; not so when a second metric is surely better than the constant's, for then it was fitted
        to another aim.
    findings : list of dict
        What the checks of `stages.training.checks` found, each a dumped signal.
    explained : bool
        Whether copies of rows already explain why shuffled labels can be predicted; that is a leak, and no bug.
    """
    skill, other, second = better["loss"], better["other"], better["other_metric"]
    loses = surely(skill, "below", 0.0) and not surely(other, "above", 0.0)
    change = "an unknown share" if skill["value"] is None else f"{-100 * skill['value']:+.1f}%"
    figure = "unknown" if other["value"] is None else f"{other['value']:.4g}"
    own = f"on its own training rows the loss differs from the constant's by {change}, {second} by {figure}"
    failed = [item for item in findings if item["fires"] and not (explained and item["name"] == "shuffled_control")]
    told = [own] if loses or not failed else []
    told += [item["says"] for item in failed]
    count = float(len(failed) + loses)
    known = any(item["fires"] is False for item in findings if item["name"] in TELLING)
    return Signal(
        name="bug_suspected",
        value=count,
        low=count,
        high=count,
        threshold=0.0,
        direction="above",
        unit="checks failed",
        fires=True if count else False if known else None,
        says="; ".join(told),
        evidence={
            "failed": [*(["better_than_constant"] if loses else []), *(item["name"] for item in failed)],
            "better_than_constant": better,
            "checks": {
                item["name"]: {key: item[key] for key in ("value", "low", "high", "fires")} for item in findings
            },
        },
    )


def leakage(found: Found, limits: Checks) -> Signal:
    """Fire when a feature gives the target away, a time lies in the future, or validation rows are training rows.

    A feature gives the target away by what it saves of the loss of all the others together, or of the next best one.
    Value, interval and threshold are those of the worst: of those that fire, the first in this order; else the one
    nearest to its limit.

    Parameters
    ----------
    found : dict
        ``alone``, ``future`` and ``copies``, as `stages.training.leakage` returns them.
    limits : Checks
        ``training.checks``.
    """
    alone = [item for item in found["alone"] if item["feature"] not in limits.trusted]
    future = [item for item in found["future"] if item["feature"] not in limits.trusted]
    copies = found["copies"]
    parts = (
        [(item, limits.max_alone, "of the others' loss", _alone_says(item)) for item in alone]
        + [(item["ahead"] | {"feature": item["feature"]}, limits.max_ahead, NEXT, _ahead_says(item)) for item in alone]
        + [(item, limits.max_future, "of the rows", _future_says(item)) for item in future]
        + [(copies, limits.max_copies, "of the validation rows", _copies_says(copies))]
    )
    beyond = [surely(item, "above", limit) for item, limit, _, _ in parts]
    leaking = [item for (item, *_), fires in zip(parts, beyond, strict=True) if fires and item is not copies]
    evidence = {
        "features": found.get("features"),
        "columns": list(dict.fromkeys(item["feature"] for item in leaking)),
        "copies": copies if beyond[-1] else None,
        "found": leaking[:MAX_SHOWN],
        "file": "models/checks.json",
    }
    told: dict[str | None, str] = {}
    for (item, *_, says), fires in zip(parts, beyond, strict=True):
        if fires:
            told.setdefault(item.get("feature"), says)  # a feature that leaks by two figures is told of once
    worst = parts[beyond.index(True)] if any(beyond) else max(parts, key=lambda part: _nearness(part[0], part[1]))
    item, limit, unit, says = worst
    if item["low"] is None:
        return Signal(name="leakage", threshold=limit, says="too few rows to look for leaks", evidence=evidence)
    return Signal.measured(
        "leakage",
        item["value"],
        item["low"],
        item["high"],
        threshold=limit,
        direction="above",
        unit=unit,
        says="; ".join([*told.values()][:MAX_SHOWN]) or f"no leak is seen: {says}",
        evidence=evidence,
    )


def _nearness(item: Found, limit: float) -> float:
    return float("-inf") if item["low"] is None else item["value"] / limit


def _alone_says(item: Found) -> str:
    return (
        f"{item['feature']} alone saves {item['alone']:.0%} of the constant's loss, all the others together "
        f"{item['others']:.0%}"
    )


def _ahead_says(item: Found) -> str:
    beside = "the constant 0%" if item["next"] is None else f"the next best, {item['next']}, {item['next_alone']:.0%}"
    return f"{item['feature']} alone saves {item['alone']:.0%} of the constant's loss, {beside}"


def _future_says(item: Found) -> str:
    first = item.get("first")
    where = f", first in training row {first['row']} of {first['time']}" if first else ""
    return f"{item['feature']} lies after the row's own time in {item['rows']} rows ({item['value']:.1%}){where}"


def _copies_says(item: Found) -> str:
    if item["low"] is None:
        return "too few rows to look for copies"
    first = (
        f", first validation row {item['first']['row']} in training row {item['first']['of']}" if item["first"] else ""
    )
    return (
        f"{item['rows']} of {item['of']} validation rows have the features of a training row{first}; "
        f"{item['by_chance']:.0%} of that is chance"
    )
