"""The two files of the label queue: what was asked, and every answer that came. No pandas: the command line reads them.

``labels/answers.jsonl`` is only ever appended to, and flushed to the disk before anything else is told of it. How many
of its lines count is ``data.labels.answers``: an older iteration is restored by an older number, and no answer is lost.
``labels/queue.csv`` belongs to an iteration and is restored with it.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from stages.errors import DataError
from stages.files import write_text

ANSWERS, QUEUE = "labels/answers.jsonl", "labels/queue.csv"


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
    path = project / ANSWERS
    *lines, _torn = path.read_bytes().split(b"\n") if path.exists() else [b""]
    if count is not None and len(lines) < count:
        raise DataError(
            f"holds {len(lines)} answers",
            where=ANSWERS,
            expected=f"{count}, as data.labels.answers says",
            todo="bring the file back from Git, or set data.labels.answers to what there is",
        )
    found = []
    for number, line in enumerate(lines[:count], start=1):
        try:
            found.append(Answer.model_validate_json(line))
        except ValidationError as error:
            raise DataError(
                f"damaged: {error.errors()[0]['msg']}",
                where=f"{ANSWERS} line {number}",
                expected="one answer as JSON",
                todo="bring the line back from Git",
            ) from None
    return found


def append_answers(project: Path, answers: Sequence[Answer]) -> None:
    """Append answers in one write and flush them to the disk; a torn last line is cut off first."""
    path = project / ANSWERS
    path.parent.mkdir(exist_ok=True)
    text = "".join(answer.model_dump_json() + "\n" for answer in answers)
    with path.open("ab+") as file:
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


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
