"""``loopwright up`` beside a server that is there already: done twice, killed, and a decision answered meanwhile."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.lock import held
from flows.up.service import LOCK_FILE, name_of, state_of
from tests.conftest import Cli
from tests.end_to_end.test_people import asking, recorded


def api(cli: Cli, path: str, body: dict[str, Any] | None = None) -> Any:
    request = urllib.request.Request(
        cli.environment["PREFECT_API_URL"] + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    for patience in reversed(range(60)):
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != 503 or not patience:  # its database is busy, as Prefect's own clients know
                raise
            time.sleep(0.5)
    raise AssertionError


def wait_until(done: Callable[[], bool], seconds: float = 240) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until
        time.sleep(0.2)


def deployments(cli: Cli, project: Path) -> dict[str, dict[str, Any]]:
    """Return the project's deployments by the last word of their names."""
    found = api(cli, "/deployments/filter", {})
    name = f"{name_of(project)}-"
    return {item["name"].removeprefix(name): item for item in found if item["name"].startswith(name)}


@pytest.mark.slow
def test_up_is_idempotent_and_a_suspended_run_goes_on_by_the_command_line(
    cli: Cli, make_project: Callable[[str], Path]
) -> None:
    project = asking(make_project)
    assert "nothing is up" in cli(project, "down").stdout
    try:
        cli(project, "up")
        first, state = deployments(cli, project), state_of(project)
        assert set(first) == {"run", "back", "watch"}
        crons = {name: [one["schedule"]["cron"] for one in item["schedules"]] for name, item in first.items()}
        assert crons == {"run": ["0 5 * * 1"], "back": [], "watch": ["0 3 * * *"]}
        assert state is not None
        assert state["url"] == cli.environment["PREFECT_API_URL"]
        os.kill(state["pid"], signal.SIGKILL)
        wait_until(lambda: not held(project / LOCK_FILE))
        for _ in range(2):
            cli(project, "up")
            again = deployments(cli, project)
            assert {key: item["id"] for key, item in again.items()} == {key: item["id"] for key, item in first.items()}
        assert f"up: {state['url'].removesuffix('/api')}" in cli(project, "status").stdout
        started = api(cli, f"/deployments/{first['run']['id']}/create_flow_run", {"parameters": {}})
        wait_until(lambda: api(cli, f"/flow_runs/{started['id']}")["state"]["name"] == "Suspended")
        asked = recorded(project)
        assert "Prefect's run goes on" in cli(project, "approve", "--by", "Ann").stdout
        wait_until(lambda: recorded(project) > asked)
        answer = cli.history(project)[asked]
        assert answer["signals"][0]["evidence"]["by"] == "Ann"
    finally:
        cli(project, "down")
    assert not held(project / LOCK_FILE)
    assert not held(project / ".loopwright/run.lock"), "the run in flight was ended"
    assert api(cli, "/health"), "the server is not ours"
