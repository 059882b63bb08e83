"""The schema of a file of candidate projects; its keys are those of the table of drivers."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from flows.priority.drivers import AXES, BEST, BY_NAME, DRIVERS, GROUPS, UNKNOWN, WORST, Driver, of_axis, rising

EXPECTED = f"a number from {WORST:g} to {BEST:g}, a range like [2, 4], or {UNKNOWN}"


@dataclass(frozen=True)
class Answer:
    """A person's answer: from where to where it may lie; all of the scale where nobody knows."""

    low: float = WORST
    high: float = BEST
    given: bool = False
    why: str = ""


def read_answer(value: Any) -> Answer:
    """Return an answer from what stands in the file: a number, a range, ``unknown``, or one of these with a reason.

    Raises
    ------
    ValueError
        If it is none of these.

    Examples
    --------
    >>> read_answer({"answer": [2, 4], "why": "depends on the vendor"})
    Answer(low=2.0, high=4.0, given=True, why='depends on the vendor')
    """
    if isinstance(value, Answer):
        return value
    why = ""
    if isinstance(value, Mapping):
        unknown = sorted(set(map(str, value)) - {"answer", "why"})
        if unknown or "answer" not in value:
            what = f"unknown key {unknown[0]!r}" if unknown else "the answer is missing"
            raise ValueError(f"{what}; expected {{answer: ..., why: ...}}")
        value, why = value["answer"], value.get("why") or ""
        if not isinstance(why, str):
            raise ValueError("why is no text; put it in quotes")  # noqa: TRY004 (pydantic takes no TypeError)
        why = " ".join(why.split())
    if value == UNKNOWN:
        return Answer(why=why)
    ends = list(value) if isinstance(value, list | tuple) and len(value) == 2 else [value, value]
    if not all(isinstance(end, int | float) and not isinstance(end, bool) for end in ends):
        raise ValueError(f"is no answer; expected {EXPECTED}")
    if not WORST <= ends[0] <= ends[1] <= BEST:
        raise ValueError(f"is not on the scale; expected {EXPECTED}")
    return Answer(float(ends[0]), float(ends[1]), given=True, why=why)


def _known(name: str, *, names: Iterable[str], what: str) -> str:
    known = list(names)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        told = f"do you mean {near[0]}?" if near else f"expected {', '.join(known)}"
        if what.startswith("driver of") and name in BY_NAME:
            told = f"it belongs under {BY_NAME[name].axis}"
        raise ValueError(f"unknown {what}; {told}")
    return name


def _key(names: Iterable[str], what: str) -> AfterValidator:
    return AfterValidator(partial(_known, names=tuple(names), what=what))


def _rising_or_falling(levels: list[float]) -> list[float]:
    if len(levels) != 4 or levels not in (sorted(set(levels)), sorted(set(levels), reverse=True)):
        raise ValueError("expected four figures that rise, or four that fall")
    return levels


Given = Annotated[Answer, BeforeValidator(read_answer)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Levels = Annotated[list[Finite], AfterValidator(_rising_or_falling)]
Weight = Annotated[Finite, Field(ge=0)]
ImpactKey = Annotated[str, _key((driver.name for driver in of_axis("impact")), "driver of impact")]
FeasibilityKey = Annotated[str, _key((driver.name for driver in of_axis("feasibility")), "driver of feasibility")]
WeightKey = Annotated[str, _key((*GROUPS, *BY_NAME), "group or driver")]
LevelsKey = Annotated[str, _key((driver.name for driver in DRIVERS if driver.levels), "measured driver")]


class Section(BaseModel):
    """Common rules: unknown keys are errors, values are not changed after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Candidate(Section):
    """A project that might be done."""

    name: Annotated[str, Field(min_length=1, max_length=60, description="Its name, each once.")]
    about: str = Field("", description="What it is, in one sentence.")
    project: str | None = Field(
        None, description="A Loopwright project whose measurements answer drivers; a path relative to the file."
    )
    impact: dict[ImpactKey, Given] = Field(default_factory=dict, description="Driver -> answer. Left out: unknown.")
    feasibility: dict[FeasibilityKey, Given] = Field(default_factory=dict, description="Likewise.")

    def answer(self, driver: str) -> Answer:
        """Return what the file says of a driver; unknown where it says nothing."""
        return {**self.impact, **self.feasibility}.get(driver, Answer())


class Candidates(Section):
    """All of a file of candidate projects."""

    projects: Annotated[list[Candidate], Field(min_length=1, description="The candidates, in any order.")]
    weights: dict[WeightKey, Weight] = Field(
        default_factory=dict,
        description="Weight of a group among the groups of its axis, or of a driver in its group. Left out: 1.",
    )
    levels: dict[LevelsKey, Levels] = Field(
        default_factory=dict,
        description="Measured driver -> the figures up to which, or from which on, it is a 5, a 4, a 3 and a 2.",
    )

    @model_validator(mode="after")
    def _each_once(self) -> Candidates:
        names = [project.name for project in self.projects]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two projects are called {twice[0]!r}")
        return self

    @model_validator(mode="after")
    def _right_way_round(self) -> Candidates:
        for name, mine in self.levels.items():
            rise = rising(BY_NAME[name].levels or mine)
            if rising(mine) != rise:
                raise ValueError(f"the levels of {name} must {'rise' if rise else 'fall'}")
        return self

    @model_validator(mode="after")
    def _something_counts(self) -> Candidates:
        for axis in AXES:
            if not any(self._weight(driver) > 0 for driver in of_axis(axis)):
                raise ValueError(f"the weights leave nothing of {axis}")
        return self

    @property
    def shares(self) -> dict[str, float]:
        """Each driver's share of its axis: its group's among the groups, times its own in the group."""
        whole = {axis: sum(self._weight(driver) for driver in of_axis(axis)) for axis in AXES}
        return {driver.name: self._weight(driver) / whole[driver.axis] for driver in DRIVERS}

    def _weight(self, driver: Driver) -> float:
        group = [other.name for other in DRIVERS if other.group == driver.group]
        whole = sum(self.weights.get(name, 1.0) for name in group)
        own = self.weights.get(driver.name, 1.0) / whole if whole else 0.0
        return self.weights.get(driver.group, 1.0) * own

    def levels_of(self, driver: str) -> tuple[float, ...] | None:
        """Return the levels by which a figure answers a driver."""
        return tuple(self.levels[driver]) if driver in self.levels else BY_NAME[driver].levels
