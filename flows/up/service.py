"""``loopwright up`` and ``down``: Prefect's server, a worker and the deployments of ``prefect.yaml`` for a project."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

import psutil

from flows.lock import STATE, held
from flows.project import check_project
from flows.show import Show
from stages.errors import ProjectError

LOCK_FILE, STATE_FILE = f"{STATE}/up.lock", f"{STATE}/up.json"
LOG, WORKER_LOG = f"{STATE}/up.log", f"{STATE}/prefect-worker.log"
PREFECT_FILE = "prefect.yaml"
UP_WITHIN, DOWN_WITHIN = 300.0, 60.0
PORT = 4200  # Prefect's own


def up(project: Path, *, port: int = PORT) -> str:
    """Start server and worker, where they are not up, and take the deployments over; return the server's API URL.

    Done again, it changes nothing but what was edited in ``prefect.yaml``.

    Raises
    ------
    ProjectError
        If something does not come up, or Prefect refuses a deployment.
    """
    check_project(project, allow_dirty=True)
    show = Show()
    try:
        if not held(project / LOCK_FILE):
            show.waiting("starting Prefect's server and worker")
            _start(project, port)
        url = _wait_ready(project, show)
        show.waiting("taking the deployments over")
        deployed = deploy(project, url)
    finally:
        show.close()
    ui = url.removesuffix("/api")
    show.console.print(f"up: {ui} ({', '.join(deployed)}); loopwright down ends it", soft_wrap=True)
    return url


def down(project: Path) -> bool:
    """End what `up` started, and nothing else; tell whether anything was up."""
    show = Show()
    state = state_of(project)
    if state is None:
        show.console.print("nothing is up")
        return False
    with suppress(psutil.NoSuchProcess):
        supervisor = psutil.Process(int(state["pid"]))
        supervisor.terminate()
        try:
            supervisor.wait(DOWN_WITHIN)
        except psutil.TimeoutExpired:
            supervisor.kill()  # its children leave with it
            supervisor.wait()
    (project / STATE_FILE).unlink(missing_ok=True)
    show.console.print("down")
    return True


def state_of(project: Path) -> dict[str, Any] | None:
    """Return what is up: ``pid``, ``url``, ``ready``; None when nothing is."""
    return _read(project) if held(project / LOCK_FILE) else None


def url_of(project: Path) -> str | None:
    """Return the API URL of the server that is up for this project, None when none is."""
    state = state_of(project)
    return str(state["url"]) if state and state["ready"] else None


def name_of(project: Path) -> str:
    """Return what the project is called in Prefect, where folders of the same name may meet on one server."""
    slug = re.sub(r"[^a-z0-9]+", "-", project.name.lower()).strip("-") or "project"
    return f"{slug}-{hashlib.sha256(str(project).encode()).hexdigest()[:4]}"


def deploy(project: Path, url: str) -> list[str]:
    """Create or update the deployments of ``prefect.yaml`` by Prefect's own command; return their names.

    Raises
    ------
    ProjectError
        If Prefect refuses one.
    """
    named = project / PREFECT_FILE
    path = named if named.exists() else Path(str(files("flows") / "templates" / PREFECT_FILE))
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(path)],
        cwd=project,
        env={
            **os.environ,
            "PREFECT_API_URL": url,
            "LOOPWRIGHT_NAME": name_of(project),
            "LOOPWRIGHT_PROJECT": str(project),
            "COLUMNS": "500",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.findall(r"Deployment '([^']+)' successfully created", done.stdout)
    if done.returncode or not found:
        said = " ".join((done.stderr.strip() or done.stdout.strip()).split())[-300:]
        raise ProjectError(f"Prefect does not take it: {said}", where=str(path), todo="mend it, then loopwright up")
    return sorted(found)


def _start(project: Path, port: int) -> None:
    (project / STATE).mkdir(exist_ok=True)
    (project / STATE_FILE).unlink(missing_ok=True)
    with (project / LOG).open("wb") as log:
        subprocess.Popen(
            [sys.executable, "-m", "flows.up.supervisor", str(project), str(port)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=project,
            start_new_session=True,
        )


def _wait_ready(project: Path, show: Show) -> str:
    started = time.monotonic()
    while True:
        state, waited = _read(project), time.monotonic() - started
        if state.get("ready"):
            return str(state["url"])
        error = state.get("error") or ("it ended" if waited > 10 and not held(project / LOCK_FILE) else None)
        if error or waited > UP_WITHIN:
            raise ProjectError(
                f"did not come up: {error or 'it takes too long'}", where=LOG, todo="read that log, then try again"
            )
        show.waiting(f"starting Prefect's server and worker ({waited:.0f} s)")
        time.sleep(0.2)


def _read(project: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((project / STATE_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}
