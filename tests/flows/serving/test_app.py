"""What a server answers: rows, mistakes, labels; and what it lets nobody do."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from flows.people import reviewing
from flows.serving.app import create_app
from stages.data.labels.log import read_reviewed
from stages.deployment.release_log import POINTER
from stages.errors import DataError, ProjectError
from stages.files import read_json, write_json
from stages.params import Serve
from stages.production.log import FILE, PredictionLog
from stages.production.standing import StandingLog
from stages.training.store import save_model
from tests.flows.serving.conftest import ROW, ask
from tests.stages.releasing import many_kinds, params_of


def test_a_row_is_answered_and_stands_in_the_log(project: Path) -> None:
    async def go(client: httpx.AsyncClient) -> None:
        said = (await client.post("/predict", json=ROW)).json()
        assert said["prediction"] in ("benign", "malignant")
        assert said["answered"] and said["reason"] == "" and said["flags"] == {}
        assert said["confidence"] == max(said["probabilities"].values())
        assert said["release"] == read_json(project / "releases/current.json")["sha256"][:12]
        entry = PredictionLog(project).find([said["id"]])[said["id"]]
        assert (entry["key"], entry["prediction"], entry["source"]) == ("p1", said["prediction"], "serve")
        again = (await client.post("/predict", json=ROW)).json()
        assert again["id"] == said["id"]
        without = {name: cell for name, cell in ROW.items() if name != "id"}
        ids = [(await client.post("/predict", json=without)).json()["id"] for _ in range(2)]
        assert ids[0] != ids[1]
        once = [(await client.post("/predict", json=without, headers={"Idempotency-Key": "a"})).json() for _ in "ab"]
        assert once[0]["id"] == once[1]["id"]
        assert PredictionLog(project).counts() == {"": 4}

    ask(create_app(project), go)


def test_rows_together_are_answered_in_order_and_flagged(project: Path) -> None:
    odd = ROW | {"id": "p2", "mean_radius": 99, "stage": "new", "grade": None}

    async def go(client: httpx.AsyncClient) -> None:
        alone = [(await client.post("/predict", json=row)).json() for row in (ROW, odd)]
        rows = (await client.post("/predict/batch", json={"rows": [ROW, odd]})).json()["rows"]
        assert [{**row, "at": ""} for row in rows] == [{**row, "at": ""} for row in alone]
        assert rows[1]["flags"] == {"mean_radius": "out_of_range", "stage": "unseen_value"}
        counted = (await client.get("/metrics")).text
        assert 'loopwright_flagged_cells_total{column="stage",what="unseen_value"} 2.0' in counted
        assert 'loopwright_requests_total{path="/predict/batch",status="200"} 1.0' in counted
        unsure = [row for row in rows if not row["answered"]]
        assert all(row["prediction"] is None and row["reason"] == "unsure" for row in unsure)

    ask(create_app(project), go)


BAD: dict[str, tuple[Any, list[Any], str]] = {
    "text for a number": (ROW | {"grade": "x"}, ["body", "grade"], "valid number"),
    "a field too many": (ROW | {"target": "benign"}, ["body", "target"], "not permitted"),
    "a field too few": ({k: v for k, v in ROW.items() if k != "born"}, ["body", "born"], "required"),
    "no date": (ROW | {"born": "1990-02-31"}, ["body", "born"], "no date"),
    "infinite": (b'{"grade": Infinity}', ["body", "grade"], "finite"),
    "no JSON": (b"{", ["body"], "Invalid JSON"),
    "half a character": (b'{"stage": "\\ud800"}', ["body"], "Invalid JSON"),
    "a list": ([ROW], ["body"], "should be an object"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_named_and_its_value_is_not(shared: Path, case: str) -> None:
    body, loc, says = BAD[case]
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def go(client: httpx.AsyncClient) -> None:
        said = await client.post("/predict", content=content, headers={"Content-Type": "application/json"})
        assert said.status_code == 422
        found = next(item for item in said.json()["detail"] if item["loc"] == loc)
        assert says in found["msg"]
        assert found.keys() == {"type", "loc", "msg"}
        assert PredictionLog(shared).counts() == {}

    ask(create_app(shared), go)


def test_a_body_has_a_kind_an_end_and_so_many_rows(project: Path) -> None:
    async def slow() -> Any:
        for _ in range(3):
            yield b" " * 1000

    async def go(client: httpx.AsyncClient) -> None:
        form = await client.post("/predict", content=b"{}", headers={"Content-Type": "text/plain"})
        assert form.status_code == 415
        kind = {"Content-Type": "application/json"}
        assert (await client.post("/predict", content=b" " * 3000, headers=kind)).status_code == 413
        assert (await client.post("/predict", content=slow(), headers=kind)).status_code == 413
        many = await client.post("/predict/batch", json={"rows": [{}] * 4})
        assert "at most 3 items" in many.text
        second = await client.post("/predict/batch", json={"rows": [ROW, ROW | {"grade": "x"}]})
        assert second.json()["detail"][0]["loc"] == ["body", "rows", 1, "grade"]
        assert PredictionLog(project).counts() == {}

    ask(create_app(project, Serve(max_rows=3, max_body_kb=2)), go)


def test_a_body_that_comes_too_slowly_is_told_so(project: Path) -> None:
    async def slow() -> Any:
        yield b"{"
        await asyncio.sleep(5)
        yield b"}"

    async def go(client: httpx.AsyncClient) -> None:
        said = await client.post("/predict", content=slow(), headers={"Content-Type": "application/json"})
        assert (said.status_code, said.headers["Connection"]) == (408, "close")
        assert "deployment.serve.body_timeout_s" in said.json()["detail"]
        assert (await client.post("/predict", json=ROW)).status_code == 200

    ask(create_app(project, Serve(body_timeout_s=0.1)), go)


def test_the_key_is_asked_for_but_where_nothing_is_told(project: Path) -> None:
    async def go(client: httpx.AsyncClient) -> None:
        key = {"Authorization": "Bearer a key of some length"}
        for path in ("/predict", "/predict/batch", "/feedback"):
            assert (await client.post(path, json=ROW)).status_code == 401
            assert (await client.post(path, json=ROW, headers={"Authorization": "Bearer wrong"})).status_code == 401
        assert (await client.get("/metrics")).status_code == 401
        assert (await client.post("/predict", json=ROW, headers=key)).status_code == 200
        for path in ("/health", "/ready", "/docs", "/openapi.json", "/static/swagger-ui.css"):
            assert (await client.get(path)).status_code == 200
        assert 'status="401"' in (await client.get("/metrics", headers=key)).text

    ask(create_app(project, key="a key of some length"), go)


def test_labels_come_back_as_by_review(project: Path) -> None:
    async def go(client: httpx.AsyncClient) -> None:
        said = (await client.post("/predict", json=ROW)).json()
        one = {"id": said["id"], "label": "benign", "by": "ann"}

        async def tell(content: Any) -> tuple[int, Any]:
            answer = await client.post("/feedback", json=content)
            return answer.status_code, answer.json()

        assert await tell(one) == (200, {"new": 1, "known": 0})
        assert await tell([one]) == (200, {"new": 0, "known": 1})
        assert await tell(one | {"label": "malignant"}) == (200, {"new": 1, "known": 0})
        assert await tell(one) == (200, {"new": 1, "known": 0})
        assert [label.label for label in read_reviewed(project)] == ["benign", "malignant", "benign"]
        assert await tell([one, one | {"id": "zz"}]) == (404, {"detail": "no prediction has the id 'zz'"})
        status, wrong = await tell([one, one | {"label": "bening"}])
        assert (status, wrong["detail"][0]["loc"]) == (422, ["body", 1, "label"])
        assert (await tell([one, one | {"label": "malignant"}]))[0] == 422  # of one person two
        assert (await tell({"id": said["id"]}))[1]["detail"][0]["loc"] == ["body", "label"]
        assert len(read_reviewed(project)) == 3
        assert read_reviewed(project)[0].row["grade"] == 2.0
        assert reviewing.waiting(project) == []

    ask(create_app(project), go)


def test_nothing_is_answered_that_cannot_be_logged(project: Path) -> None:
    async def go(client: httpx.AsyncClient) -> None:
        assert (await client.post("/predict", json=ROW)).status_code == 200
        other = sqlite3.connect(project / FILE)
        other.execute("begin immediate")  # as another process that writes and writes
        said = await client.post("/predict", json=ROW | {"id": "p2"})
        assert (said.status_code, said.headers["Retry-After"]) == (503, "1")
        ready = await client.get("/ready")
        assert ready.status_code == 503
        assert "locked" in ready.json()["problems"][0]
        other.rollback()
        other.close()
        assert (await client.post("/predict", json=ROW | {"id": "p2"})).status_code == 200
        assert (await client.get("/ready")).status_code == 200
        assert PredictionLog(project).counts() == {"": 2}

    ask(create_app(project, Serve(log_wait_s=0.1)), go)


def test_a_row_that_the_model_fails_on_fails_alone(project: Path) -> None:
    strict = ColumnTransformer([("words", OneHotEncoder(handle_unknown="error"), ["stage"])])
    model = Pipeline([("features", strict), ("model", LogisticRegression())])
    rows = pd.DataFrame({"stage": ["1", "2", "x"] * 4})
    pointer = read_json(project / POINTER)
    save_model(project / pointer["path"], model.fit(rows, [0, 1, 0] * 4))
    sha256 = hashlib.sha256((project / pointer["path"]).read_bytes()).hexdigest()
    write_json(project / POINTER, pointer | {"sha256": sha256})

    async def go(client: httpx.AsyncClient) -> None:
        asked = [ROW | {"id": f"p{number}", "stage": "x" if number % 3 else "new"} for number in range(9)]
        found = await asyncio.gather(*(client.post("/predict", json=row) for row in asked))
        assert [said.status_code for said in found] == [500, 200, 200] * 3
        assert "new" not in found[0].text
        assert sum(PredictionLog(project).counts().values()) == 6

    ask(create_app(project), go)


def test_more_than_may_wait_is_told_to_come_again(project: Path) -> None:
    async def go(client: httpx.AsyncClient) -> None:
        rows = [{**ROW, "id": f"p{number}"} for number in range(60)]
        found = await asyncio.gather(*(client.post("/predict", json=row) for row in rows))
        codes = [said.status_code for said in found]
        assert set(codes) == {200, 503}
        assert PredictionLog(project).counts() == {"": codes.count(200)}

    ask(create_app(project, Serve(max_waiting=5)), go)


def test_without_a_release_or_a_log_nothing_is_served(tmp_path: Path) -> None:
    write_json(tmp_path / "params.yaml", params_of(many_kinds(), {}))
    with pytest.raises(ProjectError, match="nothing is released"):
        create_app(tmp_path)
    (tmp_path / FILE).write_text("a text of some length that no database begins with" * 99)
    with pytest.raises(DataError, match="cannot be used"):
        create_app(tmp_path)
    with pytest.raises(DataError, match="cannot be used"):
        StandingLog(tmp_path, wait=1).add([])


def test_the_page_needs_nothing_from_elsewhere_and_tells_the_columns(project: Path) -> None:
    async def go(client: httpx.AsyncClient) -> None:
        assert "https://" not in (await client.get("/docs")).text
        assert (await client.get("/static/swagger-ui-bundle.js")).status_code == 200
        row = (await client.get("/openapi.json")).json()["components"]["schemas"]["Row"]
        assert "the model learned from 3 values" in row["properties"]["mean_texture_size"]["description"]
        assert set(row["required"]) == set(ROW) - {"id", "day"}

    ask(create_app(project), go)
