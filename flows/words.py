"""How figures, verdicts and moves read, in the terminal and in Prefect alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flows.record import Iteration
from stages.requirements import bound_words

FAULTS = ("label_noise", "shift", "covariate_shift", "label_shift", "concept_shift", "hard_slices")
ARROWS = {"released": "✔", "stopped": "■"}


def figure(value: float | None) -> str:
    """Return a number in four significant digits, a dash when there is none."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e12 else f"{value:.4g}"


def interval(low: float | None, high: float | None) -> str:
    """Return an interval, or "exact" when its ends are equal."""
    if low is None or high is None:
        return "–"
    return "exact" if low == high else f"{figure(low)} … {figure(high)}"


def verdict_word(fires: bool | None) -> str:
    """Return the verdict of a signal as words."""
    return {True: "fires", False: "does not fire", None: "cannot tell"}[fires]


def metric_line(item: Iteration) -> str:
    """Return the figures of an iteration that the charter names, on its validation or pilot rows."""
    found = item.metrics.get("pilot", {}).get("model") or item.metrics.get("evaluation", {}).get("valid") or {}
    where = "pilot" if "pilot" in item.metrics else "valid"
    parts = [f"{name} {figure(entry['value'])}" for name, entry in sorted(found.items()) if isinstance(entry, dict)]
    return f"{where}: {', '.join(parts)}" if parts else ""


def beside_line(item: Iteration) -> str:
    """Return what the baselines and the test rows say beside `metric_line` of a training iteration."""
    measured = next((s["evidence"].get("optimise") for s in item.signals if s["evidence"].get("optimise")), None)
    if measured is None:
        return ""
    name = str(measured["metric"])
    baselines = item.metrics.get("baselines", {})
    parts = [f"{kind} {figure(found[name]['value'])}" for kind, found in sorted(baselines.items()) if name in found]
    test = item.metrics.get("evaluation", {}).get("test", {}).get(name, {}).get("value")
    if not parts:  # a size has no baseline
        return ""
    return f"{name} beside it: {', '.join(parts)}; on the test rows, which choose nothing: {figure(test)}"


def scope_line(item: Iteration) -> str:
    """Return what share of the rows lies outside of the project's scope, of a data iteration that has one."""
    found = item.metrics.get("data", {}).get("scope")
    if found is None:
        return ""
    every = found["inside"] + found["outside"]
    return f"scope: {found['says']}; {found['outside']:,} of {every:,} rows ({found['share_outside']:.0%}) lie outside"


def remarks(lines: Sequence[Iteration]) -> list[str]:
    """Return what a release stands beside: wishes missed, faults that break no requirement, and rows left out."""
    last = {item.stage: item for item in lines if item.steps}
    found = [signal for stage in ("training", "deployment") if stage in last for signal in last[stage].signals]
    faults = [f"{signal['name']}: {signal['says']}" for signal in found if signal["fires"] and signal["name"] in FAULTS]
    missed = [item for signal in found for item in signal["evidence"].get("wishes_missed", [])]
    unsure = [f"cannot tell: {name}" for signal in found for name in _unsure(signal)]
    left_out = [scope_line(last["data"])] if "data" in last and scope_line(last["data"]) else []
    return [*map(_missed_wish, missed), *unsure, *faults, *left_out]


def _unsure(signal: dict[str, Any]) -> list[str]:
    """Return what a signal names that it cannot tell; where it says only that it is unsure, its verdict tells so."""
    named = signal["evidence"].get("unsure")
    return named if isinstance(named, list) else []


def _missed_wish(item: dict[str, Any]) -> str:
    reached = f"{item['metric']} {figure(item.get('value'))}"
    if "beat" in item:
        source = f" ({item['source']})" if item["source"] else ""
        return f"not better than {item['beat']}: {reached} beside {figure(item['bound'])}{source}"
    return f"soft requirement missed: {reached}, wanted {bound_words(item['side'], item['bound'])}"


def patch_line(patch: dict[str, Any]) -> str:
    """Return a params patch as ``key=value`` words."""
    return ", ".join(f"{key}={value_words(value)}" for key, value in patch.items()) or "nothing"


def option_lines(move: dict[str, Any]) -> list[str]:
    """Return what a person may choose from, numbered, each with what it changes, reaches and costs."""
    lines = []
    for number, option in enumerate(move.get("options", []), start=1):
        price = f"; costs {figure(option['money'])}" if option["money"] else ""
        change = f" ({patch_line(option['patch'])})" if option["patch"] else ""
        lines.append(f"option {number}: {option['says']}{price}{change}")
    return lines


def value_words(value: Any) -> str:
    """Return a value of the params in one line."""
    if isinstance(value, list):
        return "[" + ", ".join(value_words(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {value_words(item)}" for key, item in value.items()) + "}"
    return str(value)
