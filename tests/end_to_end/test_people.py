"""Decisions of people, end to end: asked, answered, timed out; a kill between; a way back while a run is going."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flows import patching
from stages.params import read_params
from tests.conftest import Cli, git

DEAR = {"planning.unattended": "ask", "planning.prices.row": 1.0, "planning.budgets.money": 50.0}
Make = Callable[[str], Path]


def asking(make_project: Make, **approvals: object) -> Path:
    """A project whose rows cost more than its budget of money, which a person decides about."""
    project = make_project("wine")
    patching.apply(project, DEAR | {f"planning.approvals.{key}": value for key, value in approvals.items()})
    git(project, "commit", "--quiet", "--all", "-m", "Ask")
    return project


def recorded(project: Path) -> int:
    return (project / ".loopwright/record.jsonl").read_bytes().count(b"\n")


@pytest.mark.slow
def test_a_decision_is_asked_answered_killed_resumed_and_a_way_back_taken(cli: Cli, make_project: Make) -> None:
    project = asking(make_project, by=["Ann"])
    assert "loopwright approve" in cli(project, "run").stdout
    asked = cli.history(project)[-1]
    assert (asked["stage"], asked["move"]["to"], asked["move"]["row"]) == ("data", "waiting", "labels_too_dear")
    assert "waits until" in cli(project, "run").stdout
    state = json.loads(cli(project, "status", "--json").stdout)
    option, *_, stop = state["question"]["options"]
    assert stop["kind"] == "stop"
    assert "planning.budgets.money" in option["patch"]
    for wrong, says in (
        (("approve", "--by", "Bob"), "Bob may not decide this"),
        (("choose", "7", "--by", "Ann"), "there is no option 7"),
        (("choose",), "an option, or --set"),
        (("choose", "--set", "planning.budgets.money=-1", "--by", "Ann"), "greater than 0"),
        (("reject", "--because", " ", "--by", "Ann"), "the reason is empty"),
    ):
        refused = cli(project, *wrong, check=False)
        assert refused.returncode == 2
        assert says in refused.stderr
    process = cli.start(project, "approve", "--by", "Ann", "--because", "labels are worth it")
    until = time.monotonic() + 60
    while recorded(project) == asked["iteration"] and time.monotonic() < until:
        time.sleep(0.005)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    process = cli.start(project, "run")
    while recorded(project) < asked["iteration"] + 2 and time.monotonic() < until:
        time.sleep(0.05)
    way = ("back", "data", "--because", "more to judge by", "--set", "data.split.valid=0.3", "--by", "Eve")
    assert f"(pid {process.pid}" in cli(project, *way).stdout
    process.communicate(timeout=120)
    assert process.returncode == 0
    history = cli.history(project)
    answer = history[asked["iteration"]]
    (said,) = answer["signals"]
    assert said["evidence"]["by"] == "Ann"
    assert said["evidence"]["because"] == "labels are worth it"
    assert (answer["by"], answer["move"]["to"], answer["move"]["patch"]) == ("person", "planning", option["patch"])
    after = history[asked["iteration"] + 1]
    assert (after["stage"], after["by"], after["run"]) == ("planning", "person", asked["run"])
    (manual,) = [item for item in history if item["move"]["row"] == "manual"]
    assert manual["run"] == asked["run"]
    assert manual["signals"][0]["evidence"]["by"] == "Eve"
    assert history[-1]["move"]["to"] == "released"
    assert read_params(project)["data"]["split"]["valid"] == 0.3
    refused = cli(project, "approve", "--by", "Ann", check=False)
    assert refused.returncode == 2
    assert "no decision waits for an answer; the last one: Ann approved it" in refused.stderr


@pytest.mark.slow
def test_nobody_answers_and_the_charter_decides(cli: Cli, make_project: Make) -> None:
    project = asking(make_project, wait_minutes=0.001)
    cli(project, "run")
    refused = cli(project, "approve", check=False)
    assert refused.returncode == 2
    assert "could be answered until" in refused.stderr
    assert "nobody answered until" in cli(project, "run").stdout
    last = cli.history(project)[-1]
    assert (last["by"], last["move"]["to"], last["move"]["row"]) == ("loop", "stopped", "labels_too_dear")
    assert "nothing changed since" in cli(project, "run").stdout
