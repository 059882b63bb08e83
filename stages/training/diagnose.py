"""What ails the chosen model: the signals of the training stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages.context import Context
from stages.files import read_json
from stages.metric_names import LOSS, OFFLINE
from stages.params import Requirement
from stages.requirements import bound_words, serving_missed, shortfall, surely, worst
from stages.signals import Signal, write_signals
from stages.step import main

Figure = dict[str, float | None]


def run(project: Path) -> None:
    """Write the signals of the training stage."""
    work = Context(project)
    evaluation = read_json(project / "metrics" / "evaluation.json")
    chosen = read_json(project / "models" / "chosen.json")
    selection = read_json(project / "models" / "selection.json")
    curve = read_json(project / "models" / "learning_curve.json")
    baselines = read_json(project / "metrics" / "baselines.json")
    candidates = read_json(project / "metrics" / "candidates.json")
    ways = {key: work.schema.get(key) for key in ("more", "more_rows", "unused_groups")}
    ways |= {"rows": work.schema["window"]["rows"], "pilot_rows": work.schema["pilot"]["rows"]}
    ways |= {"chosen": chosen["name"]}
    write_signals(
        project / "signals" / "training.json",
        [
            bug_suspected(evaluation["better_than_constant"]),
            overfitting(evaluation, work),
            curve_falling(curve, work),
            underfitting(evaluation["train"], work),
            requirements_missed(evaluation["valid"], chosen, baselines, work, ways),
            too_large(chosen, work),
            requirements_trade_off(selection, candidates, work),
        ],
    )


def bug_suspected(better: dict[str, Any]) -> Signal:
    """Fire when the model loses to the constant on its own training rows: it cannot even fit those.

    Not so when a second metric is surely better than the constant's: then it was fitted to another aim.
    """
    skill, other, second = better["loss"], better["other"], better["other_metric"]
    signal = _measured(
        "bug_suspected",
        skill,
        threshold=0.0,
        direction="below",
        says=f"on its own training rows the loss differs from the constant's by {_change(skill)}, "
        f"{second} by {_number(other['value'])}",
        evidence={"better_than_constant": better},
    )
    fitted_otherwise = signal.fires and surely(other, "above", 0.0)
    return signal.model_copy(update={"fires": False}) if fitted_otherwise else signal


def overfitting(evaluation: dict[str, Any], work: Context) -> Signal:
    """Fire when too large a share of the validation loss is missing on the training rows."""
    gap, loss = evaluation["gap"], LOSS[work.task]
    train, valid = evaluation["train"][loss]["value"], evaluation["valid"][loss]["value"]
    return _measured(
        "overfitting",
        gap,
        threshold=work.params.training.diagnosis.max_gap,
        direction="above",
        says=f"{loss} {train:.4g} on the training rows, {valid:.4g} on the validation rows: a gap of {_share(gap)} "
        "beside the constant's",
    )


def curve_falling(curve: dict[str, Any], work: Context) -> Signal:
    """Fire when the last doubling of the rows still took a share of the loss away."""
    rows = [str(point["rows"]) for point in curve["points"]]
    losses = [f"{point['valid_loss']:.4g}" for point in curve["points"]]
    return _measured(
        "curve_falling",
        curve["gain"],
        threshold=work.params.training.diagnosis.min_gain,
        direction="above",
        says=f"the last doubling of the rows changed the validation loss by {_change(curve['gain'])} "
        f"({' → '.join(losses)})",
        evidence={"rows_of_curve": rows, "losses_of_curve": losses, "plot": "plots/learning_curve.csv"},
    )


def underfitting(train: dict[str, Figure], work: Context) -> Signal:
    """Fire when the worst requirement is missed even on the rows the model was fitted on, by the whole interval.

    The value is the largest relative shortfall: how far the metric is on the wrong side of its bound, over the bound.
    """
    found = {name: shortfall(bound, train[name]) for name, bound in _offline(work).items()}
    if not found:
        return Signal(name="underfitting", fires=False, says="no offline requirement to miss")
    name = max(found, key=lambda metric: found[metric][:1])
    bound = work.requirements[name]
    return Signal.measured(
        "underfitting",
        *worst(found.values()),
        threshold=0.0,
        direction="above",
        unit="of the bound",
        says=f"on the training rows {name} is {_number(train[name]['value'])}, "
        f"required {bound_words(bound.side, bound.bound)}",
        evidence={"metric": name},
    )


def requirements_missed(
    valid: dict[str, Figure], chosen: dict[str, Any], baselines: dict[str, Any], work: Context, ways: dict[str, Any]
) -> Signal:
    """Fire when the chosen model misses a requirement on the validation rows; carries what the loop may change.

    The value is the largest relative shortfall. A requirement is held against the estimate: the interval says how sure
    the verdict is, and does not decide it, so that the loop always has a way to go.
    """
    bounds = _offline(work)
    entries: list[dict[str, Any]] = [
        {"metric": name, **valid[name], "bound": bound.bound, "side": bound.side} for name, bound in bounds.items()
    ]
    missed = [item for item in entries if not bounds[item["metric"]].met_by(item["value"])]
    optimise = str(work.charter["optimise"])
    beside = {name: item.get(optimise, {}).get("value") for name, item in baselines.items()}
    told = "; ".join(
        f"{i['metric']} {_number(i['value'])}, required {bound_words(i['side'], i['bound'])}" for i in missed
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
        says=f"{chosen['name']}: {told or 'every requirement is met on the validation rows'}",
        evidence={
            **ways,
            "missed": missed,
            "met": [item for item in entries if item not in missed],
            "optimise": {"metric": optimise, **valid[optimise]},
            "baselines": beside,
        },
    )


def too_large(chosen: dict[str, Any], work: Context) -> Signal:
    """Return ``serving_missed`` for what is known of serving by now: the size."""
    bound, size = work.requirements.get("size_mb"), chosen["size_mb"]
    if bound is None:
        return serving_missed([], chosen["name"])
    entry = {"metric": "size_mb", "value": size, "bound": bound.bound, "side": bound.side, "met": bound.met_by(size)}
    return serving_missed([entry], chosen["name"])


def requirements_trade_off(selection: dict[str, Any], candidates: dict[str, Any], work: Context) -> Signal:
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


def _offline(work: Context) -> dict[str, Requirement]:
    return {name: bound for name, bound in work.requirements.items() if name in OFFLINE[work.task]}


def _measured(name: str, found: Figure, *, threshold: float, direction: Any, says: str, evidence: Any = None) -> Signal:
    value, low, high = (found[key] for key in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return Signal(name=name, threshold=threshold, direction=direction, says=f"{says} (too few rows to tell)")
    return Signal.measured(
        name, value, low, high, threshold=threshold, direction=direction, says=says, evidence=evidence
    )


def _share(found: Figure) -> str:
    return "an unknown share" if found["value"] is None else f"{100 * found['value']:.1f}%"


def _change(gain: Figure) -> str:
    return "an unknown share" if gain["value"] is None else f"{-100 * gain['value']:+.1f}%"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"


if __name__ == "__main__":
    main(run)
