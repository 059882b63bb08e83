"""Labels that come late, as a whole table: the command ``feedback``. They go the way of ``review import``."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from flows.people.naming import by_key, never
from flows.people.reviewing import ID, KEY, classes_of, keep
from flows.people.sheets import LABEL, WHO, Said
from flows.spreadsheets import original
from stages.data.labels.log import REVIEWED
from stages.errors import DataError
from stages.production.log import PredictionLog

if TYPE_CHECKING:
    import pandas as pd

    from stages.data.sources.columns import Place

BY, AT = "by", "at"
TRUTH = "truth"  # who says so where nobody is named


@dataclass(frozen=True)
class Taken:
    """What became of a table of labels.

    Attributes
    ----------
    new, known : int
        Labels that are new, and that had come in before.
    unknown : int
        Rows left out, as nothing was ever predicted for them.
    answers, wrong : int or None
        How many of the new labels are of answers, and how many of those were wrong; None of values.
    """

    new: int
    known: int
    unknown: int
    answers: int
    wrong: int | None


def feedback(
    project: Path, path: Path, *, by: str | None = None, complete: bool = False, ignore_unknown: bool = False
) -> Taken:
    """Take the labels of a table in, all or none; the same table again changes nothing.

    Parameters
    ----------
    project : Path
        The project.
    path : Path
        CSV or Parquet with ``prediction_id`` or ``key``, ``label`` and optionally ``by`` and ``at`` (when it became
        known, ISO 8601). A row is named by its id where it has one, else the last prediction of its key until then is
        meant. Rows without a label are left out.
    by : str, optional
        Who says so, where the table does not.
    complete : bool
        The table holds all rows that there were in its time, whatever the model said of them: its labels may judge.
    ignore_unknown : bool
        Leave out rows for which nothing was predicted; else they are a mistake.

    Raises
    ------
    DataError
        If the table or one of its rows cannot be used; nothing is taken in then.
    """
    given, unknown = _named(project, _read(path, by or TRUTH), ignore_unknown=ignore_unknown)
    if not given:
        raise DataError(
            "holds no label of a row that was predicted" if unknown else "holds no label",
            where=str(path),
            expected="at least one",
            todo="fill in label",
        )
    new = keep(project, given, complete=complete)
    answers, wrong = _wrong(project, new)
    return Taken(len(new), len(given) - len(new), unknown, answers, wrong)


def tell_feedback(
    project: Path, path: Path, *, by: str | None = None, complete: bool = False, ignore_unknown: bool = False
) -> None:
    """Take the labels of a table in, and say what became of them."""
    taken = feedback(project, path, by=by, complete=complete, ignore_unknown=ignore_unknown)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"took in {taken.new} labels; {taken.known} were known already")
    if taken.unknown:
        console.print(f"{taken.unknown} rows were left out: nothing was predicted for them")
    if taken.wrong is not None and taken.answers:
        console.print(f"of {taken.answers} answers {taken.wrong} were wrong")
    if taken.new:
        console.print(f"they are in {REVIEWED}; next: loopwright run; to keep them: git add labels && git commit")


def _named(project: Path, rows: Sequence[_Row], *, ignore_unknown: bool) -> tuple[list[Said], int]:
    """Return the labels by the ids of predictions, and how many rows were left out."""
    meant = by_key(project, [row.said for row in rows if row.by_key and row.timed], timed=True)
    meant |= by_key(project, [row.said for row in rows if row.by_key and not row.timed])
    there = PredictionLog(project).find(row.said.item for row in rows if not row.by_key) if ignore_unknown else {}
    found, unknown = [], 0
    for row in rows:
        if row.by_key and row.said.where in meant:
            found.append(replace(row.said, item=str(meant[row.said.where]["id"])))
        elif ignore_unknown and row.said.item not in there:
            unknown += 1
        elif row.by_key:
            raise never(row.said)
        else:
            found.append(row.said)
    return found, unknown


@dataclass(frozen=True)
class _Row:
    """A label of a table, whether it names its row by key, and whether it says when it became known."""

    said: Said
    by_key: bool
    timed: bool


def _read(path: Path, who: str) -> list[_Row]:
    """Return the labels of a table, those that are filled in."""
    from stages.data.sources.columns import Place
    from stages.data.sources.reading import read_table

    try:
        frame, lines = read_table(path, path.name)
    except DataError as error:
        todo = error.todo.replace("data.source.path", "the path")
        raise DataError(error.what, where=error.where, expected=error.expected, todo=todo) from None
    place, digest = Place(path.name, lines), hashlib.sha256(path.read_bytes()).hexdigest()
    _check_columns(list(frame.columns), path.name)
    cells = {name: _cells(frame, name) for name in (ID, KEY, LABEL, BY, WHO, AT)}
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    at = [_time(text, place, number, now) for number, text in enumerate(cells[AT])]
    found = []
    for number, label in enumerate(cells[LABEL]):
        if label is None:
            continue
        name, key = cells[ID][number], cells[KEY][number]
        if name is None and key is None:
            raise DataError(
                "has a label and names no row",
                where=place.row(number),
                expected=f"a {ID} or a {KEY}",
                todo="fill it in",
            )
        by = cells[BY][number] or cells[WHO][number] or who
        said = Said(str(name or key), label, by, at[number] or now, digest, place.row(number))
        found.append(_Row(said, name is None, at[number] is not None))
    return found


def _check_columns(columns: Sequence[str], shown: str) -> None:
    if LABEL not in columns or not {ID, KEY} & set(columns):
        raise DataError(
            f"has the columns {', '.join(columns)}",
            where=shown,
            expected=f"{LABEL}, and {ID} or {KEY}; {BY} and {AT} may be there too",
            todo="name the columns so",
        )


def _cells(frame: pd.DataFrame, name: str) -> list[str | None]:
    """Return a column as text, None where a cell is empty; numbers and times as they are written in a CSV file."""
    import pandas as pd

    if name not in frame.columns:
        return [None] * len(frame)
    column: Any = frame[name]
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return [None if pd.isna(cell) else cell.isoformat() for cell in column]
    # Whole numbers beside missing ones are stored as 5.0, and written as 5.
    texts = [str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell).strip() for cell in column]
    return [None if pd.isna(cell) or not text else original(text) for cell, text in zip(column, texts, strict=True)]


def _time(text: str | None, place: Place, number: int, now: str) -> str | None:
    """Return a time in UTC.

    Raises
    ------
    DataError
        If it is none, or has not come yet: which labels a release had not seen is told by it.
    """
    if text is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        expected = "ISO 8601, such as 2024-05-01 or 2024-05-01T10:00:00+00:00"
        raise DataError(f"{text!r} is no time", where=f"{place.row(number)} column {AT!r}", expected=expected) from None
    moment = (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
    if moment > dt.datetime.fromisoformat(now):
        where = f"{place.row(number)} column {AT!r}"
        raise DataError(f"{text!r} has not come yet", where=where, expected="when the label became known")
    return moment.isoformat(timespec="seconds")


def _wrong(project: Path, new: Sequence[Said]) -> tuple[int, int | None]:
    """Return how many new labels are of answers, and how many of those were wrong."""
    from stages.data.labels.reading import Coder

    classes = classes_of(project)
    entries, coder = PredictionLog(project).find(said.item for said in new), Coder(classes)
    answered = [(said, entries[said.item]) for said in new if entries[said.item]["answered"]]
    if classes is None:
        return len(answered), None
    wrong = sum(coder.code(said.label) != coder.code(str(entry["prediction"])) for said, entry in answered)
    return len(answered), wrong
