"""The map of the loop with the path taken: as text for the terminal and Prefect, as SVG for documents."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from flows.decide import FORWARD
from flows.record import Iteration
from flows.transitions import RELEASED, STAGES, STOP, WAITING

END = {RELEASED: "released", STOP: "stopped", WAITING: "waiting"}
BOX_WIDTH, BOX_HEIGHT, GAP, MARGIN, TOP, LANE = 150, 56, 70, 30, 60, 36


@dataclass(frozen=True)
class Palette:
    """The colours of `svg_map`; those here read on light and dark pages, as the picture brings its own paper."""

    paper: str = "#ffffff"
    ink: str = "#1f2933"
    faint: str = "#52606d"
    forth: str = "#334e68"
    back: str = "#c05621"
    back_ink: str = "#7b341e"
    halo: str = "#ffffff"
    stage: str = "#e3ecfb"
    good: str = "#d7f0e0"
    other: str = "#fde8c8"


OWN = Palette()


@dataclass(frozen=True)
class WayBack:
    """A way back that was taken: from where, to where, by which row, and after which iterations."""

    source: str
    to: str
    row: str
    iterations: tuple[int, ...]

    @property
    def label(self) -> str:
        """The row in words."""
        return self.row.replace("_", " ")


def ways_back(iterations: Sequence[Iteration]) -> list[WayBack]:
    """Return the ways back taken, the shortest first."""
    found: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for item in iterations:
        to, row = str(item.move["to"]), str(item.move["row"])
        if to in STAGES and row != FORWARD:
            found[item.stage, to, row].append(item.iteration)
    ways = [WayBack(*edge, tuple(numbers)) for edge, numbers in found.items()]
    return sorted(ways, key=lambda way: (_span(way), STAGES.index(way.source), way.row))


def text_map(iterations: Sequence[Iteration]) -> str:
    """Draw the four stages in a line, and below them each way back that was taken, with its count."""
    visits = Counter(item.stage for item in iterations if item.steps)
    boxes = [f"[ {stage} ×{visits[stage]} ]" for stage in STAGES]
    end = str(iterations[-1].move["to"]) if iterations else ""
    line = " ──▶ ".join(boxes) + (f" ──▶ {END[end]}" if end in END else "")
    middles, at = {}, 0
    for stage, box in zip(STAGES, boxes, strict=True):
        middles[stage] = at + len(box) // 2
        at += len(box) + len(" ──▶ ")
    lines = [line]
    for way in ways_back(iterations):
        left, right = sorted((middles[way.source], middles[way.to]))
        arrow = "↺" if way.source == way.to else "◀" + "─" * (right - left - 1) + "╯"
        lines.append(" " * left + arrow + f"  {way.label} ×{len(way.iterations)}")
    return "\n".join(lines)


def svg_map(
    iterations: Sequence[Iteration],
    title: str = "The loop, and the path taken",
    *,
    palette: Palette = OWN,
    heading: bool = True,
) -> str:
    """Draw the map as a self-contained SVG, in the colours of a palette, and with its title written above or not."""
    visits = Counter(item.stage for item in iterations if item.steps)
    ways = ways_back(iterations)
    width = 2 * MARGIN + 5 * BOX_WIDTH + 4 * GAP
    height = TOP + BOX_HEIGHT + LANE * len(ways) + 44
    above = 0 if heading else TOP - 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 {above} {width} {height - above}" role="img" '
        f'aria-label="{escape(title)}" font-family="system-ui, sans-serif" font-size="14">',
        f"<title>{escape(title)}</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="context-stroke"/></marker></defs>',
        f'<rect width="{width}" height="{height}" rx="10" fill="{palette.paper}"/>',
    ]
    if heading:
        parts.append(_text(MARGIN, 34, title, palette.ink, size=16, weight=600, anchor="start"))
    for stage in STAGES:
        left, y = _left(stage), TOP + BOX_HEIGHT / 2
        parts += _box(left, stage, f"entered {visits[stage]}×", palette.stage, palette)
        parts.append(_line(f"M{left + BOX_WIDTH + 4} {y}H{left + BOX_WIDTH + GAP - 5}", palette.forth))
    end = str(iterations[-1].move["to"]) if iterations else ""
    last = f"after iteration {iterations[-1].iteration}" if iterations else ""
    parts += _box(_left(None), END.get(end, "…"), last, palette.good if end == RELEASED else palette.other, palette)
    leaves, enters = _ports(ways)
    labels = []
    for lane, way in enumerate(ways):
        y = TOP + BOX_HEIGHT + 28 + LANE * lane
        start, stop = leaves[way], enters[way]
        parts.append(_line(f"M{start:g} {TOP + BOX_HEIGHT + 2}V{y}H{stop:g}V{TOP + BOX_HEIGHT + 5}", palette.back))
        numbers = " ".join(f"#{number}" for number in way.iterations)
        beside = way.source == way.to
        x, raised = (start + 8, -5.0) if beside else ((start + stop) / 2, 8.0)
        anchor = "start" if beside else "middle"
        words = f"{way.label}  {numbers}"
        labels.append(_text(x, y - raised, words, palette.back_ink, anchor=anchor, halo=palette.halo))
    return "\n".join([*parts, *labels, "</svg>"]) + "\n"


def _ports(ways: Sequence[WayBack]) -> tuple[dict[WayBack, float], dict[WayBack, float]]:
    """Return where each way leaves and enters its boxes, x; in an order in which the fewest lines cross.

    From left to right: ways in, the longest first; ways out, the longest last; loops on the spot.
    """
    leaves, enters = dict[WayBack, float](), dict[WayBack, float]()
    for stage in STAGES:
        own = [way for way in ways if way.source == way.to == stage]
        slots = [(enters, way) for way in reversed(ways) if way.to == stage and way not in own]
        slots += [(leaves, way) for way in ways if way.source == stage and way not in own]
        slots += [(ends, way) for way in reversed(own) for ends in (enters, leaves)]
        step = BOX_WIDTH / (len(slots) + 1)
        for index, (ends, way) in enumerate(slots):
            ends[way] = _left(stage) + step * (index + 1)
    return leaves, enters


def _left(stage: str | None) -> int:
    """Return the left edge of a stage's box, or of the end's."""
    return MARGIN + (STAGES.index(stage) if stage else len(STAGES)) * (BOX_WIDTH + GAP)


def _span(way: WayBack) -> int:
    return STAGES.index(way.source) - STAGES.index(way.to)


def _box(x: float, name: str, below: str, fill: str, palette: Palette) -> list[str]:
    return [
        f'<rect x="{x}" y="{TOP}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="8" fill="{fill}"/>',
        _text(x + BOX_WIDTH / 2, TOP + 24, name, palette.ink, weight=600),
        _text(x + BOX_WIDTH / 2, TOP + 43, below, palette.faint),
    ]


def _line(path: str, color: str) -> str:
    return f'<path d="{path}" stroke="{color}" stroke-width="2" fill="none" marker-end="url(#tip)"/>'


def _text(
    x: float,
    y: float,
    words: str,
    color: str,
    *,
    size: int = 14,
    weight: int = 400,
    anchor: str = "middle",
    halo: str = "",
) -> str:
    around = f' paint-order="stroke" stroke="{halo}" stroke-width="5"' if halo else ""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}" '
        f'fill="{color}"{around}>{escape(words)}</text>'
    )
