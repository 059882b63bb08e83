"""The command ``predict``: a file of rows goes in, answers come out, and what is not answered waits for a person."""

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from flows.spreadsheets import defused
from stages.errors import DataError, ProjectError
from stages.files import replacing

if TYPE_CHECKING:
    import pandas as pd

    from stages.production.log import Writer
    from stages.production.released import Released
    from stages.production.rows import Rows

PART = 20_000
SUFFIXES = (".csv", ".parquet", ".pq")
WORDS = {
    "unsure": "the model is less sure than the release must be",
    "unseen_value": "a category that the model never saw",
    "out_of_range": "a number outside of what the model saw",
    "out_of_scope": "out of the project's scope",
}


@dataclass
class Counted:
    """What became of the rows: how many were answered, how many not and why, how many are new in the log."""

    rows: int
    release: str
    answered: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    logged: int | None = None


def predict(
    project: Path, path: Path, *, out: Path | None = None, dry_run: bool = False, as_json: bool = False
) -> Counted:
    """Answer the rows of a file with the released model; all of them or none.

    Everything that is answered is in the log before it is written anywhere else.

    Parameters
    ----------
    project : Path
        The project.
    path : Path
        CSV or Parquet file, in the form of the data that the model learned from; the target may be missing.
    out : Path, optional
        CSV or Parquet file, replaced atomically; CSV is printed when not given.
    dry_run : bool
        Keep nothing in the log.
    as_json : bool
        Tell what became of the rows as JSON, on stdout; needs ``out``.

    Raises
    ------
    LoopwrightError
        If nothing is released, or the file or one of its cells cannot be used.
    """
    _check(out, as_json=as_json)
    console = Console(stderr=True, highlight=False)
    with console.status("reading the release") if console.is_terminal else nullcontext():
        from stages.production.released import load_released

        released = load_released(project)
    with console.status(f"reading {escape(str(path))}") if console.is_terminal else nullcontext():
        rows, call = _read(path, released)
    counted = Counted(rows=len(rows), release=released.name)
    with _log(project, dry_run=dry_run) as log:
        before = log.size() if log else 0
        table = _answered(released, rows, log, source=path.name, call=call, console=console)
        counted.logged = log.size() - before if log else None
    counted.answered = int(table["answered"].sum())
    counted.reasons = dict(sorted(Counter(table["reason"][~table["answered"]]).items()))
    _write(table, out)
    if as_json:
        print(json.dumps(asdict(counted)))
    else:
        _tell(console, counted, out, timeless=released.contract.time if "time" not in rows.roles else None)
    return counted


def _check(out: Path | None, *, as_json: bool) -> None:
    if as_json and out is None:
        raise ProjectError("the predictions are printed", where="--json", expected="--out FILE beside it")
    if out is not None and out.suffix.lower() not in SUFFIXES:
        raise DataError(f"ends in {out.suffix!r}", where=str(out), expected=", ".join(SUFFIXES), todo="name it so")


def _read(path: Path, released: Released) -> tuple[Rows, str]:
    """Return the file's rows, and the hash that stands for it."""
    from stages.data.sources.columns import Place
    from stages.data.sources.raw import Raw
    from stages.data.sources.reading import read_table

    try:
        frame, lines = read_table(path, str(path))
    except DataError as error:
        raise DataError(
            error.what,
            where=error.where,
            expected=error.expected,
            todo=error.todo.replace("data.source.path", "the path"),
        ) from None
    with path.open("rb") as file:
        call = hashlib.file_digest(file, "sha256").hexdigest()
    return released.read(Raw(frame, Place(str(path), lines))), call


@contextmanager
def _log(project: Path, *, dry_run: bool) -> Iterator[Writer | None]:
    if dry_run:
        yield None
        return
    from stages.production.log import PredictionLog

    with PredictionLog(project).writing() as writer:
        yield writer


def _answered(
    released: Released, rows: Rows, log: Writer | None, *, source: str, call: str, console: Console
) -> pd.DataFrame:
    """Return the table of answers, one line a row, in the order of the file."""
    import pandas as pd

    from stages.production.recording import entries_of, now

    at, tables = now(), []
    with _progress(console) as progress:
        task = progress.add_task("answering", total=len(rows))
        for start in range(0, len(rows), PART):
            part = rows.part(start, start + PART)
            answers = released.answer(part)
            entries = entries_of(released, part, answers, source=source, at=at, call=call, first=start)
            if log is not None:
                log.add(entries)
            head: dict[str, Any] = {"prediction_id": [entry["id"] for entry in entries]}
            if "key" in part.roles:
                head["key"] = part.roles["key"].to_numpy()
            head["prediction"] = answers["suggestion"].where(answers["answered"]).array
            rest = answers.drop(columns="suggestion").reset_index(drop=True)
            tables.append(pd.concat([pd.DataFrame(head), rest], axis=1))
            progress.advance(task, len(part))
    return pd.concat(tables, ignore_index=True)


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _write(table: pd.DataFrame, out: Path | None) -> None:
    if out is None:
        defused(table).to_csv(sys.stdout, index=False)
        return
    with replacing(out) as temporary:
        if out.suffix.lower() == ".csv":
            defused(table).to_csv(temporary, index=False)
        else:
            table.to_parquet(temporary, index=False, compression="zstd")


def _tell(console: Console, counted: Counted, out: Path | None, *, timeless: str | None) -> None:
    def say(text: str) -> None:
        console.print(escape(text), soft_wrap=True)

    wait = counted.rows - counted.answered
    by = f"rows are answered by release {counted.release}"
    say(f"{counted.answered} of {counted.rows} {by}, {wait} are left to people")
    for reason, count in counted.reasons.items():
        say(f"  {count} {reason}: {WORDS.get(reason, reason)}")
    if counted.logged is None:
        say("a dry run: nothing is kept in the log, and nothing waits")
    elif counted.logged < counted.rows:
        say(f"{counted.rows - counted.logged} of them stood in the log already, with the same release and row")
    if timeless:
        say(f"the rows have no column {timeless!r}: labels of them cannot be placed in time, and are not learned from")
    if out is not None:
        say(f"wrote {out}")
    if wait and counted.logged is not None:
        say("next: loopwright review tells how many of them wait; loopwright review export --out FILE")
