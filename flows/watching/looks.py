"""The log of looks at production: one self-contained line each, only ever added to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from flows.lock import STATE
from stages.errors import ProjectError
from stages.files import append_line, whole_lines

STANDS = "the alarm stands"
FILE = f"{STATE}/looks.jsonl"


class Look(BaseModel):
    """One look at production.

    Attributes
    ----------
    number : int
        Counted from 1, over all releases.
    at : str
        When, UTC.
    release : str or None
        The release in force, the first twelve digits of its hash; None while nothing is.
    iteration : int or None
        The iteration that made it.
    origin : {"source", "log"}
        What was looked at: a window of the source, or the log of predictions.
    start, end : str
        The days of the window, the second not among them; of the log, when the first and the last were predicted.
    after : int or None
        Of the log, the number of the last prediction.
    judged : int or None
        Of the log, how many labels of reviewed rows no later look has to judge.
    rows, labelled : int
        Rows that came, and rows whose labels were judged.
    signals : list of dict
        Everything that was measured.
    figures, expected, outcome : dict
        Metrics on the labelled rows; the loss expected before labels; what a row brought. Figures all.
    losses : list of float
        What the model lost more than the constant, day by day.
    notes : list of str
        What a reader has to know beside: what could not be measured, or was looked at otherwise.
    alarm : str or None
        The row of the table that was taken, or the first signal that fired; None: all is well.
    entered : int or None
        The iteration of the record that the alarm became.
    told : str
        What was done about it, or why nothing was.
    seconds : float
        How long the look took.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    at: str
    release: str | None
    iteration: int | None
    origin: Literal["source", "log"] = "source"
    start: str
    end: str
    after: int | None = None
    judged: int | None = None
    rows: int
    labelled: int = 0
    signals: list[dict[str, Any]]
    figures: dict[str, Any] = {}
    expected: dict[str, Any] | None = None
    outcome: dict[str, Any] | None = None
    losses: list[float] = []
    notes: list[str] = []
    alarm: str | None = None
    entered: int | None = None
    told: str = ""
    seconds: float

    @property
    def stands(self) -> bool:
        """Whether its alarm is not in the record, as the loop was not free; its days are looked at again."""
        return self.alarm is not None and self.told.endswith(STANDS)

    @property
    def brief(self) -> str:
        """It in half a line."""
        days = f"{self.start[:10]} to {self.end[:10]}, {self.rows} rows"
        if not self.alarm:
            return f"{days}: quiet"
        went = f"iteration {self.entered}" if self.entered else STANDS if self.stands else "not in the record"
        return f"{days}: alarm, {self.alarm} ({went})"

    @property
    def says(self) -> str:
        """It in a sentence."""
        days = f"{self.start[:10]} to {self.end[:10]}, {self.rows} rows"
        return f"{days}: alarm, {self.alarm}; {self.told}" if self.alarm else f"{days}: quiet"


def read_looks(project: Path) -> list[Look]:
    """Return every look, oldest first. A last line that a kill cut off was never one.

    Raises
    ------
    ProjectError
        If a line before the last is damaged.
    """
    found = []
    for number, line in enumerate(whole_lines(project / FILE), start=1):
        try:
            found.append(Look.model_validate_json(line))
        except ValidationError as error:
            raise ProjectError(
                f"damaged: {error.errors()[0]['msg']}",
                where=f"{FILE} line {number}",
                expected="one look as JSON",
                todo="bring the line back from a backup, or move the file away to begin anew",
            ) from None
    return found


def append(project: Path, look: Look) -> None:
    """Append one look and flush it to the disk; a torn last line is cut off first."""
    append_line(project / FILE, json.dumps(look.model_dump(mode="json"), allow_nan=False))
