"""What ails the chosen model: the signals of the training stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages.context import Context
from stages.files import read_json
from stages.metric_names import OFFLINE
from stages.params import Requirement
from stages.signals import Signal, write_signals
from stages.step import main
from stages.training.ceiling import ceiling
from stages.training.error_signals import curve_falling, overfitting, too_flexible, underfitting
from stages.training.label_signal import label_noise
from stages.training.requirement_signals import (
    metric_reached,
    requirements_missed,
    requirements_trade_off,
    too_large,
)
from stages.training.suspicion import bug_suspected, leakage
from stages.training.swapping import swaps_of


def run(project: Path) -> None:
    """Write the signals of the training stage."""
    work = Context(project)
    evaluation = read_json(project / "metrics" / "evaluation.json")
    chosen = read_json(project / "models" / "chosen.json")
    selection = read_json(project / "models" / "selection.json")
    curve = read_json(project / "models" / "learning_curve.json")
    parts = read_json(project / "models" / "decomposition.json")
    checks = read_json(project / "models" / "checks.json")
    leaks = leakage(checks, work.params.training.checks)
    limits = work.params.training.diagnosis
    size = dict.fromkeys(("value", "low", "high"), chosen["size_mb"])
    optimise, asked = str(work.charter["optimise"]), {**work.requirements, **work.wishes}
    reached = {**evaluation["valid"], "size_mb": size}
    bounds = {name: bound for name, bound in work.requirements.items() if name in OFFLINE[work.task]}
    write_signals(
        project / "signals" / "training.json",
        [
            leaks,
            bug_suspected(evaluation["better_than_constant"], checks["bug"], explained=leaks.fires is True),
            label_noise(read_json(project / "metrics" / "label_quality.json"), limits.max_label_noise),
            overfitting(parts, limits.max_gap),
            too_flexible(parts, bounds, limits.max_bias),
            curve_falling(
                curve["gain"], curve["points"], curve["reach"], work.schema["window"]["rows"], limits.min_gain
            ),
            underfitting(parts, evaluation["train"], bounds, limits.max_bias),
            _requirements(work, reached, bounds, chosen["name"], evaluation),
            metric_reached(optimise, reached[optimise], asked.get(optimise), work.params.planning.optimise_next),
            too_large(chosen["size_mb"], work.requirements.get("size_mb"), chosen["name"]),
            _ceiling(work, bounds, parts, curve),
            requirements_trade_off(
                selection["options"],
                {name: work.requirements[name] for name in selection["bounds"]},
                frontier=selection["frontier"],
            ),
        ],
    )


def _requirements(
    work: Context, reached: dict[str, Any], bounds: dict[str, Requirement], chosen: str, evaluation: dict[str, Any]
) -> Signal:
    """Return whether the charter is met, and what another metric or less autonomy would bring."""
    missed = [name for name, bound in bounds.items() if not bound.met_by(reached[name]["value"])]
    less = {"answering": evaluation["answering"]} if "answering" in evaluation else {}
    ways = _ways(work, chosen) | {"swap": swaps_of(work, missed)} | less
    signal = requirements_missed(reached, bounds, chosen=chosen, optimise=str(work.charter["optimise"]), evidence=ways)
    why = evaluation.get("nothing_answered")
    return signal.model_copy(update={"says": f"{signal.says}; {why}"}) if why else signal


def _ways(work: Context, chosen: str) -> dict[str, Any]:
    """Return what the loop may change, and what the figures stand beside."""
    baselines = read_json(work.project / "metrics" / "baselines.json")
    beside = work.row_metric
    ways = {key: work.schema.get(key) for key in ("more", "more_rows", "unused_groups")}
    narrowing = work.project / "models" / "narrowing.json"
    ways["narrow"] = read_json(narrowing)["parts"] if narrowing.exists() else []
    ways["outside"] = work.schema.get("scope", {}).get("share_outside", 0.0)
    ways |= {"rows": work.schema["window"]["rows"], "pilot_rows": work.schema["pilot"]["rows"], "chosen": chosen}
    return ways | {"baselines": {name: item.get(beside, {}).get("value") for name, item in baselines.items()}}


def _ceiling(work: Context, bounds: dict[str, Requirement], parts: dict[str, Any], curve: dict[str, Any]) -> Signal:
    """Gather what is known of the best possible; people and the curve count when no model and no feature is untried."""
    training, quality = work.params.training, read_json(work.project / "metrics" / "label_quality.json")
    spent = set(training.use) == set(training.candidates) and not work.schema.get("unused_groups")
    low, limit = parts["excess"]["low"], training.diagnosis.max_bias
    beaten = low is None or low > limit or all(b.met_by(parts["reference"].get(name)) for name, b in bounds.items())
    return ceiling(
        bounds,
        noise=quality["noise_rate"],
        constant_loss=parts["constant_loss"] if work.task == "classification" else None,
        people=read_json(work.project / "metrics" / "baselines.json").get("human") if spent else None,
        curve=curve["reach"] if spent and not beaten else None,
    )


if __name__ == "__main__":
    main(run)
