"""Iterations as DVC experiments: DVC lists them, and nothing of the user's is touched, with or without an identity."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows import snapshots
from stages.errors import ProjectError
from tests.conftest import git


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small Git and DVC repository: one stage that ran, an untracked file, a change in the index and one outside."""
    folder = tmp_path / "project"
    (folder / "expectations").mkdir(parents=True)
    (folder / ".dvc").mkdir()
    (folder / ".dvc" / "config").write_text("[core]\n    analytics = false\n", encoding="utf-8")
    (folder / ".dvc" / ".gitignore").write_text("/config.local\n/tmp\n/cache\n", encoding="utf-8")
    write(folder, "params.yaml", "a: 1\n")
    write(folder, "dvc.yaml", "stages:\n  one:\n    cmd: 'true'\n    params: [a]\n")
    write(folder, "expectations/suite.json", "{}\n")
    write(folder, "code.py", "one = 1\n")
    write(folder, ".gitignore", "/.loopwright\n/dvc.lock\n")
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", "Start")
    return folder


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, encoding="utf-8")


def change(project: Path) -> None:
    """Leave things as a person might: staged, not staged and untracked changes."""
    write(project, "code.py", "one = 11\n")
    git(project, "add", "code.py")
    write(project, "code.py", "one = 111\n")
    write(project, "new.txt", "mine\n")
    write(project, "params.yaml", "a: 2\n")
    write(project, "dvc.lock", "schema: '2.0'\n")


def state(project: Path) -> dict[str, object]:
    files = [path for path in sorted(project.rglob("*")) if path.is_file() and ".git" not in path.parts]
    return {
        "head": (project / ".git" / "HEAD").read_text(encoding="utf-8"),
        "commit": git(project, "rev-parse", "HEAD"),
        "index": git(project, "ls-files", "--stage"),
        "status": git(project, "status", "--porcelain"),
        "stash": git(project, "stash", "list"),
        "branches": git(project, "branch", "--list", "--all"),
        "files": {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files},
    }


def listed(project: Path, *options: str) -> list[str]:
    command = [sys.executable, "-m", "dvc", "exp", "list", "--name-only", *options]
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_dvc_lists_the_experiment_and_nothing_else_changes(project: Path) -> None:
    change(project)
    before = state(project)
    commit = snapshots.save(project, "lw-1", "first")
    assert state(project) == before
    snapshots.save(project, "lw-2", "second")
    assert sorted(listed(project)) == ["lw-1", "lw-2"]
    assert git(project, "show", f"{commit}:params.yaml") == "a: 2\n"
    assert git(project, "show", f"{commit}:dvc.lock") == "schema: '2.0'\n"
    assert git(project, "show", f"{commit}:code.py") == "one = 111\n"
    assert "new.txt" not in git(project, "ls-tree", "-r", "--name-only", commit)
    assert git(project, "rev-parse", f"{commit}^") == git(project, "rev-parse", "HEAD")


def test_saving_again_moves_the_name(project: Path) -> None:
    one = snapshots.save(project, "lw-1", "first")
    write(project, "params.yaml", "a: 3\n")
    two = snapshots.save(project, "lw-1", "again")
    assert one != two
    assert git(project, "for-each-ref", "--format=%(objectname)", "refs/exps").split() == [two]


def test_params_expectations_and_lock_are_brought_back(project: Path) -> None:
    change(project)
    snapshots.save(project, "lw-1", "first")
    write(project, "params.yaml", "a: 9\n")
    write(project, "dvc.lock", "schema: broken\n")
    write(project, "expectations/suite.json", "[]\n")
    snapshots.restore_files(project, "lw-1")
    assert (project / "params.yaml").read_text(encoding="utf-8") == "a: 2\n"
    assert (project / "dvc.lock").read_text(encoding="utf-8") == "schema: '2.0'\n"
    assert (project / "expectations" / "suite.json").read_text(encoding="utf-8") == "{}\n"
    assert (project / "code.py").read_text(encoding="utf-8") == "one = 111\n"
    assert (project / "new.txt").exists()


def test_after_another_commit_it_is_still_found(project: Path) -> None:
    snapshots.save(project, "lw-1", "first")
    write(project, "params.yaml", "a: 5\n")
    git(project, "commit", "--quiet", "--all", "-m", "More")
    snapshots.save(project, "lw-2", "second")
    snapshots.restore_files(project, "lw-1")
    assert (project / "params.yaml").read_text(encoding="utf-8") == "a: 1\n"


def test_an_experiment_that_is_not_there_is_named(project: Path) -> None:
    before = state(project)
    with pytest.raises(ProjectError, match="no experiment 'lw-7'"):
        snapshots.restore_files(project, "lw-7")
    assert state(project) == before


def test_no_identity_is_needed(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("GIT_") or name == "EMAIL"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "nobody"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    commit = snapshots.save(project, "lw-1", "first")
    author = git(project, "show", "--no-patch", "--format=%an <%ae> %cn", commit).strip()
    assert author == "Loopwright <loopwright@localhost> Loopwright"
    git(project, "config", "user.name", "Ada")
    git(project, "config", "user.email", "ada@example.org")
    commit = snapshots.save(project, "lw-2", "second")
    assert git(project, "show", "--no-patch", "--format=%an <%ae>", commit).strip() == "Ada <ada@example.org>"


def test_a_project_in_a_subfolder(project: Path) -> None:
    """Git's root may lie above the project, as in a repository of many."""
    inner = project / "inner"
    inner.mkdir()
    write(inner, "params.yaml", "b: 1\n")
    write(inner, "dvc.yaml", "stages: {}\n")
    git(project, "add", "inner")
    git(project, "commit", "--quiet", "-m", "Inner")
    write(inner, "params.yaml", "b: 2\n")
    write(project, "params.yaml", "a: 7\n")
    snapshots.save(inner, "lw-1", "first")
    write(inner, "params.yaml", "b: 3\n")
    write(project, "params.yaml", "a: 8\n")
    snapshots.restore_files(inner, "lw-1")
    assert (inner / "params.yaml").read_text(encoding="utf-8") == "b: 2\n"
    assert (project / "params.yaml").read_text(encoding="utf-8") == "a: 8\n"


def test_the_code_version_tells_changed_code_but_not_changed_params(project: Path) -> None:
    head = git(project, "rev-parse", "HEAD").strip()
    write(project, "params.yaml", "a: 2\n")
    write(project, "expectations/suite.json", "[]\n")
    assert snapshots.code_version(project) == head
    write(project, "code.py", "one = 2\n")
    assert snapshots.dirty_files(project) == ["code.py"]
    assert snapshots.code_version(project) == f"{head}-dirty"
    git(project, "checkout", "--quiet", "code.py")
    write(project, "dvc.yaml", "stages: {}\n")
    assert snapshots.dirty_files(project) == ["dvc.yaml"]


def test_a_failure_of_git_is_told(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"git rev-parse failed: .*not a git repository"):
        snapshots.save(tmp_path, "lw-1", "first")
