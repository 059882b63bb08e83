"""A real PostgreSQL server for the tests that need one."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

BIN = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)), None)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a server of its own: a cluster in a temporary folder, on a free port of 127.0.0.1."""
    initdb = str(BIN) if BIN else shutil.which("initdb")
    if initdb is None:
        pytest.skip("no PostgreSQL here: apt-get install postgresql (its binaries in /usr/lib/postgresql or PATH)")
    as_root = os.geteuid() == 0  # the server refuses to run as root
    if as_root and not _known("postgres"):
        pytest.skip("run as root, and there is no user postgres to run the server: apt-get install postgresql")
    prefix = ["runuser", "-u", "postgres", "--"] if as_root else []
    folder = Path(tempfile.mkdtemp(prefix="loopwright-pg-"))  # a short path: a socket's may have 107 bytes
    data, control = folder / "data", str(Path(initdb).with_name("pg_ctl"))
    password = folder / "password"
    password.write_text("s3cret")
    if as_root:
        for path in (folder, password):
            shutil.chown(path, "postgres")
    options = [f"--pwfile={password}", "--auth=scram-sha-256", "--username=tester", "--no-sync", "--encoding=UTF8"]
    try:
        subprocess.run([*prefix, initdb, "-D", str(data), *options], check=True, cwd=folder, stdout=subprocess.DEVNULL)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = f"-h 127.0.0.1 -p {port} -k {folder} -c fsync=off"
        start = [*prefix, control, "-D", str(data), "-o", server, "-l", str(folder / "log"), "-w", "start"]
        subprocess.run(start, check=True, cwd=folder, stdout=subprocess.DEVNULL)
        try:
            yield f"postgresql://tester:s3cret@127.0.0.1:{port}/postgres"
        finally:
            stop = [*prefix, control, "-D", str(data), "-m", "immediate", "-w", "stop"]
            subprocess.run(stop, check=True, cwd=folder, stdout=subprocess.DEVNULL)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _known(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
