"""Figures against requirements and baselines, over the iterations."""

from __future__ import annotations

from typing import Any

from flows.record import Iteration
from flows.report.charts import Mark, Panel, over_iterations
from flows.report.facts import Facts, bounds
from flows.report.pieces import Picture, Section, Table, bound_sign, told
from stages.metric_names import OFFLINE, SERVING, larger_is_better

BASELINES = {"constant": "constant", "rule": "rule", "linear": "linear", "human": "people", "present": "present rule"}


def metrics_section(facts: Facts) -> Section | None:
    """Return the section, None while no model was judged."""
    judged = [item for item in facts.items if judged_figures(item)]
    if not judged:
        return None
    task = facts.params.planning.task
    asked = [name for item in judged for name in bounds(item) if name not in SERVING]
    measured = {name for item in judged for name in judged_figures(item)}
    names = [n for n in dict.fromkeys([*asked, facts.params.planning.optimise]) if n in measured and n in OFFLINE[task]]
    legend = [("valid", "validation rows, which every choice is made on"), ("beside", "baselines on the same rows")]
    if any(item.stage == "deployment" for item in judged):
        legend.insert(1, ("pilot", "pilot: later rows, which chose nothing"))
    return Section(
        "metrics",
        "Figures against requirements and baselines",
        ["Bars are 95% intervals, drawn by whole days or groups where rows hang together."],
        legend,
        [_picture(facts, judged, name) for name in names],
    )


def judged_figures(item: Iteration) -> dict[str, Any]:
    """Return what a model of the iteration was measured at: on the pilot, else on the validation rows."""
    if "pilot" in item.metrics:
        return dict(item.metrics["pilot"].get("model", {}))
    return {k: v for k, v in item.metrics.get("evaluation", {}).get("valid", {}).items() if isinstance(v, dict)}


def baselines(item: Iteration, name: str) -> dict[str, dict[str, Any]]:
    """Return what the baselines reach in a metric, on the rows the iteration was judged by."""
    found = item.metrics.get("pilot") or item.metrics.get("baselines") or {}
    return {says: found[key][name] for key, says in BASELINES.items() if name in (found.get(key) or {})}


def _picture(facts: Facts, judged: list[Iteration], name: str) -> Picture:
    marks, beside, limits, rows = list[Mark](), dict[str, list[tuple[int, float]]](), list[tuple[int, float]](), []
    says = ""
    for item in judged:
        found, kind = judged_figures(item).get(name), "pilot" if "pilot" in item.metrics else "valid"
        if found is None or found.get("value") is None:
            continue
        marks.append(Mark(item.iteration, kind, found["value"], found.get("low"), found.get("high")))
        others = baselines(item, name)
        for which, figure in others.items():
            if figure.get("value") is not None:
                beside.setdefault(which, []).append((item.iteration, figure["value"]))
        bound = bounds(item).get(name)
        if bound is not None:
            limits.append((item.iteration, bound["bound"]))
            says = bound_sign(bound["side"], bound["bound"])
        test = item.metrics.get("evaluation", {}).get("test", {}).get(name)
        required = "–" if bound is None else f"{bound_sign(bound['side'], bound['bound'])}: {_met(bound['met'])}"
        where = "pilot" if kind == "pilot" else "validation"
        rows.append(
            [str(item.iteration), where, told(found), required]
            + [told(others.get(which)) for which in BASELINES.values()]
            + [told(test)]
        )
    new_runs = [run[0].iteration for run in facts.runs[1:]]
    panel = Panel(name, marks, beside, limits, says)
    head = ["iteration", "rows", name, "required", *BASELINES.values(), "on the test rows"]
    way = "more is better" if larger_is_better(facts.params.planning.task, name) else "less is better"
    return Picture(
        name,
        str(over_iterations(panel, facts.numbers, new_runs)),
        Table(f"{name} by iteration", head, rows),
        way + (f"; required {says}" if says else "; nothing is required of it, it chooses among candidates"),
    )


def _met(met: bool) -> str:
    return "met" if met else "missed"
