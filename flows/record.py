"""The record: every iteration one self-contained line of ``.loopwright/record.jsonl``, appended and never changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from flows import jsonl

RECORD_FILE = ".loopwright/record.jsonl"


class Iteration(BaseModel):
    """One entry of a stage: why, with which changes and data, what was measured, and where it went.

    Attributes
    ----------
    patch : dict
        Dotted params keys changed on the way in, and their new values.
    data_version : str or None
        DVC's hash of the splits the stage worked on.
    metrics : dict
        The stage's metrics files by name.
    move : dict
        ``to``, ``row``, ``reason``, the ``patch`` for the next iteration, and what else was considered.
    seconds : float
        Wall time of the steps, seconds.
    rows, labels : int or None
        What the data of a data iteration hold; None in the others.
    money : float or None
        What they cost by ``planning.prices``.
    params_before, params_after : str
        Hash of the params during the iteration, and once the move's patch is applied.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    iteration: int
    run: str
    stage: str
    because: str
    by: str
    patch: dict[str, Any]
    data_version: str | None
    metrics: dict[str, Any]
    signals: list[dict[str, Any]]
    move: dict[str, Any]
    steps: list[dict[str, Any]]
    seconds: float
    rows: int | None
    labels: int | None
    money: float | None = None
    experiment: str
    code: str
    params_before: str
    params_after: str
    started: str
    ended: str


def read_record(project: Path) -> list[Iteration]:
    """Return every iteration, oldest first. A last line that a kill cut off was never committed and is left out.

    Raises
    ------
    ProjectError
        If a line before the last is damaged.
    """
    return jsonl.read_lines(project, RECORD_FILE, Iteration, one="iteration", anew="a new record")


def append(project: Path, iteration: Iteration) -> None:
    """Append one iteration and flush it to the disk; a torn last line is cut off first."""
    jsonl.append(project / RECORD_FILE, iteration)
