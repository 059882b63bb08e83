"""The log of looks at production: one self-contained line each, only ever added to."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from flows import jsonl
from flows.lock import STATE

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
    return jsonl.read_lines(project, FILE, Look, one="look", anew="anew")


def append(project: Path, look: Look) -> None:
    """Append one look and flush it to the disk; a torn last line is cut off first."""
    jsonl.append(project / FILE, look)
