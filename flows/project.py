"""Is this folder a project that can run? Each way in which it is not has its own sentence and next step."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from flows.snapshots import dirty_files, git
from stages.errors import ProjectError

STATE = ".loopwright"
IN_PROGRESS = {
    "MERGE_HEAD": "a merge",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
    "CHERRY_PICK_HEAD": "a cherry-pick",
}


def check_project(project: Path, *, allow_dirty: bool = False) -> None:
    """Check files, Git, DVC and rights of a project.

    Raises
    ------
    ProjectError
        Naming the first thing that is wrong, and what to do.
    """
    where = str(project)
    if not project.is_dir():
        raise ProjectError("is no folder", where=where, expected="a project", todo="loopwright init DIR --data FILE")
    for name in ("params.yaml", "dvc.yaml"):
        if not (project / name).is_file():
            raise ProjectError(
                f"has no {name}", where=where, expected="a project", todo="loopwright init DIR --data FILE"
            )
    _check_git(project)
    if not any((folder / ".dvc").is_dir() for folder in (project, *project.parents)):
        raise ProjectError("is no DVC repository", where=where, todo="dvc init && git commit -m 'Start DVC'")
    _check_rights(project)
    dirty = dirty_files(project)
    if dirty and not allow_dirty:
        more = f" and {len(dirty) - 3} more" if len(dirty) > 3 else ""
        raise ProjectError(
            f"uncommitted changes in {', '.join(dirty[:3])}{more}",
            where=where,
            expected="committed code, so that the record can name its version",
            todo="git commit -a, or use --allow-dirty",
        )


def _check_git(project: Path) -> None:
    where = str(project)
    if shutil.which("git") is None:
        raise ProjectError("git is not installed", where=where, todo="install it, e.g. apt install git")
    try:
        folder = Path(git(project, "rev-parse", "--absolute-git-dir"))
    except ProjectError:
        raise ProjectError(
            "is no Git repository", where=where, todo="git init && git add -A && git commit -m Start"
        ) from None
    try:
        git(project, "rev-parse", "--verify", "HEAD")
    except ProjectError:
        raise ProjectError("has no commit yet", where=where, todo="git add -A && git commit -m Start") from None
    for name, what in IN_PROGRESS.items():
        if (folder / name).exists():
            raise ProjectError(f"{what} is in progress", where=where, todo="finish or abort it (git status)")


def _check_rights(project: Path) -> None:
    try:
        (project / STATE).mkdir(exist_ok=True)
        for folder in (project, project / STATE):
            with tempfile.NamedTemporaryFile(dir=folder):
                pass
    except OSError as error:
        raise ProjectError(
            f"cannot be written ({error.strerror})",
            where=str(project),
            expected="a writable folder",
            todo="check its owner and mode, or copy the project elsewhere",
        ) from None
