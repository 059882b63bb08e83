"""Look at production window by window; where a signal fires, the transition table says where the loop goes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flows.decide import EXHAUSTED
from flows.entry import EDITED, Entry, entry_after, new_run, take_up
from flows.people import answers
from flows.record import Iteration, read_record
from flows.releases.rollback import rollback
from flows.session import Session
from flows.situation import OF_PRODUCTION
from flows.transitions import BY_NAME, STAGES
from flows.watching import kept, windows
from flows.watching.looks import Look, append, read_looks
from stages.deployment.release import current
from stages.deployment.release_log import Release, in_force, read_log
from stages.errors import ProjectError
from stages.files import read_json
from stages.params import load_params
from stages.production.watch.look import Asked, AskedLog, look, look_at_log
from stages.production.watch.measuring import Past
from stages.signals import Signal

Go = Callable[[], object]
Tell = Callable[[Look], None]
BRING = "bring labels of these rows (loopwright review), newer rows to the source, or mend what brings the rows"
WANTS_ROWS = "pilot_unsure"  # the one question that rows of production answer
NO_ALARM = ("production_inputs",)  # told, and no more
OF_A_LOOK = Look.model_fields.keys()
BY = "loopwright watch"


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
    _taken_up(session, go)
    project, standing = session.project, _standing(session.project, "source")
    since = _since(project, standing.release)
    start = max([since, *(dt.date.fromisoformat(item.end) for item in standing.before)])
    if last is not None and start >= last:
        return None
    end = min(filter(None, (windows.next_end(start, load_params(project).deployment.watch.every), last)))
    session.show.waiting(f"looking at production, {start} to {end}")
    folder = kept.kept(project, standing.release) if standing.release is not None else None
    past = standing.past
    if past.earlier is not None and _since(project, past.earlier) > start:
        past = replace(past, earlier=None)  # it has learned from these rows
    asked = Asked(start, end, since, standing.release, folder, past)
    found = session.engine.result(session.engine.call(look, project, asked))
    if not found["ready"]:
        window = f"the next window is {start} to {end}"
        return NotYet(f"nothing to look at yet: {window}, and rows end before {found['after']}")
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
    _taken_up(session, go)
    project, standing = session.project, _standing(session.project, "log")
    session.show.waiting("looking at the log of predictions")
    after = max([item.after or 0 for item in standing.before], default=0)
    if standing.release is None:
        raise ProjectError("its log of releases is gone", where=str(project), todo="loopwright run --again")
    asked = AskedLog(after, standing.release, kept.kept(project, standing.release), standing.past)
    found = session.engine.result(session.engine.call(look_at_log, project, asked))
    if not found["ready"]:
        least = load_params(project).deployment.watch.min_rows
        new = f"{found['rows']} predictions of the release in force are new in the log"
        return NotYet(f"nothing to look at yet: {new}, and a look takes {least} (deployment.watch.min_rows)")
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


def _standing(project: Path, origin: str) -> _Standing:
    forces, looks = in_force(read_log(project)), read_looks(project)
    release = forces[-1] if forces else None
    before = [item for item in looks if item.origin == origin]
    mine = [item for item in before if release is not None and item.release == release.sha256[:12]]
    past = Past(
        number=1 + sum(item.release == release.sha256[:12] for item in looks) if release is not None else 1,
        losses=[value for item in mine for value in item.losses],
        earlier=forces[-2] if len(forces) > 1 else None,
    )
    return _Standing(release, before, len(looks) + 1, past)


def _concluded(session: Session, go: Go, tell: Tell, standing: _Standing, found: dict[str, Any], because: str) -> Look:
    """Log a look; where it raised an alarm, let it into the record, and the loop go on."""
    signals, release = [Signal(**item) for item in found["signals"]], standing.release
    fired = [signal for signal in signals if signal.fires and signal.name not in NO_ALARM]
    made, told = _enter(session, signals, because) if fired else (None, "")
    item = Look(
        number=standing.number,
        at=_now(),
        release=release.sha256[:12] if release else None,
        iteration=release.iteration if release else None,
        alarm=(made.move["row"] if made and made.move["row"] in BY_NAME else fired[0].name) if fired else None,
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


def _taken_up(session: Session, go: Go) -> None:
    """Finish first what was begun: a run that was cut off, or labels that came in. An edit is left to a person.

    A way back that a look made, and that is not among the looks, is that look's: it is made again, and goes on.
    """
    lines = read_record(session.project)
    entry = take_up(session.project, lines)
    if isinstance(entry, Entry) and entry.row != EDITED and not _unlogged(lines[-1], read_looks(session.project)):
        session.entry = entry
        go()


def _unlogged(last: Iteration, looks: Sequence[Look]) -> bool:
    """Tell whether the record's last line is an alarm whose look a kill kept from its log."""
    alarm = {signal["name"] for signal in last.signals} & OF_PRODUCTION and not last.steps
    return bool(alarm) and last.iteration not in {item.entered for item in looks}


def _enter(session: Session, signals: list[Signal], because: str) -> tuple[Iteration | None, str]:
    """Let an alarm into the record, and tell what comes of it; not while a person is asked.

    The record's line comes before the look's own: where a kill came between the two, the line is there already.
    """
    project, lines = session.project, read_record(session.project)
    last, found = lines[-1], [(signal.name, signal.value, signal.fires) for signal in signals]
    same = last.because == because and [(old["name"], old["value"], old["fires"]) for old in last.signals] == found
    now = take_up(project, lines)
    if same and _unlogged(last, read_looks(project)):
        made = last
    elif answers.question(lines) is not None and last.move["row"] != WANTS_ROWS:
        return None, f"the loop waits for a person since iteration {last.iteration}; the alarm stands"
    elif isinstance(now, Entry):
        return None, f"{now.because}, which comes first: loopwright run; the alarm stands"
    else:
        entry = Entry(new_run(), last.iteration + 1, "deployment", because, "watch")
        session.show.stage_started("production", entry)
        made = session.conclude_look(entry, signals)
        session.show.stage_done(made)
    if made.move["row"] == EXHAUSTED:
        fired = "; ".join(signal.says for signal in signals if signal.fires and signal.name not in NO_ALARM)
        return made, f"{fired}. Nothing that the loop may change cures that: {BRING}"
    if made.move["row"] != "release_regressed":
        return made, str(made.move["reason"])
    if load_params(project).deployment.watch.regressed != "rollback":
        return made, "the release before is better; deployment.watch.regressed says to tell, and no more"
    line = rollback(project, because=str(made.move["reason"]), by=BY)
    return made, f"rolled back to the release of iteration {line.iteration}"


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
