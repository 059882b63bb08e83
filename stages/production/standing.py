"""The log of predictions held open by a server: one connection, and a transaction for each batch of answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from stages.production.log import Entry, PredictionLog, Writer


class StandingLog:
    """Adds batches of predictions; all calls come from one thread.

    Adding the same prediction again changes nothing, so a batch of which nobody knows whether it was committed, as the
    connection broke, is added once more.

    Parameters
    ----------
    project : Path
        The project.
    wait : float
        Seconds to wait for another process that writes to the same file.
    """

    def __init__(self, project: Path, *, wait: float) -> None:
        self._log = PredictionLog(project, wait=wait)
        self._connection: Connection | None = None
        self._writer: Writer | None = None

    def add(self, entries: Sequence[Entry]) -> None:
        """Add predictions; they are on the disk when this returns.

        Raises
        ------
        DataError
            If they cannot be written.
        """
        self.write(lambda writer: writer.add(entries))

    def write(self, what: Callable[[Writer], None]) -> None:
        """Write in a transaction; what is written must bear to be written twice, and `add` tells what it raises."""
        with self._log.saying():
            held = self._connection is not None
            try:
                self._write(what)
            except SQLAlchemyError:
                self.close()
                if not held:
                    raise
                self._write(what)

    def check(self) -> None:
        """Open the log, so that what is wrong with it is said before anything is asked.

        Raises
        ------
        DataError
            If it cannot be used.
        """
        self.add([])

    def close(self) -> None:
        """Let go of the connection; it may be broken."""
        broken, self._connection, self._writer = self._connection, None, None
        if broken is not None:
            broken.invalidate()
            broken.close()

    def _write(self, what: Callable[[Writer], None]) -> None:
        if self._connection is None or self._writer is None:
            self._connection = self._log.engine.connect()
            with self._connection.begin():
                self._writer = Writer(self._connection, create=True)
        with self._connection.begin():
            what(self._writer)
