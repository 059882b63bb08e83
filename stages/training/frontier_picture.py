"""The trade-off as a picture: candidates, what their decision thresholds make of them, and what is required."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from stages.params import Requirement
from stages.training.selection import Scores, frontier, missed

WIDTH, HEIGHT, LEFT, TOP, PLOT = 640, 440, 80, 60, (500, 310)
INK, FAINT, GOOD, MARK, PALE = "#1f2933", "#52606d", "#d7f0e0", "#c05621", "#9fb3c8"
MIN_SPAN = 1e-9


def draw(
    points: Mapping[str, Scores],
    options: Mapping[str, Sequence[Mapping[str, Any]]],
    bounds: Mapping[str, Requirement],
    chosen: str,
    task: str,
) -> str:
    """Return an SVG of candidates in the two metrics that are most at odds; reads on light and dark pages.

    Parameters
    ----------
    points : mapping of str to scores
        Each candidate's figures, by metric.
    options : mapping of str to list of mapping
        Each candidate's figures at other decision thresholds: a line.
    bounds : mapping of str to Requirement
        What is required; the side on which both are met is green.
    chosen : str
        The candidate that is taken.
    task : str
        Which way a metric is better.
    """
    x, y = axes(points, options, bounds)
    every = [point for line in options.values() for point in line] + list(points.values())
    scales = {axis: _scale(axis, every, bounds) for axis in (x, y)}

    def at(point: Mapping[str, Any]) -> tuple[float, float] | None:
        if point.get(x) is None or point.get(y) is None:
            return None
        ends = [(point[axis] - scales[axis][0]) / (scales[axis][1] - scales[axis][0]) for axis in (x, y)]
        return LEFT + PLOT[0] * ends[0], TOP + PLOT[1] * (1 - ends[1])

    title = f"What the candidates trade off: {x} and {y}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}" font-family="system-ui, sans-serif" font-size="13">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="10" fill="#ffffff"/>',
        _text(LEFT, 34, title, size=16, anchor="start", weight=600),
        _wanted(x, y, scales, bounds),
        f'<rect x="{LEFT}" y="{TOP}" width="{PLOT[0]}" height="{PLOT[1]}" fill="none" stroke="{FAINT}"/>',
        *_ticks(x, y, scales),
    ]
    for line in options.values():
        places = [place for point in _along(line) if (place := at(point)) is not None]
        if len(places) > 1:
            path = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in places)
            parts.append(f'<path d="{path}" fill="none" stroke="{PALE}" stroke-width="1.5"/>')
    best = frontier(points, [x, y] if x != y else [x], task)
    for name, point in points.items():
        place = at(point)
        if place is not None:
            fill = MARK if name == chosen else INK if name in best else "#ffffff"
            side, anchor = (-9, "end") if place[0] > LEFT + PLOT[0] / 2 else (9, "start")
            parts.append(
                f'<circle cx="{place[0]:.1f}" cy="{place[1]:.1f}" r="5" fill="{fill}" stroke="{INK}"/>'
                + _text(place[0] + side, place[1] - 7, name, anchor=anchor, color=MARK if name == chosen else INK)
            )
    met = [name for name, point in points.items() if not missed(point, bounds)]
    told = f"required: green. filled: on the frontier. orange: chosen. {len(met)} of {len(points)} meet everything."
    parts.append(_text(LEFT, HEIGHT - 14, told, anchor="start", color=FAINT))
    return "\n".join([part for part in parts if part] + ["</svg>"]) + "\n"


def axes(
    points: Mapping[str, Scores], options: Mapping[str, Sequence[Mapping[str, Any]]], bounds: Mapping[str, Requirement]
) -> tuple[str, str]:
    """Return two metrics: required ones that the candidates miss first, then required ones, then the one optimised."""
    failing = [name for name in bounds if any(not bounds[name].met_by(point.get(name)) for point in points.values())]
    names = list(dict.fromkeys([*failing, *bounds, *next(iter(points.values()))]))
    offline = [name for name in names if name != "size_mb"] or names
    return offline[0], (offline + names)[min(1, len(names) - 1)]


def _scale(axis: str, points: Sequence[Mapping[str, Any]], bounds: Mapping[str, Requirement]) -> tuple[float, float]:
    values = [float(point[axis]) for point in points if point.get(axis) is not None]
    values += [bounds[axis].bound] if axis in bounds else []
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    margin = 0.08 * (high - low) if high - low > MIN_SPAN else 0.5
    return low - margin, high + margin


def _along(line: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(line, key=lambda point: point["threshold"])


def _wanted(x: str, y: str, scales: Mapping[str, tuple[float, float]], bounds: Mapping[str, Requirement]) -> str:
    """Return the rectangle in which what is required of the two axes is met."""
    ends = []
    for axis in (x, y):
        low, high = scales[axis]
        place = (bounds[axis].bound - low) / (high - low) if axis in bounds else None
        ends.append((0.0, 1.0) if place is None else (place, 1.0) if bounds[axis].side == "at_least" else (0.0, place))
    (a, b), (c, d) = ends
    return (
        f'<rect x="{LEFT + PLOT[0] * a:.1f}" y="{TOP + PLOT[1] * (1 - d):.1f}" width="{PLOT[0] * (b - a):.1f}" '
        f'height="{PLOT[1] * (d - c):.1f}" fill="{GOOD}"/>'
    )


def _ticks(x: str, y: str, scales: Mapping[str, tuple[float, float]]) -> list[str]:
    bottom, parts = TOP + PLOT[1], []
    for step in range(5):
        share = step / 4
        values = {axis: scales[axis][0] + share * (scales[axis][1] - scales[axis][0]) for axis in (x, y)}
        parts.append(_text(LEFT + PLOT[0] * share, bottom + 18, f"{values[x]:.3g}", color=FAINT))
        parts.append(_text(LEFT - 8, bottom - PLOT[1] * share + 4, f"{values[y]:.3g}", anchor="end", color=FAINT))
    parts.append(_text(LEFT + PLOT[0] / 2, bottom + 38, x))
    middle = TOP + PLOT[1] / 2
    parts.append(f'<g transform="rotate(-90 22 {middle})">{_text(22, middle, y)}</g>')
    return parts


def _text(
    x: float, y: float, words: str, *, size: int = 13, anchor: str = "middle", color: str = INK, weight: int = 400
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}" '
        f'fill="{color}">{escape(words)}</text>'
    )
