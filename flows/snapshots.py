"""Iterations as named DVC experiments, made with Git plumbing.

``dvc exp save`` detaches HEAD while it works and commits every stage by force, stale ones too. A commit built in an
index of its own and put under ``refs/exps/`` is the same experiment to ``dvc exp show``; it never touches the user's
HEAD, index or files, so a kill can harm nothing.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from stages.errors import LoopwrightError, ProjectError
from stages.files import replacing

CODE_FILE = "code.json"
# What makes an iteration, besides the outputs that dvc.lock names. Params last: they tell whether a restore is whole.
KEPT = ("dvc.yaml", "dvc.lock", CODE_FILE, "expectations", "labels", "*.dvc", "params.yaml")
# Answers of people are only ever added to: params say how many of them an iteration knew.
NEVER_RESTORED = ("labels/answers.jsonl", "labels/reviewed.jsonl")


def save(project: Path, name: str, message: str) -> str:
    """Save the project's present state as the DVC experiment ``name``; return its commit.

    The commit's parent is HEAD, its tree HEAD's with every changed tracked file and `KEPT`.
    """
    head = git(project, "rev-parse", "HEAD")
    with tempfile.TemporaryDirectory(prefix="loopwright-") as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        git(project, "read-tree", "HEAD", env=index)
        git(project, "add", "--update", ".", env=index)
        git(project, "add", "--force", "--", *_present(project), env=index)
        tree = git(project, "write-tree", env=index)
    commit = git(project, "commit-tree", tree, "-p", head, "-m", message, env=git_identity(project))
    git(project, "update-ref", f"refs/exps/{head[:2]}/{head[2:]}/{name}", commit)
    return commit


def restore_files(project: Path, name: str) -> None:
    """Write the `KEPT` files of the experiment ``name`` back into the project, each atomically.

    Raises
    ------
    ProjectError
        If there is no such experiment.
    """
    commit = commit_of(project, name)
    prefix = git(project, "rev-parse", "--show-prefix")
    names = git(project, "ls-tree", "-r", "--name-only", commit).splitlines()
    kept = [path for path in names if _is_kept(path) and path not in NEVER_RESTORED]
    for path in sorted(kept, key=lambda path: path == "params.yaml"):
        content = subprocess.run(
            ["git", "show", f"{commit}:{prefix}{path}"], cwd=project, capture_output=True, check=True
        ).stdout
        with replacing(project / path) as temporary:
            temporary.write_bytes(content)


def commit_of(project: Path, name: str) -> str:
    """Return the commit of the experiment ``name``.

    Raises
    ------
    ProjectError
        If there is no such experiment.
    """
    found = git(project, "for-each-ref", "--format=%(objectname)", f"refs/exps/*/*/{name}").splitlines()
    if not found:
        raise ProjectError(f"no experiment {name!r} in Git", where="refs/exps", todo="dvc exp list --all-commits")
    return found[0]


def code_version(project: Path) -> str:
    """Return HEAD's commit, with ``-dirty`` when tracked files other than `KEPT` differ from it."""
    return git(project, "rev-parse", "HEAD") + ("-dirty" if dirty_files(project) else "")


def dirty_files(project: Path) -> list[str]:
    """Return tracked files that differ from HEAD, but for those the loop itself changes."""
    changed = git(project, "diff", "--name-only", "--relative", "HEAD").splitlines()
    return [path for path in changed if not _is_kept(path) or path == "dvc.yaml"]


def git(project: Path, *arguments: str, env: dict[str, str] | None = None) -> str:
    """Run git in the project and return what it printed, stripped.

    Raises
    ------
    ProjectError
        If git fails.
    """
    done = subprocess.run(
        ["git", *arguments],
        cwd=project,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ProjectError(f"git {arguments[0]} failed: {done.stderr.strip()}", where=str(project), todo="git status")
    return done.stdout.strip()


def git_identity(project: Path) -> dict[str, str]:
    """Return an author for commits where the user has configured none."""
    known = subprocess.run(["git", "var", "GIT_AUTHOR_IDENT"], cwd=project, capture_output=True, check=False)
    configured = subprocess.run(["git", "config", "user.email"], cwd=project, capture_output=True, check=False)
    if known.returncode == 0 and (configured.returncode == 0 or "GIT_AUTHOR_EMAIL" in os.environ):
        return {}
    roles = ("AUTHOR", "COMMITTER")
    return {
        key: value
        for role in roles
        for key, value in ((f"GIT_{role}_NAME", "Loopwright"), (f"GIT_{role}_EMAIL", "loopwright@localhost"))
    }


def user_name(project: Path) -> str:
    """Return Git's user.name, else the name of the account."""
    import getpass

    try:
        return git(project, "config", "user.name") or getpass.getuser()
    except LoopwrightError:
        return getpass.getuser()


def _present(project: Path) -> Sequence[str]:
    fixed = [name for name in KEPT if "*" not in name and (project / name).exists()]
    return [*fixed, *(str(path.relative_to(project)) for path in project.glob("data/raw/*.dvc"))]


def _is_kept(path: str) -> bool:
    return path in KEPT or path.startswith(("expectations/", "labels/")) or path.endswith(".dvc")
