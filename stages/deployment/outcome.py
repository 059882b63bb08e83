"""What the model brings in the world, beside the rule: does the metric drive it, and is it good enough."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from stages.data.blocks import Blocks
from stages.metric_names import larger_is_better
from stages.requirements import surely
from stages.signals import Signal, verdict
from stages.training.intervals import block_draws, spread, units, widening
from stages.training.metrics import Array, Figure, Scorer, figure, resampled


def measure(
    values: Mapping[str, Array], scorers: Mapping[str, Scorer], metric: str, *, n: int, level: float, seed: int
) -> dict[str, Any]:
    """Return the mean outcome a row of the model and its baselines, and by how much the model is ahead of the rule.

    Parameters
    ----------
    values : mapping of str to array of shape (n_rows,)
        Each row's outcome by the predictions of ``model``, ``rule`` and ``constant``.
    scorers : mapping of str to Scorer
        The same predictions on the same rows.
    metric : str
        The one that is optimised.
    n, level, seed
        Draws, coverage and seed of the block bootstrap, in which all are paired.

    Returns
    -------
    dict
        A figure for each of ``values``, ``gain``: model less rule, and ``metric_gain``: the same of the metric, larger
        being better.
    """
    sampling: dict[str, Any] = {"n": n, "level": level, "seed": seed}
    found = means({**values, "gain": values["model"] - values["rule"]}, *scorers["model"].rows, **sampling)
    gain = metric_gain(scorers["model"], scorers["rule"], metric, **sampling)
    return {**found, "metric": metric, "metric_gain": gain}


def means(
    values: Mapping[str, Array], rows: int, blocks: Blocks | None, *, n: int, level: float, seed: int
) -> dict[str, Any]:
    """Return the mean a row of each of some values, (n_rows,) each, drawn by the same blocks."""
    count = units(rows, blocks)
    columns = np.column_stack([*values.values(), np.ones(rows)])
    drawn = block_draws(columns, blocks, n, seed)
    return {
        name: spread(float(columns[:, at].mean()), drawn[:, at] / drawn[:, -1], count, level)
        for at, name in enumerate(values)
    }


def metric_gain(model: Scorer, other: Scorer, metric: str, *, n: int, level: float, seed: int) -> Figure:
    """Return by how much a model is better than another on the same rows, whole blocks drawn in pairs."""
    rows, blocks = model.rows
    count = units(rows, blocks)
    sign = 1 if larger_is_better(model.task, metric) else -1

    def ahead(weight: Array) -> list[float]:
        return [sign * (model.score([metric], weight)[metric] - other.score([metric], weight)[metric])]

    value = ahead(np.ones(rows))[0]
    draws = resampled(ahead, rows, blocks, n=n, seed=seed)[:, 0]
    wide = value + (draws - value) * (widening(count, level) if count else np.nan)
    return figure(value, wide, level)


def outcome_flat(gain: Figure, metric_gain: Figure, metric: str, min_gain: float, unit: str) -> Signal:
    """Fire when the model surely beats the rule by the optimised metric, and surely brings no more than it.

    Parameters
    ----------
    gain, metric_gain : figure
        See `measure`.
    metric : str
        The one that is optimised.
    min_gain : float
        ``planning.outcome.min_gain``: what the model must bring beyond the rule, a row.
    unit : str
        What the outcome is measured in.
    """
    value, low, high = (gain[key] for key in ("value", "low", "high"))
    fires: bool | None = None
    if low is not None and high is not None:
        fires = True if high <= min_gain else False if low > min_gain else None  # at the limit is no gain
    if not surely(metric_gain, "above", 0.0) and fires is not False:
        ends = metric_gain["low"], metric_gain["high"]
        unknown = None in ends or verdict(float(ends[0] or 0), float(ends[1] or 0), 0.0, "above") is None
        fires = None if unknown else False
    return Signal(
        name="outcome_flat",
        value=value,
        low=low,
        high=high,
        threshold=min_gain,
        direction="below",
        unit=f"{unit} a row".strip(),
        fires=fires,
        says=f"beside the rule the model is ahead by {_number(metric_gain['value'])} of {metric}, and brings "
        f"{_number(value)} {unit} a row more".replace("  ", " "),
        evidence={"gain": dict(gain), "metric_gain": dict(metric_gain)},
    )


def outcome_low(outcome: Figure, at_least: float, unit: str, *, met: bool) -> Signal:
    """Fire when every requirement is met, and the outcome is surely less than what is wanted.

    Parameters
    ----------
    outcome : figure
        Mean value a row in the pilot.
    at_least : float
        ``planning.outcome.at_least``.
    unit : str
        What it is measured in.
    met : bool
        Whether the pilot meets every requirement; else it is those that are to be seen to.
    """
    value, low, high = (outcome[key] for key in ("value", "low", "high"))
    fires = None if low is None or high is None else verdict(low, high, at_least, "below")
    return Signal(
        name="outcome_low",
        value=value,
        low=low,
        high=high,
        threshold=at_least,
        direction="below",
        unit=f"{unit} a row".strip(),
        fires=fires if met else False,
        says=f"the model brings {_number(value)} {unit} a row in the pilot, wanted at least {at_least:g}".replace(
            "  ", " "
        )
        + ("" if met else "; the requirements are not met, which comes first"),
        evidence={"outcome": dict(outcome)},
    )


def _number(value: float | None) -> str:
    return "an unknown amount" if value is None else f"{value:.4g}"
