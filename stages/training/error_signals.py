"""What ails the chosen model, by its losses: overfitting, underfitting, too much capacity, a curve that still falls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stages.params import Requirement
from stages.requirements import bound_words, number, shortfall, worst
from stages.signals import Direction, Signal
from stages.training.decomposition import MODEL, PEOPLE

Figure = Mapping[str, float | None]
UNIT = "of the validation loss"


def overfitting(parts: Mapping[str, Any], limit: float) -> Signal:
    """Fire when the variance is surely more than ``limit`` of the validation loss.

    Parameters
    ----------
    parts : mapping
        See `stages.training.decomposition.decompose`.
    limit : float
        ``training.diagnosis.max_gap``.
    """
    return measured(
        "overfitting",
        parts["variance"],
        threshold=limit,
        direction="above",
        unit=UNIT,
        says=f"a variance of {share(parts['variance'])} of the validation loss is missing on the training rows, beside "
        f"the constant's; {_beside(parts)}",
        evidence={"decomposition": dict(parts), "plot": "plots/decomposition.csv"},
    )


def underfitting(
    parts: Mapping[str, Any], train: Mapping[str, Figure], bounds: Mapping[str, Requirement], limit: float
) -> Signal:
    """Fire when the avoidable bias is surely more than ``limit`` and the larger part, or training rows miss the goal.

    Parameters
    ----------
    parts : mapping
        See `stages.training.decomposition.decompose`.
    train : mapping of str to figure
        The offline metrics on the rows the model was fitted on.
    bounds : mapping of str to Requirement
        The offline requirements.
    limit : float
        ``training.diagnosis.max_bias``.

    Notes
    -----
    A requirement that is surely missed on the training rows is missed by more than variance can explain: no number of
    rows makes a model better than it is on the rows it knows. Value and interval are then those of the shortfall.
    """
    found = {name: shortfall(bound, train[name]) for name, bound in bounds.items()}
    goal = worst(found.values())
    metric = max(found, key=lambda name: found[name][0], default="")
    told = f"on the training rows {metric} is {number(train[metric]['value'])}" if metric else "nothing is required"
    required = f", required {bound_words(bounds[metric].side, bounds[metric].bound)}" if metric else ""
    evidence = {"metric": metric, "on_training_rows": goal[0], "decomposition": dict(parts)}
    by_goal = Signal.measured(
        "underfitting",
        *goal,
        threshold=0.0,
        direction="above",
        unit="of the bound",
        says=told + required,
        evidence=evidence,
    )
    if by_goal.fires:
        return by_goal
    bias, variance = parts["bias"]["value"], parts["variance"]["value"]
    by_bias = measured(
        "underfitting",
        parts["bias"],
        threshold=limit,
        direction="above",
        unit=UNIT,
        says=f"{_beside(parts)}; {told}{required}",
        evidence=evidence,
    )
    if by_bias.fires and bias < variance:
        says = f"{by_bias.says}; the variance is the larger part ({share(parts['variance'])})"
        return by_bias.model_copy(update={"fires": False, "says": says})
    return by_bias


def too_flexible(parts: Mapping[str, Any], bounds: Mapping[str, Requirement], limit: float) -> Signal:
    """Fire when a simpler model does surely better on the same rows, and well enough, and this one loses by variance.

    Where the simpler one misses the requirements too, capacity is not what stands between the model and them.

    Parameters
    ----------
    parts : mapping
        See `stages.training.decomposition.decompose`; with ``reference``, what the simpler model scores.
    bounds : mapping of str to Requirement
        The offline requirements.
    limit : float
        ``training.diagnosis.max_bias``: the share of the validation loss that the simpler one must save.
    """
    excess, best = parts["excess"], str(parts["best"])
    short = [name for name, bound in bounds.items() if not bound.met_by(parts["reference"].get(name))]
    told = "" if best == MODEL else f" and saves {share(excess)} of this model's loss"
    signal = measured(
        "too_flexible",
        excess,
        threshold=limit,
        direction="above",
        unit=UNIT,
        says=f"{best} is the best on the validation rows{told}; "
        + (f"the reference misses {', '.join(short)} too; " if short else "")
        + _beside(parts),
        evidence={"best": best, "reference": parts["reference"]},
    )
    bias, variance = parts["bias"]["value"], parts["variance"]["value"]
    by_variance = best not in (MODEL, PEOPLE) and None not in (bias, variance) and variance > bias
    cures = by_variance and not short
    return signal if cures or signal.fires is None else signal.model_copy(update={"fires": False})


def curve_falling(
    gain: Figure, points: list[dict[str, Any]], reach: Mapping[str, Any], window_rows: int, limit: float
) -> Signal:
    """Fire when the last doubling of the rows surely took more than ``limit`` of the loss, and more may be enough.

    Parameters
    ----------
    gain : figure
        See `stages.training.learning_curve.doubling_gain`.
    points : list of dict
        The learning curve: ``rows``, ``train_loss``, ``valid_loss``.
    reach : mapping
        For each missed requirement what `stages.training.extrapolation.reach` says. When it surely misses its bound
        with all rows that may be had, more rows are no cure for this candidate, though its curve falls.
    window_rows : int
        Rows of the window, of which the last point's are those that train.
    limit : float
        ``training.diagnosis.min_gain``.
    """
    never = [name for name, found in reach.items() if found["never"]]
    needed = rows_needed(reach, points[-1]["rows"], window_rows)
    losses = " → ".join(f"{point['valid_loss']:.4g}" for point in points)
    told = f"; all rows that may be had do not bring {', '.join(never)} to its bound" if never else ""
    told = f"; {_needed_words(needed)}" if reach and not never else told
    signal = measured(
        "curve_falling",
        gain,
        threshold=limit,
        direction="above",
        unit="of the loss a doubling",
        says=f"the last doubling of the rows changed the validation loss by {change(gain)} ({losses})" + told,
        evidence={
            "rows_of_curve": [point["rows"] for point in points],
            "rows_needed": needed,
            "reach": dict(reach),
            "plot": "plots/learning_curve.csv",
        },
    )
    return signal.model_copy(update={"fires": False}) if never else signal


def rows_needed(reach: Mapping[str, Any], train_rows: int, window_rows: int) -> dict[str, float | None] | None:
    """Return how many rows the window must have for every missed requirement: a figure, an end None for "no number"."""
    if not reach:
        return None
    found: dict[str, float | None] = {}
    for key in ("value", "low", "high"):
        ends = [item["rows"][key] for item in reach.values()]
        found[key] = None if None in ends else max(ends) * window_rows / train_rows
    return found


def measured(
    name: str,
    found: Figure,
    *,
    threshold: float,
    direction: Direction,
    says: str,
    unit: str = "",
    evidence: dict[str, Any] | None = None,
) -> Signal:
    """Return a signal of a figure; it cannot tell where the figure's interval is unknown."""
    value, low, high = (found[key] for key in ("value", "low", "high"))
    if value is None or low is None or high is None:
        words = f"{says} (too few rows to tell)"
        return Signal(
            name=name, threshold=threshold, direction=direction, unit=unit, says=words, evidence=evidence or {}
        )
    return Signal.measured(
        name, value, low, high, threshold=threshold, direction=direction, unit=unit, says=says, evidence=evidence
    )


def share(found: Figure) -> str:
    """Return a share as people read it."""
    return "an unknown share" if found["value"] is None else f"{100 * found['value']:.1f}%"


def change(gain: Figure) -> str:
    """Return the fall of a loss as people read it."""
    return "an unknown share" if gain["value"] is None else f"{-100 * gain['value']:+.1f}%"


def _beside(parts: Mapping[str, Any]) -> str:
    if (parts["bias"]["value"] or 0.0) <= 0:
        return f"no avoidable bias: on the rows it was fitted on it is no worse than {parts['best']} on unseen ones"
    return f"an avoidable bias of {share(parts['bias'])} of the loss beside {parts['best']}"


def _needed_words(needed: Mapping[str, float | None] | None) -> str:
    if needed is None or needed["low"] is None:
        return "how many rows are needed cannot be told"
    ends = [f"{value:,.0f}" if value is not None else "no number" for value in (needed["low"], needed["high"])]
    middle = f"about {needed['value']:,.0f}" if needed["value"] is not None else "an unknown number of"
    return f"{middle} rows of the window would be needed (between {ends[0]} and {ends[1]})"
