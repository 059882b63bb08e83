"""The learning curve with where it leads, and the frontier of the candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flows.report.charts import tick_words
from flows.report.svg import CHARACTER, Drawing, Scale, clipped, scale_of, short_number, spaced
from flows.words import figure
from stages.params import Requirement

Scores = Mapping[str, float | None]
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 560.0, 290.0, 50.0, 96.0, 14.0, 40.0


def learning_curve(
    points: Sequence[Mapping[str, float]], fitted: Sequence[Mapping[str, float]], needed: float | None, loss: str
) -> Drawing:
    """Draw the loss by training rows: measured, fitted and extrapolated with its interval, and the rows needed.

    Parameters
    ----------
    points : sequence of mapping
        ``rows``, ``train_loss`` and ``valid_loss``.
    fitted : sequence of mapping
        ``rows``, ``fitted``, ``low`` and ``high``; also beyond the rows there are. May be empty.
    needed : float, optional
        Training rows at which every requirement would be met; drawn where the axis reaches it.
    loss : str
        What the loss is.
    """
    drawing = Drawing(WIDTH, HEIGHT, f"{loss} by training rows; the figures are in the table below")
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    have = max(point["rows"] for point in points)
    rows = [point["rows"] for point in (*points, *fitted)]
    x = Scale(min(rows) / 1.12, max(rows) * 1.12, LEFT, right, log=True)
    known = [point[key] for point in points for key in ("train_loss", "valid_loss")]
    y = scale_of([*known, *(point[key] for point in fitted for key in ("low", "high"))], bottom, TOP)
    for tick in y.ticks(5):
        drawing.line(LEFT, y(tick), right, y(tick), "grid")
        drawing.text(LEFT - 6, y(tick) + 4, tick_words(tick), "tick", "end")
    for tick in x.ticks():
        drawing.line(x(tick), bottom, x(tick), bottom + 4, "axis-line")
        drawing.text(x(tick), bottom + 17, short_number(tick), "tick", "middle")
    drawing.text((LEFT + right) / 2, HEIGHT - 6, "training rows, logarithmic", "axis", "middle")
    labels: list[tuple[float, str, str]] = []
    if fitted:
        around = [(x(p["rows"]), y(p["low"])) for p in fitted] + [(x(p["rows"]), y(p["high"])) for p in fitted[::-1]]
        drawing.path(around, "band", closed=True)
        seen, ahead = ([(x(p["rows"]), y(p["fitted"])) for p in fitted if keep(p["rows"])] for keep in _sides(have))
        drawing.path(seen, "fit")
        drawing.path(ahead, "fit ahead")
        labels.append((y(fitted[-1]["fitted"]), "extrapolated", "label"))
        drawing.line(x(have), TOP, x(have), bottom, "run")
        drawing.text(x(have) - 5, TOP + 9, "rows there are", "tick", "end")
    if needed is not None and x.low <= needed <= x.high:
        drawing.line(x(needed), TOP, x(needed), bottom, "bound")
        drawing.text(x(needed) + 5, TOP + 9, f"needed: {needed:,.0f}", "label strong")
    for key, kind, name in (("train_loss", "train", "training"), ("valid_loss", "valid", "validation")):
        line = [(x(point["rows"]), y(point[key])) for point in points]
        drawing.path(line, f"through {kind}")
        for point, (a, b) in zip(points, line, strict=True):
            drawing.circle(a, b, 4, f"mark {kind}", f"{name}, {point['rows']:,.0f} rows: {figure(point[key])}")
        labels.append((line[-1][1], name, f"label {kind}"))
    for place, (_, name, style) in zip(spaced([lab[0] for lab in labels], 14, TOP, bottom), labels, strict=True):
        drawing.text(right + 6, place + 4, name, style)
    return drawing


def _sides(have: float) -> tuple[Any, Any]:
    return (lambda rows: rows <= have), (lambda rows: rows >= have)


def frontier(
    points: Mapping[str, Scores],
    options: Mapping[str, Sequence[Scores]],
    best: Sequence[str],
    chosen: str,
    axes: tuple[str, str],
    bounds: Mapping[str, Requirement],
) -> Drawing:
    """Draw the candidates in two metrics; the side on which what is required of both is met is shaded.

    Parameters
    ----------
    points : mapping of str to mapping
        Each candidate's figures by metric, at its own decision threshold.
    options : mapping of str to sequence of mapping
        The same at other thresholds.
    best : sequence of str
        The candidates on the frontier.
    chosen : str
        The candidate that was taken.
    axes : tuple of str
        The metrics of the horizontal and of the vertical axis.
    bounds : mapping of str to Requirement
        What is required.
    """
    names = f"{axes[0]} and {axes[1]}"
    drawing = Drawing(WIDTH, HEIGHT, f"The candidates by {names}; the figures are in the table below")
    right, bottom = WIDTH - 24, HEIGHT - BOTTOM
    every = [*points.values(), *(point for line in options.values() for point in line)]
    scales = []
    for axis, start, end in zip(axes, (LEFT, bottom), (right, TOP), strict=True):
        extra = [bounds[axis].bound] if axis in bounds else []
        scales.append(scale_of([*(point.get(axis) for point in every), *extra], start, end, margin=0.1))
    x, y = scales
    a, b = _wanted(axes[0], bounds, x)
    c, d = _wanted(axes[1], bounds, y)
    drawing.rect(min(x(a), x(b)), min(y(c), y(d)), abs(x(b) - x(a)), abs(y(d) - y(c)), "good")
    for tick in y.ticks(4):
        drawing.line(LEFT, y(tick), right, y(tick), "grid")
        drawing.text(LEFT - 6, y(tick) + 4, tick_words(tick), "tick", "end")
    for tick in x.ticks(5):
        drawing.line(x(tick), TOP, x(tick), bottom, "grid")
        drawing.text(x(tick), bottom + 16, tick_words(tick), "tick", "middle")
    drawing.text((LEFT + right) / 2, HEIGHT - 6, axes[0], "axis", "middle")
    drawing.text(LEFT + 6, TOP + 9, axes[1], "axis")

    def placed(point: Scores) -> tuple[float, float] | None:
        across, up = point.get(axes[0]), point.get(axes[1])
        return None if across is None or up is None else (x(across), y(up))

    for line in options.values():
        places = [place for point in line if (place := placed(point)) is not None]
        if len(places) > 1:
            drawing.path(sorted(places), "through calm")
    for name, point in points.items():
        at = placed(point)
        if at is None:
            continue
        style = "chosen" if name == chosen else "on" if name in best else "off"
        drawing.circle(*at, 5.5 if name == chosen else 4.5, f"mark {style}", name)
        side, anchor = (-9.0, "end") if at[0] > (LEFT + right) / 2 else (9.0, "start")
        words = "label strong" if name == chosen else "label"
        drawing.text(at[0] + side, at[1] + 4, clipped(name, 30 * CHARACTER), words, anchor, name)
    return drawing


def _wanted(axis: str, bounds: Mapping[str, Requirement], scale: Scale) -> tuple[float, float]:
    """Return the ends of the part of an axis on which its requirement is met."""
    if axis not in bounds:
        return scale.low, scale.high
    bound = bounds[axis]
    return (bound.bound, scale.high) if bound.side == "at_least" else (scale.low, bound.bound)
