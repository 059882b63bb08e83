"""The files of labels by people: what was asked, and all that came back. No pandas: the command line reads them.

``labels/answers.jsonl`` only ever grows, by all labels of a file or none, and is on the disk before anything else is
told of it. How many of its lines count is ``data.labels.answers``: an older iteration is restored by an older number,
and no answer is lost. ``labels/queue.csv`` belongs to an iteration and is restored with it. ``labels/reviewed.jsonl``
is to rows that the released model left to people what the answers are to rows of the source; such a row is nowhere
else, so it stands in its line.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from stages.errors import DataError
from stages.files import replacing, write_text

ANSWERS, QUEUE, REVIEWED = "labels/answers.jsonl", "labels/queue.csv", "labels/reviewed.jsonl"
Line = TypeVar("Line", bound=BaseModel)
Role = Literal["key", "time", "group"]
ROLES: tuple[Role, ...] = get_args(Role)
Drawn = Literal["", "random", "chosen", "complete"]
RANDOM: Drawn = "random"
CHOSEN: Drawn = "chosen"
COMPLETE: Drawn = "complete"


class Answer(BaseModel):
    """One label by one person.

    Attributes
    ----------
    key : str
        The row's key.
    label : str
        As it was written; checked against the classes when it came in.
    by, at : str
        Who gave it, and when (ISO 8601, UTC).
    file : str
        SHA-256 of the file it came in.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    label: str
    by: str
    at: str
    file: str


class Reviewed(BaseModel):
    """One label by one person of a row that was predicted, and the row.

    Attributes
    ----------
    id : str
        The prediction, by which the log knows it.
    key, time, group : str or None
        What the row's columns of these roles held.
    label, by, at, file : str
        As in `Answer`.
    release : str
        Which release predicted, the first twelve digits of its hash.
    predicted, reason : str
        What it would have said, and why it left the row to people.
    row : dict
        The features as the model read them: numbers, text, None where nothing is known.
    withheld : list of str
        Features that may not leave the project (``planning.security.private``): they stand in the log alone.
    withheld_roles : list of str
        Those of key, time and group whose column may not either; they are None here.
    drawn : {"", "random", "chosen", "complete"}
        How the row came to be labelled: drawn at random or chosen as a hard case by ``loopwright mine``; in a table of
        all rows that there were; or otherwise, as the model left it to people or somebody corrected an answer.
    lot : float or None
        The row's random number, by which it is drawn or not (`stages.production.lots`); None in lines from before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    key: str | None
    time: str | None
    group: str | None
    label: str
    by: str
    at: str
    file: str
    release: str
    predicted: str
    reason: str
    row: dict[str, float | str | None]
    withheld: list[str]
    withheld_roles: list[Role] = []
    drawn: Drawn = ""
    lot: float | None = None

    @property
    def item(self) -> str:
        """What names the row: its key, or the prediction."""
        return self.id if self.key is None else self.key


class Asked(BaseModel):
    """One entry of the queue: a row asked again, why, in which iteration, and the noise estimated at that time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    why: str
    iteration: int
    noise: float


def read_answers(project: Path, count: int | None = None) -> list[Answer]:
    """Return the first ``count`` answers, oldest first (all, without it); a last line that a kill cut off is left out.

    Raises
    ------
    DataError
        If a line is damaged, or there are fewer than ``count``.
    """
    return _read(project / ANSWERS, Answer, "answers", ANSWERS, count)


def read_reviewed(project: Path, count: int | None = None) -> list[Reviewed]:
    """Return the first ``count`` labels of reviewed rows, as `read_answers` does."""
    return _read(project / REVIEWED, Reviewed, "reviewed", REVIEWED, count)


def append_answers(project: Path, answers: Sequence[Answer]) -> None:
    """Append answers, all or none, and flush them to the disk; a torn last line is cut off first.

    Raises
    ------
    ProjectError
        If they cannot be written; the file stays as it was.
    """
    _append(project / ANSWERS, answers)


def append_reviewed(project: Path, labels: Sequence[Reviewed]) -> None:
    """Append labels of reviewed rows, as `append_answers` does."""
    _append(project / REVIEWED, labels)


def _read(path: Path, kind: type[Line], name: str, shown: str, count: int | None) -> list[Line]:
    *lines, _torn = path.read_bytes().split(b"\n") if path.exists() else [b""]
    if count is not None and len(lines) < count:
        raise DataError(
            f"holds {len(lines)} answers",
            where=shown,
            expected=f"{count}, as data.labels.{name} says",
            todo=f"bring the file back from Git, or set data.labels.{name} to what there is",
        )
    found = []
    for number, line in enumerate(lines[:count], start=1):
        try:
            found.append(kind.model_validate_json(line))
        except ValidationError as error:
            raise DataError(
                f"damaged: {error.errors()[0]['msg']}",
                where=f"{shown} line {number}",
                expected="one answer as JSON",
                todo="bring the line back from Git",
            ) from None
    return found


def _append(path: Path, lines: Sequence[BaseModel]) -> None:
    """Replace the file by its whole lines and the new ones: what is appended in place may be cut off in the middle."""
    text = "".join(line.model_dump_json() + "\n" for line in lines)
    before = path.read_bytes() if path.exists() else b""
    with replacing(path) as temporary:
        temporary.write_bytes(before[: before.rfind(b"\n") + 1] + text.encode())
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # else a power cut may bring the old file back
    finally:
        os.close(folder)


def latest(answers: Sequence[Answer]) -> dict[tuple[str, str], Answer]:
    """Return the last answer by (key, who): a later one replaces an earlier one of the same person."""
    return {(answer.key, answer.by): answer for answer in answers}


def read_queue(project: Path, count: int | None = None) -> list[Asked]:
    """Return the first ``count`` entries of the queue (all, without it).

    Raises
    ------
    DataError
        If a line is damaged, or there are fewer than ``count``.
    """
    path = project / QUEUE
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))) if path.exists() else []
    try:
        found = [Asked.model_validate(row) for row in rows]
    except ValidationError as error:
        raise DataError(f"damaged: {error.errors()[0]['msg']}", where=QUEUE, todo="loopwright restore N") from None
    if count is not None and len(found) < count:
        raise DataError(
            f"holds {len(found)} entries",
            where=QUEUE,
            expected=f"{count}, as data.labels.queued says",
            todo="loopwright restore N, or set data.labels.queued to what there is",
        )
    return found[:count]


def write_queue(project: Path, entries: Sequence[Asked]) -> None:
    """Replace the queue atomically."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(Asked.model_fields), lineterminator="\n")
    writer.writeheader()
    writer.writerows(entry.model_dump() for entry in entries)
    write_text(project / QUEUE, text.getvalue())
