"""The command ``mine``: the rows of production that are worth a label, ranked, with the reasons and the cost."""

from __future__ import annotations

import json
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
from stages.params import load_params

if TYPE_CHECKING:
    from stages.flywheel.mining import Mined

__all__ = ["learned_by", "mine", "tell_mine", "tell_worst", "write"]

DRAWN, REASON = "drawn", "reason"


def mine(project: Path, count: int | None = None, *, paid: bool = True) -> Mined:
    """Rank the rows of production that have no label; see `stages.flywheel.mining.mine`."""
    from stages.flywheel import mining
    from stages.production.released import load_released

    released = load_released(project)
    return mining.mine(project, released, learned_by(project, released.iteration), count, paid=paid)


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
        why = "the budget holds no more" if rows == left else "the others have a like among these"
        say(f"{told['wanted']} were asked for: {why}")
    say(f"held beside {told['beside']}" if told["beside"] else "there is no other model to hold beside the release")
    _tell_slices(told, say)
    if not sheet:
        raised = "" if left else "raise planning.budgets.labels, which the rows collected so far have used up; then "
        say(f"next: {raised}loopwright mine --out FILE writes the sheet; nothing is kept yet")


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
