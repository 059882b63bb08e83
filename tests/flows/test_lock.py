"""One run at a time: a second process is refused by name, a dead one blocks nobody."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flows.lock import LOCK_FILE, OWNER_FILE, owner, project_lock
from stages.errors import ProjectError

ROOT = Path(__file__).parents[2]
HOLD = """
import sys
from pathlib import Path
from flows.lock import project_lock

with project_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""
Hold = Callable[[Path], "subprocess.Popen[str]"]


@pytest.fixture
def hold() -> Iterator[Hold]:
    """Start a process that holds the lock until a line comes in."""
    started: list[subprocess.Popen[str]] = []

    def start(project: Path) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(project)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_second_process_is_refused_with_the_pid(tmp_path: Path, hold: Hold) -> None:
    first = hold(tmp_path)
    assert owner(tmp_path) == first.pid
    with pytest.raises(ProjectError, match=rf"a run is going on \(pid {first.pid}: loopwright"), project_lock(tmp_path):
        pass
    assert owner(tmp_path) == first.pid
    first.communicate("\n", timeout=20)
    assert first.returncode == 0
    assert owner(tmp_path) is None
    with project_lock(tmp_path):
        assert owner(tmp_path) == os.getpid()


def test_a_killed_owner_blocks_nobody(tmp_path: Path, hold: Hold) -> None:
    first = hold(tmp_path)
    first.send_signal(signal.SIGKILL)
    first.wait(timeout=20)
    assert (tmp_path / OWNER_FILE).exists()
    assert owner(tmp_path) is None
    second = hold(tmp_path)
    assert owner(tmp_path) == second.pid


def test_an_error_inside_gives_the_lock_back(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="inside"), project_lock(tmp_path):
        raise ValueError("inside")
    assert owner(tmp_path) is None
    assert not (tmp_path / OWNER_FILE).exists()


def test_an_owner_that_cannot_be_read_is_unknown(tmp_path: Path, hold: Hold) -> None:
    hold(tmp_path)
    (tmp_path / OWNER_FILE).write_text("{", encoding="utf-8")
    with pytest.raises(ProjectError, match="pid unknown"), project_lock(tmp_path):
        pass


def test_a_folder_that_never_ran_has_no_owner(tmp_path: Path) -> None:
    assert owner(tmp_path) is None
    assert not (tmp_path / LOCK_FILE).exists()
