"""Watching from the command line, and as a deployment of Prefect."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Sequence
from pathlib import Path

from flows.running import with_prefect
from flows.session import open_session
from flows.show import Show
from flows.up.server import configured_url
from flows.up.service import url_of
from flows.watching import telling
from flows.watching.looks import Look
from flows.watching.watch import NotYet, look_at_the_log, next_look
from flows.watching.windows import DAY


def watch(
    project: Path,
    *,
    until: dt.date | None = None,
    log: bool = False,
    quiet: bool = False,
    allow_dirty: bool = False,
) -> list[Look]:
    """Look at the next window of production; or window after window, ``until`` included. Return the looks.

    Parameters
    ----------
    project : Path
        The project.
    until : date, optional
        The last day that is looked at.
    log : bool
        Look at the log of predictions instead: at what was predicted since the look before.
    quiet, allow_dirty : bool
        As of `flows.running.run`.

    Raises
    ------
    LoopwrightError
        If nothing has run yet, rows have no days, or the files that a look needs are gone.
    """
    show, made = Show(quiet=quiet), list[Look]()
    last = None if until is None else until + DAY

    def tell(look: Look) -> None:
        made.append(look)
        telling.tell(look, show)
        if look.alarm and (configured_url() or url_of(project)):  # one of a run's own is gone before anybody hears it
            emit_alarms(project, [look])

    with open_session(project, show, allow_dirty=allow_dirty) as session, with_prefect(session, show) as go:
        found = look_at_the_log(session, go, tell) if log else next_look(session, go, tell, last=last)
        while last is not None and isinstance(found, Look):
            found = next_look(session, go, tell, last=last)
        show.close()
        if isinstance(found, NotYet):
            show.note(found.says)
        elif found is None and not made:
            show.note(f"everything until {until} was looked at before; loopwright watch --looks lists it")
    return made


def emit_alarms(project: Path, looks: Sequence[Look]) -> None:
    """Send Prefect an event of each alarm, to the server that is configured or up."""
    os.environ.setdefault("PREFECT_API_URL", str(configured_url() or url_of(project)))
    from flows.lifecycle import send_what_waits
    from flows.watching.events import emit_alarm

    for look in looks:
        emit_alarm(project, look)
    send_what_waits()
