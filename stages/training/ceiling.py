"""Whether the best that is possible (people, label noise, the learning curve) misses what is required."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from stages.metric_names import DECIDED, OF_ANSWERS
from stages.params import Requirement
from stages.requirements import bound_words, shortfall
from stages.signals import Signal

Figure = Mapping[str, float | None]
KEYS = ("value", "low", "high")


def ceiling(
    bounds: Mapping[str, Requirement],
    *,
    people: Mapping[str, Figure] | None = None,
    noise: Figure | None = None,
    constant_loss: float | None = None,
    curve: Mapping[str, Any] | None = None,
) -> Signal:
    """Fire when the best possible surely misses a requirement, whatever is tried.

    Parameters
    ----------
    bounds : mapping of str to Requirement
        The offline requirements.
    people : mapping of str to figure, optional
        The metrics of people on such rows.
    noise : figure, optional
        The share of wrong labels among those that judge; see `noise_ceilings`.
    constant_loss : float, optional
        Log loss of the constant on the validation rows, which a skill is measured against.
    curve : mapping, optional
        For each missed requirement where the learning curve of a model that none of ample capacity betters comes to
        with all rows that may be had (``at_limit``). Left out while there is anything to try that may lift it.

    Returns
    -------
    Signal
        Value and interval are the relative shortfall of the lowest ceiling. Unknown when none is known.
    """
    known: list[tuple[str, str, Figure]] = [("people", name, found) for name, found in (people or {}).items()]
    if noise is not None:
        found = noise_ceilings(noise, constant_loss)
        known += [("label noise", name, figure) for name, figure in found.items()]
    known += [("the learning curve", name, found["at_limit"]) for name, found in (curve or {}).items()]
    traded = traded_off(bounds)
    judged = [
        (shortfall(bounds[name], figure), source, name, figure)
        for source, name, figure in known
        if name in bounds and name not in traded and None not in figure.values()
    ]
    if not judged:
        says = "no ceiling is known: no figure of people, no rate of label noise, no curve that tells"
        return Signal(name="ceiling", threshold=0.0, unit="of the bound", says=says)
    (value, low, high), source, name, figure = max(judged, key=lambda item: item[0][1])
    bound = bounds[name]
    return Signal.measured(
        "ceiling",
        value,
        low,
        high,
        threshold=0.0,
        direction="above",
        unit="of the bound",
        says=f"the best possible {name} by {source} is {figure['value']:.4g} "
        f"({figure['low']:.4g} … {figure['high']:.4g}), required {bound_words(bound.side, bound.bound)}",
        evidence={
            "ceilings": [{"source": source, "metric": name, **figure} for _, source, name, figure in judged],
            "missed": [{"metric": name, **figure, "bound": bound.bound, "side": bound.side}] if low > 0 else [],
        },
    )


def traded_off(bounds: Mapping[str, Requirement]) -> frozenset[str]:
    """Return the required metrics that a threshold trades off: no figure at one threshold is a ceiling of them.

    Nor is one of the rows that are answered, as others may be left to a person.
    """
    decided = DECIDED & set(bounds)
    return frozenset(decided if len(decided) > 1 else decided & {"precision", "recall"}) | (OF_ANSWERS & set(bounds))


def noise_ceilings(rate: Figure, constant_loss: float | None) -> dict[str, dict[str, float | None]]:
    """Return the best metrics that labels with a share of wrong ones allow, however the noise is spread over the rows.

    Notes
    -----
    Where a row's label is wrong with chance e <= 1/2, the best accuracy there is 1 - e, the least log loss the entropy
    of e, at least 2 e ln 2 as it is concave, and the least Brier score e (1 - e) >= e / 2. All three are linear in e,
    so their means over rows depend on the mean rate alone.
    """
    floors = {"accuracy": (1.0, -1.0), "log_loss": (0.0, 2 * math.log(2)), "brier": (0.0, 0.5)}
    if constant_loss:
        floors["log_loss_skill"] = (1.0, -2 * math.log(2) / constant_loss)
    found = {}
    for name, (offset, slope) in floors.items():
        ends = {key: None if end is None else offset + slope * end for key, end in rate.items() if key in KEYS}
        if slope < 0:
            ends["low"], ends["high"] = ends["high"], ends["low"]
        found[name] = ends
    return found
