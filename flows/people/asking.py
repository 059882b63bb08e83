"""What a question to a person consists of, beside the options of its move: where it leads, and how long it waits."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from flows.situation import Situation
from flows.transitions import Transition


class Asks(BaseModel):
    """A question, as the record's line of the iteration that asks it holds it.

    Attributes
    ----------
    to : str
        The stage that an option leads to.
    wait_minutes : float
        How long it waits, by the charter at that time.
    then : {"stop", "relax"}
        What happens when the time is over: stop, or take what the row itself proposes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    to: str
    wait_minutes: float
    then: Literal["stop", "relax"]


def asks(row: Transition, situation: Situation) -> Asks:
    """Return the question of a row that asks a person."""
    approvals = situation.params.planning.approvals
    return Asks(to=row.to, wait_minutes=approvals.wait_minutes, then=approvals.then)
