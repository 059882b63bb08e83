"""What serving measured on this machine, for the decision: no tracked file holds a timing, only the verdict on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stages.files import read_json
from stages.params import Requirement
from stages.requirements import bound_words, number
from stages.signals import Signal

FIGURES, MODEL = "reports/serving.json", "release/model.skops"
MEDIAN, BESIDE = "latency_p50_ms", ("latency_p99_ms",)


def with_timings(project: Path, signals: Sequence[Signal]) -> list[Signal]:
    """Return the signals with the figures of the timings that are missed in ``serving_missed``, as far as known.

    The file is that of the last measurement. Where DVC took a verdict from its cache it may be another model's, so it
    counts only when it is of a model of this size, and goes with the verdict.
    """
    figures = _figures(project)
    return [_told(signal, figures) if signal.name == "serving_missed" else signal for signal in signals]


def _figures(project: Path) -> Mapping[str, Any]:
    path, model = project / FIGURES, project / MODEL
    if not (path.exists() and model.exists()):
        return {}
    figures: dict[str, Any] = read_json(path)
    return figures if figures.get("size_mb") == model.stat().st_size / 1e6 else {}


def _told(signal: Signal, figures: Mapping[str, Any]) -> Signal:
    missed = [_measured(item, figures) for item in signal.evidence.get("missed", [])]
    if not any("measured" in item for item in missed):
        return signal
    says = "; ".join(map(_says, missed))
    return signal.model_copy(update={"says": says, "evidence": {**signal.evidence, "missed": missed}})


def _measured(item: Mapping[str, Any], figures: Mapping[str, Any]) -> dict[str, Any]:
    value = figures.get(item["metric"])
    if item.get("value") is not None or value is None or Requirement(**{item["side"]: item["bound"]}).met_by(value):
        return dict(item)
    beside = {"median": figures[MEDIAN]} if item["metric"] in BESIDE and MEDIAN in figures else {}
    return {**item, "value": value, "measured": "on this machine", **beside}


def _says(item: Mapping[str, Any]) -> str:
    asked = bound_words(item["side"], item["bound"])
    if "measured" not in item:
        return f"{item['metric']} misses {asked}"
    median = f", the median {number(item['median'])}" if "median" in item else ""
    return f"{item['metric']} {number(item['value'])} {item['measured']}{median}; required {asked}"
