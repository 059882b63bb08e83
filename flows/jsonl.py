"""Logs of one self-contained line each, only ever added to: the record, and the looks at production."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from stages.errors import ProjectError
from stages.files import append_line, whole_lines

Line = TypeVar("Line", bound=BaseModel)


def read_lines(project: Path, file: str, kind: type[Line], *, one: str, anew: str) -> list[Line]:
    """Return every line, oldest first. A last line that a kill cut off was never committed and is left out.

    Raises
    ------
    ProjectError
        If a line before the last is damaged.
    """
    found = []
    for number, line in enumerate(whole_lines(project / file), start=1):
        try:
            found.append(kind.model_validate_json(line))
        except ValidationError as error:
            raise ProjectError(
                f"damaged: {error.errors()[0]['msg']}",
                where=f"{file} line {number}",
                expected=f"one {one} as JSON",
                todo=f"bring the line back from a backup, or move the file away to begin {anew}",
            ) from None
    return found


def append(path: Path, line: BaseModel) -> None:
    """Append one line and flush it to the disk; a torn last line is cut off first."""
    append_line(path, json.dumps(line.model_dump(mode="json"), allow_nan=False))
