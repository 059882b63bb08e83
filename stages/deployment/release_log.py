"""What was released and rolled back: an append-only log, of which the pointer is the last line.

A line is self-contained, and it is the commit point. Order: the model and its cards under the model's hash, the line
(fsync), the pointer. A kill before the line leaves files that nothing points to; a kill after it leaves an old pointer,
which `mend` replaces by the last whole line. So the log alone tells what is in force.

Nothing heavy is imported here, not even pydantic: a rollback has a second, and pydantic takes 0.4 s of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import GenericAlias
from typing import Any, get_type_hints

from stages.errors import ProjectError
from stages.files import append_line, whole_lines, write_text

FOLDER = "releases"
POINTER, LOG, LOCK = f"{FOLDER}/current.json", f"{FOLDER}/log.jsonl", f"{FOLDER}/.lock"
RELEASE, ROLLBACK = "release", "rollback"


@dataclass(frozen=True)
class Release:
    """A release, or a rollback to one.

    Attributes
    ----------
    kind : {"release", "rollback"}
        What was done.
    number : int
        Of the release, counted from 1; a rollback has that of the release it goes back to.
    iteration : int
        The iteration of the record whose model it is.
    path, card, sha256 : str
        The model, its card (beside it lies the same for people, as ``.md``), and the model's hash.
    data, params, code : str or None
        DVC's hash of the splits, the hash of the params, and the commit they were recorded with.
    steps : str
        The hash of the installed steps, which made it; empty where the project holds its own.
    versions : dict
        Of Python and of the packages that a model depends on, as they were; empty where that is not known.
    experiment : str
        The DVC experiment of the iteration, from which all of it is made again.
    held : list of dict
        The charter's requirements and what was measured.
    missed : list of str
        What it misses, where a person released it all the same.
    by, because, at : str
        Who did it, a person or the charter; why; and when, UTC.
    """

    kind: str
    number: int
    iteration: int
    path: str
    card: str
    sha256: str
    data: str | None
    params: str
    code: str
    steps: str
    versions: dict[str, str]
    experiment: str
    held: list[dict[str, Any]]
    missed: list[str]
    by: str
    because: str
    at: str

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data: what the pointer holds."""
        return asdict(self)


KINDS: dict[str, Any] = {
    name: kind.__origin__ if isinstance(kind, GenericAlias) else kind for name, kind in get_type_hints(Release).items()
}


def read_log(project: Path) -> list[Release]:
    """Return every release and rollback, oldest first. A last line that a kill cut off was never done.

    Raises
    ------
    ProjectError
        If a line before the last is damaged.
    """
    return [_parsed(line, number) for number, line in enumerate(whole_lines(project / LOG), start=1)]


def in_force(lines: Sequence[Release]) -> list[Release]:
    """Return the releases that are not rolled back, the one in force last.

    A release is put on top; a rollback takes away what lies above the release it goes back to. So rolling back twice
    goes two releases back, and a release that was rolled back comes into force again only by a new release.

    Raises
    ------
    ProjectError
        If a rollback goes back to what no line released.
    """
    stack: list[Release] = []
    for at, line in enumerate(lines, start=1):
        if line.kind == RELEASE:
            stack.append(line)
            continue
        while stack and stack[-1].number != line.number:
            stack.pop()
        if not stack:
            raise _damaged(at, f"a rollback to release {line.number}, which was not in force")
    return stack


def append(project: Path, line: Release) -> None:
    """Append a line and flush it to the disk, a torn last one cut off first; then replace the pointer.

    To be called with `locked` held.
    """
    append_line(project / LOG, json.dumps(line.as_dict(), sort_keys=True, allow_nan=False))
    point(project, line)


def point(project: Path, line: Release) -> None:
    """Replace the pointer atomically."""
    write_text(project / POINTER, json.dumps(line.as_dict(), indent=1, sort_keys=True) + "\n")


def mend(project: Path) -> list[Release]:
    """Let the pointer say what the log says, where a kill came between the two or it is damaged; return the log.

    To be called with `locked` held. A pointer without a log is left alone.
    """
    lines = read_log(project)
    if lines and not _points_to(project, lines[-1]):
        point(project, lines[-1])
    return lines


def mend_if_any(project: Path) -> None:
    """`mend` with the lock held, where anything was ever released."""
    if (project / LOG).exists():
        with locked(project):
            mend(project)


def back_to(line: Release, *, by: str, because: str, at: str) -> Release:
    """Return the line of a rollback to a release."""
    return replace(line, kind=ROLLBACK, by=by, because=because, at=at)


def whole(project: Path, line: Release) -> bool:
    """Tell whether the model is there, and is the one that was released."""
    model = project / line.path
    return model.is_file() and sha256_of(model) == line.sha256


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def locked(project: Path) -> Iterator[None]:
    """Hold the lock of the log, for an instant: a run that is going holds another one, and stops nobody here."""
    from filelock import FileLock

    try:
        (project / FOLDER).mkdir(exist_ok=True)
        with FileLock(project / LOCK):
            yield
    except PermissionError:
        raise ProjectError(
            "cannot be written", where=FOLDER, expected="a writable folder", todo="check its owner and mode"
        ) from None


def _points_to(project: Path, line: Release) -> bool:
    try:
        return bool(json.loads((project / POINTER).read_text(encoding="utf-8")) == line.as_dict())
    except (OSError, ValueError):
        return False


def _parsed(line: bytes, number: int) -> Release:
    try:
        values = dict(json.loads(line))
        found = Release(**values)
    except (ValueError, TypeError) as error:
        raise _damaged(number, f"{type(error).__name__}: {error}") from None
    wrong = [name for name, kind in KINDS.items() if not isinstance(getattr(found, name), kind)]
    wrong += [] if found.kind in (RELEASE, ROLLBACK) else ["kind"]
    if wrong:
        raise _damaged(number, f"{wrong[0]} is {values[wrong[0]]!r}")
    return found


def _damaged(number: int, what: str) -> ProjectError:
    return ProjectError(
        f"damaged: {what}",
        where=f"{LOG} line {number}",
        expected="one release or rollback as JSON",
        todo="bring the line back from a backup, or move the file away to begin a new log",
    )
