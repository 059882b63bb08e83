"""The warm worker does what ``dvc repro`` does, and whatever ends a step comes back as what it was."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from flows.engine import Engine, WorkerDied
from flows.pipeline import pipeline
from flows.worker import NAME, StepCrashed
from stages.errors import DataError, ParamsError, ProjectError
from tests.conftest import git

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "PYTHONPATH": str(ROOT),
    "DVC_NO_ANALYTICS": "1",
}
FIRST = """
import os, signal, time
from pathlib import Path

from stages.errors import DataError
from stages.params import read_params
from stages.step import main


def run(project):
    n = read_params(project)["n"]
    if n == -1:
        raise DataError("is negative", where="params.yaml: n", expected="more", todo="raise it")
    if n == -2:
        1 / 0
    if n == -3:
        (project / "pid").write_text(str(os.getpid()))
        time.sleep(60)
    write(project, "out/a.txt", f"{n}\\n")


def write(project, name, text):
    (project / name).parent.mkdir(exist_ok=True)
    (project / name).write_text(text)


if __name__ == "__main__":
    main(run)
"""
SECOND = """
from stages.step import main
from toy.a import write


def run(project):
    write(project, "out/b.txt", 2 * (project / "out/a.txt").read_text())


if __name__ == "__main__":
    main(run)
"""
# It has no run(project): the worker leaves it to DVC and the shell.
THIRD = """
from pathlib import Path

Path("lines.json").write_text(str(len(Path("out/b.txt").read_text().splitlines())))
"""
# The folder of all candidates is what the choice depends on, as in the real pipeline.
FIT = """
from stages.params import read_params
from stages.training.candidate_files import model_file
from toy.a import write


def run(project, name):
    (project / "models").mkdir(exist_ok=True)
    write(project, model_file(name), name * read_params(project)["n"])
"""
CHOOSE = """
from stages.params import read_params
from stages.training.candidate_files import FOLDER, remove_others
from toy.a import write


def run(project):
    remove_others(project, read_params(project)["use"])
    write(project, "models/chosen.txt", max(path.read_text() for path in (project / FOLDER).iterdir()))
"""
BY_SHELL = """

if __name__ == "__main__":
    from stages.step import main

    main(run)
"""
PIPELINE = """
stages:
  a:
    cmd: python -m toy.a
    deps: [toy/a.py]
    params: [n]
    outs: [out/a.txt]
  b:
    cmd: python -m toy.b
    deps: [toy/b.py, out/a.txt]
    outs: [out/b.txt]
  c:
    cmd: python -m toy.c
    deps: [toy/c.py, out/b.txt]
    metrics: [lines.json]
  fit:
    foreach: ${use}
    do:
      cmd: python -m toy.fit ${item}
      deps: [toy/fit.py]
      params: [n, "ladder.${item}"]
      outs: ["models/candidates/${item}.skops"]
  choose:
    cmd: python -m toy.choose
    deps: [toy/choose.py, models/candidates]
    params: [use]
    outs: [models/chosen.txt]
  shell:
    cmd: exit 3
    outs: [never.txt]
  lacking:
    cmd: python -m toy.a
    params: [no.such]
  orphan:
    cmd: python -m toy.a
    deps: [nowhere.txt]
"""
PARENT = """
import sys
from pathlib import Path
from flows.engine import Engine

if __name__ == "__main__":
    engine = Engine(Path(sys.argv[1]))
    engine.run("a")
"""
Make = Callable[[int], Path]


def dvc(project: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "dvc", *arguments]
    done = subprocess.run(command, cwd=project, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toys") / "blank"
    (folder / "toy").mkdir(parents=True)
    (folder / ".loopwright").mkdir()
    candidates = (("fit", FIT + BY_SHELL), ("choose", CHOOSE + BY_SHELL))
    for name, text in (("__init__", ""), ("a", FIRST), ("b", SECOND), ("c", THIRD), *candidates):
        (folder / "toy" / f"{name}.py").write_text(text, encoding="utf-8")
    (folder / "dvc.yaml").write_text(PIPELINE, encoding="utf-8")
    (folder / ".gitignore").write_text("/.loopwright\n__pycache__\n/pid\n/models\n", encoding="utf-8")
    git(folder, "init", "--quiet", "--initial-branch=main")
    dvc(folder, "init", "--quiet")
    set_n(folder, 1)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", "Start")
    return folder


@pytest.fixture
def make(blank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Give a fresh toy project; its ``n`` decides what the first step does."""
    monkeypatch.setenv("PATH", ENVIRONMENT["PATH"])
    monkeypatch.setenv("PYTHONPATH", ENVIRONMENT["PYTHONPATH"])

    def copy(n: int) -> Path:
        project = Path(shutil.copytree(blank, tmp_path / "project"))
        set_n(project, n)
        return project

    return copy


def set_n(project: Path, n: int, use: Sequence[str] = ("one",)) -> None:
    params = {"n": n, "use": list(use), "ladder": {"one": 1, "two-2": 2, "3": 3}}
    (project / "params.yaml").write_text(json.dumps(params), encoding="utf-8")


def wait_for(happened: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def pid_in(project: Path) -> int:
    path = project / "pid"
    wait_for(lambda: path.exists() and path.read_text(encoding="utf-8").isdigit())
    return int(path.read_text(encoding="utf-8"))


def is_running(pid: int) -> bool:
    """Tell whether a process runs; one that ended and that nobody waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_steps_run_are_skipped_and_restored_as_dvc_does(make: Make, tmp_path: Path) -> None:
    project = make(1)
    by_shell = Path(shutil.copytree(project, tmp_path / "by_shell"))
    steps = ["a", "b", "c"]

    def how(engine: Engine) -> list[str]:
        return [engine.run(step).how for step in steps]

    with Engine(project) as engine:
        assert {"a", "b", "c"} <= set(engine.status())
        futures = [engine.submit(step) for step in steps]
        results = [engine.result(future) for future in futures]
        assert [(result.name, result.how) for result in results] == [(step, "ran") for step in steps]
        assert all(0 < result.seconds < 20 for result in results)
        assert how(engine) == ["unchanged"] * 3
        assert not set(steps) & set(engine.status())
        assert (project / "lines.json").read_text(encoding="utf-8") == "2"
        first = (project / "dvc.lock").read_bytes()
        set_n(project, 5)
        assert how(engine) == ["ran", "ran", "ran"]
        assert (project / "out" / "b.txt").read_text(encoding="utf-8") == "5\n5\n"
        set_n(project, 1)
        assert how(engine) == ["restored"] * 3
        assert (project / "out" / "b.txt").read_text(encoding="utf-8") == "1\n1\n"
        assert (project / "dvc.lock").read_bytes() == first
        shutil.rmtree(project / "out")
        assert how(engine) == ["restored", "restored", "unchanged"]
        shutil.rmtree(project / "out")
        engine.checkout()
        assert how(engine) == ["unchanged"] * 3
    assert "up to date" in dvc(project, "status", *steps)
    dvc(by_shell, "repro", "--quiet", *steps)
    assert (by_shell / "dvc.lock").read_bytes() == first
    assert git(by_shell, "status", "--porcelain") == git(project, "status", "--porcelain")


def test_a_candidate_more_is_fitted_alone_and_what_was_tried_before_changes_nothing(make: Make, tmp_path: Path) -> None:
    project = make(1)
    by_shell, lock = Path(shutil.copytree(project, tmp_path / "by_shell")), project / "dvc.lock"

    def how(*use: str) -> list[str]:
        set_n(project, 1, use)
        assert [name for name in pipeline(project) if "@" in name] == [f"fit@{name}" for name in use]
        found: list[str] = [engine.run(step).how for step in (*(f"fit@{name}" for name in use), "choose")]
        assert {path.stem for path in (project / "models/candidates").iterdir()} == set(use)
        assert (project / "models/chosen.txt").read_text() == max(use)
        return found

    with Engine(project) as engine:
        assert how("one") == ["ran", "ran"]
        assert how("one", "two-2") == ["unchanged", "ran", "ran"]
        both = lock.read_bytes()
        assert how("3") == ["ran", "ran"]
        assert how("one", "two-2") == ["restored", "restored", "ran"]  # with the file of 3 beside it, DVC cannot know
        assert how("two-2") == ["unchanged", "ran"]
        assert not {"fit@two-2", "choose"} & set(engine.status())
        alone = load_yaml(lock.read_bytes())["stages"]
        assert how("one", "two-2") == ["restored", "unchanged", "restored"]
        assert load_yaml(both)["stages"].items() <= load_yaml(lock.read_bytes())["stages"].items()
    set_n(by_shell, 1, ["two-2"])
    dvc(by_shell, "repro", "--quiet", "choose")
    fresh = load_yaml((by_shell / "dvc.lock").read_bytes())["stages"]
    assert set(fresh) == {"fit@two-2", "choose"}
    assert fresh == {name: alone[name] for name in fresh}


def load_yaml(content: bytes) -> Any:
    return YAML(typ="safe").load(content.decode())


def test_what_goes_wrong_in_a_step_comes_back_as_what_it_was(make: Make) -> None:
    project = make(-1)
    with Engine(project) as engine:
        with pytest.raises(DataError) as caught:
            engine.run("a")
        error = caught.value
        parts = ("is negative", "params.yaml: n", "more", "raise it")
        assert (error.what, error.where, error.expected, error.todo) == parts
        set_n(project, -2)
        with pytest.raises(StepCrashed, match=r"(?s)^a: .*toy/a\.py.*ZeroDivisionError"):
            engine.run("a")
        with pytest.raises(StepCrashed, match="exit 3"):
            engine.run("shell")
        with pytest.raises(ParamsError, match=r"no\.such"):
            engine.run("lacking")
        with pytest.raises(ProjectError, match="nobody"):
            engine.run("nobody")
        assert not (project / "dvc.lock").exists()
        set_n(project, 1)
        assert engine.run("a").how == "ran"


def test_a_killed_worker_is_told_and_the_next_one_goes_on(make: Make) -> None:
    project = make(-3)
    with Engine(project) as engine:
        future = engine.submit("a")
        os.kill(pid_in(project), signal.SIGKILL)
        with pytest.raises(WorkerDied, match="worker process died"):
            engine.result(future)
    set_n(project, 1)
    with Engine(project) as engine:
        assert engine.run("a").how == "ran"


def test_a_dependency_that_is_not_there_is_the_users_to_mend(make: Make) -> None:
    with Engine(make(1)) as engine, pytest.raises(ProjectError, match=r"nowhere\.txt"):
        engine.run("orphan")


def test_whatever_is_asked_of_a_killed_worker(make: Make) -> None:
    project = make(-3)
    with Engine(project) as engine:
        future = engine.submit("a")
        os.kill(pid_in(project), signal.SIGKILL)
        with pytest.raises(WorkerDied):
            engine.result(future)
        for ask in (
            lambda: engine.run("b"),
            engine.status,
            engine.changed_sources,
            lambda: engine.result(engine.commit_sources()),
            engine.checkout,
        ):
            with pytest.raises(WorkerDied):
                ask()


def test_closing_does_not_wait_for_the_step(make: Make) -> None:
    project = make(-3)
    engine = Engine(project)
    engine.submit("a")
    pid = pid_in(project)
    started = time.monotonic()
    engine.close()
    assert time.monotonic() - started < 5
    assert not is_running(pid)


def test_an_orphan_leaves_and_the_next_run_goes_on(make: Make, tmp_path: Path) -> None:
    project = make(-3)
    (tmp_path / "parent.py").write_text(PARENT, encoding="utf-8")
    parent = subprocess.Popen([sys.executable, str(tmp_path / "parent.py"), str(project)], env=ENVIRONMENT)
    pid = pid_in(project)
    assert is_running(pid) and pid != parent.pid
    parent.kill()
    parent.wait(timeout=10)
    wait_for(lambda: not is_running(pid))
    set_n(project, 1)
    with Engine(project) as engine:
        assert engine.run("a").how == "ran"


@pytest.mark.parametrize("left_by", ["a pid given anew", "a zombie"])
def test_what_a_dead_process_left_in_dvcs_own_lock_blocks_nobody(make: Make, left_by: str) -> None:
    """After a kill in a container: the pid is another process's, or one that nobody waited for."""
    project = make(1)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        if left_by == "a zombie":
            other.kill()
            wait_for(lambda: not is_running(other.pid))
        owner = {"pid": other.pid, "cmd": NAME}
        (project / ".dvc" / "tmp").mkdir(exist_ok=True)
        entry = {"write": {str(project / "out" / "a.txt"): owner}}
        (project / ".dvc" / "tmp" / "rwlock").write_text(json.dumps(entry), encoding="utf-8")
        with Engine(project) as engine:
            assert engine.run("a").how == "ran"
        other.kill()


def test_half_of_dvcs_own_lock_blocks_nobody(make: Make) -> None:
    project = make(1)
    (project / ".dvc" / "tmp").mkdir(exist_ok=True)
    (project / ".dvc" / "tmp" / "rwlock").write_text("{", encoding="utf-8")
    with Engine(project) as engine:
        assert engine.run("a").how == "ran"
