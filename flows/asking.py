"""What a decision that only a person may take consists of: the options, how long it waits, and what happens then."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from flows.situation import Patch, Situation
from flows.transitions import Transition


class Option(BaseModel):
    """One way out that a person may choose.

    Attributes
    ----------
    name : str
        A few words to tell it from the others.
    patch : dict
        The params it changes: dotted keys and their new values.
    says : str
        What it means, in a sentence.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    patch: dict[str, Any]
    says: str = ""


class Asks(BaseModel):
    """A question to a person, as the record's line of the iteration that asks it holds it.

    Attributes
    ----------
    to : str
        The stage that an option leads to.
    options : list of Option
        May be empty: then the answer is a person's own changes, or no.
    wait_minutes : float
        How long it waits, by the charter at that time.
    then : {"stop", "relax"}
        What happens when the time is over: stop, or take the first option.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    to: str
    options: list[Option]
    wait_minutes: float
    then: Literal["stop", "relax"]


def asks(row: Transition, situation: Situation, patch: Patch) -> Asks:
    """Return the question of a row whose change would be ``patch``."""
    approvals = situation.params.planning.approvals
    options = [Option(name="as proposed", patch=patch, says=row.cure)] if patch else []
    return Asks(to=row.to, options=options, wait_minutes=approvals.wait_minutes, then=approvals.then)
