"""A release behind the server, asked in this process or over a port."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from fastapi import FastAPI

from stages.answering import Policy, limits
from stages.deployment.release_log import POINTER
from stages.files import read_json, write_json
from tests.conftest import ROOT
from tests.stages.releasing import many_kinds, release

SOURCE = {"key": "id", "time": "day"}
ROW: dict[str, Any] = {"mean_radius": 12.0, "mean_texture": 15.5, "mean_texture_size": "small", "born": "1990-01-01"}
ROW |= {"smokes": True, "grade": 2, "stage": "x", "id": "p1", "day": "2024-05-01"}


def released(folder: Path, **more: Any) -> Path:
    """Release a model that is not sure of every row, and whose card tells what it learned from."""
    frame = many_kinds()
    release(folder, frame.iloc[:500], SOURCE, Policy(confidence=0.8), **more)
    path = folder / read_json(folder / POINTER)["card"]
    card = read_json(path)
    rows = pd.read_parquet(folder / "data/pilot.parquet")
    write_json(path, card | {"seen": limits(rows, card["features"])})
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return released(tmp_path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for tests that change nothing."""
    return released(tmp_path_factory.mktemp("shared"))


Asked = Callable[[httpx.AsyncClient], Awaitable[None]]


@asynccontextmanager
async def asking(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of an application in this process, between its start and its end."""
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client,
    ):
        yield client


def ask(app: FastAPI, what: Asked) -> None:
    """Run what asks an application in this process."""

    async def run() -> None:
        async with asking(app) as client:
            await what(client)

    asyncio.run(run())


@dataclass(frozen=True)
class Running:
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    url: str


@contextmanager
def serving(project: Path, *arguments: str, **environment: str) -> Iterator[Running]:
    """Run ``loopwright serve`` on a free port, once it answers."""
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "serve", "-C", str(project), "--port", "0", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        told: list[str] = []
        found = None
        while found is None:
            told.append(process.stderr.readline())
            assert told[-1], "".join(told)
            found = re.search(r"serving .* at (https?://\S+),", told[-1])
        yield Running(process, found[1])
    finally:
        process.kill()
        process.communicate()
