"""The model beside the release: an append-only log of what was put there and taken away, and a pointer.

Kept as `stages.deployment.release_log` keeps releases: a line is self-contained and the commit point, the pointer is
the last line and is replaced atomically, and whoever holds the log's lock next mends one that a kill left behind.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import GenericAlias
from typing import Any, get_type_hints

from stages.deployment.release_log import FOLDER, sha256_of
from stages.errors import ProjectError
from stages.files import append_line, whole_lines, write_text

CANARY_POINTER, CANARY_LOG = f"{FOLDER}/canary.json", f"{FOLDER}/canary.jsonl"
START, STOP, PROMOTE = "start", "stop", "promote"


@dataclass(frozen=True)
class Canary:
    """A model that was put beside the release, or taken away from there.

    Attributes
    ----------
    kind : {"start", "stop", "promote"}
        What was done.
    number : int
        Counted from 1; what ends it has the same.
    iteration : int
        The iteration of the record whose model it is.
    share : float
        The share of the rows that it answers; 0 for a shadow.
    path, card, sha256, experiment : str
        As in `Release`.
    missed : list of str
        What it misses of its charter.
    by, because, at : str
        Who did it, why, and when, UTC.
    """

    kind: str
    number: int
    iteration: int
    share: float
    path: str
    card: str
    sha256: str
    experiment: str
    missed: list[str]
    by: str
    because: str
    at: str

    @property
    def name(self) -> str:
        """The model's name: the first twelve digits of its hash."""
        return self.sha256[:12]

    @property
    def shadow(self) -> bool:
        """Whether its answers are given to nobody."""
        return self.share == 0

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data: what the pointer holds."""
        return asdict(self)


KINDS: dict[str, Any] = {
    name: (int, float) if kind is float else kind.__origin__ if isinstance(kind, GenericAlias) else kind
    for name, kind in get_type_hints(Canary).items()
}


def read_canaries(project: Path) -> list[Canary]:
    """Return every line, oldest first. A last line that a kill cut off was never written.

    Raises
    ------
    ProjectError
        If a line before the last is damaged.
    """
    lines = enumerate(whole_lines(project / CANARY_LOG), start=1)
    return [_parsed(line, f"{CANARY_LOG} line {number}") for number, line in lines]


def in_place(lines: Sequence[Canary]) -> Canary | None:
    """Return what the last line put beside the release, None where it took it away."""
    return lines[-1] if lines and lines[-1].kind == START else None


def append(project: Path, line: Canary) -> None:
    """Append a line and flush it to the disk; then replace the pointer. To be called with the lock of releases held."""
    append_line(project / CANARY_LOG, json.dumps(line.as_dict(), sort_keys=True, allow_nan=False))
    point(project, line)


def point(project: Path, line: Canary) -> None:
    """Replace the pointer atomically."""
    write_text(project / CANARY_POINTER, json.dumps(line.as_dict(), indent=1, sort_keys=True) + "\n")


def mend(project: Path) -> list[Canary]:
    """Let the pointer say what the log says, and return the log. To be called with the lock of releases held."""
    lines = read_canaries(project)
    if lines:
        try:
            same = read_pointer(project) == lines[-1]
        except ProjectError:
            same = False
        if not same:
            point(project, lines[-1])
    return lines


def ended(line: Canary, kind: str, *, by: str, because: str, at: str) -> Canary:
    """Return the line that ends one."""
    return replace(line, kind=kind, by=by, because=because, at=at)


def read_pointer(project: Path) -> Canary | None:
    """Return what the pointer says, whether or not the model is there; None where nothing ever was.

    Raises
    ------
    ProjectError
        If the file is damaged.
    """
    path = project / CANARY_POINTER
    return _parsed(path.read_bytes(), CANARY_POINTER) if path.exists() else None


def current_canary(project: Path) -> Canary | None:
    """Return what stands beside the release, None where nothing does.

    Raises
    ------
    ProjectError
        If the pointer is damaged, or the model is missing or not the one that was put there.
    """
    line = read_pointer(project)
    if line is None or line.kind != START:
        return None
    model = project / line.path
    if not model.is_file() or sha256_of(model) != line.sha256:
        raise ProjectError(
            "is missing or not what was put beside the release",
            where=line.path,
            expected=f"sha256 {line.name}",
            todo="loopwright canary stop --because TEXT, then loopwright canary start "
            f"{line.iteration} --because TEXT brings it from DVC's cache",
        )
    return line


def _parsed(line: bytes, where: str) -> Canary:
    try:
        values = dict(json.loads(line))
        found = Canary(**values)
    except (ValueError, TypeError) as error:
        raise _damaged(where, f"{type(error).__name__}: {error}") from None
    wrong = [name for name, kind in KINDS.items() if not isinstance(getattr(found, name), kind)]
    wrong += [] if found.kind in (START, STOP, PROMOTE) else ["kind"]
    wrong += [] if wrong or 0 <= found.share < 1 else ["share"]
    if wrong:
        raise _damaged(where, f"{wrong[0]} is {values[wrong[0]]!r}")
    return found


def _damaged(where: str, what: str) -> ProjectError:
    todo = "loopwright canary stop --because TEXT" if where == CANARY_POINTER else "bring it back from a backup"
    return ProjectError(f"damaged: {what}", where=where, expected="one canary as JSON", todo=todo)
