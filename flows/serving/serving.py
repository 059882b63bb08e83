"""One release as a server uses it, and the swap for the next one without a request being dropped."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, with_config
from typing_extensions import TypedDict

from flows.serving.beside import Beside, load_beside
from flows.serving.metrics import Metrics
from stages.deployment.canary_log import CANARY_POINTER
from stages.deployment.release_log import POINTER
from stages.errors import LoopwrightError
from stages.params import Serve, load_params
from stages.production.cells import Cells, RowReader, Value
from stages.production.quick import Quick
from stages.production.released import Released, load_released

EVERY, AGAIN = 0.5, 5.0
logger = logging.getLogger("loopwright.serve")


@dataclass(frozen=True)
class Serving:
    """A release, ready to answer.

    Attributes
    ----------
    released : Released
        The release.
    reader : RowReader
        What a row is.
    quick : Quick
        What is said of it.
    batch : TypeAdapter
        Checks the JSON of many rows.
    beside : Beside or None
        The model beside the release.
    """

    released: Released
    reader: RowReader
    quick: Quick
    batch: TypeAdapter[dict[str, Any]]
    beside: Beside | None = None


def load_serving(project: Path, settings: Serve) -> Serving:
    """Read the release of a project, and let it answer a row, so that one that cannot is noticed here.

    Raises
    ------
    LoopwrightError
        If nothing is released, or it is not what was released.
    """
    released = load_released(project)
    private = load_params(project).planning.security.private
    reader = RowReader(released.contract, released.seen, private=private, extra=settings.extra)
    quick = Quick(released, reader.names)
    quick.answer([Cells(tuple(_typical(released.seen.get(name, {})) for name in reader.names))])
    rows = Annotated[list[reader.type], Field(min_length=1, max_length=settings.max_rows)]  # type: ignore[name-defined]
    many = with_config(ConfigDict(extra="forbid"))(TypedDict("Rows", {"rows": rows}))  # type: ignore[operator]
    return Serving(released, reader, quick, TypeAdapter(many))


def _typical(seen: dict[str, Any]) -> Value:
    return seen["low"] if "low" in seen else next(iter(seen.get("values", [])), None)


class Current:
    """The release that answers now, and the model beside it. A request keeps those that it began with.

    Parameters
    ----------
    project : Path
        The project.
    settings : Serve
        ``deployment.serve``.
    metrics : Metrics
        What counts.

    Attributes
    ----------
    serving : Serving
        The release.
    problem : str
        Why a later one does not answer; empty where none is there.
    beside_problem : str
        Why the model beside the release does not; the release then answers every row.
    """

    def __init__(self, project: Path, settings: Serve, metrics: Metrics) -> None:
        self._project, self._settings, self._metrics = project, settings, metrics
        self._stamp, self._beside_stamp = self._look(POINTER), self._look(CANARY_POINTER)
        self.problem = self.beside_problem = ""
        self.serving = load_serving(project, settings)
        self._take_beside()
        metrics.released(self.serving.released)

    async def watch(self) -> None:
        """Swap whenever another release, or another model beside it, is pointed at.

        A damaged release is told, and the present one stays; a damaged model beside it is told, and leaves.
        """
        waited = 0.0
        while True:
            await asyncio.sleep(EVERY)
            waited += EVERY
            again = waited >= AGAIN
            stamp, beside = self._look(POINTER), self._look(CANARY_POINTER)
            swapped = stamp != self._stamp or (again and bool(self.problem))
            if swapped:
                self._stamp = stamp
                await self._swap(lambda: load_serving(self._project, self._settings))
            if swapped or beside != self._beside_stamp or (again and self.beside_problem):
                self._beside_stamp = beside
                await asyncio.to_thread(self._take_beside)
            waited = 0.0 if again else waited

    def _take_beside(self) -> None:
        """Read what stands beside the release by now; whatever is the matter with it, the release answers."""
        try:
            beside, problem = load_beside(self._project, self.serving.quick), ""
        except Exception as error:  # whatever a file that somebody spoilt makes libraries raise
            beside, problem = None, _said(error)
        if problem and problem != self.beside_problem:
            logger.warning("no model beside release %s: %s", self.serving.released.name, problem)
        if beside is not None:
            logger.info("model %s stands beside release %s", beside.line.name, self.serving.released.name)
        self.serving, self.beside_problem = replace(self.serving, beside=beside), problem
        self._metrics.stands_beside(beside.line if beside else None)

    async def _swap(self, load: Callable[[], Serving]) -> None:
        try:
            serving = await asyncio.to_thread(load)
        except Exception as error:  # whatever a file that somebody spoilt makes libraries raise
            told = _said(error)
            if told != self.problem:
                logger.warning("the new release does not serve, %s goes on: %s", self.serving.released.name, told)
                self._metrics.swaps.labels("refused").inc()
            self.problem = told
            return
        logger.info("release %s takes over from %s", serving.released.name, self.serving.released.name)
        self.serving, self.problem = serving, ""
        self._metrics.swaps.labels("swapped").inc()
        self._metrics.released(serving.released)

    def _look(self, pointer: str) -> tuple[int, int, int] | None:
        try:
            found = (self._project / pointer).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, LoopwrightError) else f"{type(error).__name__}: {error}"
