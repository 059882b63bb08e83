"""What a project's measurements say of the drivers. What is not measured yet gives nothing, and never a guess."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flows.priority.knowledge import Found, Knowledge
from flows.words import figure
from stages.metric_names import DECIDED, OFFLINE, SERVING
from stages.params import Requirement
from stages.requirements import bound_words, shortfall, worst

# Metrics that are a share of cases that come out right: of rows, of a class, of pairs.
SHARES_RIGHT = DECIDED | {"roc_auc"}


@dataclass(frozen=True)
class Evidence:
    """A figure with its interval, in the driver's unit; what it says; and where it stands. Infinite is for "never".

    Without an interval it is told and not graded: its ends are None.
    """

    says: str
    source: str
    value: float | None = None
    low: float | None = None
    high: float | None = None


def evidence(known: Knowledge) -> dict[str, Evidence]:
    """Return what is measured, by driver."""
    found = {name: measure(known) for name, measure in MEASURES.items()}
    return {name: item for name, item in found.items() if item is not None}


def _exact(value: float, says: str, source: str) -> Evidence:
    return Evidence(says, source, value, value, value)


def _of_signal(known: Knowledge, name: str) -> Evidence | None:
    found = known.signal(name)
    if found is None:
        return None
    value, low, high = (found.value[key] for key in ("value", "low", "high"))
    return Evidence(found.value["says"], found.source, value, low, high)


def _cheap_prediction(known: Knowledge) -> Evidence | None:
    pilot, wanted = known.metrics.get("pilot"), known.params.planning.outcome
    if pilot is None or wanted is None or "outcome" not in pilot.value:
        return None
    found = pilot.value["outcome"]["model"]
    ends = f"{figure(found['low'])} … {figure(found['high'])}"
    return Evidence(f"a prediction brings {figure(found['value'])} {wanted.unit} ({ends})".strip(), pilot.source)


def _complicated_rules(known: Knowledge) -> Evidence | None:
    """Return the rule's margin over the requirements; training's, as planning's may have been on a leak."""
    rule, bounds = _baseline(known, "rule"), _offline(known)
    if rule is None or not bounds or not set(bounds) <= set(rule.value):
        return _of_signal(known, "rule_suffices")
    value, low, high = worst(shortfall(bound, rule.value[name]) for name, bound in bounds.items())
    told = [f"{n} {figure(rule.value[n]['value'])}, {bound_words(b.side, b.bound)}" for n, b in bounds.items()]
    return Evidence(f"a rule without any model reaches {'; '.join(told)}", rule.source, -value, -high, -low)


def _baseline(known: Knowledge, name: str) -> Found | None:
    """Return the metrics of a baseline of the training stage."""
    found = known.metrics.get("baselines")
    return Found(found.value[name], found.source) if found is not None and found.value.get(name) else None


def _data_acquire(known: Knowledge) -> Evidence | None:
    return _of_signal(known, "labels_too_few")


def _data_amount(known: Knowledge) -> Evidence | None:
    """Return the rows that every requirement needs, as a multiple of the rows of the window."""
    curve, missed = known.signal("curve_falling"), known.signal("requirements_missed")
    if curve is None or missed is None:
        return None
    if not missed.value["fires"]:
        return _exact(1.0, "the rows there are suffice: every requirement is met on the validation rows", missed.source)
    rows, needed = missed.value["evidence"].get("rows"), curve.value["evidence"].get("rows_needed")
    if not rows or needed is None or needed["low"] is None:
        return None
    low, value, high = (math.inf if needed[key] is None else needed[key] / rows for key in ("low", "value", "high"))
    says = f"{rows:,} rows are there; the requirements need {_count(value * rows)} of them"
    says += f" (between {_count(low * rows)} and {_count(high * rows)})"
    return Evidence(says, curve.source, value, low, high)


def _count(number: float) -> str:
    return f"{number:,.0f}" if math.isfinite(number) else "more than any number"


def _data_label(known: Knowledge) -> Evidence | None:
    """Return the price of the labels still to buy, as a share of the budget; what is paid is paid."""
    prices, budget = known.params.planning.prices, known.params.planning.budgets.money
    if prices.label == 0:
        return Evidence("no price of a label is set (planning.prices.label)", "params.yaml")
    data, amount = known.metrics.get("data"), _data_amount(known)
    if data is None or amount is None or amount.value is None:
        return None
    labels = data.value["collected"]["labels"]
    there, source = labels * prices.label, f"{data.source} and {amount.source}"
    ends = [max(0.0, (end or 1.0) - 1.0) * there for end in (amount.value, amount.low, amount.high)]
    says = f"{labels:,} labels at {prices.label:g} cost {there:,.0f}; those still needed cost {_count(ends[0])} more"
    says += f" (between {_count(ends[1])} and {_count(ends[2])})" if ends[2] else ""
    if budget is None:
        return Evidence(f"{says}; no budget of money is set", source)
    value, low, high = (end / budget for end in ends)
    return Evidence(f"{says}; the budget is {budget:,.0f}", source, value, low, high)


def _worst_window(known: Knowledge, name: str, pick: Callable[[dict[str, Any]], dict[str, Any]]) -> Evidence | None:
    """Return the worst of what the past windows showed; its interval holds when all their intervals do."""
    seen: list[tuple[dict[str, Any], Any]] = list(known.every(name))
    last = known.signal(name)
    seen = seen or ([(last.value, last.source)] if last else [])
    judged = [(pick(signal), at) for signal, at in seen if pick(signal).get("low") is not None]
    if not judged:
        return None
    value, low, high = worst((item["value"], item["low"], item["high"]) for item, _ in judged)
    count = f"the worst of {len(judged)} pilots" if len(judged) > 1 else "the pilot"
    ats = [at for _, at in judged]
    source = ats[0] if isinstance(ats[0], str) else f"iteration{'s' * (len(ats) > 1)} {', '.join(map(str, ats))}"
    return Evidence(f"in {count}", source, value, low, high)


def _data_stability(known: Knowledge) -> Evidence | None:
    found = _worst_window(known, "shift", lambda signal: signal)
    if found is None:
        return None
    says = f"{found.says} the model's loss moved by {found.value:+.3f} of the best constant's"
    return Evidence(f"{says} ({found.low:+.3f} … {found.high:+.3f})", found.source, found.value, found.low, found.high)


def _generalisation(known: Knowledge) -> Evidence | None:
    found = _worst_window(known, "covariate_shift", lambda signal: signal["evidence"].get("auc") or {})
    if found is None:
        return None
    says = f"{found.says} a classifier tells its rows from the training rows with an AUC of {figure(found.value)}"
    ends = f" ({figure(found.low)} … {figure(found.high)})"
    return Evidence(says + ends, found.source, found.value, found.low, found.high)


def _offline(known: Knowledge) -> dict[str, Requirement]:
    planning = known.params.planning
    return {name: bound for name, bound in planning.required.items() if name in OFFLINE[planning.task]}


def _how_often_right(known: Knowledge) -> Evidence | None:
    shares = {name: bound for name, bound in _offline(known).items() if name in SHARES_RIGHT}
    if not shares:
        return None
    nines = {name: _log10(1.0, 1.0 - bound.bound) for name, bound in shares.items()}
    most = max(nines, key=lambda name: nines[name])
    says = f"{most} {bound_words(shares[most].side, shares[most].bound)} is required, {figure(nines[most])} nines"
    return _exact(nines[most], says, "params.yaml")


def _further_nines(known: Knowledge) -> Evidence | None:
    """Return the nines still missing, of the requirement that misses most; the cost is about 10^nines."""
    reached, task = known.reached, known.params.planning.task
    if reached is None:
        return None
    found = {}
    for name, bound in _offline(known).items():
        measured = reached.value.get(name) or {}
        if any(measured.get(key) is None for key in ("value", "low", "high")):
            return None
        larger = OFFLINE[task][name]
        required = 1.0 - bound.bound if larger else bound.bound
        errors = [1.0 - measured[key] if larger else measured[key] for key in ("value", "low", "high")]
        value, *ends = (max(0.0, _log10(error, required)) for error in errors)
        found[name] = (value, min(ends), max(ends))
    if not found:
        return None
    value, low, high = worst(found.values())
    most = max(found, key=lambda name: found[name][0])
    bound = known.params.planning.required[most]
    says = f"{most} is {figure(reached.value[most]['value'])}, required {bound_words(bound.side, bound.bound)}: "
    says += f"{figure(value)} nines missing, about {figure(10**value)} times the cost" if value else "none is missing"
    return Evidence(says, reached.source, value, low, high)


def _log10(error: float, required: float) -> float:
    """Return log10 of error over required; infinite where no error at all is allowed."""
    if error <= 0:
        return -math.inf
    return math.log10(error / required) if required > 0 else math.inf


def _well_defined(known: Knowledge) -> Evidence | None:
    return _of_signal(known, "annotators_disagree")


def _compute_to_train(known: Knowledge) -> Evidence | None:
    """Return the minutes of training in the run that took longest: later ones find much of it in DVC's cache."""
    runs: dict[str, float] = {}
    for item in known.record:
        if item.stage == "training" and item.steps:
            runs[item.run] = runs.get(item.run, 0.0) + item.seconds / 60
    if not runs:
        return None
    minutes = max(runs.values())
    return _exact(minutes, f"{figure(minutes)} minutes of training on the machine that ran it", "the record")


def _compute_to_serve(known: Knowledge) -> Evidence | None:
    bounds = {n: r for n, r in known.params.planning.required.items() if n in SERVING}
    found, verdicts = known.file("reports/serving.json"), known.file("release/serving.json")
    if bounds and found is not None and bounds.keys() <= found.value.keys():
        shares = {n: found.value[n] / r.bound if r.bound else math.inf for n, r in bounds.items()}
        told = [f"{n} {figure(found.value[n])}, at most {r.bound:g}" for n, r in bounds.items()]
        return _exact(max(shares.values()), "; ".join(told), found.source)
    if bounds and verdicts is not None:  # a clone: the figures are no part of what is tracked
        met = [f"{name} is {'met' if item['met'] else 'missed'}" for name, item in verdicts.value.items()]
        return Evidence(f"{'; '.join(met)}; the figures are not here", verdicts.source)
    return None


def _person_can(known: Knowledge) -> Evidence | None:
    people = _baseline(known, "human")
    judged = {name: bound for name, bound in _offline(known).items() if people and name in people.value}
    if people is None or not judged:
        return None
    value, low, high = worst(shortfall(bound, people.value[name]) for name, bound in judged.items())
    told = [f"{n} {figure(people.value[n]['value'])}, {bound_words(b.side, b.bound)}" for n, b in judged.items()]
    return Evidence(f"people reach {'; '.join(told)}", people.source, value, low, high)


def _complex_output(known: Knowledge) -> Evidence | None:
    schema = known.file("data/schema.json")
    if schema is None:
        return None
    classes = schema.value.get("classes")
    return _exact(len(classes or [0]), f"{len(classes)} classes" if classes else "a number", schema.source)


MEASURES: dict[str, Callable[[Knowledge], Evidence | None]] = {
    "cheap_prediction": _cheap_prediction,
    "complicated_rules": _complicated_rules,
    "data_acquire": _data_acquire,
    "data_label": _data_label,
    "data_amount": _data_amount,
    "data_stability": _data_stability,
    "how_often_right": _how_often_right,
    "further_nines": _further_nines,
    "well_defined": _well_defined,
    "compute_to_train": _compute_to_train,
    "compute_to_serve": _compute_to_serve,
    "person_can": _person_can,
    "complex_output": _complex_output,
    "generalisation": _generalisation,
}
