"""What stands before every request: its time and outcome are counted, the key is asked for, the body has an end."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable
from typing import Any

from fastapi import HTTPException, Request
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flows.serving.metrics import Metrics
from stages.params import Serve
from stages.production.latency import ENDPOINTS, Latencies

OPEN = frozenset({"/health", "/ready", "/docs", "/openapi.json"})
KNOWN = OPEN | {"/predict", "/predict/batch", "/feedback", "/metrics"}
STATIC = "/static"
RELEASE, BODY_AT = "loopwright.release", "loopwright.body_at"  # in the scope: who answered; when the body was there
TIMED = frozenset(ENDPOINTS)


class Gate:
    """Counts requests, and lets through to what is not open only who has the key.

    Parameters
    ----------
    app : ASGI application
        What is behind it.
    metrics : Metrics
        What counts.
    latencies : Latencies
        How long what the server is to blame for took: from when the body was there, and not what a client did wrong.
    key : str or None
        What a request has to show as ``Authorization: Bearer KEY``; None lets everybody through.
    release : callable
        Tells which release answers now, for requests that do not say who answered.
    """

    def __init__(
        self, app: ASGIApp, metrics: Metrics, latencies: Latencies, key: str | None, release: Callable[[], str]
    ) -> None:
        self._app, self._metrics, self._latencies, self._release = app, metrics, latencies, release
        self._wanted = None if key is None else f"Bearer {key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500
        path = scope["path"] if scope["path"] in KNOWN else "other"

        async def noticed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            app = self._app if self._may(scope) else REFUSED
            await app(scope, receive, noticed)
        finally:
            ended = time.perf_counter()
            self._metrics.requests.labels(path, str(status)).inc()
            self._metrics.seconds.labels(path).observe(ended - started)
            if path in TIMED and not 400 <= status < 500:
                seconds = ended - scope.get(BODY_AT, started)
                self._latencies.count(scope.get(RELEASE) or self._release(), path, seconds, failed=status >= 500)

    def _may(self, scope: Scope) -> bool:
        if self._wanted is None or scope["path"] in OPEN or scope["path"].startswith(f"{STATIC}/"):
            return True
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        return hmac.compare_digest(given, self._wanted)


REFUSED = JSONResponse(
    {"detail": "the key is missing or wrong: Authorization: Bearer KEY"}, 401, {"WWW-Authenticate": "Bearer"}
)


async def body_of(request: Request, settings: Serve) -> bytes:
    """Return the body of a request.

    Raises
    ------
    HTTPException
        415 if it says that it is no JSON, 413 if it is longer than the limit, 408 if it does not come in time.
    """
    limit = 1024 * settings.max_body_kb
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, f"content-type is {kind!r}; expected 'application/json'")
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise _too_long(limit)
    body = bytearray()
    try:
        async with asyncio.timeout(settings.body_timeout_s):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise _too_long(limit)
    except TimeoutError:
        what = f"the body did not come in {settings.body_timeout_s:g} s (deployment.serve.body_timeout_s)"
        raise HTTPException(408, what, {"Connection": "close"}) from None
    request.scope[BODY_AT] = time.perf_counter()
    return bytes(body)


def _too_long(limit: int) -> HTTPException:
    return HTTPException(413, f"the body has more than {limit // 1024} kB (deployment.serve.max_body_kb)")


def refused(*errors: dict[str, Any]) -> HTTPException:
    """Return the answer to a request that is wrong: for each error where it is (``loc``), and what is the matter."""
    return HTTPException(422, list(errors))
