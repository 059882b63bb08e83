"""The drivers of impact and feasibility: the one table that schema, template, help and docs are made from.

Source: Full Stack Deep Learning 2021, lecture 5, "ML Projects". The levels, which turn a figure into an answer, are a
judgement of this project where no other source is named; a file of candidates may declare its own (``levels``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

Axis = Literal["impact", "feasibility"]
AXES: tuple[Axis, Axis] = ("impact", "feasibility")
WORST, MIDDLE, BEST = 1.0, 3.0, 5.0
UNKNOWN = "unknown"

GROUPS: dict[str, str] = {
    "value": "What the project may bring",
    "data": "Are there data? Most often the dearest part",
    "accuracy": "How right must it be? The cost grows about tenfold with every further nine",
    "difficulty": "How hard is the problem?",
    "hard": "What is still hard for machine learning",
}


@dataclass(frozen=True)
class Driver:
    """A question about a candidate project, answered from 1, which speaks against it, to 5, which speaks for it.

    Attributes
    ----------
    name : str
        Key in the file.
    ask, worst, best : str
        The question, and what the answers 1 and 5 mean.
    axis, group : str
        The axis it counts for, and its group there.
    veto : str
        What is said of a project that is answered 1 here, where that alone ends it.
    measured : str
        The figure that answers it in a project that ran; empty where only a person can.
    unit : str
        The figure's unit.
    levels : tuple of four float
        Up to where (rising) or from where on (falling) a figure is a 5, a 4, a 3 and a 2.
    """

    name: str
    ask: str
    worst: str
    best: str
    axis: Axis
    group: str
    veto: str = ""
    measured: str = ""
    unit: str = ""
    levels: tuple[float, float, float, float] | None = None


_impact = partial(Driver, axis="impact", group="value")
_data = partial(Driver, axis="feasibility", group="data")
_accuracy = partial(Driver, axis="feasibility", group="accuracy")
_difficulty = partial(Driver, axis="feasibility", group="difficulty")
_hard = partial(Driver, axis="feasibility", group="hard")

DRIVERS: tuple[Driver, ...] = (
    _impact(
        "cheap_prediction",
        "Would it be worth much if this prediction were cheap?",
        "few decisions hang on it",
        "many decisions a day hang on it, each made better or for the first time",
        measured="what a prediction brings in the pilot (`planning.outcome`); told, not graded",
    ),
    _impact(
        "friction",
        "Does it take away friction that people feel in the product?",
        "nobody would notice",
        "it takes away what they complain of most",
    ),
    _impact(
        "complicated_rules",
        "Does it learn what is now done by complicated rules, or by none that is good enough?",
        "a simple rule does it",
        "a thicket of rules, or none that works",
        measured="by how much the rule without any model clears the requirements (the baseline, or `rule_suffices`)",
        unit="of the bound",
        levels=(-0.2, -0.1, -0.05, 0.0),
    ),
    _impact(
        "others_do",
        "Do others do it, and does it pay for them?",
        "nobody does, or some gave it up",
        "several live on it",
    ),
    _data(
        "data_acquire",
        "How hard are the data to get?",
        "no known way to them",
        "they are there",
        measured="labelled training rows beside `data.minimum` (`labels_too_few`)",
        unit="of the rows the plan needs",
        levels=(1.0, 0.5, 0.2, 0.05),
    ),
    _data(
        "data_label",
        "What do the labels cost?",
        "more than there is",
        "nothing more: they come by themselves, or are there",
        measured="label price x rows that the learning curve still asks for, beside `planning.budgets.money`",
        unit="of the budget still to pay",
        levels=(0.05, 0.25, 0.5, 1.0),
    ),
    _data(
        "data_amount",
        "How many rows does it take?",
        "more than can ever be had",
        "no more than there are",
        measured="rows needed by the learning curve, beside the rows there are (`curve_falling`)",
        unit="times the rows there are",
        levels=(1.0, 2.0, 4.0, 10.0),
    ),
    _data(
        "data_stability",
        "How stable are the data?",
        "last month tells nothing of this one",
        "years alike",
        measured="by how much the loss rose from training to pilot, in the worst of the past windows (`shift`)",
        unit="of the best constant's loss",
        levels=(0.02, 0.05, 0.1, 0.2),
    ),
    _data(
        "data_security",
        "What must be kept safe, and may the data be used for this?",
        "they may not be used for this",
        "public data",
        veto="the data may not be used for this",
    ),
    _accuracy(
        "cost_of_wrong",
        "What does a wrong prediction cost?",
        "lives, or the company",
        "next to nothing, and it is noticed at once",
    ),
    _accuracy(
        "how_often_right",
        "How often must it be right to be of use?",
        "practically always",
        "somewhat more often than by guessing",
        measured="nines required of what counts right and wrong, by the charter (`planning.requirements`)",
        unit="nines",
        levels=(0.5, 1.0, 2.0, 3.0),
    ),
    _accuracy(
        "further_nines",
        "How many nines are missing? Each costs about ten times as much as the one before.",
        "more than one",
        "none: what is required is reached",
        measured="log10 of the reached error over the required one, of the worst requirement; on the pilot if it ran",
        unit="nines",
        levels=(0.0, 0.1, 0.3, 1.0),
    ),
    _accuracy(
        "ethics",
        "What does it do to the people it decides about?",
        "it ought not to be done",
        "it harms nobody, also where it errs",
        veto="it ought not to be done",
    ),
    _difficulty(
        "well_defined",
        "Is the problem well defined: would two people who know it give the same answer?",
        "they would hardly ever agree",
        "there is one right answer",
        measured="Krippendorff's alpha of the annotators; 0.8 and 0.667 are his own bounds (2004, ch. 11)",
        unit="alpha",
        levels=(0.8, 0.667, 0.4, 0.2),
    ),
    _difficulty(
        "published_work",
        "Is there good published work on a problem like it?",
        "none",
        "a recipe, with code and data like ours",
    ),
    _difficulty(
        "compute_to_train",
        "Is there the compute to train it?",
        "far more than we have",
        "minutes on a laptop",
        measured="minutes of training in the run that took longest, all its iterations together",
        unit="minutes",
        levels=(10.0, 60.0, 600.0, 6000.0),
    ),
    _difficulty(
        "compute_to_serve",
        "Is there the compute to serve it, in the time and space that its users leave?",
        "far too large or slow",
        "with room to spare",
        measured="latency and size beside what is required of them, the worse",
        unit="of the bound",
        levels=(0.5, 0.8, 1.0, 2.0),
    ),
    _difficulty(
        "person_can",
        "Can a person do it?",
        "nobody can",
        "anybody can, in a second",
        measured="by how much people miss the requirements, each held against the other annotators",
        unit="of the bound",
        levels=(0.0, 0.05, 0.1, 0.2),
    ),
    _hard(
        "complex_output",
        "How complex is its output?",
        "a text, a scene, a plan, open in form",
        "a number or one of a few classes",
        measured="classes of the target; a number counts as one",
        unit="classes",
        levels=(10.0, 100.0, 1000.0, 10_000.0),
    ),
    _hard(
        "reliability",
        "Must it hold up against rare and hostile input, and fail safely?",
        "always, and nobody looks",
        "a person sees every prediction",
    ),
    _hard(
        "generalisation",
        "Must it hold where the rows are unlike those it learned from?",
        "everywhere, from few rows",
        "only on rows like those it learned from",
        measured="AUC of telling the pilot's rows from the training rows, in the worst of the past windows",
        unit="AUC",
        levels=(0.6, 0.7, 0.8, 0.9),
    ),
)

BY_NAME: dict[str, Driver] = {driver.name: driver for driver in DRIVERS}


def of_axis(axis: str) -> list[Driver]:
    """Return the drivers of an axis, in the order of the table."""
    return [driver for driver in DRIVERS if driver.axis == axis]


def drivers_help() -> str:
    """Return the keys of a file of candidates, a line each; * is measured where a project ran."""
    wide = max(len(driver.name) for driver in DRIVERS) + 3
    lines = []
    for axis in AXES:
        lines.append(f"{axis}:")
        lines += [f"  {d.name + ' *' * bool(d.levels):{wide}} {d.ask}" for d in of_axis(axis)]
    return "\n".join([*lines, "", "* is measured where `project` names a Loopwright project that ran."])


def grade(levels: Sequence[float], figure: float) -> float:
    """Return the answer, 1 to 5, that a figure is by its four levels.

    Examples
    --------
    >>> grade((1.0, 2.0, 4.0, 10.0), 3.0)
    3.0
    >>> grade((0.8, 0.667, 0.4, 0.2), 0.9)
    5.0
    >>> grade((1.0, 2.0, 4.0, 10.0), float("inf"))
    1.0
    """
    return BEST - sum(figure > level if rising(levels) else figure < level for level in levels)


def rising(levels: Sequence[float]) -> bool:
    """Tell whether a larger figure is a worse answer."""
    return levels[0] < levels[-1]
