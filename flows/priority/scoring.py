"""What counts for each driver of a candidate, and what the two axes come to: intervals, as unknown may be anything."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from flows.priority.drivers import AXES, BEST, DRIVERS, MIDDLE, WORST, Driver, grade, of_axis
from flows.priority.evidence import Evidence, evidence
from flows.priority.knowledge import Knowledge
from flows.priority.schema import Answer, Candidate, Candidates
from stages.errors import PriorityError, ProjectError

Side = Literal["high", "low"]
NO_MODEL = "is machine learning needed at all? A rule without any model surely meets every requirement"
ENDS = ("low", "value", "high")
VERDICTS: dict[tuple[Side, Side], str] = {  # by impact and feasibility
    ("high", "high"): "do it",
    ("high", "low"): "make it feasible first",
    ("low", "high"): "only on the side",
    ("low", "low"): "leave it",
}


@dataclass(frozen=True)
class Span:
    """An estimate, and from where to where the truth may lie."""

    low: float
    value: float
    high: float

    def apart(self, other: Span) -> bool:
        """Tell whether the two have no point in common."""
        return self.low > other.high or self.high < other.low

    @property
    def ends(self) -> str:
        """The range in words."""
        return f"{self.low:.3g}" if self.low == self.high else f"{self.low:.3g} to {self.high:.3g}"

    def __str__(self) -> str:
        return f"{self.value:.3g}" if self.low == self.high else f"{self.value:.3g} ({self.low:.3g} … {self.high:.3g})"


@dataclass(frozen=True)
class Reply:
    """What counts for a driver: what is measured, else what a person says, else anything.

    Attributes
    ----------
    span : Span
        The answer, 1 to 5.
    by : {"measured", "a person", "nobody"}
        Whose it is.
    answer : Answer
        What the file says.
    evidence : Evidence or None
        What is measured; told without a grade where its interval or a level to hold it against is missing.
    contradiction : str
        How measurement and person contradict each other.
    """

    driver: Driver
    span: Span
    by: Literal["measured", "a person", "nobody"]
    answer: Answer
    evidence: Evidence | None = None
    contradiction: str = ""

    @property
    def open(self) -> bool:
        """Whether an answer would still say more."""
        return self.by != "measured" and self.span.low < self.span.high


def reply(driver: Driver, answer: Answer, found: Evidence | None, levels: Sequence[float] | None) -> Reply:
    """Return what counts for a driver.

    What is measured counts, unless it cannot tell: a range over the whole scale says less than a person. The person's
    answer stays beside it, and is told where the two have nothing in common.
    """
    theirs = Span(answer.low, (answer.low + answer.high) / 2, answer.high)
    measured = graded(found, levels)
    if measured is None or (measured.low, measured.high) == (WORST, BEST):
        return Reply(driver, theirs, "a person" if answer.given else "nobody", answer, found)
    told = ""
    if answer.given and theirs.apart(measured):
        told = f"the file says {theirs.ends}, measured is {measured.ends}"
    return Reply(driver, measured, "measured", answer, found, told)


def graded(found: Evidence | None, levels: Sequence[float] | None) -> Span | None:
    """Return the answer that a figure with an interval gives."""
    if found is None or levels is None or found.value is None or found.low is None or found.high is None:
        return None
    if math.isnan(found.low + found.high):
        return None
    low, high = sorted(grade(levels, end) for end in (found.low, found.high))
    return Span(low, min(max(grade(levels, found.value), low), high), high)


@dataclass(frozen=True)
class Judged:
    """A candidate with what counts for each driver, and each driver's share of its axis."""

    name: str
    about: str
    replies: Mapping[str, Reply]
    weights: Mapping[str, float]
    remarks: tuple[str, ...] = ()

    @cached_property
    def axes(self) -> dict[str, Span]:
        """The weighted mean of each axis, 1 to 5: what is open at the worst, by its estimate, and at the best."""

        def mean(axis: str, end: str) -> float:
            mine = (driver.name for driver in of_axis(axis))
            found: float = sum(self.weights[name] * getattr(self.replies[name].span, end) for name in mine)
            return min(BEST, max(WORST, round(found, 12)))

        return {axis: Span(*(mean(axis, end) for end in ENDS)) for axis in AXES}

    @cached_property
    def priority(self) -> Span:
        """Impact x feasibility, each as a share of its scale: 0 to 1; 0 where a veto holds, or still may."""
        if self.vetoes:
            return Span(0.0, 0.0, 0.0)
        shares = ([(getattr(span, end) - WORST) / (BEST - WORST) for end in ENDS] for span in self.axes.values())
        low, value, high = (round(impact * feasibility, 12) for impact, feasibility in zip(*shares, strict=True))
        return Span(0.0 if self.may_be_vetoed else low, value, high)

    @property
    def vetoes(self) -> list[str]:
        """What alone ends the project."""
        return [item.driver.veto for item in self._vetoing if item.span.high == WORST]

    @property
    def may_be_vetoed(self) -> list[str]:
        """Drivers of which nobody has said yet that they do not end it."""
        return [item.driver.name for item in self._vetoing if item.span.low == WORST < item.span.high]

    @property
    def _vetoing(self) -> list[Reply]:
        return [self.replies[driver.name] for driver in DRIVERS if driver.veto]

    def side(self, axis: str) -> tuple[Side | None, bool]:
        """Return on which side of the middle an axis is by its estimate, and whether its whole interval is there."""
        span = self.axes[axis]
        side: Side | None = "high" if span.value > MIDDLE else "low" if span.value < MIDDLE else None
        return side, span.low > MIDDLE or span.high < MIDDLE

    @property
    def verdict(self) -> str:
        """The quadrant in words, and how sure it is."""
        if self.vetoes:
            return "not at all: " + "; ".join(self.vetoes)
        (impact, sure), (feasibility, sure_too) = (self.side(axis) for axis in AXES)
        if impact is None or feasibility is None:
            return "cannot tell"
        certain = sure and sure_too and not self.may_be_vetoed
        return VERDICTS[impact, feasibility] if certain else f"perhaps {VERDICTS[impact, feasibility]}"

    def reasons(self, sign: int) -> list[Reply]:
        """Return what speaks for (1) or against (-1) the project by the estimates, the strongest first."""
        pull = {n: sign * self.weights[n] * (item.span.value - MIDDLE) for n, item in self.replies.items()}
        known = [name for name, item in self.replies.items() if item.by != "nobody" and pull[name] > 0]
        return [self.replies[name] for name in sorted(known, key=lambda name: -pull[name])]

    def answered(self, driver: str, value: float) -> Judged:
        """Return the project as it would be if a driver were answered so."""
        span = Span(value, value, value)
        return replace(self, replies={**self.replies, driver: replace(self.replies[driver], span=span, by="a person")})


def judge(candidates: Candidates, folder: Path) -> list[Judged]:
    """Return the candidates as they rank: by their estimates, vetoed ones last, equals by name.

    Parameters
    ----------
    candidates : Candidates
        The file's content.
    folder : Path
        Where the file is; projects are named relative to it.

    Raises
    ------
    PriorityError
        If a file of a project is damaged.
    """
    judged = [_judge(item, candidates, folder) for item in candidates.projects]
    return sorted(judged, key=lambda item: (bool(item.vetoes), -item.priority.value, item.name))


def _judge(item: Candidate, candidates: Candidates, folder: Path) -> Judged:
    measured: dict[str, Evidence] = {}
    remarks: tuple[str, ...] = ()
    if item.project is not None:
        try:
            known = Knowledge(folder / item.project)
        except ProjectError as error:
            raise PriorityError(str(error), where=f"project {item.name!r}") from None
        measured, remarks = evidence(known), tuple(known.remarks())
    replies = {
        driver.name: reply(
            driver, item.answer(driver.name), measured.get(driver.name), candidates.levels_of(driver.name)
        )
        for driver in DRIVERS
    }
    rule = replies["complicated_rules"]
    if rule.by == "measured" and rule.span.high == WORST:
        remarks = (*remarks, NO_MODEL)
    return Judged(item.name, item.about, replies, candidates.shares, remarks)
