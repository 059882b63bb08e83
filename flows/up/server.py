"""Prefect's API server for one run, when the user has set none up.

It is a child process started before anything heavy is imported (its own imports take seconds), and it ends with us:
its standard input is a pipe from this process, and when that closes, by an exit or a kill, it leaves.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout

from flows.up.service import url_of
from stages.errors import ProjectError

LOG_FILE = ".loopwright/prefect-server.log"
HOST = "127.0.0.1"
FIRST_TIME_AFTER, USERS_SERVER_WITHIN, TURN_WITHIN = 10.0, 20.0, 60.0

# Runs in the child: leave when the parent's end of the pipe closes.
_CHILD = """
import os, sys, threading
def leave_with_parent():
    sys.stdin.buffer.read()
    os._exit(0)
threading.Thread(target=leave_with_parent, daemon=True).start()
import uvicorn
uvicorn.run("prefect.server.api.server:create_app", factory=True, host=sys.argv[1], port=int(sys.argv[2]),
            log_level="error", lifespan="on", timeout_graceful_shutdown=1)
"""


class PrefectServer:
    """The server of one run; does nothing where one is named already: by ``PREFECT_API_URL``, a Prefect profile, `up`.

    Parameters
    ----------
    project : Path
        Its log goes there.
    port : int
        Where it listens, when that is free; 0 for any port.
    shared : bool
        Whether one that is up for the project is used.
    """

    def __init__(self, project: Path, *, port: int = 0, shared: bool = True) -> None:
        self._log = project / LOG_FILE
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None
        self._turn = FileLock(_home() / "loopwright.lock")
        self._port = port
        self.url = configured_url() or (url_of(project) if shared else None)

    @property
    def lives(self) -> bool:
        """Whether the child runs, or the server is the user's."""
        return self._process is None or self._process.poll() is None

    def start(self) -> None:
        """Start the child and return at once; after another run's server, when one is just starting.

        One at a time, because two that make or migrate Prefect's database together fail both.
        """
        if self.url is not None:
            os.environ["PREFECT_API_URL"] = self.url
            return
        _home().mkdir(parents=True, exist_ok=True)
        with suppress(Timeout):
            self._turn.acquire(timeout=TURN_WITHIN)
        port = _free_port(self._port)
        self.url = f"http://{HOST}:{port}/api"
        self._log.parent.mkdir(exist_ok=True)
        self._output = self._log.open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CHILD, HOST, str(port)],
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env={
                **os.environ,
                "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
                "PREFECT_LOGGING_LEVEL": "ERROR",
                "PREFECT_UI_API_URL": self.url,
            },
            cwd=self._log.parent,
            start_new_session=True,  # Ctrl-C is for us; the server must still take the run's last word
        )
        os.environ["PREFECT_API_URL"] = self.url

    def wait_ready(self, progress: Callable[[str], None], timeout: float = 120.0) -> None:
        """Wait until the server answers, ours or the user's.

        Raises
        ------
        ProjectError
            If it does not come up, with the last lines of its log.
        """
        started = time.monotonic()
        while not self._answers():
            waited = time.monotonic() - started
            if self._process is None:
                if waited > USERS_SERVER_WITHIN:
                    raise ProjectError(
                        "Prefect's server does not answer",
                        where=f"{self.url} (PREFECT_API_URL)",
                        todo="start it (prefect server start), or unset PREFECT_API_URL",
                    )
                progress(f"waiting for {self.url}")
                time.sleep(0.2)
                continue
            if self._process.poll() is not None or waited > timeout:
                raise ProjectError(
                    f"Prefect's server did not start: {self._last_words()}",
                    where=LOG_FILE,
                    todo="read that log; or set PREFECT_API_URL to a server of yours",
                )
            first = " (the first time it makes its database, about 20 s)" if waited > FIRST_TIME_AFTER else ""
            progress(f"starting Prefect{first}")
            time.sleep(0.1)
        self._turn.release()

    def close(self) -> None:
        """End the child."""
        self._turn.release()
        if self._process is None:
            return
        os.environ.pop("PREFECT_API_URL", None)
        self._process.kill()
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()
        if self._output:
            self._output.close()
        self._process = None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError:
            return self._process is None  # theirs is there, and wants a key that Prefect's client knows
        except (urllib.error.URLError, OSError):
            return False
        except ValueError as error:
            raise ProjectError(
                f"{self.url!r} is no URL ({error})",
                where="PREFECT_API_URL",
                expected="for instance http://127.0.0.1:4200/api",
                todo="correct it, or unset it",
            ) from None

    def _last_words(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return " | ".join(lines[-3:]) or "it said nothing"


def configured_url() -> str | None:
    """Return the API URL the user has configured, by environment or by the active Prefect profile; None without one."""
    if os.environ.get("PREFECT_API_URL"):
        return os.environ["PREFECT_API_URL"]
    path = Path(os.environ.get("PREFECT_PROFILES_PATH", _home() / "profiles.toml"))
    try:
        profiles = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError):
        return None
    active = os.environ.get("PREFECT_PROFILE", profiles.get("active", ""))
    url = profiles.get("profiles", {}).get(active, {}).get("PREFECT_API_URL")
    return str(url) if url else None


def _home() -> Path:
    return Path(os.environ.get("PREFECT_HOME", "~/.prefect")).expanduser()


def _free_port(wanted: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        try:
            probe.bind((HOST, wanted))
        except OSError:
            probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
