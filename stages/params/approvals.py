"""``planning.approvals``: who decides what only a person may, how long the loop waits, and what then."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stages.params.base import Section


class Approvals(Section):
    """Decisions that wait for a person, where `planning.unattended` is ask."""

    by: list[str] = Field(
        default_factory=list,
        description="Who may answer, by the names that answers are given with (`--by`, else Git's user.name). They are "
        "taken at their word. Empty: anyone.",
    )
    wait_minutes: Annotated[float, Field(gt=0)] = Field(10080.0, description="How long a decision waits, minutes.")
    then: Literal["stop", "relax"] = Field(
        "stop",
        description="When the time is over: stop with the evidence, or take what the row proposes, as "
        "`unattended: relax` would.",
    )
