"""What a question to a person consists of, beside the options of its move: where it leads, and how long it waits."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from flows.situation import Situation


class Asks(BaseModel):
    """A question, as the record's line of the iteration that asks it holds it.

    Attributes
    ----------
    to : str
        Where an option leads: a stage, or the release.
    wait_minutes : float
        How long it waits, by the charter at that time.
    then : {"stop", "relax"}
        What happens when the time is over: stop, or take what is proposed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    to: str
    wait_minutes: float
    then: Literal["stop", "relax"]


def asks(to: str, situation: Situation) -> Asks:
    """Return the question whose options lead to a stage, or to the release."""
    approvals = situation.params.planning.approvals
    return Asks(to=to, wait_minutes=approvals.wait_minutes, then=approvals.then)
