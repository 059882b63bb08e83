"""Rows that the released model left to people: ``review``, ``review export`` and ``review import``."""

from __future__ import annotations

import csv
import datetime as dt
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock
from rich.console import Console
from rich.markup import escape

from flows.lock import STATE
from flows.people.labelling import LOCK
from flows.people.naming import named_by_id
from flows.people.sheets import LABEL, WHO, Said, check_said, news, read_sheet, shown, write_sheet
from flows.snapshots import user_name
from stages.data.labels.log import (
    COMPLETE,
    REVIEWED,
    ROLES,
    Drawn,
    Reviewed,
    Role,
    append_reviewed,
    read_reviewed,
)
from stages.deployment.release_log import POINTER
from stages.errors import ProjectError
from stages.files import read_json
from stages.params import load_params
from stages.production.log import Entry, PredictionLog
from stages.production.lots import how_drawn, lot_of, unit_of

ID, KEY, SUGGESTION = "prediction_id", "key", "suggestion"
RESERVED = (ID, KEY, "reason", SUGGESTION, "confidence", LABEL, WHO)


def waiting(project: Path) -> list[Entry]:
    """Return the predictions that wait for review, the oldest first: not answered, and their row not labelled yet."""
    log, labels = PredictionLog(project), read_reviewed(project)
    done = {label.id for label in labels}
    known = {(entry["key"], entry["content"]) for entry in log.find(done).values() if entry["key"] is not None}
    left = [entry for entry in log.waiting() if entry["id"] not in done]
    return [entry for entry in left if (entry["key"], entry["content"]) not in known]


def export(
    project: Path, *, form: str = "csv", out: Path | None = None, count: int | None = None, suggest: bool = False
) -> int:
    """Write the rows that wait for review, the oldest first; return how many.

    Somebody waits for each of them, so the first to come is the first to be served; of rows that came together the one
    that the model is least sure of is first.

    Parameters
    ----------
    project : Path
        The project.
    form : {"csv", "labelstudio"}
        A CSV file with an empty column ``label`` to fill in; or tasks as Label Studio imports them.
    out : Path, optional
        The file; printed when not given.
    count : int, optional
        At most so many rows.
    suggest : bool
        Show what the model would say, and how sure it is. People agree with what they are shown (Mosier & Skitka 1996).
    """
    import pandas as pd

    asked = [str(entry["id"]) for entry in waiting(project)[: count or None]]
    if not asked:
        print("no row waits for review: nothing is written")
        return 0
    found = PredictionLog(project).find(asked)
    entries = [found[name] for name in asked]
    rows = pd.DataFrame([json.loads(entry["row"]) for entry in entries]).add_prefix("row.")
    private = load_params(project).planning.security.private
    head = {ID: [entry["id"] for entry in entries]}
    names = roles_of(project)
    for role, name in names.items():
        cells = [entry[role] for entry in entries]
        if name not in private and any(cell is not None for cell in cells):
            head["key" if role == "key" else f"row.{name}"] = cells
    head["reason"] = [entry["reason"] for entry in entries]
    if suggest:
        head |= {name: [entry[field] for entry in entries] for name, field in ASIDE.items()}
    first = [name for name in head if name in RESERVED]
    table = shown(pd.concat([pd.DataFrame(head), rows], axis=1), RESERVED, private)
    write_sheet(table, first, form=form, out=out, then="loopwright review import FILE")
    return len(entries)


ASIDE = {SUGGESTION: "prediction", "confidence": "confidence"}


def roles_of(project: Path) -> dict[Role, str]:
    """Return the columns of key, time and group, those that the source has."""
    schema = read_json(project / "data" / "schema.json")
    return {role: str(schema[role]) for role in ROLES if schema.get(role)}


def take(project: Path, path: Path, *, by: str | None = None) -> int:
    """Take the labels of a file in, all or none; return how many are new. The same file again changes nothing.

    Parameters
    ----------
    project : Path
        The project.
    path : Path
        What ``review export`` or ``mine`` wrote, its column ``label`` filled in; or Label Studio's JSON export; or a
        CSV file with ``key`` and ``label``, of which the last predictions of these keys are meant. Rows without a
        label wait on.
    by : str, optional
        Who labelled, where the file does not say; Git's ``user.name`` when not given.

    Raises
    ------
    DataError
        If the file or one of its rows cannot be used; nothing is taken in then.
    """
    who = by or user_name(project)
    given = named_by_id(project, read_sheet(path, KEY, who)) if _by_key(path) else read_sheet(path, ID, who)
    new = keep(project, given)
    people = len({said.by for said in new})
    console = Console(highlight=False)
    console.print(escape(f"took in {len(new)} labels by {people} people; {len(given) - len(new)} were known already"))
    if new:
        console.print("next: loopwright run; to keep them: git add labels && git commit")
    return len(new)


def _by_key(path: Path) -> bool:
    """Tell whether a CSV file names its rows by the key of the source alone."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return False  # read_sheet says what is wrong
    return KEY in header and ID not in header


def keep(project: Path, given: Sequence[Said], *, complete: bool = False) -> list[Said]:
    """Add labels of predicted rows to ``labels/reviewed.jsonl``, all or none; return those that are new.

    Parameters
    ----------
    project : Path
        The project.
    given : sequence of Said
        What was said, by the id of the prediction.
    complete : bool
        They are of all rows that there were, whatever the model said of them.

    Raises
    ------
    DataError
        If a label is none, or no prediction has that id.
    """
    from stages.data.labels.reading import Coder

    entries = PredictionLog(project).find(said.item for said in given)
    check_said(given, entries, Coder(classes_of(project)), ID)
    private, roles = load_params(project).planning.security.private, roles_of(project)
    (project / STATE).mkdir(exist_ok=True)
    with FileLock(project / LOCK):
        new = news(given, read_reviewed(project), "id")
        if new:
            drawn, otherwise = how_drawn(project), COMPLETE if complete else ""
            append_reviewed(
                project,
                [
                    _line(said, entry, drawn.get(unit_of(entry), otherwise), private, roles)
                    for said, entry in ((said, entries[said.item]) for said in new)
                ],
            )
    return new


def _line(said: Said, entry: Entry, drawn: Drawn, private: Sequence[str], roles: Mapping[Role, str]) -> Reviewed:
    row: dict[str, Any] = json.loads(entry["row"])
    withheld: list[Role] = [role for role, name in roles.items() if name in private and entry[role] is not None]
    return Reviewed(
        id=said.item,
        **{role: None if role in withheld else entry[role] for role in ROLES},
        label=said.label,
        by=said.by,
        at=said.at,
        file=said.file,
        release=entry["release"],
        predicted=entry["prediction"],
        reason=entry["reason"],
        row={name: cell for name, cell in row.items() if name not in private},
        withheld=[name for name in row if name in private],
        withheld_roles=withheld,
        drawn=drawn,
        lot=lot_of(unit_of(entry)),
    )


def classes_of(project: Path) -> list[Any] | None:
    """Return the labels that the released model knows, None for a regression.

    Raises
    ------
    ProjectError
        If nothing is released.
    """
    if not (project / POINTER).exists():
        raise ProjectError("nothing is released", where=POINTER, todo="loopwright run")
    card = read_json(project / str(read_json(project / POINTER)["card"]))
    return None if card["classes"] is None else list(card["classes"])


def tell(project: Path) -> None:
    """Print how many rows wait for review, why and since when, and how many labels are not learned from yet."""
    console, params = Console(highlight=False), load_params(project)
    entries, labels = waiting(project), read_reviewed(project)
    total = PredictionLog(project).counts()
    made, answered = sum(total.values()), total.get("", 0)
    console.print(f"{made} predictions, {answered} answered; {len(entries)} rows wait for review", soft_wrap=True)
    for reason, count in sorted(Counter(str(entry["reason"]) for entry in entries).items()):
        console.print(f"  {count} {reason}")
    if entries:
        console.print(f"the oldest waits since {entries[0]['at']} ({_ago(entries[0]['at'])})")
    rows, fresh = len({label.item for label in labels}), len(labels) - params.data.labels.reviewed
    console.print(f"{len(labels)} labels of {rows} rows in {REVIEWED}, {max(0, fresh)} not learned from yet")
    if entries:
        console.print("next: loopwright review export --out FILE")
    if fresh > 0:
        console.print("next: loopwright run")


def _ago(at: str) -> str:
    passed = dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(at)
    hours, minutes = divmod(int(passed.total_seconds() // 60), 60)
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if days else f"{hours} h {minutes} min"
