"""Small pieces of SVG: a drawing whose texts are escaped by construction, scales, and round ticks.

Colours and fonts are classes of the page's style sheet, so that a picture follows its light and its dark scheme.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from xml.etree.ElementTree import Element, SubElement, tostring

STEPS = (1, 2, 5, 10)
TINY = 1e-12  # what differs by less is drawn in one place
CHARACTER = 6.3  # mean width of one, in units of a drawing, at its font size


class Drawing:
    """An SVG of a width and height, with a label that says what it shows.

    Examples
    --------
    >>> drawing = Drawing(10, 10, "a & b")
    >>> drawing.text(1, 2, "<b>", "tick")
    >>> "&lt;b&gt;" in str(drawing) and "a &amp; b" in str(drawing)
    True
    """

    def __init__(self, width: float, height: float, label: str, kind: str = "chart") -> None:
        self.width, self.height = width, height
        frame = {"viewBox": f"0 0 {width:g} {height:g}", "class": kind, "role": "img", "aria-label": label}
        if not label:
            frame = {key: value for key, value in frame.items() if not key.startswith(("role", "aria"))}
            frame["aria-hidden"] = "true"
        if kind == "chart":  # letters neither shrink beyond reading nor grow beyond the page's
            frame["style"] = f"min-width:{0.8 * width:.0f}px;max-width:{1.2 * width:.0f}px"
        self.root = Element("svg", frame)

    def _add(self, tag: str, style: str, **numbers: float) -> Element:
        found = {key: f"{value:.1f}".removesuffix(".0") for key, value in numbers.items()}
        return SubElement(self.root, tag, {**found, "class": style})

    def line(self, x1: float, y1: float, x2: float, y2: float, style: str) -> None:
        """Draw a straight line."""
        self._add("line", style, x1=x1, y1=y1, x2=x2, y2=y2)

    def rect(self, x: float, y: float, width: float, height: float, style: str, told: str = "") -> None:
        """Draw a rectangle; it may not be narrower than nothing. ``told`` is shown under the pointer."""
        _title(self._add("rect", style, x=x, y=y, width=max(width, 0.0), height=max(height, 0.0)), told)

    def circle(self, x: float, y: float, radius: float, style: str, told: str = "") -> None:
        """Draw a circle."""
        _title(self._add("circle", style, cx=x, cy=y, r=radius), told)

    def diamond(self, x: float, y: float, radius: float, style: str, told: str = "") -> None:
        """Draw a square on its corner."""
        corners = [(x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y)]
        _title(self.path(corners, style, closed=True), told)

    def path(self, points: Iterable[tuple[float, float]], style: str, *, closed: bool = False) -> Element:
        """Draw straight lines through points."""
        way = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + ("Z" if closed else "")
        return SubElement(self.root, "path", {"d": way, "class": style})

    def text(self, x: float, y: float, words: str, style: str, anchor: str = "start", told: str = "") -> None:
        """Write words; ``told`` is shown under the pointer, where the words are cut."""
        element = self._add("text", style, x=x, y=y)
        element.set("text-anchor", anchor)
        element.text = words
        _title(element, told)

    def __str__(self) -> str:
        return tostring(self.root, encoding="unicode")


@dataclass(frozen=True)
class Scale:
    """From values to places: linear, or logarithmic."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        low, high, at = (
            (math.log(v) for v in (self.low, self.high, value)) if self.log else (self.low, self.high, value)
        )
        return self.start + (at - low) / (high - low) * (self.end - self.start)

    def ticks(self, count: int = 5) -> list[float]:
        """Return about ``count`` round values within the scale.

        Examples
        --------
        >>> Scale(0.55, 0.79, 0, 100).ticks(4)
        [0.55, 0.6, 0.65, 0.7, 0.75]
        >>> Scale(7000, 130000, 0, 100, log=True).ticks()
        [10000.0, 20000.0, 50000.0, 100000.0]
        """
        return self._log_ticks() if self.log else self._linear_ticks(count)

    def _linear_ticks(self, count: int) -> list[float]:
        power = 10 ** math.floor(math.log10((self.high - self.low) / count))
        step = min((s * power for s in STEPS), key=lambda s: abs((self.high - self.low) / s - count))
        first = math.ceil(self.low / step - 1e-9)
        found = [first * step + k * step for k in range(3 * count)]
        return [round(value, 12) + 0.0 for value in found if value <= self.high + step * 1e-9]

    def _log_ticks(self) -> list[float]:
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        found = [factor * 10.0**power for power in range(first, last + 1) for factor in (1, 2, 5)]
        return [value for value in found if self.low <= value <= self.high]


def scale_of(values: Iterable[float | None], start: float, end: float, *, margin: float = 0.08) -> Scale:
    """Return a linear scale that holds all the values with some room."""
    known = [value for value in values if value is not None and math.isfinite(value)] or [0.0, 1.0]
    low, high = min(known), max(known)
    size = max(abs(low), abs(high))
    room = margin * (high - low) if high - low > max(TINY, TINY * size) else (0.1 * size if size > TINY else 1.0)
    return Scale(low - room, high + room, start, end)


def short_number(value: float) -> str:
    """Return a tick's value: 20k for twenty thousand.

    Examples
    --------
    >>> [short_number(v) for v in (0.05, 0.0, 20_000, 1_500_000)]
    ['0.05', '0', '20k', '1.5M']
    """
    for size, name in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if name == 'k' else size):g}{name}"
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")


def spaced(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move the places of labels apart by at least ``gap``, keeping their order and, if they fit, within the ends."""
    order = sorted(range(len(places)), key=lambda k: places[k])
    moved = [places[k] for k in order]
    for before, after in pairwise(range(len(moved))):
        moved[after] = max(moved[after], moved[before] + gap)
    if moved and moved[-1] > high:
        moved[-1] = high
        for after, before in pairwise(reversed(range(len(moved)))):
            moved[before] = min(moved[before], moved[after] - gap)
    back = dict(zip(order, moved, strict=True))
    return [max(low, back[k]) for k in range(len(places))]


def clipped(words: str, width: float) -> str:
    """Return words that fit a width, with an ellipsis where they were cut."""
    most = max(1, int(width / CHARACTER))
    return words if len(words) <= most else words[: most - 1] + "…"


def _title(element: Element, words: str) -> None:
    if words:
        SubElement(element, "title").text = words
