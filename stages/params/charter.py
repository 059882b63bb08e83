"""``planning``: what is to be beaten, who may be harmed, and which data may go where."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stages.params.base import Count, Section


class Beat(Section):
    """A figure from elsewhere that the model is held beside."""

    metric: str = Field(description="The metric it is a figure of.")
    value: float = Field(description="The figure.")
    kind: Literal["published", "human", "present"] = Field(
        "published", description="published: of a paper or a peer; human: of people; present: of what runs today."
    )
    source: str = Field("", description="Where the figure comes from.")


class Ethics(Section):
    """Who can be harmed by a wrong prediction."""

    harm: str = Field("", description="Who can be harmed, and how.")
    sensitive: list[str] = Field(
        default_factory=list,
        description="Columns of groups that must not fare worse; each of their values is a slice "
        "(`deployment.slices`), and requirements such as `recall_difference` compare them.",
    )


class Security(Section):
    """Which data may go where, and for how long they may be kept."""

    private: list[str] = Field(
        default_factory=list,
        description="Columns that may not leave this project: `label export` leaves them out, and no cell of them is "
        "shown in the record or the report. Figures over groups of them are.",
    )
    retention_days: Count | None = Field(
        None, description="Age of the oldest row that may be used, days before the pilot's end. Empty: no limit."
    )


class Prices(Section):
    """What things cost, in the unit of money that `planning.budgets.money` is in."""

    row: Annotated[float, Field(ge=0)] = Field(0.0, description="Price of a collected row.")
    label: Annotated[float, Field(ge=0)] = Field(0.0, description="Price of a label, beside that of its row.")
    training_minute: Annotated[float, Field(ge=0)] = Field(0.0, description="Price of a minute of a run.")
    false_positive: Annotated[float, Field(ge=0)] | None = Field(
        None,
        description="Cost of taking a row of the first of two classes for the second, in the sorted order of their "
        "labels: benign before malignant, 0 before 1, no before yes. With `false_negative` it is the outcome, where "
        "`planning.outcome` names none.",
    )
    false_negative: Annotated[float, Field(ge=0)] | None = Field(
        None, description="Cost of taking a row of the second class, in that order, for the first."
    )
    review: Annotated[float, Field(ge=0)] | None = Field(
        None,
        description="Cost of leaving a row to a person. Where wrong decisions are priced too, a row that is not "
        "answered costs this; and where `answering.max_error` is empty, a row is answered only where its decision is "
        "expected to cost no more (Chow 1970).",
    )
