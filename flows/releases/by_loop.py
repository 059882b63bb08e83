"""The loop's own releases: of the iteration that has just passed the gate, or of the one that a person approved."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from flows.engine import Engine
from flows.entry import ANSWER, question_of
from flows.record import Iteration, read_record
from flows.releases import candidates
from flows.releases.card import chapters
from stages.deployment.release import CHARTER, Candidate, publish
from stages.deployment.release_log import Release
from stages.params import load_params


def release(project: Path, engine: Engine, item: Iteration) -> Release:
    """Release what an iteration, not yet in the record, decided to release; done again, it changes nothing.

    A person's approval releases the model of the iteration that asked for it, whatever the workspace holds by now.
    """
    lines = read_record(project)
    asked = next((line for line in lines if line.iteration == question_of(item)), None)
    judged = asked or item
    candidate = candidates.of_iteration(project, judged) if asked else candidates.in_workspace(project, item)
    by, because = _who(item)
    upto = [line for line in [*lines, item] if line.iteration <= judged.iteration]
    return publish(
        project, candidate, by=by, because=because, told=partial(_told, project, engine, candidate, upto), once=True
    )


def _who(item: Iteration) -> tuple[str, str]:
    """Return who releases and why: the charter, or the person who answered."""
    said = next((signal["evidence"] for signal in item.signals if signal["name"] == ANSWER), None)
    if said is None:
        return CHARTER, str(item.move["reason"])
    return str(said["by"]), str(said["because"]) or str(item.move["reason"])


def _told(project: Path, engine: Engine, candidate: Candidate, lines: list[Iteration], line: Release) -> str:
    return engine.write_card(chapters(line, candidate.card, load_params(project).planning, lines))
