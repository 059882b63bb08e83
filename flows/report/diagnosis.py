"""Where the error comes from, whether more rows would help, and what the candidates trade off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flows.record import Iteration
from flows.report.charts import Mark, Panel, over_iterations
from flows.report.curves import frontier, learning_curve
from flows.report.facts import Facts, evidence
from flows.report.pieces import Picture, Section, Table, percent
from flows.words import figure, interval, verdict_word
from stages.metric_names import LOSS, LOSS_LIKE, SERVING
from stages.training.frontier_picture import axes

PARTS = {
    "bias": ("avoidable bias", "what a better model is seen to avoid"),
    "variance": ("variance", "what is lost from fitted to unseen rows"),
    "selection": ("flattered by the choice", "what the later test rows add: choice, and drift"),
}
LOSS_WORDS = {"log_loss": "log loss", "mse": "mean squared error"}


def decomposition_section(facts: Facts) -> Section | None:
    """Return the parts of the error over the training iterations, None while there are none."""
    found = {item.iteration: parts for item in facts.worked("training") if (parts := _parts(item))}
    if not found:
        return None
    last = list(found)[-1]
    limits = facts.params.training.diagnosis
    pictures = []
    for key, (name, about) in PARTS.items():
        marks = [
            Mark(number, "valid", parts[key]["value"], parts[key]["low"], parts[key]["high"])
            for number, parts in found.items()
            if parts.get(key, {}).get("value") is not None
        ]
        limit = {"bias": limits.max_bias, "variance": limits.max_gap}.get(key)
        bounds = [] if limit is None else [(number, limit) for number in found]
        if marks:
            told_limit = "" if limit is None else f"limit {100 * limit:g}%"
            panel = Panel(f"{name}, share of the validation loss", marks, {}, bounds, told_limit, percent=True)
            pictures.append(Picture(name, str(over_iterations(panel, facts.numbers, _new_runs(facts))), says=about))
    head = ["iteration", "irreducible", *(name for name, _ in PARTS.values()), "best seen"]
    rows = [
        [str(number), percent(parts.get("irreducible"))]
        + [percent(parts.get(key)) for key in PARTS]
        + [str(parts.get("best", "–"))]
        for number, parts in found.items()
    ]
    says = [
        f"In iteration {last} {_largest(found[last])}.",
        "Such a part decides which cure is tried. A negative bias means that the model is "
        "better on the rows it was fitted on than the best one seen is on unseen rows.",
    ]
    table = Table("Parts of the validation loss by iteration", head, rows)
    return Section("error", "Where the error comes from", says, pictures=pictures, tables=[table])


def curve_section(facts: Facts) -> Section | None:
    """Return the learning curve of each training iteration, the last in front; None while there is none."""
    trained = [item for item in facts.worked("training") if evidence(item, "curve_falling")]
    if not trained:
        return None
    rows = []
    for item in trained:
        curve = evidence(item, "curve_falling") or {}
        needed = curve["evidence"].get("rows_needed") or {}
        sizes = curve["evidence"].get("rows_of_curve") or []
        rows.append(
            [
                str(item.iteration),
                figure(max(sizes, default=None)),
                percent(curve),
                verdict_word(curve["fires"]),
                _needed(needed),
            ]
        )
    head = ["iteration", "training rows", "loss taken away by the last doubling", "more rows help", "rows needed"]
    pictures = [picture for item in trained if (picture := _curve(facts, item)) is not None]
    gained = [
        Mark(item.iteration, "valid", signal["value"], signal["low"], signal["high"])
        for item in trained
        if (signal := evidence(item, "curve_falling")) and signal["value"] is not None
    ]
    least = facts.params.training.diagnosis.min_gain
    limits = [(mark.at, least) for mark in gained]
    panel = Panel("loss taken away by the last doubling", gained, {}, limits, f"limit {100 * least:g}%", percent=True)
    last = trained[-1]
    says = [f"Iteration {last.iteration}: {(evidence(last, 'curve_falling') or {})['says']}."]
    if not pictures:
        says.append("The curve itself is no longer in DVC's cache.")
    table = Table("What more rows would bring, by iteration", head, rows)
    shown = pictures[-1:]
    if gained:
        drawn = str(over_iterations(panel, facts.numbers, _new_runs(facts)))
        shown.append(Picture("Gain of the last doubling of the rows", drawn, table, "share of the loss"))
    return Section("curve", "Would more rows help?", says, pictures=shown, earlier=pictures[-2::-1])


def frontier_section(facts: Facts) -> Section | None:
    """Return the candidates of the last training iteration in two metrics, None while there are none."""
    item = next((item for item in reversed(facts.worked("training")) if item.metrics.get("candidates")), None)
    if item is None:
        return None
    planning = facts.params.planning
    judged = [*planning.required, planning.optimise, "size_mb"]
    points = {
        name: {metric: figures.get(metric) for metric in dict.fromkeys(judged) if metric in figures}
        for name, found in item.metrics["candidates"].items()
        for figures in [{**found["valid"], "size_mb": found.get("size_mb")}]
    }
    selection = facts.archive.of(item).json("models/selection.json") or {}
    chosen = str(selection.get("chosen") or _named(item))
    options: Mapping[str, list[dict[str, Any]]] = selection.get("options", {})
    bounds = {name: bound for name, bound in planning.required.items() if any(name in p for p in points.values())}
    names = list(dict.fromkeys(name for point in points.values() for name in point))
    x, y = axes(points, options, bounds)
    if x == y or {x, y} <= LOSS_LIKE:  # two scales of one thing trade nothing off
        y = "size_mb"
    best = list(selection.get("frontier", []))
    rows = [
        [name, "chosen" if name == chosen else "on the frontier" if name in best else "–"]
        + [figure(point.get(metric)) + _short_of(metric, point, bounds) for metric in names]
        for name, point in points.items()
    ]
    drawn = frontier(points, options, best, chosen, (x, y), bounds)
    return Section(
        "frontier",
        "What the candidates trade off",
        [f"Iteration {item.iteration} on its validation rows; where it is shaded, what is required of both holds."],
        [("chosen", "chosen"), ("on", "on the frontier"), ("off", "another is at least as good in everything")],
        [Picture(f"{y} by {x}", str(drawn), Table("Candidates", ["candidate", "place", *names], rows))],
    )


def _largest(parts: Mapping[str, Any]) -> str:
    sure = [key for key in PARTS if (parts.get(key, {}).get("low") or 0.0) > 0]
    if not sure:
        return "no part beside the irreducible is surely there"
    key = max(sure, key=lambda key: float(parts[key]["value"]))
    return f"the largest part that is surely there is {PARTS[key][0]}: {percent(parts[key])} of the validation loss"


def _named(item: Iteration) -> str:
    found = (signal["evidence"].get("chosen") for signal in item.signals)
    return next((str(name) for name in found if name), "")


def _parts(item: Iteration) -> dict[str, Any] | None:
    found = (signal["evidence"].get("decomposition") for signal in item.signals)
    return next((parts for parts in found if parts), None)


def _curve(facts: Facts, item: Iteration) -> Picture | None:
    past = facts.archive.of(item)
    curve = past.json("models/learning_curve.json")
    if not curve:
        return None
    points = _known(curve["points"])
    fitted = _known(past.table("plots/extrapolation.csv"))
    if not points:
        return None
    needed = ((evidence(item, "curve_falling") or {}).get("evidence", {}).get("rows_needed") or {}).get("value")
    in_training = None if needed is None else needed * points[-1]["rows"] / curve["window_rows"]
    loss = LOSS_WORDS[LOSS[facts.params.planning.task]]
    head = ["training rows", "loss on them", "validation loss", "fitted", "95% interval"]
    by_rows = {row["rows"]: row for row in fitted}
    measured = {point["rows"]: point for point in points}
    rows = [
        [figure(n)]
        + [figure(measured.get(n, {}).get(key)) for key in ("train_loss", "valid_loss")]
        + [figure(by_rows.get(n, {}).get("fitted"))]
        + [interval(*(by_rows.get(n, {}).get(end) for end in ("low", "high")))]
        for n in sorted({*measured, *by_rows})
    ]
    return Picture(
        f"{loss} by training rows, iteration {item.iteration}",
        str(learning_curve(points, fitted, in_training, loss)),
        Table(f"Learning curve of iteration {item.iteration}", head, rows),
        "the band is the 95% interval of the fitted curve",
    )


def _known(rows: Sequence[Mapping[str, float | None]]) -> list[dict[str, float]]:
    """Return the rows in which every figure is known."""
    found = [{key: value for key, value in row.items() if value is not None} for row in rows]
    return [row for row, whole in zip(found, rows, strict=True) if len(row) == len(whole)]


def _needed(found: Mapping[str, Any]) -> str:
    if not found:
        return "nothing is missed"
    return "no number is known" if found.get("value") is None and found.get("low") is None else told_rows(found)


def told_rows(found: Mapping[str, Any]) -> str:
    """Return the rows of a window that would be needed, with an interval whose end may be no number."""
    value, low, high = (None if found.get(k) is None else f"{found[k]:,.0f}" for k in ("value", "low", "high"))
    return f"{value or 'unknown'} ({low or 'unknown'} … {high or 'no number'})"


def _short_of(metric: str, point: Mapping[str, Any], bounds: Mapping[str, Any]) -> str:
    missed = metric in bounds and metric not in SERVING and not bounds[metric].met_by(point.get(metric))
    return " (missed)" if missed else ""


def _new_runs(facts: Facts) -> list[int]:
    return [run[0].iteration for run in facts.runs[1:]]
