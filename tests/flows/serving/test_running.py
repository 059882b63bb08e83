"""A server in a process of its own: it loses nothing that it answered, swaps under load, and ends when told to."""

from __future__ import annotations

import hashlib
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from flows.cli import main
from stages.deployment.release_log import POINTER
from stages.files import read_json, write_json
from stages.production.log import PredictionLog
from stages.training.store import load_model, save_model
from tests.flows.serving.conftest import ROW, serving


class Load:
    """Clients that ask one row after the other, each its own, until they are told to stop."""

    def __init__(self, url: str, clients: int, tls: ssl.SSLContext | bool = True) -> None:
        self.url, self.tls, self.going = url, tls, True
        self.said: list[dict[str, Any]] = []
        self.failed: list[str] = []
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *of: object) -> None:
        self.going = False
        for thread in self._threads:
            thread.join()

    def _ask(self, client: int) -> None:
        with httpx.Client(base_url=self.url, timeout=30, verify=self.tls) as http:
            asked = 0
            while self.going:
                asked += 1
                try:
                    answer = http.post("/predict", json=ROW | {"id": f"{client}-{asked}"})
                except httpx.HTTPError as error:
                    self.failed.append(repr(error))
                    return
                if answer.status_code == 200:
                    self.said.append(answer.json())
                else:
                    self.failed.append(answer.text)


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def another_release(project: Path) -> str:
    """Point at another model, as a release does; return its name."""
    pointer = read_json(project / POINTER)
    model = load_model(project / pointer["path"])
    model.named_steps["model"].set_params(verbose=0, tol=1e-6)
    folder = project / "releases/another"
    save_model(folder / "model.skops", model)
    sha256 = hashlib.sha256((folder / "model.skops").read_bytes()).hexdigest()
    write_json(project / POINTER, pointer | {"sha256": sha256, "path": "releases/another/model.skops", "iteration": 5})
    return sha256[:12]


def test_a_release_takes_over_under_load_a_damaged_one_does_not_and_a_kill_loses_no_answer(project: Path) -> None:
    first = read_json(project / POINTER)
    with serving(project) as server, httpx.Client(base_url=server.url, timeout=30) as http:
        with Load(server.url, 4) as load:
            until(lambda: len(load.said) > 20)
            second = another_release(project)
            until(lambda: load.said[-1]["release"] == second)
            until(lambda: len(load.said) > 60)
            write_json(project / POINTER, first | {"sha256": "0" * 64})
            until(lambda: bool(http.get("/ready").json()["problems"]))
            until(lambda: len(load.said) > 100)
            ready = http.get("/ready")
            assert (ready.status_code, ready.json()["release"]) == (200, second)
            assert "not what was released" in ready.json()["problems"][0]
            write_json(project / POINTER, first)
            until(lambda: load.said[-1]["release"] == first["sha256"][:12])
        assert load.failed == []
        assert {said["release"] for said in load.said} == {second, first["sha256"][:12]}
        assert http.get("/ready").json()["problems"] == []
        counted = http.get("/metrics").text
        assert 'loopwright_swaps_total{result="swapped"} 2.0' in counted
        assert 'loopwright_swaps_total{result="refused"} 1.0' in counted
        with Load(server.url, 6) as killed:
            until(lambda: len(killed.said) > 60)
            server.process.kill()
            server.process.wait()
    logged(project, load)
    logged(project, killed)


def test_it_ends_when_it_is_told_to_and_answers_before(project: Path) -> None:
    with serving(project) as server:
        with Load(server.url, 2) as load:
            until(lambda: len(load.said) > 10)
            server.process.send_signal(signal.SIGINT)
            assert server.process.wait(timeout=30) == 130
        assert all("Error(" in told for told in load.failed)  # a connection that is closed, and never an answer
        assert server.process.stderr is not None
        told = server.process.stderr.read()
        assert "Traceback" not in told
        assert "stopped; everything" in told
    logged(project, load)


def logged(project: Path, load: Load) -> None:
    ids = {said["id"] for said in load.said}
    assert PredictionLog(project).find(ids).keys() == ids


def refusal(capsys: pytest.CaptureFixture[str], project: Path, *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["serve", "-C", str(project), *arguments])
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_what_cannot_be_served_is_said(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "anyone who reaches this machine could ask" in refusal(capsys, shared, "--host", "0.0.0.0")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "in use" in refusal(capsys, shared, "--port", str(taken.getsockname()[1]))
    values = read_json(shared / "params.yaml")
    write_json(tmp_path / "params.yaml", values | {"deployment": {"serve": {"api_key_env": "KEY"}}})
    assert "environment variable KEY: holds no key" in refusal(capsys, tmp_path)
    monkeypatch.setenv("KEY", "short")
    assert "too short" in refusal(capsys, tmp_path)
    monkeypatch.setenv("KEY", "a key of some length")
    assert "nothing is released" in refusal(capsys, tmp_path, "--port", "0")
