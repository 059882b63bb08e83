"""Kill -9 at any instant, then run again: the same release. And one run at a time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.record import read_record
from tests.conftest import Cli


def _released(project: Path) -> str:
    return str(json.loads((project / "releases" / "current.json").read_text())["sha256"])


def _wait_for(path: Path, process: subprocess.Popen[str], *, lines: int = 0) -> None:
    """Wait until a file is there (and has that many lines), or the process has ended."""
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        if path.exists() and (not lines or path.read_bytes().count(b"\n") >= lines):
            return
        time.sleep(0.005)


@pytest.fixture
def finished(finish_project: Callable[[str], Path]) -> Path:
    return finish_project("breast_cancer")


@pytest.mark.slow
def test_interrupted_again_and_again_it_releases_the_same_model(
    cli: Cli, finished: Path, make_project: Callable[[str], Path]
) -> None:
    """By Ctrl-C after the first line, killed after the third, and killed when the release is being written."""
    project = make_project("breast_cancer")
    process = cli.start(project, "run")
    _wait_for(project / ".loopwright" / "record.jsonl", process, lines=1)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "run again to resume" in error
    assert "Traceback" not in error
    for file, lines in ((".loopwright/record.jsonl", 3), ("releases", 0)):
        process = cli.start(project, "run")
        _wait_for(project / file, process, lines=lines)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL, "the run ended before it could be killed"
    cli(project, "run")
    assert _released(project) == _released(finished)
    assert (project / "dvc.lock").read_text() == (finished / "dvc.lock").read_text()
    steps = [(item.iteration, item.stage, item.move["row"]) for item in read_record(project)]
    assert steps == [(item.iteration, item.stage, item.move["row"]) for item in read_record(finished)]


@pytest.mark.slow
def test_a_second_run_is_refused_with_the_owners_pid(cli: Cli, make_project: Callable[[str], Path]) -> None:
    project = make_project("wine")
    first = cli.start(project, "run")
    _wait_for(project / "charter" / "charter.json", first)
    second = cli(project, "run", check=False)
    first.kill()
    first.communicate()
    assert second.returncode == 2
    assert str(first.pid) in second.stderr


@pytest.mark.slow
def test_a_dead_owners_lock_does_not_block(cli: Cli, finished: Path) -> None:
    owner = finished / ".loopwright" / "run.owner.json"
    owner.write_text(json.dumps({"pid": os.getpid(), "command": "loopwright run"}))
    assert "nothing changed" in cli(finished, "run").stdout
