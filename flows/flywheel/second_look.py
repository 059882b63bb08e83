"""The command ``mine --labelled``: the labelled rows on which the model was most wrong, for a second look."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows.people.reviewing import ID, KEY, RESERVED, roles_of
from flows.people.sheets import shown, write_sheet
from stages.data.labels.log import read_reviewed
from stages.errors import ProjectError
from stages.params import load_params

if TYPE_CHECKING:
    import pandas as pd


def tell_worst(
    project: Path, *, count: int | None = None, out: Path | None = None, form: str = "csv", as_json: bool = False
) -> None:
    """Tell the labelled rows with the largest loss of what was predicted before their label came.

    Their label is wrong, or they are truly hard. A sheet of them shows neither label nor prediction: who looks again
    shall see for themselves.

    Raises
    ------
    ProjectError
        If no row is labelled.
    """
    table = worst_rows(project).head(count or load_params(project).deployment.flywheel.rows)
    if table.empty:
        raise ProjectError(
            "no predicted row has a label", where="labels/reviewed.jsonl", todo="loopwright mine --out FILE"
        )
    if out is not None:
        _write(project, table, out, form=form, quiet=as_json)
    if roles_of(project).get("key") in load_params(project).planning.security.private:
        table = table.assign(key=None)
    if as_json:
        print(json.dumps(json.loads(table.to_json(orient="records")), indent=2))
        return
    _tell(table, sheet=out is not None)


def worst_rows(project: Path) -> pd.DataFrame:
    """Return the labelled rows, the one with the largest loss first; see `stages.flywheel.hard.worst`."""
    from stages.context import Context
    from stages.data.labels.reading import Coder
    from stages.data.labels.reviewed import reviewed_rows
    from stages.flywheel.hard import worst

    work = Context(project)
    rows = reviewed_rows(project, len(read_reviewed(project)), work.schema, Coder(work.schema["classes"]))
    return worst(work, rows)


def _write(project: Path, table: pd.DataFrame, out: Path, *, form: str, quiet: bool) -> None:
    import pandas as pd

    from stages.flywheel.pool import cells_of
    from stages.production.log import PredictionLog

    private, found = load_params(project).planning.security.private, PredictionLog(project).find(table["id"])
    entries = [found[name] for name in table["id"]]
    head: dict[str, Any] = {ID: table["id"].tolist()}
    for role, name in roles_of(project).items():
        cells = [entry[role] for entry in entries]
        if name not in private and any(cell is not None for cell in cells):
            head[KEY if role == "key" else f"row.{name}"] = cells
    rows = pd.DataFrame([cells_of(entry) for entry in entries]).add_prefix("row.")
    sheet = shown(pd.concat([pd.DataFrame(head), rows], axis=1), RESERVED, private)
    first = [name for name in (ID, KEY) if name in sheet.columns]
    write_sheet(sheet, first, form=form, out=out, then="loopwright review import FILE", quiet=quiet)


def _tell(table: pd.DataFrame, *, sheet: bool) -> None:
    import numpy as np

    console, shown_as = Console(highlight=False), Table(box=SIMPLE_HEAD)
    keyed = bool(table["key"].notna().any())
    for name in ("key" if keyed else ID, "label", "by", "predicted", "loss"):
        shown_as.add_column(name, overflow="fold")
    for _, row in table.iterrows():
        sure = "" if np.isnan(row["confidence"]) else f" {row['confidence']:.2f}"
        name = row["key"] if keyed and row["key"] is not None else row["id"]
        cells = (name, row["label"], row["by"], f"{row['prediction']}{sure}", f"{row['loss']:.3g}")
        shown_as.add_row(*(escape(str(cell)) for cell in cells))
    console.print(shown_as)
    console.print("their label is wrong, or they are truly hard", soft_wrap=True)
    if not sheet:
        console.print(
            "next: loopwright mine --labelled --out FILE writes a sheet without labels, for another person",
            soft_wrap=True,
        )
