"""One run at a time in a project: a lock of the operating system, which a dead process cannot leave behind."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from stages.errors import ProjectError
from stages.files import write_json

STATE = ".loopwright"
LOCK_FILE = f"{STATE}/run.lock"
OWNER_FILE = f"{STATE}/run.owner.json"


class Running(ProjectError):  # noqa: N818
    """Another process holds the project's lock."""


@contextmanager
def project_lock(project: Path) -> Iterator[None]:
    """Hold the project's lock.

    Raises
    ------
    Running
        If another process holds it; its pid is named.
    """
    (project / STATE).mkdir(exist_ok=True)
    lock = FileLock(project / LOCK_FILE)
    try:
        lock.acquire(timeout=0.3)  # `status` holds it for an instant
    except Timeout:
        held = _read_owner(project)
        raise Running(
            f"a run is going on (pid {held.get('pid', 'unknown')}: {held.get('command', '')})",
            where=str(project),
            todo="wait for its end, or stop it with Ctrl-C where it runs",
        ) from None
    try:
        write_json(project / OWNER_FILE, {"pid": os.getpid(), "command": " ".join(["loopwright", *sys.argv[1:]])})
        yield
    finally:
        (project / OWNER_FILE).unlink(missing_ok=True)
        lock.release()


def owner(project: Path) -> int | None:
    """Return the pid of the run that holds the lock now, None when there is none."""
    return int(_read_owner(project).get("pid", 0)) or None if held(project / LOCK_FILE) else None


def held(path: Path) -> bool:
    """Tell whether a process holds a lock file now."""
    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except PermissionError:
        return False  # nobody runs where we may not write
    except Timeout:
        return True
    lock.release()
    return False


def _read_owner(project: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((project / OWNER_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}
