"""The map of the loop with the path taken: as text for the terminal and Prefect, as SVG for documents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Any

from flows.decide import FORWARD
from flows.record import Iteration
from flows.transitions import RELEASED, STAGES, STOP

END = {RELEASED: "released", STOP: "stopped"}
BOX_WIDTH, BOX_HEIGHT, GAP, MARGIN, LANE = 150, 56, 70, 30, 30


def edges(iterations: Sequence[Iteration]) -> Counter[tuple[str, str, str]]:
    """Count the moves taken: (from, to, row) -> times, forward moves included."""
    return Counter((item.stage, str(item.move["to"]), str(item.move["row"])) for item in iterations)


def text_map(iterations: Sequence[Iteration]) -> str:
    """Draw the four stages in a line, and below them each way back that was taken, with its count."""
    visits = Counter(item.stage for item in iterations)
    boxes = [f"[ {stage} ×{visits[stage]} ]" for stage in STAGES]
    end = str(iterations[-1].move["to"]) if iterations else ""
    line = " ──▶ ".join(boxes) + (f" ──▶ {END[end]}" if end in END else "")
    middles, at = {}, 0
    for stage, box in zip(STAGES, boxes, strict=True):
        middles[stage] = at + len(box) // 2
        at += len(box) + len(" ──▶ ")
    lines = [line]
    for (source, to, row), times in _ways_back(iterations):
        left, right = sorted((middles[source], middles[to]))
        label = f"{row.replace('_', ' ')} ×{times}"
        arrow = "↺" if source == to else "◀" + "─" * (right - left - 1) + "╯"
        lines.append(" " * left + arrow + "  " + label)
    return "\n".join(lines)


def svg_map(iterations: Sequence[Iteration], title: str = "The loop, and the path taken") -> str:
    """Draw the map as a self-contained SVG; reads on light and dark pages."""
    visits = Counter(item.stage for item in iterations)
    back = _ways_back(iterations)
    width = 2 * MARGIN + 5 * BOX_WIDTH + 4 * GAP
    height = 120 + BOX_HEIGHT + LANE * (len(back) + 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(title)}" '
        'font-family="system-ui, sans-serif" font-size="14">',
        f"<title>{escape(title)}</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="context-stroke"/></marker></defs>',
        f'<rect width="{width}" height="{height}" rx="10" fill="#ffffff"/>',
        f'<text x="{MARGIN}" y="34" font-size="16" font-weight="600" fill="#1f2933">{escape(title)}</text>',
    ]
    top = 60
    end = str(iterations[-1].move["to"]) if iterations else RELEASED
    names = [*STAGES, END.get(end, "…")]
    for index, name in enumerate(names):
        x = MARGIN + index * (BOX_WIDTH + GAP)
        last = index == len(STAGES)
        fill = ("#d7f0e0" if end == RELEASED else "#fde8c8") if last else "#e3ecfb"
        parts.append(f'<rect x="{x}" y="{top}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="8" fill="{fill}"/>')
        below = f"iteration {iterations[-1].iteration}" if last and iterations else f"entered {visits[name]}×"
        parts.append(_text(x + BOX_WIDTH / 2, top + 24, name, weight=600))
        parts.append(_text(x + BOX_WIDTH / 2, top + 43, below, color="#52606d"))
        if not last:
            y = top + BOX_HEIGHT / 2
            parts.append(
                f'<path d="M{x + BOX_WIDTH + 4} {y}H{x + BOX_WIDTH + GAP - 4}" stroke="#334e68" stroke-width="2" '
                'fill="none" marker-end="url(#tip)"/>'
            )
    for lane, ((source, to, row), times) in enumerate(back):
        y = top + BOX_HEIGHT + 26 + LANE * lane
        start, stop = (MARGIN + STAGES.index(s) * (BOX_WIDTH + GAP) + BOX_WIDTH / 2 for s in (source, to))
        shift = 6 * (lane - len(back) / 2)
        start, stop = start + shift + 8, stop + shift - 8
        parts.append(
            f'<path d="M{start} {top + BOX_HEIGHT + 2}V{y}H{stop}V{top + BOX_HEIGHT + 4}" stroke="#c05621" '
            'stroke-width="2" fill="none" marker-end="url(#tip)"/>'
        )
        label = f"{row.replace('_', ' ')}" + (f" ×{times}" if times > 1 else "")
        parts.append(
            f'<text x="{max(start, stop) + 8}" y="{y + 4}" fill="#7b341e" paint-order="stroke" stroke="#ffffff" '
            f'stroke-width="4">{escape(label)}</text>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _ways_back(iterations: Sequence[Iteration]) -> list[tuple[tuple[str, str, str], int]]:
    found = edges(iterations)
    back = [(edge, n) for edge, n in found.items() if edge[1] in STAGES and edge[2] != FORWARD]
    return sorted(back, key=lambda item: (STAGES.index(item[0][0]) - STAGES.index(item[0][1]), item[0]))


def _text(x: float, y: float, words: str, *, weight: int = 400, color: str = "#1f2933") -> str:
    style: dict[str, Any] = {"x": x, "y": y, "text-anchor": "middle", "font-weight": weight, "fill": color}
    attributes = " ".join(f'{key}="{value}"' for key, value in style.items())
    return f"<text {attributes}>{escape(words)}</text>"
