"""The command ``mine``: the rows of production that are worth a label, ranked, with the reasons and the cost."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows.flywheel.second_look import tell_worst
from flows.people.reviewing import ID, KEY, RESERVED, roles_of
from flows.people.sheets import shown, write_sheet
from flows.record import read_record
from flows.words import figure
from stages.data.labels.log import CHOSEN, RANDOM, read_reviewed
from stages.errors import ProjectError
from stages.files import read_json
from stages.params import load_params

if TYPE_CHECKING:
    from stages.production.log import Entry

__all__ = ["mine", "tell_mine", "tell_worst"]

DRAWN, REASON = "drawn", "reason"
AT_RANDOM = "drawn at random"


@dataclass(frozen=True)
class Row:
    """A row to label: which, whether it was drawn at random or chosen, and why; ``criteria`` names no answer."""

    id: str
    key: str | None
    drawn: str
    reasons: list[str]
    relevance: float | None
    criteria: list[str]


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
    """

    rows: list[Row]
    wanted: int
    pool: int
    budget: dict[str, Any]
    cost: float
    slices: list[dict[str, Any]]
    sought_in: str
    beside: str
    entries: list[Entry] = field(default_factory=list, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, without the rows' cells."""
        found = asdict(self)
        del found["entries"]
        return found


def mine(project: Path, count: int | None = None, *, paid: bool = True) -> Mined:
    """Rank the rows of production that have no label; the same log, labels and params give the same ranking.

    Parameters
    ----------
    project : Path
        The project.
    count : int, optional
        How many; ``deployment.flywheel.rows`` when not given.
    paid : bool
        No more than the budgets of labels and money still hold.

    Raises
    ------
    ProjectError
        If nothing is released, the budget is spent, or there is no row to label.
    """
    import numpy as np

    from stages.context import Context
    from stages.flywheel import budget, pool
    from stages.flywheel.evidence import evidence, second_model
    from stages.flywheel.hard import slices_of
    from stages.flywheel.ranking import fused, ranked
    from stages.production.log import PredictionLog
    from stages.production.lots import lot_of, unit_of
    from stages.production.released import load_released

    work, released = Context(project), load_released(project)
    settings = work.params.deployment.flywheel
    wanted = settings.rows if count is None else count
    left = budget.left(project)
    allowed = min(wanted, left.labels) if paid else wanted
    if wanted < 1:
        raise ProjectError(f"{wanted} rows are none", where="-n", expected="1 or more")
    if allowed < 1:
        raise ProjectError(
            "the budget is spent: it holds no label more",
            where="params.yaml: planning.budgets",
            expected="labels and money for one more at least",
            todo="raise planning.budgets.labels or planning.budgets.money, if they are to be paid for",
        )
    log = PredictionLog(project)
    labelled = pool.labelled_units(log, read_reviewed(project))
    newest = pool.newest(log, labelled, settings.newest)
    if not newest:
        raise ProjectError(
            "no row of production waits for a label", where="the log of predictions", todo="loopwright predict FILE"
        )
    random = pool.to_draw(log, labelled, math.ceil(round(settings.random * allowed, 9)))
    card = read_json(project / str(read_json(project / "releases/current.json")["card"]))
    slices, sought = slices_of(work, released, card, learned_by(project, released.iteration))
    second = second_model(project, released)
    drawn = {unit_of(entry) for entry in random}
    rest = [entry for entry in newest if unit_of(entry) not in drawn]
    entries, found = evidence(released, rest, second, [item for item in slices if item.confirmed])
    relevance = fused(found.scores.to_numpy(dtype="float64"))
    lots = [lot_of(unit_of(entry)) for entry in entries]
    order = ranked(relevance, found.frame, released.features, np.array(lots), allowed - len(random), settings.relevance)
    rows = [Row(str(entry["id"]), entry["key"], RANDOM, [AT_RANDOM], None, [AT_RANDOM]) for entry in random]
    for at in order:
        criteria = [name for name in found.scores.columns if found.scores[name].iloc[at] > 0]
        known = (str(entries[at]["id"]), entries[at]["key"])
        rows.append(Row(*known, CHOSEN, found.says[at], float(relevance[at]), criteria))
    return Mined(
        rows,
        wanted,
        len(newest),
        left.as_dict(),
        left.cost(len(rows)),
        [item.as_dict() for item in slices],
        sought,
        "" if second is None else second.name,
        [*random, *(entries[at] for at in order)],
    )


def learned_by(project: Path, *iterations: int) -> set[int]:
    """Return how many labels releases of some iterations may have learned from; all of them, where no record tells."""
    from stages.flywheel.judging import learned_labels

    record = [(item.iteration, item.metrics) for item in read_record(project)]
    told = [learned_labels(record, iteration) for iteration in iterations]
    return set().union(*({len(read_reviewed(project))} if counts is None else counts for counts in told))


def tell_mine(
    project: Path, *, count: int | None = None, out: Path | None = None, form: str = "csv", as_json: bool = False
) -> None:
    """Tell what is worth a label, and write it as a sheet to label where a file is named."""
    found = mine(project, count, paid=out is not None)
    if out is not None:
        write(project, found, out, form=form, quiet=as_json)
    if as_json:
        print(json.dumps(_shielded(project, found.as_dict()), indent=2))
        return
    _tell(project, found, sheet=out is not None)


def write(project: Path, found: Mined, out: Path, *, form: str = "csv", quiet: bool = False) -> None:
    """Write the sheet, and remember which of its rows were drawn at random, before anything goes out."""
    import pandas as pd

    from stages.flywheel.pool import cells_of
    from stages.production.lots import remember, unit_of
    from stages.production.recording import now

    units = {
        drawn: [unit_of(entry) for row, entry in zip(found.rows, found.entries, strict=True) if row.drawn == drawn]
        for drawn in (RANDOM, CHOSEN)
    }
    remember(project, now(), units[RANDOM], units[CHOSEN])
    private = load_params(project).planning.security.private
    head: dict[str, Any] = {ID: [row.id for row in found.rows]}
    for role, name in roles_of(project).items():
        cells = [entry[role] for entry in found.entries]
        if name not in private and any(cell is not None for cell in cells):
            head[KEY if role == "key" else f"row.{name}"] = cells
    # Not the reasons themselves: they say what a model would answer, and people agree with what they are shown.
    head[REASON] = ["; ".join(row.criteria) for row in found.rows]
    head[DRAWN] = [row.drawn for row in found.rows]
    rows = pd.DataFrame([cells_of(entry) for entry in found.entries]).add_prefix("row.")
    reserved = (*RESERVED, DRAWN)
    table = shown(pd.concat([pd.DataFrame(head), rows], axis=1), reserved, private)
    first = [name for name in (ID, KEY, REASON, DRAWN) if name in table.columns]
    write_sheet(table, first, form=form, out=out, then="loopwright review import FILE", quiet=quiet)


def _shielded(project: Path, told: dict[str, Any]) -> dict[str, Any]:
    """Return what is told, without keys where they are private; no reason and no slice names a private column."""
    if roles_of(project).get("key") not in load_params(project).planning.security.private:
        return told
    return told | {"rows": [row | {"key": None} for row in told["rows"]]}


def _tell(project: Path, found: Mined, *, sheet: bool) -> None:
    told, console = _shielded(project, found.as_dict()), Console(highlight=False)
    table = Table(box=SIMPLE_HEAD)
    keyed = any(row["key"] is not None for row in told["rows"])
    for name in ("", "key" if keyed else ID, "drawn", "why"):
        table.add_column(name, overflow="fold")
    for number, row in enumerate(told["rows"], start=1):
        name = row["key"] if keyed and row["key"] is not None else row["id"]
        table.add_row(str(number), escape(str(name)), row["drawn"], escape("; ".join(row["reasons"])))
    console.print(table)

    def say(text: str) -> None:
        console.print(escape(text), soft_wrap=True)

    left, rows = told["budget"]["labels"], len(told["rows"])
    price = f", which cost {figure(told['cost'])}" if told["cost"] else ""
    say(f"{rows} of {told['pool']} rows without a label{price}; the budget holds {left:,} labels more")
    if rows < told["wanted"]:
        why = (
            "the budget holds no more"
            if rows == left
            else "the others have a like among these, or nothing against them"
        )
        say(f"{told['wanted']} were asked for: {why}")
    say(f"held beside {told['beside']}" if told["beside"] else "there is no other model to hold beside the release")
    _tell_slices(told, say)
    if not sheet:
        say("next: loopwright mine --out FILE writes the sheet; nothing is kept yet")


def _tell_slices(told: dict[str, Any], say: Any) -> None:
    if not told["slices"]:
        say(f"no slice of high loss was found: {told['sought_in']}")
        return
    say(f"slices of high loss, found on one half and judged on the other; {told['sought_in']}:")
    for item in told["slices"]:
        ends = f" ({item['low']:+.0%} to {item['high']:+.0%})" if item["low"] is not None else ""
        value = "unknown" if item["excess"] is None else f"{item['excess']:+.0%}"
        word = "confirmed" if item["confirmed"] else "not confirmed"
        say(f"  {word}: {item['says']}: loss {value}{ends} on {item['rows']} rows")
