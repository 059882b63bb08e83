"""What planning may do when the loop comes back to it: revisions of the charter, each with what it reaches and costs.

A person chooses one. When nobody is there, `planning.unattended` may allow the row's own cure; nothing is ever bought
beyond a budget so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from flows.changes import cost, outcome
from flows.changes.archetype import less_autonomous
from flows.changes.charter import bound_key, nearest, relax_missed, relaxable, relaxing
from flows.changes.ladder import brought_back
from flows.changes.metric import swapped
from flows.changes.rows import ROWS, with_spare
from flows.changes.scope import narrowed
from flows.situation import Patch, Situation
from flows.transitions import Transition
from stages.requirements import bound_words, number

Kind = Literal[
    "cure",
    "narrow",
    "swap",
    "relax",
    "give_way",
    "archetype",
    "buy_rows",
    "fewer_rows",
    "raise_budget",
    "release",
    "stop",
]
# The rows that a part of the rows, or another metric, may be a way out of.
BY_QUALITY = frozenset({"requirements_missed", "requirements_trade_off", "pilot_fails", "outcome_low"})
# What changes the charter so that a candidate that failed by it may do, and where candidates fail.
OF_CHARTER = frozenset({"cure", "relax", "give_way", "narrow", "swap", "archetype"})
JUDGING, USE = ("training", "deployment"), "training.use"
LABELS, MONEY = "planning.budgets.labels", "planning.budgets.money"


class Revision(BaseModel):
    """One way to go on: what it changes, what it is expected to reach, and what it costs.

    Attributes
    ----------
    kind : str
        cure: what the row itself proposes; relax: one requirement to what was reached; give_way: one requirement as
        far as the others allow; narrow: the scope to where the requirements hold; swap: another metric optimised, and
        the present one a threshold; archetype: less autonomy, a person decides some of the rows; buy_rows: as many as
        the learning curve asks for; fewer_rows, raise_budget: what rows and labels cost and may cost; release: the
        model that waits; stop: leave it.
    patch : dict
        Dotted key of ``params.yaml`` -> new value.
    says : str
        For people.
    money : float or None
        What it costs beyond what is spent, in the charter's unit of money; None where no price is set.
    leaves : list of str
        The requirements that stay missed with it, as far as that is known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    patch: dict[str, Any] = Field(default_factory=dict)
    says: str
    money: float | None = None
    leaves: list[str] = Field(default_factory=list)


LEAVE = Revision(kind="stop", says="stop here: the evidence stays in the record", money=0.0)


def revisions(row: Transition, situation: Situation) -> list[Revision]:
    """Return what a row that asks a person offers, its own cure first, and to stop last; no patch twice.

    Parameters
    ----------
    row : Transition
        The row of the table that fired.
    situation : Situation
        What `decide` looks at.
    """
    found: list[Revision] = []
    back = brought_back(situation, row.signals) if row.stage in JUDGING else {}
    offered = (
        *_own(row, situation),
        *_relaxed(situation),
        *_giving_way(row, situation),
        *_elsewhere(row, situation),
        *_priced(row, situation),
        *_bought(situation),
        *_shared(situation),
    )
    for offer in offered:
        revision = _with(offer, back) if offer.patch and offer.kind in OF_CHARTER else offer
        if revision.patch and revision.patch not in [other.patch for other in found]:
            found.append(revision)
    return [*found, LEAVE]


def _with(revision: Revision, back: Patch) -> Revision:
    """Return a revision that lets candidates be chosen again that failed by the charter as it was."""
    if not back:
        return revision
    says = f"{revision.says}; what failed before may be chosen again: {', '.join(back[USE])}"
    return revision.model_copy(update={"patch": {**revision.patch, **back}, "says": says})


def releasing(says: str = "release the model that meets the charter") -> list[Revision]:
    """Return what a person chooses from who is asked before a release."""
    return [Revision(kind="release", says=says, money=0.0), LEAVE]


def _own(row: Transition, situation: Situation) -> Iterator[Revision]:
    patch = row.change(situation)
    if patch:
        reached = [_reached(item) for item in nearest(situation) if bound_key(item) in patch]
        reached += [outcome.reached_words(situation, "outcome_low")] if "outcome_low" in row.signals else []
        reached += [outcome.best_words(situation)] if "outcome_flat" in row.signals else []
        reached = list(filter(None, reached))
        leaves = _left(row, patch, situation)
        told = [row.cure, *reached, *([f"{', '.join(leaves)} stays missed"] if leaves else [])]
        yield Revision(kind="cure", patch=patch, says="; ".join(told), money=0.0, leaves=leaves)


def _left(row: Transition, patch: Patch, situation: Situation) -> list[str]:
    """Return what a row's own cure leaves missed, where that cure relaxes what is missed."""
    if row.change is not relax_missed:
        return []
    items, fails = nearest(situation), situation.signals.get("pilot_fails")
    left = [str(item["metric"]) for item in items if bound_key(item) not in patch]
    if fails is not None and fails.evidence.get("worse_than_constant") and not any("by" in item for item in items):
        left.append("a loss below the constant's")
    return list(dict.fromkeys(left))


def _relaxed(situation: Situation) -> Iterator[Revision]:
    """Relax each missed requirement alone: what the others then still ask for stays open."""
    missed = {str(item["metric"]): item for item in nearest(situation)}
    for name, item in missed.items():
        others = [other for other in missed if other != name]
        if not others or not relaxable(item, situation):  # of a single one, it is the row's own cure
            continue
        says = f"{_reached(item)}; {', '.join(others)} stays missed"
        yield Revision(kind="relax", patch=relaxing(item), says=says, money=0.0, leaves=others)


def _giving_way(row: Transition, situation: Situation) -> Iterator[Revision]:
    """Hold all requirements but one, and take that one as far as the others allow: a point of the frontier each."""
    if "requirements_trade_off" not in row.signals:
        return
    for item in situation.evidence("give_way") or []:
        decided = "" if item["threshold"] is None else f" deciding from {item['threshold']:.3g} on"
        says = f"{_reached(item)}: every other requirement is met by {item['candidate']}{decided}"
        if relaxable(item, situation):
            yield Revision(kind="give_way", patch=relaxing(item), says=says, money=0.0)


def _elsewhere(row: Transition, situation: Situation) -> Iterator[Revision]:
    """Keep the requirements: narrow the scope to where they hold, or optimise the metric that is missed."""
    if not BY_QUALITY & set(row.signals):
        return
    for patch, says in narrowed(situation):
        yield Revision(kind="narrow", patch=patch, says=says, money=0.0)
    for patch, says in swapped(situation):
        yield Revision(kind="swap", patch=patch, says=says, money=0.0)


def _priced(row: Transition, situation: Situation) -> Iterator[Revision]:
    """Fewer rows or more money where they are too dear; less of the outcome, or a choice by it, where it is too low."""
    if "label_cost" in row.signals:
        fewer, larger = cost.fewer_rows(situation), cost.larger_budget(situation)
        if fewer is not None:
            yield Revision(kind="fewer_rows", patch=fewer[0], says=fewer[1], money=0.0)
        if larger is not None:
            yield Revision(kind="raise_budget", patch=larger[0], says=larger[1], money=larger[2])
    if "outcome_flat" in row.signals and outcome.accept_gain(situation):
        says = outcome.reached_words(situation, "outcome_flat")
        yield Revision(kind="relax", patch=outcome.accept_gain(situation), says=says, money=0.0)
    if "outcome_low" in row.signals and situation.params.planning.combine.by != "outcome":
        says = "; ".join(filter(None, ("choose by the outcome itself", outcome.best_words(situation))))
        yield Revision(kind="swap", patch=outcome.choose_by_outcome(situation), says=says, money=0.0)


def _bought(situation: Situation) -> Iterator[Revision]:
    """Buy the rows that the learning curve asks for, where it names a number and the source has more."""
    needed, more = situation.evidence("rows_needed") or {}, dict(situation.evidence("more") or {})
    rows, step = situation.evidence("rows") or 0, situation.evidence("more_rows") or 0
    if not more or needed.get("value") is None or needed["value"] <= rows:
        return
    enough = with_spare(needed["value"])
    patch: Patch = {ROWS: enough} if set(more) == {ROWS} else more
    held = (enough if set(more) == {ROWS} else rows + step) + (situation.evidence("pilot_rows") or 0)
    budgets, prices = situation.params.planning.budgets, situation.params.planning.prices
    price = prices.row + prices.label
    if held > budgets.labels:
        patch |= {LABELS: held}
    if budgets.money is not None and held * price > budgets.money:
        patch |= {MONEY: float(math.ceil(held * price))}
    high = "no number" if needed.get("high") is None else f"{needed['high']:,.0f}"
    says = (
        f"collect more: about {needed['value']:,.0f} rows of the window meet the requirements by the learning curve "
        f"({needed.get('low') or 0:,.0f} … {high}); there are {rows:,}"
    )
    if set(more) != {ROWS} and rows + step < needed["value"]:
        says += f", and this step brings {step:,}"
    spent = rows + (situation.evidence("pilot_rows") or 0)
    yield Revision(kind="buy_rows", patch=patch, says=says, money=(held - spent) * price if price else None)


def _reached(item: dict[str, Any]) -> str:
    low, high = item.get("low"), item.get("high")
    sure = f" ({low:.4g} … {high:.4g})" if low is not None and high is not None else ""
    sure = f" (median {number(item['median'])})" if "median" in item else sure
    by = f" by {item['by']} in {item['where']}" if "by" in item else ""
    return (
        f"{item['metric']} {number(item.get('value'))}{sure}{by} instead of {bound_words(item['side'], item['bound'])}"
    )


def _shared(situation: Situation) -> Iterator[Revision]:
    """Let a person decide the rows that the model would get wrong too often."""
    for patch, says in less_autonomous(situation):
        yield Revision(kind="archetype", patch=patch, says=says, money=0.0)
