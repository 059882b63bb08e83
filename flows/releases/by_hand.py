"""A person's release: the model of an earlier iteration, out of DVC's cache; the workspace is not touched."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape

from flows.people.deciding import decider
from flows.record import Iteration, read_record
from flows.releases import candidates
from flows.releases.card import chapters, render
from flows.report.past import archive
from stages.deployment.release import missed, publish
from stages.deployment.release_log import Release
from stages.errors import ParamsError
from stages.params import Planning, load_params


def release(
    project: Path, number: int, *, because: str, by: str | None = None, although_missed: bool = False
) -> Release:
    """Release the model of an iteration by hand, and return the log's line; doing it twice changes nothing.

    Parameters
    ----------
    project : Path
        The project.
    number : int
        An iteration of deployment.
    because : str
        The reason, for the log.
    by : str, optional
        Who says so; Git's ``user.name`` when not given. ``planning.approvals.by`` says who may.
    although_missed : bool
        Also where it does not meet its charter; what it misses goes into the log.

    Raises
    ------
    ParamsError
        If the reason is empty, or the person may not decide this.
    ProjectError
        If there is no such candidate, it was changed since it was made, or it does not meet its charter.
    DataError
        If the model holds types that are not trusted.
    """
    from stages.training.store import load_model

    if not because.strip():
        raise ParamsError("the reason is empty", where="--because", expected="a sentence for the log")
    who = decider(project, by, where=f"the release of iteration {number}")
    lines = read_record(project)
    item = candidates.deployed(lines, number)
    candidate = candidates.of_iteration(project, item)
    misses = missed(candidate.card)
    if misses and not although_missed:
        raise ParamsError(
            f"the model of iteration {number} does not meet its charter: {', '.join(misses)}",
            where="release",
            expected="a candidate that meets it",
            todo="with a good reason: --although-missed",
        )
    load_model(candidate.model)
    upto = [line for line in lines if line.iteration <= number]

    def told(line: Release) -> str:
        return render(chapters(line, candidate.card, _charter(project, item), upto))

    return publish(project, candidate, by=who, because=because.strip(), told=told, although_missed=although_missed)


def tell_release(
    project: Path, number: int, *, because: str, by: str | None = None, although_missed: bool = False
) -> None:
    """Release by hand, and say what."""
    console = Console(highlight=False, soft_wrap=True)
    with console.status("looking the model over"):
        line = release(project, number, because=because, by=by, although_missed=although_missed)
    but = f", although it misses {', '.join(line.missed)}" if line.missed else ""
    console.print(escape(f"released the model of iteration {line.iteration}, sha256 {line.sha256[:12]}{but}"))
    console.print(f"see also: loopwright releases; loopwright verify {line.iteration}")


def _charter(project: Path, item: Iteration) -> Planning:
    """Return the charter that an iteration was held to; today's where its schema is no longer known."""
    with archive(project) as kept:
        found = candidates.params_of(kept.of(item))
    return (found or load_params(project)).planning
