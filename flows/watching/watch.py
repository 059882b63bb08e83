"""Look at production window by window; where a signal fires, the transition table says where the loop goes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.entry import Entry, entry_after, new_run
from flows.people import answers
from flows.record import Iteration, read_record
from flows.releases.rollback import rollback
from flows.session import Session
from flows.transitions import STAGES
from flows.watching import kept, windows
from flows.watching.looks import Look, append, read_looks
from stages.deployment.release_log import Release, in_force, read_log
from stages.errors import ProjectError
from stages.files import read_json
from stages.params import load_params
from stages.production.watch.look import Asked, look
from stages.signals import Signal

Go = Callable[[], object]
Tell = Callable[[Look], None]
NOT_JUDGED = ("production_inputs",)  # told, and no alarm
BY = "loopwright watch"


@dataclass(frozen=True)
class NotYet:
    """The next window is not whole yet."""

    start: dt.date
    end: dt.date
    after: str

    @property
    def says(self) -> str:
        """It in words."""
        return (
            f"nothing to look at yet: the next window is {self.start} to {self.end}, and rows end before {self.after}"
        )


def next_look(session: Session, go: Go, tell: Tell, *, last: dt.date | None = None) -> Look | NotYet | None:
    """Look at the next window of production, and let the loop go where an alarm sends it.

    Parameters
    ----------
    session : Session
        The project, its lock held.
    go : callable
        Goes round the loop from ``session.entry``.
    tell : callable
        Gets the look, before the loop goes anywhere.
    last : date, optional
        No window goes beyond this day; None is returned when the next one would begin there.

    Raises
    ------
    ProjectError
        If nothing has run yet, or rows have no days to tell a window by.
    """
    project = session.project
    lines, params = read_record(project), load_params(project)
    forces = in_force(read_log(project))
    release = forces[-1] if forces else None
    since = _since(project, release, lines)
    before = read_looks(project)
    start = max([since, *(dt.date.fromisoformat(item.end) for item in before)])
    if last is not None and start >= last:
        return None
    end = min(filter(None, (windows.next_end(start, params.deployment.watch.every), last)))
    session.show.waiting(f"looking at production, {start} to {end}")
    found = _look(session, start, end, since, release, forces, before)
    if not found["ready"]:
        return NotYet(start, end, found["after"])
    signals = [Signal(**item) for item in found["signals"]]
    fired = [signal for signal in signals if signal.fires and signal.name not in NOT_JUDGED]
    made, told = (None, "") if not fired else _enter(session, signals, f"production from {start} to {end}")
    item = Look(
        number=len(before) + 1,
        at=_now(),
        release=release.sha256[:12] if release else None,
        iteration=release.iteration if release else None,
        start=str(start),
        end=str(end),
        rows=found["rows"],
        labelled=found.get("labelled", 0),
        signals=found["signals"],
        figures=found.get("figures", {}),
        expected=found.get("expected"),
        outcome=found.get("outcome"),
        losses=found.get("losses", []),
        alarm=(made.move["row"] if made else fired[0].name) if fired else None,
        entered=made.iteration if made else None,
        told=told,
        seconds=found["seconds"],
    )
    append(project, item)
    tell(item)
    if made is not None and made.move["to"] in STAGES:
        session.entry = entry_after(made)
        go()
    return item


def _look(
    session: Session,
    start: dt.date,
    end: dt.date,
    since: dt.date,
    release: Release | None,
    forces: list[Release],
    before: list[Look],
) -> dict[str, Any]:
    mine = [item for item in before if release is not None and item.release == release.sha256[:12]]
    asked = Asked(
        start=start,
        end=end,
        since=since,
        release=release,
        earlier=forces[-2] if len(forces) > 1 else None,
        folder=kept.kept(session.project, release) if release is not None else None,
        number=len(mine) + 1,
        losses=[value for item in mine for value in item.losses],
    )
    return session.engine.result(session.engine.call(look, session.project, asked))


def _enter(session: Session, signals: list[Signal], because: str) -> tuple[Iteration | None, str]:
    """Let an alarm into the record, and tell what comes of it; not while a person is asked."""
    project, lines = session.project, read_record(session.project)
    if answers.question(lines) is not None:
        return None, f"the loop waits for a person since iteration {lines[-1].iteration}; the alarm stands"
    entry = Entry(new_run(), lines[-1].iteration + 1, "deployment", because, "watch")
    session.show.stage_started("production", entry)
    made = session.conclude_look(entry, signals)
    session.show.stage_done(made)
    if made.move["row"] != "release_regressed":
        return made, str(made.move["reason"])
    if load_params(project).deployment.watch.regressed != "rollback":
        return made, "the release before is better; deployment.watch.regressed says to tell, and no more"
    line = rollback(project, because=str(made.move["reason"]), by=BY)
    return made, f"rolled back to the release of iteration {line.iteration}"


def _since(project: Path, release: Release | None, lines: list[Iteration]) -> dt.date:
    """Return the day from which on the release has learned from no row and was judged on none."""
    if not lines:
        raise ProjectError("nothing has run yet", where=str(project), todo="loopwright run")
    if release is not None:
        pilot = read_json(project / release.card).get("pilot", {})
    else:
        schema = project / "data" / "schema.json"
        pilot = read_json(schema)["pilot"] if schema.exists() else {}
    end = pilot.get("end")
    if end is None:
        raise ProjectError(
            "the rows have no time by which a window of production could be told",
            where="params.yaml: data.source.time",
            expected="a column of dates",
            todo="name one; predictions of `predict` and `serve` are watched by `loopwright watch --log`",
        )
    return _day_after(str(end))


def _day_after(end: str) -> dt.date:
    """Return a day as it is; of a moment, the last that was seen, the day after."""
    try:
        return dt.date.fromisoformat(end) if len(end) == 10 else dt.datetime.fromisoformat(end).date() + windows.DAY
    except ValueError:
        raise ProjectError(
            f"the time of its rows is {end!r}, and no date",
            where="params.yaml: data.source.time",
            expected="a column of dates, to tell windows of production by",
            todo="name another column",
        ) from None


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
