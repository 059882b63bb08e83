"""What of the revisions may be taken when nobody is there: less than what a person is offered."""

from __future__ import annotations

from flows.changes import scope
from flows.changes.charter import alone, relax_missed
from flows.patching import changes_anything
from flows.revisions import Revision, revisions
from flows.situation import Situation
from flows.transitions import Transition


def taken(row: Transition, situation: Situation) -> tuple[Revision | None, str]:
    """Return the first revision of a kind that the charter allows when nobody is there; else none, and why.

    A row's own cure that relaxes what is missed is of the kind ``relax``, too: of a single missed requirement, it is
    the only relaxation there is.

    Parameters
    ----------
    row : Transition
        The row of the table that fired, and asks a person.
    situation : Situation
        What `flows.decide.decide` looks at.
    """
    planning, offered = situation.params.planning, revisions(row, situation)
    refused: list[str] = []
    for kind in planning.revise if planning.unattended == "revise" else ["cure"]:
        for revision in offered:
            relaxes = kind == "relax" and revision.kind == "cure" and row.change is relax_missed
            if revision.kind == kind or relaxes:
                why = refusal(revision, situation)
                if not why:
                    return revision, ""
                refused.append(f"{kind}: {why}")
    return None, "; ".join(dict.fromkeys(refused)) or "nothing left to change"


def refusal(revision: Revision, situation: Situation) -> str:
    """Return why a revision is left to a person; nothing where it may be taken."""
    if not alone(revision.patch):
        return "a budget is for a person to raise"
    if not changes_anything(situation.values, revision.patch):
        return "nothing left to change"
    if revision.leaves:
        return f"{', '.join(revision.leaves)} would stay missed"
    return scope.refusal(revision.patch, situation) if revision.kind == "narrow" else ""
