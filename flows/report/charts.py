"""The pictures that several sections share: figures over iterations, rows with intervals, one figure on a strip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flows.report.svg import CHARACTER, Drawing, Scale, clipped, scale_of, short_number, spaced
from flows.words import figure, interval

STEP = (10.0, 24.0)  # room for an iteration on the common axis, least and most
LEFT, RIGHT, TOP, BOTTOM = 46, 88, 12, 34
HEIGHT, ROW, LINE = 190, 21, 13
SHAPES = {"pilot": "diamond"}


@dataclass(frozen=True)
class Mark:
    """A figure of one iteration: ``kind`` gives its shape and colour."""

    at: int
    kind: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Panel:
    """One measure over the iterations.

    Attributes
    ----------
    axis : str
        What it is, with its unit.
    marks : list of Mark
        Figures with their intervals.
    beside : dict
        Name -> (iteration, value) of what the figures stand beside, as baselines.
    bounds : list
        (iteration, bound) of what is required or allowed.
    bound_says : str
        What the bound is.
    """

    axis: str
    marks: list[Mark]
    beside: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    bounds: list[tuple[int, float]] = field(default_factory=list)
    bound_says: str = ""
    percent: bool = False


def over_iterations(panel: Panel, numbers: Sequence[int], new_runs: Sequence[int] = ()) -> Drawing:
    """Draw a measure over the iterations, with intervals, what it stands beside and what is required.

    Parameters
    ----------
    panel : Panel
        What is drawn.
    numbers : sequence of int
        Every iteration of the page, also those without a mark: all such pictures share the axis.
    new_runs : sequence of int
        Iterations that began a run; a thin line is before them.
    """
    step = min(STEP[1], max(STEP[0], 640 / len(numbers)))
    width = max(340.0, LEFT + RIGHT + step * len(numbers))
    drawing = Drawing(width, HEIGHT, f"{panel.axis} over the iterations; the figures are in the table below")
    right, bottom = width - RIGHT, HEIGHT - BOTTOM
    places = {n: LEFT + (right - LEFT) * (k + 0.5) / len(numbers) for k, n in enumerate(numbers)}
    ends = [end for mark in panel.marks for end in (mark.value, mark.low, mark.high)]
    ends += [value for line in panel.beside.values() for _, value in line] + [bound for _, bound in panel.bounds]
    y = scale_of(ends, bottom, TOP)
    value_axis(drawing, y, LEFT, right, percent=panel.percent)
    for number in new_runs:
        x = places[number] - (right - LEFT) / len(numbers) / 2
        drawing.line(x, TOP, x, bottom, "run")
    iteration_axis(drawing, places, bottom)
    half = min(9.0, (right - LEFT) / len(numbers) * 0.42)
    labels: list[tuple[float, str, str]] = []
    for name, line in panel.beside.items():
        for at, value in line:
            drawing.line(places[at] - half, y(value), places[at] + half, y(value), "beside")
        labels.append((y(line[-1][1]), name, "label"))
    if panel.bounds:
        steps = [(places[at], y(bound)) for at, bound in panel.bounds]
        ways = [(float(LEFT), steps[0][1])]
        for x, place in steps:
            ways += [(x, ways[-1][1]), (x, place)]
        drawing.path([*ways, (right, steps[-1][1])], "bound")
        labels.append((steps[-1][1], panel.bound_says, "label strong"))
    for place, (_, name, style) in zip(spaced([lab[0] for lab in labels], LINE, TOP, bottom), labels, strict=True):
        drawing.text(right + 6, place + 4, clipped(name, RIGHT - 6), style, told=name)
    for mark in panel.marks:
        draw_mark(drawing, mark, places[mark.at], y)
    return drawing


def draw_mark(drawing: Drawing, mark: Mark, x: float, y: Scale) -> None:
    """Draw a figure and its interval."""
    if mark.low is not None and mark.high is not None:
        drawing.line(x, y(mark.low), x, y(mark.high), f"interval {mark.kind}")
    told = f"{mark.kind}, iteration {mark.at}: {figure(mark.value)} ({interval(mark.low, mark.high)})"
    draw = drawing.diamond if SHAPES.get(mark.kind) == "diamond" else drawing.circle
    draw(x, y(mark.value), 5.0 if SHAPES.get(mark.kind) else 4.0, f"mark {mark.kind}", told)


def value_axis(drawing: Drawing, y: Scale, left: float, right: float, *, percent: bool = False) -> None:
    """Draw the grid and the values of a vertical axis."""
    for tick in y.ticks(4):
        drawing.line(left, y(tick), right, y(tick), "zero" if tick == 0 else "grid")
        drawing.text(left - 6, y(tick) + 4, tick_words(tick, percent=percent), "tick", "end")


def iteration_axis(drawing: Drawing, places: dict[int, float], bottom: float) -> None:
    """Write the numbers of the iterations, as many as there is room for."""
    gap = (max(places.values()) - min(places.values())) / (len(places) - 1) if len(places) > 1 else STEP[1]
    every = next(n for n in (1, 2, 5, 10, 20) if n * gap >= 17)
    for k, (number, x) in enumerate(places.items()):
        if k % every == 0:
            drawing.text(x, bottom + 15, str(number), "tick", "middle")
    drawing.text(sum(places.values()) / len(places), bottom + 30, "iteration", "axis", "middle")


def tick_words(value: float, *, percent: bool = False) -> str:
    """Return a tick as people read it."""
    return f"{short_number(round(100 * value, 9))}%" if percent else short_number(value)


@dataclass(frozen=True)
class Row:
    """One row of `rows_with_intervals`; a strong one is beyond the limit for sure."""

    name: str
    value: float
    low: float | None
    high: float | None
    strong: bool = False
    after: str = ""


def rows_with_intervals(
    rows: Sequence[Row], axis: str, limits: Sequence[float] = (), limit_says: str = "", *, percent: bool = False
) -> Drawing:
    """Draw figures with intervals below one another, on one horizontal axis from or around zero."""
    names = min(190.0, 16 + (CHARACTER + 0.6) * max(len(row.name) for row in rows))
    notes = 10 + CHARACTER * max(len(row.after) for row in rows)
    width, bottom = names + 300 + notes, 22 + ROW * len(rows)
    drawing = Drawing(width, bottom + 36, f"{axis}; the figures are in the table below")
    x = scale_of(
        [0.0, *limits, *(end for row in rows for end in (row.value, row.low, row.high))],
        names,
        names + 300,
        margin=0.04,
    )
    for tick in x.ticks(5):
        drawing.line(x(tick), 16, x(tick), bottom, "zero" if tick == 0 else "grid")
        drawing.text(x(tick), bottom + 14, tick_words(tick, percent=percent), "tick", "middle")
    drawing.text(names + 150, bottom + 30, axis, "axis", "middle")
    for limit in limits:
        drawing.line(x(limit), 16, x(limit), bottom, "bound")
    if limits and limit_says:
        drawing.text(x(limits[-1]), 11, limit_says, "label strong", "middle")
    for k, row in enumerate(rows):
        y = 22 + ROW * (k + 0.5)
        style = "fires" if row.strong else "calm"
        drawing.text(names - 10, y + 4, clipped(row.name, names - 14), "name", "end", told=row.name)
        if row.low is not None and row.high is not None:
            drawing.line(x(row.low), y, x(row.high), y, f"interval {style}")
        told = f"{row.name}: {figure(row.value)} ({interval(row.low, row.high)})"
        drawing.circle(x(row.value), y, 4, f"mark {style}", told)
        if row.after:
            drawing.text(names + 306, y + 4, row.after, "tick")
    return drawing


def strip(found: dict[str, Any], bound: float | None, wanted: str, beside: Sequence[float] = ()) -> Drawing | None:
    """Draw one figure with its interval beside its bound; the side that is ``wanted`` (or fires) is shaded.

    Parameters
    ----------
    found : dict
        ``value``, ``low`` and ``high``.
    bound : float or None
        Requirement or threshold; without one there is nothing to see.
    wanted : {"good above", "good below", "fires above", "fires below"}
        Which side is shaded, and what it means.
    beside : sequence of float
        Baselines, as ticks.
    """
    value, low, high = (found.get(key) for key in ("value", "low", "high"))
    if value is None or bound is None:
        return None
    drawing = Drawing(150, 18, "", "strip")
    x = scale_of([value, low, high, bound, *beside], 4, 146)
    meaning, side = wanted.split()
    start, end = (x(bound), 150.0) if side == "above" else (0.0, x(bound))
    drawing.rect(start, 1, end - start, 16, meaning)
    drawing.line(0, 9, 150, 9, "grid")
    for baseline in beside:
        drawing.line(x(baseline), 5, x(baseline), 13, "beside")
    drawing.line(x(bound), 1, x(bound), 17, "bound")
    beyond = value > bound if side == "above" else value < bound
    style = "bad" if (meaning == "fires") == beyond and (meaning == "good" or found.get("fires")) else "calm"
    if low is not None and high is not None:
        drawing.line(x(low), 9, x(high), 9, f"interval {style}")
    drawing.circle(x(value), 9, 4, f"mark {style}")
    return drawing
