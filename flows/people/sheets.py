"""Files that go out to people and come back with labels: CSV with a column to fill in, or Label Studio's JSON."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from flows.spreadsheets import defused, original
from stages.errors import DataError
from stages.files import write_text

if TYPE_CHECKING:
    import pandas as pd

    from stages.data.labels.reading import Coder

LABEL, WHO, ROW = "label", "annotator", "row."


@dataclass(frozen=True)
class Said:
    """One label by one person, and where in the file it stands.

    Attributes
    ----------
    item : str
        What names the row.
    label : str
        As it was written.
    by, at : str
        Who gave it, and when (ISO 8601, UTC).
    file : str
        SHA-256 of the file.
    where : str
        File and row, for messages.
    """

    item: str
    label: str
    by: str
    at: str
    file: str
    where: str


def write_sheet(
    rows: pd.DataFrame, names: Sequence[str], *, form: str, out: Path | None, then: str, quiet: bool = False
) -> None:
    """Write rows that wait for a label.

    Parameters
    ----------
    rows : DataFrame
        What names each row, and what there is to see of it.
    names : sequence of str
        Columns that come before those to fill in.
    form : {"csv", "labelstudio"}
        A CSV file with empty columns ``label`` and ``annotator``; or tasks as Label Studio imports them.
    out : Path or None
        The file; printed when not given.
    then : str
        The command that takes it in again.
    quiet : bool
        Say nothing of a file that was written.
    """
    if form == "csv":
        rest = [name for name in rows.columns if name not in names]
        text = rows.assign(**{LABEL: "", WHO: ""})[[*names, LABEL, WHO, *rest]].pipe(defused).to_csv(index=False)
    else:
        records = json.loads(rows.to_json(orient="records", date_format="iso"))
        text = json.dumps([{"data": record} for record in records], indent=1) + "\n"
    if out is None:
        print(text, end="")
        return
    write_text(out, text)
    if quiet:
        return
    Console(highlight=False).print(escape(f"wrote {len(rows)} rows to {out}; then: {then}"), soft_wrap=True)


def shown(rows: pd.DataFrame, reserved: Sequence[str], private: Sequence[str]) -> pd.DataFrame:
    """Return what people see of rows whose columns begin with ``row.``: without it where it is free, and no private."""
    bare = {name: name.removeprefix(ROW) for name in rows.columns if name.startswith(ROW)}
    taken = {*reserved, *(f"{ROW}{name}" for name in reserved)}
    free = {name: short for name, short in bare.items() if short not in taken}
    return rows.drop(columns=[name for name, short in bare.items() if short in private]).rename(columns=free)


def read_sheet(path: Path, item: str, who: str) -> list[Said]:
    """Return the labels of a file that came back; rows without one are left out.

    Parameters
    ----------
    path : Path
        CSV with the columns ``item``, ``label`` and, if several people labelled, ``annotator``; or Label Studio's JSON
        export.
    item : str
        Name of the column, or of the task's field, that names the row.
    who : str
        Who labelled, where the file does not say.

    Raises
    ------
    DataError
        If the file or one of its rows cannot be used.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", where=str(path), todo="check the path") from None
    digest, now = hashlib.sha256(raw).hexdigest(), dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"is not UTF-8: {error.reason}", where=str(path), todo="save it as UTF-8") from None
    read = _from_label_studio if text.lstrip().startswith(("[", "{")) else _from_csv
    given = read(text, path.name, item, who, now, digest)
    if not given:
        raise DataError("holds no label", where="the file", expected="at least one filled in", todo="fill in label")
    return given


def check_said(given: Sequence[Said], known: Mapping[str, Any] | set[str], coder: Coder, what: str) -> None:
    """Refuse labels on rows that are not there, labels that the target has not, and two of one person on one row.

    Raises
    ------
    DataError
        Naming the first row that is wrong, and in it what a row is named by (``what``).
    """
    seen: dict[tuple[str, str], str] = {}
    for said in given:
        if said.item not in known:
            raise DataError(
                f"no row has the {what} {said.item!r}",
                where=said.where,
                expected=f"a {what} of this project's data",
                todo="correct it",
            )
        if coder.code(said.label) is None:
            raise DataError(
                f"the label {said.label!r} is unknown", where=said.where, expected=coder.expected, todo="correct it"
            )
        if seen.setdefault((said.item, said.by), said.label) != said.label:
            raise DataError(
                f"{said.by} gives {said.item} two labels", where=said.where, expected="one a person", todo="keep one"
            )


def news(given: Sequence[Said], known: Sequence[Any], item: str) -> list[Said]:
    """Return the labels that are not known yet, and are no older word of the same person.

    Of a file that came in before, they are those that are in no line at all: the rest of one that was cut short.

    Parameters
    ----------
    given : sequence of Said
        What a file holds.
    known : sequence
        What came in before, oldest first, each with ``label``, ``by``, ``at`` and ``file``.
    item : str
        Name of the attribute of those that names the row.
    """
    last = {(getattr(one, item), one.by): one for one in known}
    taken: dict[str, set[str]] = {}
    for one in known:
        taken.setdefault(one.file, set()).add(one.by)
    people = {said.by for said in given}

    def is_news(said: Said) -> bool:
        before = last.get((said.item, said.by))
        if said.file in taken:  # by other people, if it was read with another --by
            return before is None and taken[said.file] <= people
        return before is None or (before.label != said.label and before.at <= said.at)

    return [said for said in given if is_news(said)]


def _from_csv(text: str, name: str, item: str, who: str, now: str, digest: str) -> list[Said]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise DataError(f"is not CSV ({error})", where=f"{name} row {reader.line_num}", todo="mend that row") from None
    header = list(reader.fieldnames or [])
    _check_header(header, name, item)
    found = []
    for line, row in rows:
        where = f"{name} row {line}"
        if None in row:  # what csv calls the cells beyond the header
            raise DataError(
                f"has {len(header) + len(row[None])} cells",
                where=where,
                expected=f"{len(header)}, as in the header",
                todo="mend that row; a cell that holds a comma needs double quotes",
            )
        key, label, by = (original((row.get(column) or "").strip()) for column in (item, LABEL, WHO))
        if label and not key:
            raise DataError(f"has a label and no {item}", where=where, expected=f"a {item}", todo="fill it in")
        if label:
            found.append(Said(key, label, by or who, now, digest, where))
    return found


def _check_header(header: list[str], name: str, item: str) -> None:
    for column in (item, LABEL):
        if column not in header:
            raise DataError(
                f"has no column {column!r}", where=name, expected=f"{item} and {LABEL}", todo="name the columns so"
            )
    twice = next((column for column in header if column and header.count(column) > 1), None)
    if twice is not None:
        raise DataError(
            f"column {twice!r} appears more than once",
            where=f"{name} row 1",
            expected="every column name once",
            todo="rename or remove the repeated column",
        )


def _from_label_studio(text: str, name: str, item: str, who: str, now: str, digest: str) -> list[Said]:
    """Read Label Studio's JSON export: tasks with their data, and annotations with choices, a rating or a number."""
    try:
        tasks = json.loads(text)
    except ValueError as error:
        raise DataError(f"is not JSON: {error}", where=name, todo="export it again") from None
    except RecursionError:
        raise DataError(
            "is nested too deeply", where=name, expected="tasks with labels", todo="export it again"
        ) from None
    found: dict[tuple[str, str], Said] = {}
    for number, task in enumerate(tasks if isinstance(tasks, list) else [tasks], start=1):
        where = f"{name} task {number}"
        try:
            key = str(task["data"][item])
            for annotation in task.get("annotations", []):
                if annotation.get("was_cancelled") or not annotation["result"]:
                    continue
                label, person = _label_of(annotation["result"]), annotation.get("completed_by")
                person = person.get("email") or person.get("id") if isinstance(person, dict) else person
                at = _utc(annotation.get("updated_at") or annotation.get("created_at")) or now
                said = Said(key, label, str(person or who), at, digest, where)
                before = found.get((key, said.by))
                if before is None or before.at <= at:
                    found[key, said.by] = said
        except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
            raise DataError(
                f"is no labelled task ({type(error).__name__}: {error})",
                where=where,
                expected=f"data.{item}, and annotations of one choice, rating or number",
                todo="export it as JSON, from the tasks that were exported",
            ) from None
    return list(found.values())


def _label_of(result: list[dict[str, Any]]) -> str:
    values = [item["value"] for item in result if "value" in item]
    (value,) = values
    if "choices" in value:
        (choice,) = value["choices"]
        return str(choice)
    return str(value["number"] if "number" in value else value["rating"])


def _utc(text: str | None) -> str | None:
    if not text:
        return None
    moment = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
    moment = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return moment.astimezone(dt.UTC).isoformat(timespec="seconds")
