"""Several processes behind one port: each answers by itself, and together they log, swap and count as one."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, Any

import uvicorn
from prometheus_client.multiprocess import mark_process_dead
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from flows.serving.metrics import MULTIPROCESS
from stages.errors import LoopwrightError, ProjectError
from stages.params import Serve

if TYPE_CHECKING:
    from fastapi import FastAPI

AGAIN = 5.0
HUNG = 20


def run(
    project: Path, settings: Serve, key: str | None, listening: socket, *, quiet: bool, options: dict[str, Any]
) -> None:
    """Serve with as many processes as the settings say, until SIGTERM or Ctrl-C; one that dies is begun anew.

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C, once everything is answered.
    ProjectError
        If a worker cannot begin.
    """
    with tempfile.TemporaryDirectory(prefix="loopwright-metrics-") as counts:
        os.environ[MULTIPROCESS] = counts
        app = partial(make_app, project, settings, key, quiet)
        config = uvicorn.Config(app, factory=True, workers=settings.workers, timeout_worker_healthcheck=HUNG, **options)
        workers = Workers(config, [listening])
        workers.run()
    if any(worker.exitcode == STARTUP_FAILURE for worker in workers.processes):
        raise ProjectError("a worker did not begin; it says why above", where="--workers")
    if workers.interrupted:
        raise KeyboardInterrupt


class Workers(Multiprocess):
    """uvicorn's supervisor, which takes the gauges of a worker that died out of the sum, and knows what ended it."""

    interrupted = False

    def handle_int(self) -> None:
        """End after Ctrl-C."""
        self.interrupted = True
        super().handle_int()

    def keep_subprocess_alive(self) -> None:
        """Begin workers anew that died."""
        before = list(self.processes)
        for worker in before:
            worker.child_conn.close()  # else a worker that is killed while it is asked for a sign is waited for
        super().keep_subprocess_alive()
        for worker in before:
            if worker not in self.processes:
                mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def make_app(project: Path, settings: Serve, key: str | None, quiet: bool) -> FastAPI:
    """Return the application of one worker.

    The command has looked at the release before; one that was damaged since keeps a worker that was begun anew from
    answering, and it tries again, while those that hold the release in memory go on.
    """
    from flows.serving.app import create_app
    from flows.serving.command import tell_to

    tell_to(quiet=quiet)
    try:
        return create_app(project, settings, key)
    except LoopwrightError as error:
        print(f"a worker cannot begin: {error}", file=sys.stderr)
        time.sleep(AGAIN)
        raise SystemExit(1) from None
