"""The server: its endpoints, and what starts and ends with it."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import fastapi_offline
import orjson
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import TypeAdapter, ValidationError

from flows.serving import page
from flows.serving.answering import Answerer, Busy, Failed, Unlogged
from flows.serving.feedback import LABEL, LABELS, Taken, take
from flows.serving.gate import RELEASE, STATIC, Gate, body_of, refused
from flows.serving.metrics import Metrics
from flows.serving.serving import Current, Serving
from stages.errors import LoopwrightError
from stages.params import Serve, load_params
from stages.production.cells import Cells, Refused
from stages.production.latency import Latencies
from stages.production.log import Entry
from stages.production.quick import Answer
from stages.production.standing import StandingLog

RETRY = {"Retry-After": "1"}
DRAWN = Path(str(fastapi_offline.__file__)).parent / "static"  # the page of the description, without a CDN


def create_app(project: Path, settings: Serve | None = None, key: str | None = None) -> FastAPI:
    """Return the server of a project's release, as an ASGI application.

    Parameters
    ----------
    project : Path
        The project.
    settings : Serve, optional
        ``deployment.serve``; by default as ``params.yaml`` has it.
    key : str, optional
        What requests have to show; none is asked for by default.

    Raises
    ------
    LoopwrightError
        If nothing is released, or the log of predictions cannot be used.
    """
    settings = settings or load_params(project).deployment.serve
    log = StandingLog(project, wait=settings.log_wait_s)
    log.check()
    log.close()
    return Server(project, settings, key, log).app


class Server:
    """The endpoints of one server, and what they share."""

    def __init__(self, project: Path, settings: Serve, key: str | None, log: StandingLog) -> None:
        self.project, self.settings, self.keyed = project, settings, key is not None
        self.metrics = Metrics()
        self.current = Current(project, settings, self.metrics)
        self.latencies = Latencies()
        self.answerer = Answerer(log, self.metrics, self.latencies, settings.max_waiting)
        self.app = FastAPI(
            title="Loopwright", lifespan=self._life, docs_url=None, redoc_url=None, openapi_url="/openapi.json"
        )
        self.app.version = self.current.serving.released.name
        self.app.openapi = self._describe  # type: ignore[method-assign]
        self._route(key)

    def _route(self, key: str | None) -> None:
        app, mistakes = self.app, page.MISTAKES
        app.add_middleware(Gate, metrics=self.metrics, latencies=self.latencies, key=key, release=self._release)
        app.mount(STATIC, StaticFiles(directory=DRAWN))
        post: dict[str, Any] = {"methods": ["POST"], "responses": mistakes}
        app.add_api_route(
            "/predict", self.predict, **_answers(post, page.Answered), openapi_extra=page.ROW, summary="Predict a row"
        )
        app.add_api_route(
            "/predict/batch",
            self.predict_batch,
            **_answers(post, page.AnsweredRows),
            openapi_extra=page.ROWS,
            summary="Predict many rows",
        )
        unknown = {404: {"model": page.Mistake, "description": "No prediction has that id"}}
        post = post | {"responses": mistakes | unknown}
        app.add_api_route(
            "/feedback",
            self.feedback,
            **_answers(post, Taken),
            openapi_extra=page.FEEDBACK,
            summary="Say what rows turned out to be",
        )
        app.add_api_route("/health", self.health, summary="Whether the server is there")
        app.add_api_route(
            "/ready",
            self.ready,
            response_model=page.Ready,
            responses={503: {"model": page.Ready, "description": "Not now"}},
            summary="Whether the server answers, and by which release",
        )
        app.add_api_route(
            "/metrics",
            self.show_metrics,
            response_class=PlainTextResponse,
            responses={401: mistakes[401]},
            summary="What was counted, in Prometheus's format",
        )
        app.add_api_route("/docs", self.docs, include_in_schema=False)

    @asynccontextmanager
    async def _life(self, app: FastAPI) -> AsyncIterator[None]:
        self.answerer.start()
        watching = asyncio.create_task(self.current.watch())
        yield
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        await self.answerer.stop()

    async def predict(self, request: Request) -> Response:
        """Answer one row."""
        serving = self.current.serving
        row = _checked(serving.reader.checker, await body_of(request, self.settings))
        (said,) = await self._ask(request, serving, [row], lambda _: ("body",))
        request.scope[RELEASE] = said["release"]
        return _json(said)

    async def predict_batch(self, request: Request) -> Response:
        """Answer some rows, all or none, in their order."""
        serving = self.current.serving
        rows = _checked(serving.batch, await body_of(request, self.settings))["rows"]
        return _json({"rows": await self._ask(request, serving, rows, lambda at: ("body", "rows", at))})

    async def feedback(self, request: Request) -> Response:
        """Take in what predicted rows turned out to be, all or none; the same again changes nothing."""
        body = await body_of(request, self.settings)
        many = body.lstrip().startswith(b"[")
        labels = _checked(LABELS, body) if many else [_checked(LABEL, body)]
        where = [("body", at) if many else ("body",) for at in range(len(labels))]
        try:
            taken = await asyncio.to_thread(take, self.project, labels, where)
        except LoopwrightError as error:
            raise HTTPException(503, str(error), RETRY) from None
        self.metrics.labels.labels("new").inc(taken.new)
        self.metrics.labels.labels("known").inc(taken.known)
        return _json(taken.model_dump())

    async def health(self) -> dict[str, str]:
        """Tell that the server is there."""
        return {"status": "ok"}

    async def ready(self, response: Response) -> page.Ready:
        """Tell whether the server answers. A damaged new release is told, and the one before it goes on answering."""
        serving, log = self.current.serving, self.answerer.problem
        response.status_code = 503 if log else 200
        problems = [text for text in (log, self.current.problem, self.current.beside_problem) if text]
        return page.Ready(
            ready=not log,
            release=serving.released.name,
            iteration=serving.released.iteration,
            beside=serving.beside.line.name if serving.beside else None,
            problems=problems,
        )

    async def show_metrics(self) -> Response:
        """Tell what was counted."""
        return Response(self.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    async def docs(self, request: Request) -> HTMLResponse:
        """Show the description, to try it out."""
        root = request.scope.get("root_path", "")
        return get_swagger_ui_html(
            openapi_url=f"{root}/openapi.json",
            title="Loopwright",
            swagger_js_url=f"{root}{STATIC}/swagger-ui-bundle.js",
            swagger_css_url=f"{root}{STATIC}/swagger-ui.css",
            swagger_favicon_url=f"{root}{STATIC}/favicon.png",
        )

    async def _ask(self, request: Request, serving: Serving, rows: Sequence[Any], where: Any) -> list[dict[str, Any]]:
        cells = _read(serving, rows, where)
        call = request.headers.get("idempotency-key") or uuid.uuid4().hex
        try:
            said = await self.answerer.ask(serving, cells, call)
        except Busy:
            raise HTTPException(503, "too many rows wait", RETRY) from None
        except Unlogged:
            raise HTTPException(503, "the log of predictions cannot be written", RETRY) from None
        except Failed:
            raise HTTPException(500, "the model fails on this, and nothing was answered") from None
        return [_answer(serving, one, entry) for one, entry in zip(said.answers, said.entries, strict=True)]

    def _release(self) -> str:
        return self.current.serving.released.name

    def _describe(self) -> dict[str, Any]:
        return page.describe(self.app, self.current.serving, keyed=self.keyed, most=self.settings.max_rows)


def _answers(route: dict[str, Any], model: type[Any]) -> dict[str, Any]:
    return route | {"responses": {200: {"model": model, "description": "Answered"}, **route["responses"]}}


def _checked(checker: TypeAdapter[Any], body: bytes) -> Any:
    try:
        return checker.validate_json(body)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False, include_input=False)
        raise refused(*({**item, "loc": ["body", *item["loc"]]} for item in wrong)) from None


def _read(serving: Serving, rows: Sequence[Any], where: Any) -> list[Cells]:
    found = []
    for at, row in enumerate(rows):
        try:
            found.append(serving.reader.read(row))
        except Refused as error:
            raise refused({"type": "cell", "loc": [*where(at), error.column], "msg": error.what}) from None
    return found


def _answer(serving: Serving, said: Answer, entry: Entry) -> dict[str, Any]:
    names = serving.quick.texts
    return {
        "id": entry["id"],
        "prediction": None if said.reason else said.label,
        "answered": not said.reason,
        "reason": said.reason,
        "confidence": said.confidence,
        "probabilities": None if said.probabilities is None else dict(zip(names, said.probabilities, strict=True)),
        "flags": said.flags,
        "release": entry["release"],
        "at": entry["at"],
    }


def _json(content: Any) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")
