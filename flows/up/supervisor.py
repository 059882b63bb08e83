"""The process behind ``loopwright up``: it keeps Prefect's server and a worker for one project, until it is ended.

Server and worker leave when this process does, also when it is killed: their standard input is a pipe from it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import psutil
from filelock import FileLock, Timeout

from flows.up.server import PrefectServer
from flows.up.service import LOCK_FILE, STATE_FILE, UP_WITHIN, WORKER_LOG, name_of
from stages.errors import LoopwrightError, ProjectError
from stages.files import write_json

POLL_SECONDS, GRACE_SECONDS = 1.0, 10.0

_WORKER = """
import os, sys, threading
def leave_with_parent():
    sys.stdin.buffer.read()
    os._exit(0)
threading.Thread(target=leave_with_parent, daemon=True).start()
from prefect.cli import app
app()
"""


def main() -> None:
    """Hold the project's server and worker; the arguments are its folder and the server's port, 0 for any."""
    project, port = Path(sys.argv[1]), int(sys.argv[2])
    lock = FileLock(project / LOCK_FILE)
    try:
        lock.acquire(timeout=1)  # others hold it for an instant, to see whether we do
    except Timeout:
        return  # another one was quicker
    state: dict[str, Any] = {"pid": os.getpid(), "url": None, "error": None, "ready": False}
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        write_json(project / STATE_FILE, state)
        _supervise(project, port, state)
    except LoopwrightError as error:
        write_json(project / STATE_FILE, {**state, "ready": False, "error": str(error)})
        raise SystemExit(1) from None
    finally:
        lock.release()


def _supervise(project: Path, port: int, state: dict[str, Any]) -> None:
    with ExitStack() as stack:
        server = PrefectServer(project, port=port, shared=False)
        stack.callback(server.close)
        server.start()
        server.wait_ready(lambda text: None, timeout=UP_WITHIN)
        from prefect.exceptions import PrefectException

        from flows.people.suspending import resume_due

        _make_pool(name_of(project))
        worker = _start_worker(project, str(server.url))
        stack.callback(_end, worker)
        write_json(project / STATE_FILE, {**state, "url": server.url, "ready": True})
        while worker.poll() is None and server.lives:
            try:
                resume_due(project)
            except (PrefectException, OSError, LoopwrightError) as error:
                print(f"resume: {error}", flush=True)  # a server that is away for a while; tried again
            time.sleep(POLL_SECONDS)
        what = "Prefect's worker" if server.lives else "Prefect's server"
        raise ProjectError(f"{what} ended", where=WORKER_LOG, todo="read that log, then loopwright up again")


def _make_pool(name: str) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists
    from prefect.workers.process import ProcessWorker

    template = ProcessWorker.get_default_base_job_template()
    with get_client(sync_client=True) as client, suppress(ObjectAlreadyExists):
        client.create_work_pool(WorkPoolCreate(name=name, type="process", base_job_template=template))


def _start_worker(project: Path, url: str) -> subprocess.Popen[bytes]:
    name = name_of(project)
    with (project / WORKER_LOG).open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-c", _WORKER, "worker", "start", "--pool", name, "--name", name, "--type", "process"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=project,
            env={"PREFECT_WORKER_QUERY_SECONDS": "2", **os.environ, "PREFECT_API_URL": url},
        )


def _end(worker: subprocess.Popen[bytes]) -> None:
    """End the worker and the runs it started, which tell Prefect so, and which the record resumes."""
    try:
        started = psutil.Process(worker.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        started = []
    for process in started:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(started, GRACE_SECONDS)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    worker.kill()
    worker.wait()


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    main()
