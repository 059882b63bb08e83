"""``deployment``: what a model must show before it is released."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from stages.params.base import Count, Section


class BehaviourTest(Section):
    """A test of what the model does (CheckList, Ribeiro et al. 2020)."""

    kind: Literal["invariance", "direction"] = Field(
        description="invariance: changing the column must not change the prediction by more than `tolerance`; "
        "direction: setting it to `high` must not lower the mean prediction below that at `low`."
    )
    column: str
    low: Any = None
    high: Any = None
    tolerance: Annotated[float, Field(ge=0)] = 0.0

    @model_validator(mode="after")
    def _has_ends(self) -> BehaviourTest:
        if self.kind == "direction" and (self.low is None or self.high is None):
            raise ValueError("direction needs low and high")
        return self


class Slices(Section):
    """Where the errors concentrate."""

    columns: list[str] = Field(default_factory=list, description="Columns whose values make slices.")
    min_rows: Count = Field(200, description="Smaller slices are not judged.")
    max_excess: Annotated[float, Field(ge=0)] = Field(
        0.05,
        description="A slice is hard when the model loses more than its own mean would, by more than this share.",
    )


class Shift(Section):
    """Does the pilot look like the training data."""

    max_auc: Annotated[float, Field(ge=0.5, le=1)] = Field(
        0.64,
        description="Largest ROC AUC of a classifier that tells pilot rows from the window's; 0.64 is Cohen's "
        "d = 0.5, a medium effect (Ruscio 2008).",
    )
    max_rate_change: Annotated[float, Field(ge=0)] = Field(
        0.2, description="Largest change of the target's mean, in its standard deviations."
    )


class Deployment(Section):
    """What a model must show before it is released."""

    tests: list[BehaviourTest] = Field(default_factory=list)
    slices: Slices = Field(default_factory=Slices)
    shift: Shift = Field(default_factory=Shift)
