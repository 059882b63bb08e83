"""``planning.approvals``: who decides what only a person may, how long the loop waits, and what then."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stages.params.base import Section


class Approvals(Section):
    """Decisions that wait for a person: releases, and where `planning.unattended` is ask what planning decides."""

    by: list[str] = Field(
        default_factory=list,
        description="Who may answer, by the names that answers are given with (`--by`, else Git's user.name). They are "
        "taken at their word. Empty: anyone.",
    )
    release: Literal["policy", "ask"] = Field(
        "policy",
        description="policy: what meets the charter is released; ask: a person is asked first, once the gate of "
        "deployment is open.",
    )
    wait_minutes: Annotated[float, Field(gt=0)] = Field(10080.0, description="How long a decision waits, minutes.")
    then: Literal["stop", "relax"] = Field(
        "stop",
        description="When the time is over: stop with the evidence, or take what is proposed, as `unattended: relax` "
        "would: the row's own change, or the release.",
    )
