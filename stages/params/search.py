"""``training.search`` and a candidate's own search space."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from stages.params.base import Count, Section


class Span(Section):
    """A range of numbers, whole ones when both ends are, or some choices."""

    low: int | float | None = Field(None, description="Smallest value.")
    high: int | float | None = Field(None, description="Largest value.")
    log: bool = Field(False, description="Spread evenly over the logarithm.")
    choices: list[Any] = Field(default_factory=list, description="Instead of a range: values to choose from.")

    @model_validator(mode="after")
    def _one_kind(self) -> Span:
        ends = (self.low, self.high)
        if bool(self.choices) == (ends != (None, None)) or (None in ends and ends != (None, None)):
            raise ValueError("needs low and high, or choices")
        if self.low is not None and self.high is not None:
            if self.low >= self.high:
                raise ValueError(f"low {self.low} is not below high {self.high}")
            if self.log and self.low <= 0:
                raise ValueError("log needs a low above 0")
        return self

    @property
    def ends(self) -> list[Any]:
        """The outermost values: they must be ones that the estimator takes."""
        return list(self.choices) or [self.low, self.high]


class Search(Section):
    """How long the search goes on, for each candidate in use that declares a space."""

    trials: Annotated[int, Field(ge=0)] = Field(
        20,
        description="Trials a candidate; their number decides, so that the same params give the same result. 0: none "
        "until the loop asks for them.",
    )
    max_trials: Count = Field(80, description="The loop searches on, twice as long each time, up to this many trials.")
    minutes: Annotated[float, Field(gt=0)] = Field(
        10.0,
        description="A guard, minutes of wall time: the search stops there, and the record says that it was cut short.",
    )
