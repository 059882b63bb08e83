"""Which rows of production are worth a label: some drawn at random, the others ranked by what speaks for them."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from stages.context import Context
from stages.data.labels.log import CHOSEN, RANDOM, read_reviewed
from stages.deployment.release_log import POINTER
from stages.errors import ProjectError
from stages.files import read_json
from stages.flywheel.budget import Left, left
from stages.flywheel.evidence import Second, evidence, second_model
from stages.flywheel.hard import slices_of
from stages.flywheel.pool import labelled_units, newest, to_draw
from stages.flywheel.ranking import fused, ranked
from stages.flywheel.slices import Slice
from stages.params import Flywheel
from stages.production.log import Entry, PredictionLog
from stages.production.lots import lot_of, unit_of
from stages.production.released import Released

AT_RANDOM = "drawn at random"


@dataclass(frozen=True)
class Row:
    """A row to label.

    Attributes
    ----------
    id, key : str
        The prediction, and the row's key if it has one.
    drawn : {"random", "chosen"}
        How it was come by.
    reasons, criteria : list of str
        What speaks for it in words, which tell what models say of it; and by name, which do not.
    relevance : float or None
        How much speaks for it; None where it was drawn at random.
    """

    id: str
    key: str | None
    drawn: str
    reasons: list[str]
    criteria: list[str]
    relevance: float | None


@dataclass(frozen=True)
class Mined:
    """What is worth a label.

    Attributes
    ----------
    rows : list of Row
        Those drawn at random first, then the chosen ones, the first to label first.
    wanted : int
        How many were asked for; fewer come where the budget or the rows are spent.
    pool : int
        How many rows have no label, among the newest that were looked at.
    budget : dict
        What is left of the budgets.
    cost : float
        Of these labels.
    slices : list of dict
        Slices of high loss that were found, each with the verdict of the other half of the rows.
    sought_in : str
        On which rows they were sought, or why on none.
    beside : str
        Which model the release was held beside; empty where there is none.
    entries : list of Entry
        What the log holds of the rows.
    """

    rows: list[Row]
    wanted: int
    pool: int
    budget: dict[str, Any]
    cost: float
    slices: list[dict[str, Any]]
    sought_in: str
    beside: str
    entries: list[Entry] = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, without the rows' cells."""
        found = asdict(self)
        del found["entries"]
        return found


def mine(
    project: Path, released: Released, learned: Collection[int], count: int | None = None, *, paid: bool = True
) -> Mined:
    """Rank the rows of production that have no label; the same log, labels and params give the same ranking.

    Parameters
    ----------
    project : Path
        The project.
    released : Released
        The release in force.
    learned : collection of int
        How many labels of people it may have learned from.
    count : int, optional
        How many rows; ``deployment.flywheel.rows`` when not given.
    paid : bool
        No more than the budgets of labels and money still hold.

    Raises
    ------
    ProjectError
        If the budget is spent, or there is no row to label.
    """
    work, log = Context(project), PredictionLog(project)
    settings, budget = work.params.deployment.flywheel, left(project)
    wanted = settings.rows if count is None else count
    allowed = _allowed(wanted, budget, paid=paid)
    labelled = labelled_units(log, read_reviewed(project))
    pool = newest(log, labelled, settings.newest)
    if not pool:
        raise ProjectError(
            "no row of production waits for a label", where="the log of predictions", todo="loopwright predict FILE"
        )
    random = to_draw(log, labelled, math.ceil(round(settings.random * allowed, 9)))
    card = read_json(project / str(read_json(project / POINTER)["card"]))
    slices, sought = slices_of(work, released, card, learned)
    second, drawn = second_model(project, released), {unit_of(entry) for entry in random}
    rest = [entry for entry in pool if unit_of(entry) not in drawn]
    chosen = _chosen(released, rest, second, slices, allowed - len(random), settings)
    rows = [Row(str(entry["id"]), entry["key"], RANDOM, [AT_RANDOM], [AT_RANDOM], None) for entry in random]
    rows += [row for row, _ in chosen]
    return Mined(
        rows,
        wanted,
        len(pool),
        budget.as_dict(),
        budget.cost(len(rows)),
        [item.as_dict() for item in slices],
        sought,
        "" if second is None else second.name,
        [*random, *(entry for _, entry in chosen)],
    )


def _allowed(wanted: int, budget: Left, *, paid: bool) -> int:
    """Return how many rows may be asked for.

    Raises
    ------
    ProjectError
        If that is none.
    """
    if wanted < 1:
        raise ProjectError(f"{wanted} rows are none", where="-n", expected="1 or more")
    if not paid or budget.labels:
        return min(wanted, budget.labels) if paid else wanted
    raise ProjectError(
        "the budget is spent: it holds no label more",
        where="params.yaml: planning.budgets",
        expected="labels and money for one more at least",
        todo="raise planning.budgets.labels or planning.budgets.money, if they are to be paid for",
    )


def _chosen(
    released: Released,
    rest: Sequence[Entry],
    second: Second | None,
    slices: Sequence[Slice],
    count: int,
    settings: Flywheel,
) -> list[tuple[Row, Entry]]:
    """Return the rows that are chosen for what speaks for them, the first to label first."""
    entries, found = evidence(released, rest, second, [item for item in slices if item.confirmed])
    relevance = fused(found.scores.to_numpy(dtype="float64"))
    lots = np.array([lot_of(unit_of(entry)) for entry in entries], dtype=float)
    order = ranked(relevance, found.frame, released.features, lots, count, settings.relevance)
    rows = []
    for at in order:
        entry, criteria = entries[at], [name for name in found.scores if found.scores[name].iloc[at] > 0]
        known = (str(entry["id"]), entry["key"], CHOSEN)
        rows.append((Row(*known, found.says[at], list(map(str, criteria)), float(relevance[at])), entry))
    return rows
