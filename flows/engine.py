"""Runs DVC stages in one warm worker process, and comes back with what happened."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from flows import worker
from flows.releases.card import Chapter
from flows.worker import StepResult
from stages.errors import LoopwrightError
from stages.signals import Signal

__all__ = ["Engine", "StepResult", "WorkerDied"]
T = TypeVar("T")


@contextmanager
def _ctrl_c_waits() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class WorkerDied(LoopwrightError):  # noqa: N818
    """The worker process was killed from outside, mostly for want of memory."""

    exit_code = 1


class Engine:
    """The worker of one run. Making it returns at once; the first call starts the worker.

    Parameters
    ----------
    project : Path
        Folder with ``dvc.yaml``.
    """

    def __init__(self, project: Path) -> None:
        self._pool = ProcessPoolExecutor(
            max_workers=1,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=worker.initialize,
            initargs=(str(project),),
        )

    def submit(self, step: str) -> Future[StepResult]:
        """Queue a DVC stage; steps run one after the other, in the order they are queued."""
        return self.call(worker.run_step, step)

    def result(self, future: Future[T]) -> T:
        """Wait for what was queued.

        Raises
        ------
        LoopwrightError
            As the step raised it.
        WorkerDied
            If the worker was killed.
        """
        try:
            return future.result()
        except BrokenProcessPool:
            raise WorkerDied(
                "the worker process died",
                where="the step in flight",
                expected="enough memory, and nobody killing it",
                todo="see .loopwright/worker.log, then run again to resume",
            ) from None

    def run(self, step: str) -> StepResult:
        """Run one DVC stage and wait for it."""
        return self.result(self.submit(step))

    def preload(self) -> Future[None]:
        """Queue the imports that later steps need."""
        return self.call(worker.preload)

    def compare_champion(self, iteration: int) -> list[Signal]:
        """Return what the released model says to the one in the workspace; none when nothing else is released."""
        return self.result(self.call(worker.compare_champion, iteration))

    def write_card(self, chapters: list[Chapter]) -> str:
        """Return the model card of a release in Markdown."""
        return self.result(self.call(worker.write_card, chapters))

    def status(self) -> list[str]:
        """Return the DVC stages and files that differ from ``dvc.lock``."""
        return self.result(self.call(worker.status))

    def commit_sources(self) -> Future[list[str]]:
        """Queue the versioning of source tables that a person changed; their ``.dvc`` files."""
        return self.call(worker.commit_sources)

    def changed_sources(self) -> list[str]:
        """Return the ``.dvc`` files of source tables that a person changed since."""
        return self.result(self.call(worker.changed_sources))

    def checkout(self) -> None:
        """Bring the outputs to what ``dvc.lock`` says."""
        self.result(self.call(worker.checkout))

    def call(self, call: Callable[..., T], *arguments: object) -> Future[T]:
        """Queue a function of a module, to be called in the worker."""
        try:
            # The first call spawns the worker, which must not hear Ctrl-C from its first instant; to us it comes later.
            with _ctrl_c_waits():
                return self._pool.submit(call, *arguments)
        except BrokenProcessPool as error:
            dead: Future[T] = Future()
            dead.set_exception(error)
            return dead

    def close(self) -> None:
        """End the worker, also in the middle of a step; what it was doing is done again by the next run."""
        processes = list((getattr(self._pool, "_processes", None) or {}).values())
        for process in processes:
            process.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
