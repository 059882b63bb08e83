"""``planning.answering``: which predictions are given, and which are left to a person."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from stages.params.base import Section


class Answering(Section):
    """Which rows the model answers by itself; the others go to a person."""

    max_error: Annotated[float, Field(ge=1e-6, lt=1)] | None = Field(
        None,
        description="Largest share of wrong decisions among the rows that are answered: a row of which the model is "
        "less sure than that allows goes to a person. Empty: however unsure it is, it answers. Of classes only.",
    )
    level: Annotated[float, Field(gt=0.5, le=0.999999)] = Field(
        0.95, description="Confidence of the one-sided bounds on that share and on `failure_rate`."
    )
    tolerance: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Of a regression: a prediction that is off by more than this is a failure."
    )
    guardrails: bool | None = Field(
        None,
        description="A row with a category that the window never had, or a number outside of the window's range, goes "
        "to a person. Empty: as the archetype has it.",
    )
