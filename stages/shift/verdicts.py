"""The signals of shift: pure functions of what was measured and of limits; `measure.measure` gives the former."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stages.params import Shift
from stages.requirements import surely
from stages.shift.figures import size
from stages.signals import Signal, verdict

Figure = Mapping[str, Any]
SHOWN = 3


def covariate_shift(found: Mapping[str, Any], limits: Shift) -> Signal:
    """Fire when the inputs moved: a classifier tells the two sides apart, or a feature by itself moved, beyond limits.

    A feature counts when its p-value, adjusted for all of them, and its effect both pass. Value and interval are the
    feature's when only that fires, else those of the classifier's ROC AUC.
    """
    auc, features = found["auc"], found["features"]
    moved = [item for item in features if _moved(item, limits)]
    known = [item for item in features if item["effect"]["value"] is not None]
    told = "too few rows or blocks to tell" if auc["low"] is None else f"ROC AUC {auc['value']:.3f}"
    names = ", ".join(f"{item['feature']} {item['effect']['value']:.2f}" for item in (moved or known)[:SHOWN])
    says = f"a classifier tells later from earlier rows: {told}; " + (
        f"{len(moved)} of {len(features)} features moved beyond {limits.max_distance:g}: {names}"
        if moved
        else f"no feature moved beyond {limits.max_distance:g}; most: {names or 'unknown'}"
    )
    evidence = {"auc": auc, "moved": [item["feature"] for item in moved], "features": features[:10], "p": found["p"]}
    by_feature = bool(moved) and not surely(auc, "above", limits.max_auc)
    figure, limit = (moved[0]["effect"], limits.max_distance) if by_feature else (auc, limits.max_auc)
    unit = f"distance of {moved[0]['feature']}" if by_feature else "ROC AUC"
    return _signal("covariate_shift", figure, limit, unit, says, evidence)


def label_shift(found: Mapping[str, Any], limits: Shift) -> Signal:
    """Fire when the target's mean, or a class's share, moved by more than the limit, in its standard deviations."""
    rate = found["rate"]
    moved = size(rate)
    name = "the target's mean" if rate["class"] is None else f"the share of class {rate['class']}"
    told = "is unknown for too few rows or blocks" if rate["low"] is None else f"moved by {rate['value']:+.2f} sd"
    evidence = {"rate": rate, "without_labels": found.get("estimated_shares")}
    return _signal("label_shift", moved, limits.max_rate_change, "sd of the target", f"{name} {told}", evidence)


def concept_shift(found: Mapping[str, Any], limits: Shift) -> Signal:
    """Fire when the outcome of the same inputs moved by more than the limit, in its standard deviations.

    A change that the shares of the classes account for, all else alike, is one of the labels and not of the concept.
    """
    concept, by_labels = found["concept"], labels_explain(found)
    figure = found["concept_beside_labels"] if by_labels else concept
    beside = ", the new shares of the classes accounted for" if by_labels else ""
    told = f"at equal inputs the outcome moved by at least {max(0.0, figure['value'] or 0.0):.2f} sd{beside}"
    if figure["low"] is None:
        told = "too few rows, blocks or common inputs to tell"
    elif figure["high"] < 0:  # what some blocks showed, others contradict: not that nothing moved
        told, figure = f"what moved at equal inputs differs from block to block{beside}", figure | {"low": None}
    evidence = {"concept": concept, "beside_labels": found["concept_beside_labels"], "labels_explain": by_labels}
    return _signal("concept_shift", figure, limits.max_concept, "sd of the target", told, evidence)


def shift(found: Mapping[str, Any], limits: Shift, *, broken: bool = False) -> Signal:
    """Fire when the later rows differ and the model loses by it.

    The value is the drop: by how much more of the best constant's loss the model loses. It fires when the whole
    interval of the drop lies beyond the limit, as that alone shows a shift, of whatever kind; and when a kind of shift
    is sure, the drop is sure, and its estimate lies beyond: bad days make its interval wide. A shift that costs nothing
    is told and does not fire.

    Where a requirement is ``broken`` on the later rows, the harm needs no further proof: the limit is 0, and beside a
    sure kind of shift a drop that is more likely than not is enough.
    """
    limits = limits.model_copy(update={"max_drop": 0.0}) if broken else limits
    total = found["drop"]["total"]
    signals = {
        "covariate": covariate_shift(found, limits),
        "label": label_shift(found, limits),
        "concept": concept_shift(found, limits),
    }
    kinds = kinds_of({kind: signal.fires for kind, signal in signals.items()}, found)
    fires = _hurts(total, [signal.fires for signal in signals.values()], bool(kinds), limits, broken=broken)
    blamed = [item["feature"] for item in found["responsible"]] if "covariate" in kinds else []
    drop = "unknown" if total["low"] is None else f"{total['value']:+.3f} [{total['low']:+.3f}, {total['high']:+.3f}]"
    says = f"{' and '.join(kinds) + ' shift' if kinds else 'no kind of shift is sure'}; " + (
        f"the model's loss, as a share of the best constant's, moved by {drop}{_explained(found['drop'])}"
    )
    says += f"; responsible: {', '.join(blamed[:SHOWN])}" if blamed else ""
    evidence = {
        "kinds": kinds,
        "drop": found["drop"],
        "responsible": found["responsible"],
        "without_labels": found["without_labels"],
        "signals": {kind: signal.says for kind, signal in signals.items()},
        "two_sample_auc": found["auc"],
        "rate_change": found["rate"],
        "features": found["features"][:5],
    }
    signal = _signal("shift", total, limits.max_drop, "of the constant's loss", says, evidence)
    return signal.model_copy(update={"fires": fires})


def kinds_of(fires: Mapping[str, bool | None], found: Mapping[str, Any]) -> list[str]:
    """Return the kinds of shift that are there by themselves, and not as another one's consequence.

    A shift of the labels moves the inputs along, a shift of the inputs the labels, and a new concept the labels too.
    """
    kinds = [kind for kind, sure in fires.items() if sure]
    if "label" not in kinds:
        return kinds
    if labels_explain(found):
        return [kind for kind in kinds if not (kind == "covariate" and found["labels_explain_inputs"])]
    followed = fires["concept"] is True or (fires["concept"] is False and "covariate" in kinds)
    return [kind for kind in kinds if not (kind == "label" and followed)]


def labels_explain(found: Mapping[str, Any]) -> bool:
    """Tell whether the new shares of the classes account for most of what moved at equal inputs."""
    concept, beside = found["concept"], found["concept_beside_labels"]
    if beside is None or beside["value"] is None or not surely(concept, "above", 0.0):
        return False
    return bool(max(0.0, beside["value"]) < concept["value"] / 2)


def _hurts(total: Figure, verdicts: list[bool | None], sure: bool, limits: Shift, *, broken: bool) -> bool | None:
    if total["low"] is None:
        return None
    harm = verdict(total["low"], total["high"], limits.max_drop, "above")
    if harm is not None:
        return harm
    if sure:
        return True if (broken or total["low"] > 0) and total["value"] > limits.max_drop else None
    return False if all(fires is False for fires in verdicts) else None


def _explained(drop: Mapping[str, Any]) -> str:
    parts = [(drop[name]["value"], words) for name, words in PARTS if drop[name]["value"] is not None]
    return f" (of it {', '.join(f'{value:+.3f} {words}' for value, words in parts)})" if parts else ""


PARTS = (("inputs", "by the inputs"), ("not_inputs", "at equal inputs"))


def _moved(item: Mapping[str, Any], limits: Shift) -> bool:
    p = item["p_effect"]
    return p is not None and p < limits.alpha and surely(item["effect"], "above", limits.max_distance)


def _signal(name: str, figure: Figure, limit: float, unit: str, says: str, evidence: dict[str, Any]) -> Signal:
    return Signal.of_figure(name, figure, threshold=limit, direction="above", unit=unit, says=says, evidence=evidence)
