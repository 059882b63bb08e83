"""``deployment.tests``: what the model must do whatever its metrics are (CheckList, Ribeiro et al. 2020)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from stages.params.base import Section

Tolerance = Annotated[float, Field(ge=0)]
PortionOrNone = Annotated[float, Field(ge=0, lt=1)] | None
FAILING = (
    "Share of rows that may change by more than `tolerance`. Empty: it is the mean over all rows that is held to the "
    "tolerance."
)


class Invariance(Section):
    """Another value of a column must not change the prediction."""

    kind: Literal["invariance"] = Field(description="Another value of a column must not change the prediction.")
    name: str = Field("", description="What the test is called. Empty: a sentence made of its keys.")
    column: str = Field(description="The column that is changed.")
    noise: Annotated[float, Field(gt=0)] | None = Field(
        None,
        description="Add a number drawn evenly from within this many standard deviations of the column. Without "
        "`noise` and `swap` each row gets the value of another row.",
    )
    swap: dict[str, str] = Field(
        default_factory=dict, description="Category -> the category it is replaced by; other rows are left out."
    )
    tolerance: Tolerance = Field(0.0, description="How far a prediction may move: a probability, or the target's unit.")
    max_failing: PortionOrNone = Field(None, description=FAILING)

    @model_validator(mode="after")
    def _one_change(self) -> Invariance:
        if self.noise is not None and self.swap:
            raise ValueError("takes noise or swap, not both")
        return self


class Direction(Section):
    """A column that is raised must not lower the prediction."""

    kind: Literal["direction"] = Field(description="A column that is raised must not lower the prediction.")
    name: str = Field("", description="What the test is called. Empty: a sentence made of its keys.")
    column: str = Field(description="The column that is set.")
    low: Any = Field(None, description="The value it is set to first; with `high`, in place of `values`.")
    high: Any = Field(None, description="The value it is set to then.")
    values: list[Any] = Field(
        default_factory=list, description="Two values or more, each of which must not predict less than the one before."
    )
    tolerance: Tolerance = Field(0.0, description="How far a prediction may fall from one value to the next.")
    max_failing: PortionOrNone = Field(None, description=FAILING.replace("change", "fall"))

    @model_validator(mode="after")
    def _has_values(self) -> Direction:
        ends = [end for end in (self.low, self.high) if end is not None]
        if len(ends) == 1 or bool(ends) == bool(self.values) or len(self.values) == 1:
            raise ValueError("direction needs low and high, or values, two at least")
        return self

    @property
    def steps(self) -> list[Any]:
        """The values in their order."""
        return list(self.values) or [self.low, self.high]


class MinimumFunctionality(Section):
    """Simple cases that must be right."""

    kind: Literal["minimum_functionality"] = Field(description="Simple cases that must be right.")
    name: str = Field("", description="What the test is called. Empty: a sentence made of its keys.")
    cases: str = Field("", description="A CSV file of cases: features and the target, as the source has them.")
    rows: list[dict[str, Any]] = Field(
        default_factory=list,
        description="Cases written out: column -> value, the target's among them. A list in place of a value makes a "
        "case of each of its values.",
    )
    others: Literal["typical", "missing"] = Field(
        "typical",
        description="Features that `rows` do not name: the training rows' median or commonest category, or missing.",
    )
    tolerance: Annotated[float, Field(gt=0)] | None = Field(
        None, description="How far a value may be off and still be right. Empty: one standard deviation of the target."
    )
    min_right: Annotated[float, Field(gt=0, le=1)] = Field(1.0, description="Share of the cases that must be right.")

    @model_validator(mode="after")
    def _has_cases(self) -> MinimumFunctionality:
        if bool(self.cases) == bool(self.rows):
            raise ValueError("minimum_functionality needs cases or rows, one of the two")
        return self


BehaviourTest = Annotated[Invariance | Direction | MinimumFunctionality, Field(discriminator="kind")]
