"""Several workers behind one port, over TLS: together they answer, count, swap and end as one server does."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
from pathlib import Path

import httpx
import psutil
import pytest
from sqlalchemy import func, select

from flows.serving.command import _tls
from stages.errors import ProjectError
from stages.production.latency import read
from stages.production.log import PREDICTIONS, PredictionLog
from tests.flows.serving.conftest import serving
from tests.flows.serving.test_running import Load, another_release, logged, until
from tests.stages.releasing import put_beside


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of this machine, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    make += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(make, check=True, capture_output=True)
    return cert, key


def test_workers_are_one_server(project: Path, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    put_beside(project, 0.0)
    tls = ssl.create_default_context(cafile=str(cert))
    options = ("--workers", "2", "--certfile", str(cert), "--keyfile", str(key))
    with serving(project, *options) as server, httpx.Client(base_url=server.url, verify=tls, timeout=60) as http:

        def counted(name: str) -> float:
            lines = http.get("/metrics").text.splitlines()
            return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

        assert server.url.startswith("https://")
        until(lambda: counted("loopwright_release{") == 2, 60)
        with Load(server.url, 4, tls) as load:
            until(lambda: len(load.said) > 60)
            new = another_release(project)
            until(lambda: {said["release"] for said in load.said[-20:]} == {new})
        assert load.failed == []
        assert counted('loopwright_requests_total{path="/predict"') == len(load.said)
        assert counted("loopwright_release{") == 2  # the one before is at 0
        first, second = workers(server.process.pid)
        before = len([said for said in load.said if said["release"] != new])
        until(lambda: shadowed(project) >= before, 60)  # it is asked when it is quiet, and a kill loses what is not yet
        os.kill(first, signal.SIGKILL)
        until(lambda: len(workers(server.process.pid)) == 2 and first not in workers(server.process.pid))
        assert second in workers(server.process.pid)
        assert counted('loopwright_requests_total{path="/predict"') == len(load.said)  # what it counted is not lost
        until(lambda: counted("loopwright_release{") == 2, 60)
        http.close()  # else it is waited for to say goodbye
        for process in (*workers(server.process.pid), server.process.pid):  # as Ctrl-C does
            os.kill(process, signal.SIGINT)
        assert server.process.wait(timeout=60) == 130
        assert server.process.stderr is not None
        assert "Traceback" not in server.process.stderr.read()
    logged(project, load)
    assert shadowed(project) >= before
    asked = [row for row in read(project, "2024-01-01") if row["endpoint"] == "/predict"]
    assert sum(row["count"] for row in asked) <= len(load.said)  # a worker that was killed lost its last seconds


def shadowed(project: Path) -> int:
    """Return of how many rows the log holds what a shadow said."""
    counted = select(func.count().label("n")).where(PREDICTIONS.c.role == "shadow")
    return int(PredictionLog(project).fetch([counted])[0]["n"])


def workers(pid: int) -> list[int]:
    """Return the processes of a server that answer."""
    found = psutil.Process(pid).children()
    return [
        one.pid for one in found if one.status() != psutil.STATUS_ZOMBIE and "spawn_main" in " ".join(one.cmdline())
    ]


@pytest.mark.parametrize(
    ("cert", "key", "says"),
    [
        (None, "key", "a key without a certificate"),
        ("nowhere", "key", "is no file"),
        ("cert", "nowhere", "is no file"),
        ("cert", None, "cannot be used"),
        ("key", "key", "cannot be used"),
        ("cert", "locked", "without a password"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_said(
    certificate: tuple[Path, Path], cert: str | None, key: str | None, says: str
) -> None:
    folder = certificate[0].parent
    lock = ["openssl", "rsa", "-aes128", "-passout", "pass:abcd", "-in", "key.pem", "-out", "locked.pem"]
    subprocess.run(lock, cwd=folder, check=True, capture_output=True)
    named = [None if name is None else folder / f"{name}.pem" for name in (cert, key)]
    with pytest.raises(ProjectError, match=says):
        _tls(*named)
