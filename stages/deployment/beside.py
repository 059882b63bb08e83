"""What the gate asks beside the requirements: what the model brings, is it better than a rule, does the pilot tell."""

from __future__ import annotations

from typing import Any

from stages.context import Context
from stages.deployment.enough import Size, gained, judged, needed_for, pilot_unsure
from stages.deployment.outcome import outcome_flat, outcome_low
from stages.deployment.replacing import no_better_than_rule
from stages.files import read_json
from stages.requirements import surely
from stages.signals import Signal


def outcome_signals(measured: dict[str, Any], work: Context, *, met: bool) -> list[Signal]:
    """Return the signals of what the model brings in the world, where the charter has a measure of it."""
    wanted = work.params.planning.measured_outcome
    if wanted is None:
        return []
    found = measured["outcome"]
    flat = outcome_flat(found["gain"], found["metric_gain"], found["metric"], wanted.min_gain, wanted.unit)
    signals = [flat.model_copy(update={"evidence": {**flat.evidence, "by_outcome": best_by_outcome(work)}})]
    if wanted.at_least is not None:
        signals.append(outcome_low(found["model"], wanted.at_least, wanted.unit, met=met))
    return signals


def rule_signals(measured: dict[str, Any], work: Context, size: Size, ways: dict[str, Any]) -> list[Signal]:
    """Return whether the model is better than the rule whose place it takes, where it takes the place of one."""
    if "replaces" not in measured:
        return []
    found, wanted = measured["replaces"], work.params.planning.outcome
    least = wanted.min_gain if wanted is not None and found["by"] == "outcome" else 0.0
    named = {key: str(found[key]) for key in ("rule", "by", "unit")}
    signal = no_better_than_rule(found["gain"], **named, min_gain=least, evidence=ways)
    if not signal.evidence["unsure"] or signal.fires is False:
        return [signal]
    says = f"{signal.says}; the pilot has {size.words}, {needed_for(found['gain'], least, size)}"
    return [signal.model_copy(update={"says": says})]


def best_by_outcome(work: Context) -> dict[str, Any] | None:
    """Return which candidate brings most on the validation rows, and what the chosen one brings there."""
    found = read_json(work.project / "metrics" / "candidates.json")
    brings = {name: item["valid"].get("outcome") for name, item in found.items()}
    known = {name: value for name, value in brings.items() if value is not None}
    if not known:
        return None
    best = max(known, key=lambda name: known[name])
    return {"candidate": best, "value": known[best], "was": brings.get(work.chosen)}


def _flat(brings: dict[str, Any], least: float, size: Size) -> dict[str, Any]:
    """Return what leaves open whether the metric misleads: the gain of the outcome, or else the lead by the metric."""
    if surely(brings["gain"], "below", least):
        return gained(f"the lead over the rule by {brings['metric']}", brings["metric_gain"], 0.0, size)
    return gained("the gain of the outcome beyond the rule", brings["gain"], least, size)


def unsure_signal(
    entries: list[dict[str, Any]],
    measured: dict[str, Any],
    worth: list[Signal],
    work: Context,
    size: Size,
    *,
    missed: bool,
) -> Signal:
    """Return whether the pilot is too small to tell what is required of the model, and of what it brings."""
    settings, constant = work.params.deployment.pilot, measured["constant"]
    # A bound on failures is the end of an interval itself, with as many rows as it takes.
    met = [item for item in entries if item["where"] == "pilot" and item["met"] and item["metric"] != "failure_bound"]
    found = [judged(item, constant[item["metric"]]["value"], size, settings.margin) for item in met]
    wanted = work.params.planning.measured_outcome
    if wanted is not None:
        brings = measured["outcome"]
        if wanted.at_least is not None and brings["model"]["value"] is not None:
            item = {"metric": "outcome", **brings["model"], "bound": wanted.at_least, "side": "at_least"}
            found.append(judged(item, brings["constant"]["value"], size, settings.margin))
        if any(signal.name == "outcome_flat" and signal.fires is None for signal in worth):
            found.append(_flat(brings, wanted.min_gain, size))
    waits = settings.unsure == "wait" or (settings.unsure == "by_source" and bool(work.schema["time"]))
    ways = {"longer_pilot": work.schema.get("longer_pilot")}
    return pilot_unsure(found, size, settings, waits=waits, missed=missed, evidence=ways)
