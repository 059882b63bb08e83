"""Is the plan worth trying: one of six verdicts, a pure function of what simple models reach and what rows cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from stages.params import Requirement
from stages.requirements import Figure, Interval, bound_words, shortfall, worst
from stages.signals import Signal

Name = Literal["go", "ask_for_more", "change_plan", "change_requirement", "collect_first", "do_not"]
WORDS: dict[Name, str] = {
    "go": "go",
    "ask_for_more": "go, and ask for more",
    "change_plan": "go with a changed plan",
    "change_requirement": "go with a changed requirement",
    "collect_first": "collect first",
    "do_not": "do not do it",
}
SIMPLE = "these are simple models; a stronger one, or other features, may do better"


@dataclass(frozen=True)
class Supply:
    """Which labelled rows there are for the window, and which may be paid for.

    Attributes
    ----------
    here : int
        Labelled rows that were there for the first look to choose from.
    source : float
        Rows that the source has; infinite where it may have more and nobody knows how many.
    labels : int
        ``planning.budgets.labels``.
    money : float or None
        ``planning.budgets.money``; None is no limit.
    price : float
        Of a row with its label.
    pilot : int
        Rows that the pilot keeps; the budgets hold them too.
    """

    here: int
    source: float
    labels: int
    money: float | None = None
    price: float = 0.0
    pilot: int = 0

    @property
    def affordable(self) -> float:
        """Rows that the budgets hold beside the pilot, wherever they come from."""
        paid = math.inf if self.money is None or not self.price else self.money / self.price
        return max(0.0, min(self.labels, paid) - self.pilot)

    @property
    def have(self) -> float:
        """Rows that the loop can collect by itself: the source has them, and the budgets hold them."""
        return min(self.source, self.affordable)

    def cost(self, rows: Figure) -> dict[str, float | None]:
        """Return what rows, the pilot and their labels cost; nothing is known without a price."""
        known = {key: end for key, end in rows.items() if end is not None and self.price}
        return {key: (known[key] + self.pilot) * self.price if key in known else None for key in rows}


@dataclass(frozen=True)
class Reached:
    """How far simple models come with one hard requirement.

    Attributes
    ----------
    bound : Requirement
        What is required.
    here, have, affordable : figure
        What is reached with the rows of `Supply` of these names.
    rows : figure
        Rows that meet the requirement; an end that is None is "no number of them".
    """

    bound: Requirement
    here: Figure
    have: Figure
    affordable: Figure
    rows: Figure


@dataclass(frozen=True)
class Verdict:
    """One of the six, in words, and what it stands on.

    Attributes
    ----------
    name : str
        Of the verdict.
    says : str
        The verdict with its numbers, in words.
    missing : tuple of float, optional
        The largest relative shortfall with the rows the loop can collect: value, low, high. None where the rows or
        the requirements do not let it be measured, or a rule suffices.
    rows, cost : figure
        Rows that meet every requirement, and their cost.
    change : dict
        Keys of the params, and the value of each that is reached.
    """

    name: Name
    says: str
    missing: Interval | None = None
    rows: Figure = field(default_factory=dict)
    cost: Figure = field(default_factory=dict)
    change: dict[str, float] = field(default_factory=dict)

    def and_beside(self, other: Verdict) -> Verdict:
        """Return this verdict with what another says of the same plan, unless that is to go."""
        if other.name == "go":
            return self
        says = f"{self.says}; and {WORDS[other.name]}: {other.says}"
        return replace(self, says=says, change=other.change | self.change)

    def signal(self, evidence: dict[str, Any], beside: Sequence[str] = ()) -> Signal:
        """Return ``feasibility``, which fires unless the verdict is to go; ``beside`` is said after the verdict."""
        told = {"verdict": self.name, "rows_needed": self.rows, "cost": self.cost, "change": self.change} | evidence
        says = "; ".join([f"{WORDS[self.name]}: {self.says}", *beside])
        if self.missing is None:
            fires = None if self.name == "go" else True
            return Signal(name="feasibility", threshold=0.0, fires=fires, says=says, evidence=told)
        return Signal.measured(
            "feasibility",
            *self.missing,
            threshold=0.0,
            direction="above",
            unit="of the bound",
            says=says,
            evidence=told,
        )


def verdict(reached: Mapping[str, Reached], supply: Supply, *, rule: str = "", go_on: str = "") -> Verdict:
    """Return whether to go, to change a requirement, to collect first, or not to do it.

    Parameters
    ----------
    reached : mapping of str to Reached
        What simple models come to, for each hard requirement that can be judged offline.
    supply : Supply
        The rows there are, and those that may be had.
    rule : str, optional
        What a rule without any model reaches, in words, where it surely meets every requirement.
    go_on : str, optional
        What to ask for then, in words, where the charter goes on although a rule suffices.

    Notes
    -----
    Only what is surely missed is held against the plan. With the rows the loop can collect by itself: it need not be
    stopped. With all rows that the budgets hold: then they are too dear if a number of them would do and surely costs
    more than the money there is, else no number of rows is a cure.
    """
    if rule:
        return _ruled(rule, go_on, reached, supply)
    if not reached:
        return Verdict("go", "no requirement can be judged by a first look")
    rows = _needed(reached)
    cost = supply.cost(rows)
    missing = worst(shortfall(item.bound, item.have) for item in reached.values())
    if not missing[1] > 0:
        priced = f"; {_needs(rows, cost)}" if supply.price else ""
        return Verdict("go", _gone(reached, supply) + priced, missing, rows, cost)
    short = {name: item for name, item in reached.items() if surely_missed(item.bound, item.affordable)}
    least = cost.get("low")
    if short and supply.money is not None and least is not None and least > supply.money:
        says = f"{_needs(rows, cost)}; the budget of money is {supply.money:g}"
        return Verdict("do_not", f"{says} ({SIMPLE})", missing, rows, cost)
    if short:
        change = {f"planning.requirements.{n}.{r.bound.side}": float(r.have["value"] or 0.0) for n, r in short.items()}
        told = [_told(name, item.bound, item.have, supply.have) for name, item in short.items()]
        at = f"surely missed with all {supply.affordable:,.0f} rows that may be had; {_needs(rows, cost)}"
        return Verdict("change_requirement", f"{'; '.join(told)}: {at} ({SIMPLE})", missing, rows, cost, change)
    told = [
        _told(name, item.bound, item.have, supply.have)
        for name, item in reached.items()
        if surely_missed(item.bound, item.have)
    ]
    says = f"{'; '.join(told)}, and the source has no more: {_needs(rows, cost)}"
    return Verdict("collect_first", says, missing, rows, cost)


def _ruled(rule: str, go_on: str, reached: Mapping[str, Reached], supply: Supply) -> Verdict:
    """Return the verdict where a rule suffices."""
    if not go_on:
        return Verdict("do_not", f"{rule}, so there is nothing to learn")
    simple = f" (a simple model reaches {_gone(reached, supply)})" if reached else ""
    return Verdict("ask_for_more", f"{rule}, so {go_on}{simple}")


def surely_missed(bound: Requirement, figure: Figure) -> bool:
    """Tell whether the whole interval of a figure misses its bound; of an unknown one nobody is sure."""
    return shortfall(bound, figure)[1] > 0


def _needed(reached: Mapping[str, Reached]) -> dict[str, float | None]:
    """Return the rows that meet every requirement: the most of any, none where one is met by no number."""
    found: dict[str, float | None] = {}
    for key in ("value", "low", "high"):
        ends = [item.rows.get(key) for item in reached.values()]
        found[key] = None if None in ends else max(end for end in ends if end is not None)
    return found


def _gone(reached: Mapping[str, Reached], supply: Supply) -> str:
    """Say how the requirements stand where nothing is surely missed."""
    for rows, at in ((supply.here, "here"), (supply.have, "have")):
        figures = {name: getattr(item, at) for name, item in reached.items()}
        if rows <= supply.have and all(reached[name].bound.met_by(found["value"]) for name, found in figures.items()):
            told = [_told(name, reached[name].bound, found, rows) for name, found in figures.items()]
            return "; ".join(told)
    open_ = {name: item for name, item in reached.items() if not item.bound.met_by(item.have["value"])}
    told = [_told(name, item.bound, item.have, supply.have) for name, item in open_.items()]
    return f"{'; '.join(told)}: not surely missed ({SIMPLE})"


def _told(name: str, bound: Requirement, figure: Figure, rows: float) -> str:
    return f"{name} {_figure(figure)} with {rows:,.0f} rows, required {bound_words(bound.side, bound.bound)}"


def _needs(rows: Figure, cost: Figure) -> str:
    """Say how many rows are needed and what they cost, where perhaps no number of them is enough."""
    value, low, high = (rows[key] for key in ("value", "low", "high"))
    if low is None:
        return "no number of rows is enough"
    paid = "" if cost["low"] is None else f", which with the pilot's cost {_money(cost)}"
    if value is None:
        return f"at least {low:,.0f} rows are needed{paid}, and by the estimate no number of them is enough"
    return f"{value:,.0f} rows are needed ({low:,.0f} … {'no number' if high is None else f'{high:,.0f}'}){paid}"


def _money(cost: Figure) -> str:
    value, low, high = (cost[key] for key in ("value", "low", "high"))
    if value is None:
        return f"{low:,.4g} at least"
    return f"{value:,.4g} ({low:,.4g} … {'unknown' if high is None else f'{high:,.4g}'})"


def _figure(found: Figure) -> str:
    value, low, high = ("unknown" if found[key] is None else f"{found[key]:.3g}" for key in ("value", "low", "high"))
    return f"{value} ({low} … {high})"
