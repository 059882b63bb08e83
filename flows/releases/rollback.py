"""Going back to an earlier release: one command, in under a second, also when the present release is damaged.

Nothing heavy is imported here. The present release is never looked at; the one gone back to is, before the pointer
moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flows.snapshots import user_name
from stages.deployment.release import now
from stages.deployment.release_log import FOLDER, Release, append, back_to, in_force, locked, mend, whole
from stages.errors import ParamsError, ProjectError

NONE_EARLIER = "no earlier release is in the log"


def rollback(project: Path, *, because: str, to: int | None = None, by: str | None = None) -> Release:
    """Go back to the release that was in force before the present one, or to an earlier one; return the log's line.

    Parameters
    ----------
    project : Path
        The project.
    because : str
        The reason, for the log.
    to : int, optional
        The iteration whose release is gone back to.
    by : str, optional
        Who says so; Git's ``user.name`` when not given.

    Raises
    ------
    ProjectError
        If there is no such release, or its model is not what was released; the pointer then stays.
    ParamsError
        If the reason is empty.
    """
    if not because.strip():
        raise ParamsError("the reason is empty", where="--because", expected="a sentence for the log")
    if not (project / FOLDER).is_dir():
        raise ProjectError("nothing is released", where=str(project), todo="loopwright run")
    who = (by or "").strip() or user_name(project)
    with locked(project):
        forces = in_force(mend(project))
        earlier = forces[:-1]
        if to is None:  # the same model again would change nothing
            earlier = [line for line in earlier if line.sha256 != forces[-1].sha256]
        line = back_to(_target(project, earlier, to), by=who, because=because.strip(), at=now())
        append(project, line)
    return line


def tell_rollback(project: Path, *, because: str, to: int | None = None, by: str | None = None) -> None:
    """Roll back, and say to what."""
    line = rollback(project, because=because, to=to, by=by)
    print(f"rolled back to the release of iteration {line.iteration}, sha256 {line.sha256[:12]}")
    print("see also: loopwright releases; the workspace and the record stay as they are")


def _target(project: Path, earlier: Sequence[Release], to: int | None) -> Release:
    """Return the release to go back to, its model checked."""
    if not earlier:
        raise ProjectError(NONE_EARLIER, where=f"{FOLDER}/log.jsonl", todo="loopwright release N --because TEXT")
    known = ", ".join(dict.fromkeys(str(line.iteration) for line in reversed(earlier)))
    wanted = [line for line in earlier if to in (None, line.iteration)]
    if not wanted:
        raise ProjectError(
            f"no release of iteration {to} lies before the present one",
            where="--to",
            expected=f"one of {known}",
            todo=f"loopwright release {to} --because TEXT puts it in force again",
        )
    if not whole(project, wanted[-1]):
        left = [line.iteration for line in earlier if whole(project, line)]
        way = f"loopwright rollback --to {left[-1]}, or " if left else ""
        raise ProjectError(
            "is missing or not what was released",
            where=wanted[-1].path,
            expected=f"sha256 {wanted[-1].sha256[:12]}",
            todo=f"{way}loopwright release {wanted[-1].iteration} --because TEXT brings it from DVC's cache",
        )
    return wanted[-1]
