"""Answers requests in batches: what came in while the last batch was answered is the next one.

One thread asks the model and writes the log, so several requests share a call of the model and a flush of the disk, and
one that is alone waits for nobody. A request is answered once its rows are in the log.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from flows.serving.beside import Beside, Sides
from flows.serving.metrics import Metrics
from flows.serving.serving import Serving
from stages.errors import DataError
from stages.production.cells import Cells
from stages.production.latency import Latencies
from stages.production.log import Entry
from stages.production.quick import Answer, quietly
from stages.production.recording import now
from stages.production.standing import StandingLog

TOGETHER = 256  # rows in one call of the model
FLUSH = 5.0  # seconds between two writes of latencies
PAUSE = 0.05  # seconds without a request, in which a shadow is asked
logger = logging.getLogger("loopwright.serve")


class Busy(Exception):  # noqa: N818
    """More rows wait than the server takes."""


class Unlogged(Exception):  # noqa: N818
    """The log cannot be written, so nothing may be answered."""


class Failed(Exception):  # noqa: N818
    """The model raises on these rows."""


@dataclass(frozen=True)
class Said:
    """What a request is told: its answers, and how they stand in the log."""

    answers: list[Answer]
    entries: list[Entry]


@dataclass
class Ask:
    """The rows of one request, by the release that it began with."""

    serving: Serving
    rows: Sequence[Cells]
    call: str
    reply: asyncio.Future[Said]
    calls: list[str] = field(init=False)
    said: Said | None = None
    error: Exception | None = None

    def __post_init__(self) -> None:
        self.calls = [f"{self.call} {number}" for number in range(len(self.rows))]


class Answerer:
    """Takes requests in from one event loop. Use `start` in it, and `stop` at its end.

    Parameters
    ----------
    log : StandingLog
        Where everything that is answered stands.
    metrics : Metrics
        What counts.
    latencies : Latencies
        How long requests took; written to the database of the log, by the thread that answers.
    waiting : int
        Rows that may wait at most; what comes beyond is refused.

    Attributes
    ----------
    problem : str
        Why the log could not be written the last time; empty where it could.
    """

    def __init__(self, log: StandingLog, metrics: Metrics, latencies: Latencies, waiting: int) -> None:
        self.problem = ""
        self._log, self._metrics, self._latencies, self._limit = log, metrics, latencies, waiting
        self._flushed = time.monotonic()
        self._shadowed: list[Ask] = []
        self._queue: SimpleQueue[Ask | None] = SimpleQueue()
        self._waiting = 0
        self._thread = threading.Thread(target=self._work, name="answers", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin to answer, for the event loop that runs."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def stop(self) -> None:
        """Answer what waits, and end."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    async def ask(self, serving: Serving, rows: Sequence[Cells], call: str) -> Said:
        """Return what a release says of rows, once it is in the log.

        Parameters
        ----------
        serving : Serving
            The release.
        rows : sequence of Cells
            What is asked.
        call : str
            Names the rows that have no key, with their number.

        Raises
        ------
        Busy
            If too many rows wait already.
        Unlogged
            If the log cannot be written.
        Failed
            If the model raises on these rows; others are answered all the same.
        """
        if self._waiting and self._waiting + len(rows) > self._limit:
            raise Busy
        ask = Ask(serving, rows, call, asyncio.get_running_loop().create_future())
        self._waiting += len(rows)
        self._queue.put(ask)
        try:
            return await ask.reply
        finally:
            self._waiting -= len(rows)

    def _work(self) -> None:
        quietly()
        going = True
        while going:
            asks, going = self._next()
            if asks:
                self._answer(asks)
            if not (asks and going) or sum(len(ask.rows) for ask in self._shadowed) >= TOGETHER:
                self._shadow()
            if not going or time.monotonic() - self._flushed >= FLUSH:
                self._flush()
        self._log.close()

    def _next(self) -> tuple[list[Ask], bool]:
        """Wait for a request, and return it with those that are there by then; none where none comes for a while."""
        asks: list[Ask] = []
        rows = 0
        while rows < TOGETHER:
            try:
                ask = self._queue.get(block=not asks, timeout=PAUSE if self._shadowed else FLUSH)
            except Empty:
                break
            if ask is None:
                return asks, False
            asks.append(ask)
            rows += len(ask.rows)
        return asks, True

    def _answer(self, asks: list[Ask]) -> None:
        at = now()
        for serving in {id(ask.serving): ask.serving for ask in asks}.values():
            self._predict(serving, [ask for ask in asks if ask.serving is serving], at)
        self._record([ask for ask in asks if ask.said is not None])
        assert self._loop is not None
        self._loop.call_soon_threadsafe(_reply, asks)
        self._shadowed += [ask for ask in asks if ask.said is not None and _shadow_of(ask) is not None]

    def _predict(self, serving: Serving, asks: list[Ask], at: str) -> None:
        """Ask the model about the rows of some requests at once; alone, where one of them makes it fail."""
        rows = [row for ask in asks for row in ask.rows]
        sides = Sides(rows, [call for ask in asks for call in ask.calls], at)
        try:
            said = sides.ask(serving.quick, serving.beside, self._metrics)
        except Exception as error:  # a model may raise anything
            if len(asks) == 1:
                logger.error("the model fails: %s", type(error).__name__)  # its message may hold a cell
                asks[0].error = Failed()
                return
            for ask in asks:
                self._predict(serving, [ask], at)
            return
        start = 0
        for ask in asks:
            stop = start + len(ask.rows)
            answers, entries = zip(*said[start:stop], strict=True)
            ask.said = Said(list(answers), list(entries))
            start = stop
        self._metrics.batches.observe(len(rows))

    def _record(self, asks: list[Ask]) -> None:
        started = time.perf_counter()
        try:
            self._log.add([entry for ask in asks for entry in ask.said.entries if ask.said])  # type: ignore[union-attr]
        except DataError as error:
            if str(error) != self.problem:
                logger.error("nothing is answered: %s", error)
            self.problem = str(error)
            self._metrics.unlogged.inc()
            for ask in asks:
                ask.said, ask.error = None, Unlogged()
            return
        self.problem = ""
        self._metrics.logged.observe(time.perf_counter() - started)
        for ask in asks:
            if ask.said is not None:
                self._metrics.answered(ask.said.answers, ask.said.entries)

    def _shadow(self) -> None:
        """Ask the model beside the release about what was answered, and log it; nobody waits for it."""
        waiting, self._shadowed = self._shadowed, []
        for model in {id(_shadow_of(ask)): _shadow_of(ask) for ask in waiting}.values():
            assert model is not None
            mine = [ask for ask in waiting if _shadow_of(ask) is model]
            rows = [row for ask in mine for row in ask.rows]
            entries = Sides(rows, [call for ask in mine for call in ask.calls], now()).shadow(model, self._metrics)
            try:
                self._log.add(entries)
            except DataError as error:
                logger.warning("what the shadow said of %d rows is not logged: %s", len(entries), error)

    def _flush(self) -> None:
        self._flushed = time.monotonic()
        try:
            self._latencies.write(self._log.write)
        except DataError as error:
            logger.warning("latencies are not written yet: %s", error)


def _shadow_of(ask: Ask) -> Beside | None:
    model = ask.serving.beside
    return model if model is not None and model.line.shadow else None


def _reply(asks: list[Ask]) -> None:
    for ask in asks:
        if ask.reply.done():
            continue  # who asked has gone
        if ask.said is not None:
            ask.reply.set_result(ask.said)
        else:
            ask.reply.set_exception(ask.error or Unlogged())
