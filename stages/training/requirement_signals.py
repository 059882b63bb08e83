"""Whether the charter is met on the validation rows, and whether anything at all that was tried meets it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stages.params import Requirement
from stages.requirements import bound_words, number, serving_missed, shortfall, worst
from stages.signals import Signal, verdict

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
        The metrics on the validation rows; the size, too, where it is optimised.
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


def metric_reached(metric: str, reached: Figure, bound: Requirement | None, following: Sequence[str]) -> Signal:
    """Fire when the optimised metric surely meets its own requirement, and the charter says what to optimise next.

    The value is the room it has, as a share of the bound: the whole interval must lie on the right side, unlike where a
    requirement is held against a model, as another metric is given up for what this one has to spare.

    Parameters
    ----------
    metric : str
        The metric that is optimised.
    reached : figure
        What the chosen model reaches of it on the validation rows.
    bound : Requirement or None
        Its own requirement.
    following : sequence of str
        ``planning.optimise_next``.
    """
    if bound is None:
        says = f"{metric} is optimised and has no requirement of its own to reach"
        return Signal(name="metric_reached", threshold=0.0, fires=False, says=says)
    short, low, high = shortfall(bound, reached)
    room, least, most = (0.0 - end for end in (short, high, low))  # not -end: of a zero it is a negative one
    asked = bound_words(bound.side, bound.bound)
    sure = verdict(least, most, 0.0, "above")
    does = {True: "surely meets", False: "does not meet, with room to spare,", None: "may or may not meet"}[sure]
    then = f"{following[0]} is optimised next" if following else "nothing is named to be optimised next"
    return Signal(
        name="metric_reached",
        value=room,
        low=least,
        high=most,
        threshold=0.0,
        direction="above",
        unit="of the bound",
        fires=sure if following else False,
        says=f"{metric} {number(reached.get('value'))} {does} its own requirement, {asked}"
        + (f"; {then}" if sure else ""),
        evidence={"metric": metric, "next": list(following)},
    )


def too_large(size: float, bound: Requirement | None, chosen: str) -> Signal:
    """Return ``serving_missed`` for what is known of serving by now: the size in MB."""
    if bound is None:
        return serving_missed([], chosen)
    entry = {"metric": "size_mb", "value": size, "bound": bound.bound, "side": bound.side, "met": bound.met_by(size)}
    return serving_missed([entry], chosen)


def requirements_trade_off(
    options: Mapping[str, Sequence[Mapping[str, Any]]],
    bounds: Mapping[str, Requirement],
    *,
    frontier: list[str] | None = None,
    plot: str = "plots/frontier.svg",
) -> Signal:
    """Fire when nothing meets every requirement, yet each is met by something: they are at odds with each other.

    The value is the worst relative shortfall of the best compromise: how far apart the requirements are. It is that of
    estimates, as requirements are held against these.

    Parameters
    ----------
    options : mapping of str to list of mapping
        For each candidate its figures at each decision threshold that it could have (`stages.training.thresholds`).
    bounds : mapping of str to Requirement
        Offline requirements, and size.
    frontier : list of str, optional
        The candidates that no other betters in everything.
    plot : str
        The picture of it.
    """
    every = [(name, option) for name, found in options.items() for option in found]
    nowhere = [name for name, bound in bounds.items() if not any(bound.met_by(option.get(name)) for _, option in every)]

    def shortfall_of(option: Mapping[str, Any]) -> float:
        return max((shortfall(bound, {"value": option.get(name)})[0] for name, bound in bounds.items()), default=0.0)

    best, nearest = min(every, key=lambda item: shortfall_of(item[1]))
    apart = shortfall_of(nearest)
    figures = ", ".join(f"{name} {number(nearest.get(name))}" for name in bounds)
    told = f"{best} from {nearest['threshold']:.3g} on" if nearest.get("threshold") is not None else best
    return Signal(
        name="requirements_trade_off",
        value=apart,
        low=apart,
        high=apart,
        threshold=0.0,
        direction="above",
        unit="of the bound",
        fires=apart > 0 and not nowhere,
        says=f"of {len(options)} candidates and {len(every)} ways to decide by them "
        + (f"none meets {', '.join(nowhere)}" if nowhere else "each requirement is met by one")
        + ("" if apart > 0 else ", and all by one")
        + f"; the best compromise is {told}: {figures}",
        evidence={
            "frontier": frontier or [],
            "compromise": {"candidate": best, **nearest},
            "give_way": give_way(every, bounds) if apart > 0 and not nowhere else [],
            "plot": plot,
        },
    )


def give_way(every: Sequence[tuple[str, Mapping[str, Any]]], bounds: Mapping[str, Requirement]) -> list[dict[str, Any]]:
    """Return for each requirement that is at odds with the others how far it goes when they are all met.

    Parameters
    ----------
    every : sequence of (str, mapping)
        Candidates and their figures, one for each way to decide by them.
    bounds : mapping of str to Requirement
        What is required.

    Returns
    -------
    list of dict
        ``metric``, ``value``, ``bound``, ``side``, and the ``candidate`` and ``threshold`` that reach it. A requirement
        without which the others are not met either, or that is met beside them, is not among them.
    """
    found = []
    for name, bound in bounds.items():
        others = {other: item for other, item in bounds.items() if other != name}
        meeting = [
            (candidate, option)
            for candidate, option in every
            if option.get(name) is not None and all(b.met_by(option.get(other)) for other, b in others.items())
        ]
        if not meeting:
            continue
        candidate, best = min(meeting, key=lambda item: shortfall(bound, {"value": item[1][name]})[0])
        item = {"metric": name, "value": best[name], "bound": bound.bound, "side": bound.side}
        found.append(item | {"candidate": candidate, "threshold": best.get("threshold")})
    return found
