"""Whether predictions mean what they say, and how well they tell rows apart."""

from __future__ import annotations

from collections.abc import Sequence

from flows.record import Iteration
from flows.report.charts import tick_words
from flows.report.facts import Facts
from flows.report.past import Past
from flows.report.pieces import Picture, Section, Table
from flows.report.svg import Drawing, Scale, scale_of
from flows.words import figure

SIDE, LEFT, RIGHT, TOP, BOTTOM = 320.0, 50.0, 14.0, 14.0, 40.0
Points = Sequence[tuple[float, float]]


def probabilities_section(facts: Facts) -> Section | None:
    """Return the calibration and the ROC curve of the last trained iteration; None where neither is kept.

    Of a regression: predicted beside observed means, and the quantiles of what is left over.
    """
    for item in reversed(facts.worked("training")):
        past = facts.archive.of(item)
        pictures = [picture for draw in (_calibration, _roc, _residuals) if (picture := draw(past, item)) is not None]
        if pictures:
            says = f"Iteration {item.iteration} on its validation rows."
            return Section("predictions", "Can its predictions be believed?", [says], pictures=pictures)
    return None


def _calibration(past: Past, item: Iteration) -> Picture | None:
    points = _points(past, "calibration", "predicted", "observed")
    if not points:
        return None
    ends = scale_of([end for point in points for end in point], 0, 1)
    drawn = _square(points, ("predicted", "observed"), (ends, ends), marks=True, diagonal=True)
    says = "each mark is a tenth of the rows; on the broken line what is predicted is what happens"
    title = f"Predicted and observed, iteration {item.iteration}"
    return Picture(title, str(drawn), _table(title, ("predicted", "observed"), points), says)


def _roc(past: Past, item: Iteration) -> Picture | None:
    points = _points(past, "roc", "false_positive_rate", "true_positive_rate")
    if not points:
        return None
    whole = Scale(0.0, 1.0, 0.0, 1.0)
    names = ("share of the others that is taken", "share of the class that is found")
    drawn = _square(points, names, (whole, whole), diagonal=True)
    title = f"ROC curve, iteration {item.iteration}"
    table = _table(title, names, points[:: max(1, len(points) // 20)])
    return Picture(title, str(drawn), table, "on the broken line rows are not told apart at all")


def _residuals(past: Past, item: Iteration) -> Picture | None:
    points = _points(past, "roc", "quantile", "residual")
    if not points:
        return None
    names = ("share of the rows", "observed less predicted")
    scales = Scale(0.0, 1.0, 0.0, 1.0), scale_of([0.0, *(y for _, y in points)], 0, 1)
    title = f"What is left over, iteration {item.iteration}"
    table = _table(title, names, points[:: max(1, len(points) // 20)])
    return Picture(title, str(_square(points, names, scales)), table, "the quantiles of the residuals")


def _points(past: Past, name: str, x: str, y: str) -> list[tuple[float, float]]:
    rows = [(row.get(x), row.get(y)) for row in past.table(f"plots/{name}.csv")]
    return [(across, up) for across, up in rows if across is not None and up is not None]


def _square(
    points: Points,
    names: tuple[str, str],
    scales: tuple[Scale, Scale],
    *,
    marks: bool = False,
    diagonal: bool = False,
) -> Drawing:
    """Draw a line through points in a square; ``diagonal`` is the line on which both are equal."""
    drawing = Drawing(LEFT + SIDE + RIGHT, TOP + SIDE + BOTTOM, f"{names[1]} by {names[0]}; see the table below")
    right, bottom = LEFT + SIDE, TOP + SIDE
    x, y = (
        Scale(scale.low, scale.high, start, end)
        for scale, start, end in zip(scales, (LEFT, bottom), (right, TOP), strict=True)
    )
    for tick in y.ticks(5):
        drawing.line(LEFT, y(tick), right, y(tick), "zero" if tick == 0 else "grid")
        drawing.text(LEFT - 6, y(tick) + 4, tick_words(tick), "tick", "end")
    for tick in x.ticks(5):
        drawing.line(x(tick), TOP, x(tick), bottom, "grid")
        drawing.text(x(tick), bottom + 16, tick_words(tick), "tick", "middle")
    drawing.text((LEFT + right) / 2, bottom + 34, names[0], "axis", "middle")
    drawing.text(LEFT + 6, TOP + 9, names[1], "axis")
    if diagonal:
        drawing.path([(x(end), y(end)) for end in (x.low, x.high)], "bound")
    places = [(x(across), y(up)) for across, up in points]
    drawing.path(places, "fit")
    if marks:
        for place, (across, up) in zip(places, points, strict=True):
            drawing.circle(*place, 4, "mark", f"{names[0]} {figure(across)}, {names[1]} {figure(up)}")
    return drawing


def _table(title: str, names: tuple[str, str], points: Points) -> Table:
    return Table(title, list(names), [[figure(across), figure(up)] for across, up in points])
