"""A model beside the release, by hand: put there, taken away, released. Nothing here decides by itself."""

from __future__ import annotations

from pathlib import Path

from flows.people.deciding import decider
from flows.record import read_record
from flows.releases import by_hand, candidates
from flows.snapshots import user_name
from stages.deployment import canary_log
from stages.deployment.canary_log import PROMOTE, START, STOP, Canary, in_place
from stages.deployment.release import current, missed, now, put
from stages.deployment.release_log import FOLDER, Release, locked, sha256_of
from stages.errors import ParamsError, ProjectError
from stages.params import load_params


def start(
    project: Path,
    number: int,
    *,
    because: str,
    share: float | None = None,
    by: str | None = None,
    although_missed: bool = False,
) -> Canary:
    """Put the model of an iteration beside the release in force; doing it twice changes nothing.

    Parameters
    ----------
    project : Path
        The project.
    number : int
        An iteration of deployment.
    because : str
        The reason, for the log.
    share : float, optional
        The share of the rows that it answers, ``deployment.canary.share`` when not given; 0 makes it a shadow.
    by : str, optional
        Who says so. ``planning.approvals.by`` says who may, as for a release; a shadow answers nobody, and is open to
        everyone.
    although_missed : bool
        Let it answer though it does not meet its charter; a shadow needs no leave.

    Returns
    -------
    Canary
        The log's line.

    Raises
    ------
    ParamsError
        If the reason is empty, the share is none, or the person may not decide this.
    ProjectError
        If nothing is released, another model stands there, or this one is no candidate, was changed, does not meet its
        charter, or cannot be asked about the rows of the release.
    """
    from stages.production.beside import unlike
    from stages.production.released import load_released, read_model

    _reason(because)
    part = _share(project, share)
    who = _by(project, by) if part == 0 else decider(project, by, where=f"the canary of iteration {number}")
    item = candidates.deployed(read_record(project), number)
    candidate = candidates.of_iteration(project, item)
    misses = missed(candidate.card)
    if part and misses and not although_missed:
        raise ParamsError(
            f"the model of iteration {number} does not meet its charter: {', '.join(misses)}",
            where="canary",
            expected="a candidate that meets it, or a shadow: --share 0",
            todo="with a good reason: --although-missed",
        )
    released, sha256 = load_released(project), sha256_of(candidate.model)
    if released.sha256 == sha256:
        raise ProjectError(f"the model of iteration {number} is the release in force", where="canary")
    with locked(project):
        lines = canary_log.mend(project)
        there = in_place(lines)
        path, card = put(project, candidate, sha256)
        if there is not None and (there.sha256, there.share) == (sha256, part):
            return there
        if there is not None:
            raise ProjectError(
                f"the model of iteration {there.iteration} stands beside the release",
                where="canary",
                expected="none",
                todo="loopwright canary stop --because TEXT",
            )
        line = Canary(
            kind=START,
            number=1 + max((line.number for line in lines), default=0),
            iteration=number,
            share=part,
            path=path,
            card=card,
            sha256=sha256,
            experiment=candidate.experiment,
            missed=misses,
            by=who,
            because=because.strip(),
            at=now(),
        )
        why = unlike(released, read_model(project, line.as_dict()))
        if why:
            raise ProjectError(
                f"cannot stand beside release {released.name}: {why}", where=f"the model of iteration {number}"
            )
        canary_log.append(project, line)
    return line


def stop(project: Path, *, because: str, by: str | None = None) -> Canary:
    """Take away the model beside the release, and return the log's line; open to everyone, as a rollback is.

    Raises
    ------
    ProjectError
        If none stands there.
    """
    _reason(because)
    return _end(project, STOP, by=_by(project, by), because=because)


def promote(
    project: Path, *, because: str, by: str | None = None, although_missed: bool = False
) -> tuple[Release, Canary]:
    """Release the model that stands beside the release, as ``loopwright release N`` does, and take it away from there.

    After a kill between the two, doing it again does the rest.

    Raises
    ------
    LoopwrightError
        As `stages.deployment.release` does, and if none stands there.
    """
    _reason(because)
    with locked(project):
        there = _there(project)
    made = by_hand.release(project, there.iteration, because=because, by=by, although_missed=although_missed)
    return made, _end(project, PROMOTE, by=made.by, because=because, number=there.number)


def _end(project: Path, kind: str, *, by: str, because: str, number: int | None = None) -> Canary:
    with locked(project):
        there = _there(project)
        if number not in (None, there.number):
            raise ProjectError(
                f"the model of iteration {there.iteration} was put beside the release meanwhile", where="canary"
            )
        line = canary_log.ended(there, kind, by=by, because=because.strip(), at=now())
        canary_log.append(project, line)
    return line


def _there(project: Path) -> Canary:
    there = in_place(canary_log.mend(project))
    if there is None:
        raise ProjectError(
            "no model stands beside the release", where="canary", todo="loopwright canary start N --because TEXT"
        )
    return there


def _share(project: Path, share: float | None) -> float:
    if current(project) is None:
        raise ProjectError("nothing is released", where=str(project / FOLDER), todo="loopwright run")
    found = load_params(project).deployment.canary.share if share is None else share
    if not 0 <= found < 1:
        raise ParamsError(f"is {found:g}", where="--share", expected="0 (a shadow) or more, and less than 1")
    return float(found)


def _by(project: Path, by: str | None) -> str:
    return (by or "").strip() or user_name(project)


def _reason(because: str) -> None:
    if not because.strip():
        raise ParamsError("the reason is empty", where="--because", expected="a sentence for the log")
