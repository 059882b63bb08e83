"""A model beside the release in a server: who answers what, what the log tells, and that it is never in the way."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder
from sqlalchemy import select

from flows.serving.app import create_app
from stages.deployment import canary_log
from stages.deployment.canary_log import Canary, current_canary, ended
from stages.deployment.release_log import POINTER
from stages.files import read_json, write_json
from stages.production.beside import takes
from stages.production.latency import read
from stages.production.log import PREDICTIONS, Entry, PredictionLog
from stages.training.store import save_model
from tests.flows.serving.conftest import ROW, ask
from tests.stages.releasing import put_beside

KEYS = [f"k{number}" for number in range(40)]


def everything(project: Path) -> list[Entry]:
    return PredictionLog(project).fetch([select(PREDICTIONS).order_by(PREDICTIONS.c.number)])


async def answers(client: httpx.AsyncClient, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = await asyncio.gather(*(client.post("/predict", json=row) for row in rows))
    assert [said.status_code for said in found] == [200] * len(rows)
    return [said.json() for said in found]


def test_a_canary_answers_its_share_and_the_same_thing_always_asks_the_same(project: Path) -> None:
    line = put_beside(project, 0.5)
    rows = [ROW | {"id": key} for key in KEYS]
    nameless = [
        {name: cell for name, cell in ROW.items() if name != "id"} | {"mean_radius": at / 4} for at in range(40)
    ]
    released = read_json(project / POINTER)["sha256"][:12]

    async def go(client: httpx.AsyncClient) -> None:
        found = await answers(client, rows)
        by = {row["id"]: said["release"] for row, said in zip(rows, found, strict=True)}
        assert by == {key: line.name if takes(key, line.sha256, 0.5) else released for key in KEYS}
        together = (await client.post("/predict/batch", json={"rows": rows})).json()["rows"]
        assert [{**said, "at": ""} for said in together] == [{**said, "at": ""} for said in found]
        once, again = await answers(client, nameless), await answers(client, nameless)
        assert [said["release"] for said in once] == [said["release"] for said in again]
        assert len({said["release"] for said in once}) == 2
        ready = (await client.get("/ready")).json()
        assert (ready["release"], ready["beside"], ready["problems"]) == (released, line.name, [])
        entries = PredictionLog(project).find(said["id"] for said in [*found, *once])
        roles = {entry["release"]: entry["role"] for entry in entries.values()}
        assert roles == {line.name: "canary", released: "release"}
        assert {said["release"] for said in found} == {entries[said["id"]]["release"] for said in found}
        counted = (await client.get("/metrics")).text
        assert f'loopwright_beside{{iteration="9",release="{line.name}",share="0.5"}} 1.0' in counted
        label = await client.post("/feedback", json={"id": found[0]["id"], "label": "benign"})
        assert label.status_code == 200

    ask(create_app(project), go)
    timed = Counter[str]()
    for row in read(project, "2024-01-01"):
        timed[row["release"]] += row["count"] if row["endpoint"] == "/predict" else 0
    assert sum(timed.values()) == 120
    assert timed[line.name] > 20


def test_a_shadow_speaks_of_every_row_and_nobody_hears_it(project: Path) -> None:
    line = put_beside(project, 0.0)
    released = read_json(project / POINTER)["sha256"][:12]

    async def go(client: httpx.AsyncClient) -> None:
        found = await answers(client, [ROW | {"id": key} for key in KEYS])
        assert {said["release"] for said in found} == {released}

    ask(create_app(project), go)
    entries = everything(project)
    assert Counter((entry["role"], entry["release"]) for entry in entries) == {
        ("release", released): 40,
        ("shadow", line.name): 40,
    }
    pairs = [{entry["content"] for entry in entries if entry["role"] == role} for role in ("release", "shadow")]
    assert pairs[0] == pairs[1]
    assert sum(PredictionLog(project).counts().values()) == 40
    shadow = next(entry["id"] for entry in entries if entry["role"] == "shadow")

    async def late(client: httpx.AsyncClient) -> None:
        assert (await client.post("/feedback", json={"id": shadow, "label": "benign"})).status_code == 404

    ask(create_app(project), late)


def failing(project: Path, line: Canary) -> None:
    """Let the model beside the release be one that fails on a stage that it has not seen."""
    strict = ColumnTransformer([("words", OneHotEncoder(handle_unknown="error"), ["stage"])])
    model = Pipeline([("features", strict), ("model", LogisticRegression())])
    save_model(project / line.path, model.fit(pd.DataFrame({"stage": ["1", "2", "x"] * 4}), [0, 1, 0] * 4))
    sha256 = hashlib.sha256((project / line.path).read_bytes()).hexdigest()
    canary_log.append(project, replace(line, sha256=sha256))


@pytest.mark.parametrize("share", [0.0, 0.9])
def test_where_it_fails_the_release_answers(project: Path, share: float) -> None:
    failing(project, put_beside(project, share))
    released = read_json(project / POINTER)["sha256"][:12]

    async def go(client: httpx.AsyncClient) -> None:
        rows = [ROW | {"id": key, "stage": "new" if at % 2 else "x"} for at, key in enumerate(KEYS)]
        found = await answers(client, rows)
        assert {said["release"] for said in found[1::2]} == {released}
        assert len({said["release"] for said in found}) == (1 if share == 0 else 2)

    ask(create_app(project), go)
    counted = Counter(entry["role"] for entry in everything(project))
    assert counted["shadow"] == (20 if share == 0 else 0)
    assert sum(PredictionLog(project).counts().values()) == 40


@pytest.mark.parametrize("damage", ["model", "pointer", "columns"])
def test_a_broken_one_is_told_and_the_release_answers(project: Path, damage: str) -> None:
    more: dict[str, Any] = {"features": {"unheard_of": "number"}} if damage == "columns" else {}
    line = put_beside(project, 0.9, **more)
    if damage == "model":
        (project / line.path).write_bytes(b"no model")
    elif damage == "pointer":
        (project / canary_log.CANARY_POINTER).write_text("{")

    async def go(client: httpx.AsyncClient) -> None:
        await answers(client, [ROW | {"id": key} for key in KEYS])
        ready = await client.get("/ready")
        assert (ready.status_code, ready.json()["beside"]) == (200, None)
        says = {"model": "not what was put", "pointer": "damaged", "columns": "does not ask for"}[damage]
        assert says in ready.json()["problems"][0]

    ask(create_app(project), go)
    assert Counter(entry["role"] for entry in everything(project)) == {"release": 40}


def test_it_comes_goes_and_becomes_the_release_while_rows_are_answered(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.serving.serving.EVERY", 0.02)
    line = put_beside(project, 0.5)
    canary_log.append(project, ended(line, "stop", by="Ann", because="not yet", at=line.at))
    first = read_json(project / POINTER)

    async def go(client: httpx.AsyncClient) -> None:
        async def until(names: set[str]) -> None:
            for at in range(400):
                said = await answers(client, [ROW | {"id": f"{at} {key}"} for key in KEYS[:20]])
                if {one["release"] for one in said} == names:
                    return
                await asyncio.sleep(0.02)
            raise AssertionError(names)

        old = first["sha256"][:12]
        await until({old})
        canary_log.append(project, line)
        await until({old, line.name})
        write_json(project / POINTER, first | {"sha256": line.sha256, "path": line.path, "iteration": 9})
        await until({line.name})
        assert (await client.get("/ready")).json()["beside"] is None  # it is the release by now
        write_json(project / POINTER, first)
        await until({old, line.name})
        assert current_canary(project) == line

    ask(create_app(project), go)
    roles = Counter((entry["role"], entry["release"]) for entry in everything(project))
    assert set(roles) == {("release", first["sha256"][:12]), ("canary", line.name), ("release", line.name)}
