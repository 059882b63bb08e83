"""What the loop cost, beside its budgets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flows.record import Iteration
from flows.report.charts import LEFT, RIGHT, STEP, iteration_axis, value_axis
from flows.report.facts import Facts, loops
from flows.report.pieces import Picture, Section, Table, span
from flows.report.svg import Drawing, Scale
from flows.words import figure


@dataclass(frozen=True)
class Paid:
    """What one iteration added to what is paid for: rows, labels, money; None where it collected nothing."""

    rows: int | None
    labels: int | None
    money: float | None


@dataclass(frozen=True)
class Budget:
    """One budget, and what is spent of it."""

    name: str
    spent: float
    of: float | None
    unit: str

    @property
    def share(self) -> float | None:
        """What share is spent, at most one for the eye."""
        return None if self.of is None else min(1.0, self.spent / self.of)

    @property
    def over(self) -> bool:
        """Whether more is spent than the budget holds."""
        return self.of is not None and self.spent > self.of

    @property
    def says(self) -> str:
        """Both figures in words."""
        if self.of is None:
            return f"{figure(round(self.spent, 2))}, no budget is set" if self.spent else "no price or budget is set"
        return f"{figure(round(self.spent, 1))} of {figure(self.of)} {self.unit} ({100 * self.spent / self.of:.0f}%)"


def paid(facts: Facts) -> dict[int, Paid]:
    """Return what each iteration added.

    An iteration's rows and labels are those its data hold in all; a smaller window gives nothing back, and a larger one
    pays only for what is beyond the largest before it.
    """
    most = {"rows": 0.0, "labels": 0.0, "money": 0.0}
    found: dict[int, Paid] = {}
    for item in (*facts.before, *facts.items):
        added: dict[str, float | None] = {}
        for key, held in most.items():
            now = getattr(item, key)
            added[key] = None if now is None else max(0.0, now - held)
            most[key] = max(held, now or 0.0)
        rows, labels = (None if added[key] is None else int(added[key] or 0) for key in ("rows", "labels"))
        found[item.iteration] = Paid(rows, labels, added["money"])
    return found


def budgets(facts: Facts) -> list[Budget]:
    """Return the budgets of the last run with what is spent of them."""
    run, limits = facts.runs[-1], facts.params.planning.budgets
    everything = (*facts.before, *facts.items)
    labels = max((item.labels or 0 for item in everything), default=0)
    money = max((item.money or 0.0 for item in everything), default=0.0)
    which = ", last run" if len(facts.runs) > 1 else ""
    return [
        Budget(f"loops{which}", loops(run), limits.loops, "ways back"),
        Budget(f"time{which}", sum(item.seconds for item in run) / 60, limits.minutes, "minutes"),
        Budget("labels", labels, limits.labels, "labels"),
        Budget("money", money, limits.money, ""),
    ]


def costs_section(facts: Facts) -> Section:
    """Return what each iteration cost in time and labels."""
    added = paid(facts)
    seconds = [item.seconds / 60 for item in facts.items]
    labels = [float(added[item.iteration].labels or 0) for item in facts.items]
    pictures = [Picture("Minutes of computing", str(_bars(facts, seconds, "minutes by iteration")))]
    if any(labels):
        pictures.append(Picture("New labels", str(_bars(facts, labels, "labels by iteration"))))
    head = ["iteration", "stage", "computing", "rows held", "new rows", "labels held", "new labels", "new money"]
    rows = [_row(item, added[item.iteration]) for item in facts.items]
    runs = [
        [
            run[0].run,
            f"{run[0].iteration} to {run[-1].iteration}",
            str(loops(run)),
            span(sum(item.seconds for item in run)),
            str(run[-1].move["to"]),
        ]
        for run in facts.runs
    ]
    tables = [Table("Cost by iteration", head, rows)]
    if len(runs) > 1:
        tables.insert(0, Table("Cost by run", ["run", "iterations", "ways back", "computing", "ended"], runs))
    says = ["Loops and minutes are counted by run, labels and money over all runs; what is held already costs no more."]
    return Section("costs", "What it cost", says, pictures=pictures, tables=tables)


def _row(item: Iteration, added: Paid) -> list[str]:
    figures = (item.rows, added.rows, item.labels, added.labels, added.money)
    told = ["–" if value is None else f"{value:,.0f}" for value in figures]
    return [str(item.iteration), item.stage, span(item.seconds), *told]


def _bars(facts: Facts, values: Sequence[float], axis: str) -> Drawing:
    step = min(STEP[1], max(STEP[0], 640 / len(values)))
    width, height = max(340.0, LEFT + RIGHT + step * len(values)), 130
    drawing = Drawing(width, height, f"{axis}; the figures are in the table below")
    right, bottom = width - 20, height - 34.0
    gap = (right - LEFT) / len(values)
    y = Scale(0.0, 1.05 * max(values) or 1.0, bottom, 12.0)
    value_axis(drawing, y, LEFT, right)
    places = {item.iteration: LEFT + gap * (k + 0.5) for k, item in enumerate(facts.items)}
    iteration_axis(drawing, places, bottom)
    for item, value in zip(facts.items, values, strict=True):
        told = f"iteration {item.iteration}, {item.stage}: {figure(round(value, 2))}"
        thick = min(16.0, 0.7 * gap)
        drawing.rect(places[item.iteration] - thick / 2, y(value), thick, bottom - y(value), "bar", told)
    return drawing
