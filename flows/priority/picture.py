"""The two-by-two picture: impact over feasibility, each candidate a point in the box of what it may turn out to be."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from html import escape

from flows.priority.drivers import AXES, BEST, MIDDLE, WORST
from flows.priority.scoring import VERDICTS, Judged, Side

LEFT, TOP, PLOT, LEGEND, LINE = 84, 64, 500, 360, 17
WIDTH = LEFT + PLOT + 40 + LEGEND
RADIUS, STEP = 12.0, 27.0  # of a number's disc, and how far the next place for it is
WRAP = 46  # letters of a line of the legend
INK, FAINT, GRID, OUT = "#1f2933", "#52606d", "#cbd2d9", "#7b8794"
# Okabe and Ito's colours that carry white figures and are told apart by colour-blind readers; the numbers name them.
COLORS = ("#0072b2", "#b34700", "#00785a", "#8a4f7d", "#5c5c00", "#1f2933")


def draw(projects: Sequence[Judged]) -> str:
    """Return the picture as a self-contained SVG; reads on light and dark pages.

    Parameters
    ----------
    projects : sequence of Judged
        As they rank; their places are their numbers. Estimates that fall together are moved apart, with a line to where
        they belong.
    """
    title = "Impact and feasibility of the candidate projects"
    told = " ".join(_sentence(at, item) for at, item in enumerate(projects, start=1))
    entries, bottom = _legend(projects)
    height = max(TOP + PLOT + 58, bottom + 16)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" role="img" '
        'aria-labelledby="priority-title priority-desc" font-family="system-ui, sans-serif" font-size="13">',
        f'<title id="priority-title">{escape(title)}</title>',
        f'<desc id="priority-desc">{escape(told)}</desc>',
        f'<rect width="{WIDTH}" height="{height:g}" rx="10" fill="#ffffff"/>',
        _text(LEFT, 30, title, size=16, weight=600),
        _text(LEFT, 49, "number: the estimate. box: what unknown and measured answers leave open.", color=FAINT),
        *_axes(),
        *(_box(item, _color(at, item)) for at, item in enumerate(projects)),
        *_points(projects),
        *entries,
    ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _at(feasibility: float, impact: float) -> tuple[float, float]:
    scale = PLOT / (BEST - WORST)
    return LEFT + scale * (feasibility - WORST), TOP + scale * (BEST - impact)


def _axes() -> list[str]:
    middle_x, middle_y = _at(MIDDLE, MIDDLE)
    right, bottom = LEFT + PLOT, TOP + PLOT
    cross = f"M{middle_x:g} {TOP}V{bottom}M{LEFT} {middle_y:g}H{right}"
    parts = [
        f'<rect x="{middle_x:g}" y="{TOP}" width="{PLOT / 2:g}" height="{PLOT / 2:g}" fill="#e7f4ec"/>',
        f'<path d="{cross}" stroke="{GRID}" stroke-width="2"/>',
        f'<rect x="{LEFT}" y="{TOP}" width="{PLOT}" height="{PLOT}" fill="none" stroke="{FAINT}"/>',
    ]
    ends: tuple[Side, Side] = ("low", "high")
    for impact in ends:
        for feasibility in ends:
            corner_x, anchor = (LEFT + 8, "start") if feasibility == "low" else (right - 8, "end")
            corner_y = TOP + 18 if impact == "high" else bottom - 9
            words = VERDICTS[impact, feasibility]
            parts.append(_text(corner_x, corner_y, words, color=FAINT, anchor=anchor, italic=True))
    for value in range(int(WORST), int(BEST) + 1):
        x, y = _at(value, value)
        parts.append(_text(x, bottom + 19, f"{value}", color=FAINT, anchor="middle"))
        parts.append(_text(LEFT - 10, y + 4, f"{value}", color=FAINT, anchor="end"))
    parts.append(_text(LEFT + PLOT / 2, bottom + 42, "feasibility →", weight=600, anchor="middle"))
    label = _text(LEFT - 42, middle_y, "impact →", weight=600, anchor="middle")
    return [*parts, f'<g transform="rotate(-90 {LEFT - 42} {middle_y:g})">{label}</g>']


def _box(project: Judged, color: str) -> str:
    """Return the box of both intervals, with whiskers through the estimate."""
    impact, feasibility = project.axes["impact"], project.axes["feasibility"]
    left, top = _at(feasibility.low, impact.high)
    right, bottom = _at(feasibility.high, impact.low)
    x, y = _at(feasibility.value, impact.value)
    dash = ' stroke-dasharray="4 3"' if project.vetoes else ""
    return (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}" rx="3" '
        f'fill="{color}" fill-opacity="0.07" stroke="{color}" stroke-opacity="0.6"{dash}/>'
        f'<path d="{_whisker(left, right, y)}{_whisker(top, bottom, x, upright=True)}" stroke="{color}" '
        'stroke-opacity="0.7" stroke-width="1.5" fill="none"/>'
    )


def _whisker(start: float, end: float, across: float, *, upright: bool = False) -> str:
    """Return a line with a cap at each end as a path; nothing where the ends fall together."""
    if start == end:
        return ""
    corners = [(start, -4), (start, 4), (start, 0), (end, 0), (end, -4), (end, 4)]
    points = [(across + off, along) if upright else (along, across + off) for along, off in corners]
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points)


def _points(projects: Sequence[Judged]) -> list[str]:
    lines, discs = [], []
    for number, (project, place) in enumerate(zip(projects, places(projects), strict=True), start=1):
        own = _at(project.axes["feasibility"].value, project.axes["impact"].value)
        color = _color(number - 1, project)
        if place != own:
            lines.append(
                f'<path d="M{own[0]:.1f} {own[1]:.1f}L{place[0]:.1f} {place[1]:.1f}" stroke="{color}"/>'
                f'<circle cx="{own[0]:.1f}" cy="{own[1]:.1f}" r="3.5" fill="{color}"/>'
            )
        discs.append(_disc(*place, number, color))
    return lines + discs


def places(projects: Sequence[Judged]) -> list[tuple[float, float]]:
    """Return where each number stands: at the estimate, or on the nearest ring around it where there is room."""
    taken: list[tuple[float, float]] = []
    for project in projects:
        own = _at(project.axes["feasibility"].value, project.axes["impact"].value)
        taken.append(next(place for place in _around(own) if _free(place, taken)))
    return taken


def _around(own: tuple[float, float]) -> Sequence[tuple[float, float]]:
    """Return the place itself and those on rings around it, the nearest first, inside the plot."""
    rings = [(STEP * ring, 8 * ring) for ring in range(1, 30)]
    found = [
        (own[0] + far * math.cos(math.tau * turn / turns), own[1] - far * math.sin(math.tau * turn / turns))
        for far, turns in rings
        for turn in range(turns)
    ]
    edge = RADIUS + 2
    inside = [
        (x, y) for x, y in found if LEFT + edge <= x <= LEFT + PLOT - edge and TOP + edge <= y <= TOP + PLOT - edge
    ]
    return [own, *inside]


def _free(place: tuple[float, float], taken: Sequence[tuple[float, float]]) -> bool:
    return all(math.dist(place, other) >= 2 * RADIUS + 1 for other in taken)


def _legend(projects: Sequence[Judged]) -> tuple[list[str], float]:
    """Return the numbers with names, verdicts and figures, and where they end."""
    x, y, parts = LEFT + PLOT + 52, TOP + 12.0, []
    for at, project in enumerate(projects):
        parts.append(_disc(x, y, at + 1, _color(at, project)))
        said = textwrap.wrap(project.name, WRAP - 4)
        rest = [*textwrap.wrap(project.verdict, WRAP), *(f"{axis} {project.axes[axis]}" for axis in AXES)]
        for line, weight, color in [*((line, 600, INK) for line in said), *((line, 400, FAINT) for line in rest)]:
            parts.append(_text(x + 22, y + 5, line, weight=weight, color=color))
            y += LINE
        y += 13
    return parts, y


def _sentence(number: int, project: Judged) -> str:
    impact, feasibility = project.axes["impact"], project.axes["feasibility"]
    return f"{number}: {project.name}, impact {impact}, feasibility {feasibility}, {project.verdict}."


def _color(at: int, project: Judged) -> str:
    return OUT if project.vetoes else COLORS[at % len(COLORS)]


def _disc(x: float, y: float, number: int, color: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS:g}" fill="{color}" stroke="#ffffff"/>' + _text(
        x, y + 4.5, f"{number}", color="#ffffff", weight=600, anchor="middle"
    )


def _text(
    x: float,
    y: float,
    words: str,
    *,
    size: int = 13,
    weight: int = 400,
    color: str = INK,
    anchor: str = "start",
    italic: bool = False,
) -> str:
    style = ' font-style="italic"' if italic else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}" '
        f'fill="{color}"{style}>{escape(words)}</text>'
    )
