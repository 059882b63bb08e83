"""Look at production window by window; where a signal fires, the transition table says where the loop goes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flows.entry import entry_after
from flows.record import read_record
from flows.session import Session
from flows.transitions import BY_NAME, STAGES
from flows.watching import kept, windows
from flows.watching.alarms import Go, enter, fired, not_free, taken_up
from flows.watching.looks import Look, append, read_looks
from stages.deployment.release import current
from stages.deployment.release_log import Release, in_force, read_log
from stages.errors import ProjectError
from stages.files import read_json
from stages.params import load_params
from stages.production.watch.look import Asked, AskedLog, look, look_at_log
from stages.production.watch.measuring import Past
from stages.signals import Signal

Tell = Callable[[Look], None]
OF_A_LOOK = Look.model_fields.keys()


@dataclass(frozen=True)
class NotYet:
    """There is nothing to look at yet; why, in words."""

    says: str


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
    if not read_record(session.project):
        raise ProjectError("nothing has run yet", where=str(session.project), todo="loopwright run")
    taken_up(session, go)
    project, standing = session.project, _standing(session.project, "source")
    since = _since(project, standing.release)
    start = max([since, *(dt.date.fromisoformat(item.end) for item in standing.before if not item.stands)])
    if last is not None and start >= last:
        return None
    end = min(filter(None, (windows.next_end(start, load_params(project).deployment.watch.every), last)))
    if standing.before and standing.before[-1].stands and (why := not_free(project)):
        return NotYet(f"the alarm of {standing.before[-1].start} to {standing.before[-1].end} stands: {why}")
    if end > dt.datetime.now(dt.UTC).date() + windows.DAY:  # whatever days the source has rows of
        return NotYet(f"nothing to look at yet: the next window is {start} to {end}")
    session.show.waiting(f"looking at production, {start} to {end}")
    folder = kept.kept(project, standing.release) if standing.release is not None else None
    past = standing.past
    if past.earlier is not None and _since(project, past.earlier) > start:
        past = replace(past, earlier=None)  # it has learned from these rows
    asked = Asked(start, end, since, standing.release, folder, past)
    found = session.engine.result(session.engine.call(look, project, asked))
    if not found["ready"]:
        return _not_whole(start, end, str(found["after"]))
    days = {"origin": "source", "start": str(start), "end": str(end)}
    return _concluded(session, go, tell, standing, found | days, f"production from {start} to {end}")


def look_at_the_log(session: Session, go: Go, tell: Tell) -> Look | NotYet:
    """Look at what was predicted since the look before, and let the loop go where an alarm sends it; see `next_look`.

    Raises
    ------
    ProjectError
        If nothing is released.
    """
    if current(session.project) is None:
        raise ProjectError("nothing is released", where=str(session.project), todo="loopwright run")
    taken_up(session, go)
    project, standing = session.project, _standing(session.project, "log")
    session.show.waiting("looking at the log of predictions")
    after, judged = standing.of_log
    if standing.release is None:
        raise ProjectError("its log of releases is gone", where=str(project), todo="loopwright run --again")
    asked = AskedLog(after, judged, standing.release, kept.kept(project, standing.release), standing.past)
    found = session.engine.result(session.engine.call(look_at_log, project, asked))
    if not found["ready"]:
        least = load_params(project).deployment.watch.min_rows
        new = f"{found['rows']} predictions of the release in force are new in the log"
        why = f"nothing to look at yet: {new}, and a look takes {least} (deployment.watch.min_rows)"
        return NotYet("; ".join([why, *found["notes"]]))
    because = f"{found['rows']} rows predicted from {found['start']} to {found['end']}"
    return _concluded(session, go, tell, standing, found | {"origin": "log"}, because)


def look_at_all(session: Session, go: Go, tell: Tell) -> list[str]:
    """Look at the log and at the next window, whichever there is; return why something was not looked at, in words."""
    project = session.project
    if not read_record(project):
        return ["nothing has run yet"]
    said = list[str]()
    if read_log(project):
        found = look_at_the_log(session, go, tell)
        said += [found.says] if isinstance(found, NotYet) else []
    if read_json(project / "data" / "schema.json")["time"]:
        window = next_look(session, go, tell)
        said += [window.says] if isinstance(window, NotYet) else []
    return said


@dataclass(frozen=True)
class _Standing:
    """Where production stands: the release in force, and the looks of one origin so far."""

    release: Release | None
    before: list[Look]
    number: int
    past: Past

    @property
    def of_log(self) -> tuple[int, int]:
        """The last prediction that was looked at, by the last look, and how many labels were judged."""
        last = self.before[-1] if self.before else None
        return (last.after or 0, last.judged or 0) if last is not None else (0, 0)


def _standing(project: Path, origin: str) -> _Standing:
    forces, looks = in_force(read_log(project)), read_looks(project)
    release = forces[-1] if forces else None
    before = [item for item in looks if item.origin == origin]
    # By the iteration, too: the same model released again is held against another charter, or another pilot.
    now = (release.sha256[:12], release.iteration) if release is not None else None
    mine = [item for item in looks if (item.release, item.iteration) == now]
    here = [item for item in mine if item.origin == origin]
    past = Past(
        number=1 + len(mine),
        losses=[value for item in here for value in item.losses],
        earlier=next((line for line in reversed(forces) if release and line.sha256 != release.sha256), None),
        rows=sum(item.rows for item in here),
    )
    return _Standing(release, before, len(looks) + 1, past)


def _concluded(session: Session, go: Go, tell: Tell, standing: _Standing, found: dict[str, Any], because: str) -> Look:
    """Log a look; where it raised an alarm, let it into the record, and the loop go on."""
    signals, release = [Signal(**item) for item in found["signals"]], standing.release
    alarms = fired(signals)
    made, told = enter(session, signals, because, standing.past.earlier) if alarms else (None, "")
    item = Look(
        number=standing.number,
        at=_now(),
        release=release.sha256[:12] if release else None,
        iteration=release.iteration if release else None,
        alarm=(made.move["row"] if made and made.move["row"] in BY_NAME else alarms[0].name) if alarms else None,
        entered=made.iteration if made else None,
        told=told,
        **{key: value for key, value in found.items() if key in OF_A_LOOK},
    )
    append(session.project, item)
    tell(item)
    if made is not None and made.move["to"] in STAGES:
        session.entry = entry_after(made)
        go()
    return item


def _not_whole(start: dt.date, end: dt.date, after: str) -> NotYet:
    """Say which window is next, and when rows that should be there by now are not."""
    said = f"nothing to look at yet: the next window is {start} to {end}, and rows end before {after}"
    late = (dt.datetime.now(dt.UTC).date() - end).days
    return NotYet(f"{said}, {late} days ago: do they still come?" if late > 0 else said)


def _since(project: Path, release: Release | None) -> dt.date:
    """Return the day from which on the release has learned from no row and was judged on none."""
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
            todo="name one; or watch predictions alone: loopwright watch --log",
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
