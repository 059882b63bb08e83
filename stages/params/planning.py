"""``planning``: the charter."""

from __future__ import annotations

import math
import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from stages.params.answering import Answering
from stages.params.approvals import Approvals
from stages.params.archetypes import ARCHETYPES, HUMAN, Archetype, Name, defaults
from stages.params.base import Count, Section, Share
from stages.params.charter import Beat, Ethics, Prices, Security

BY_PRICES = "prices"
IMPORT_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


class Requirement(Section):
    """A bound on one metric. Exactly one of ``at_least`` and ``at_most``."""

    at_least: float | None = Field(None, description="The metric must be this or more.")
    at_most: float | None = Field(None, description="The metric must be this or less.")
    hard: bool = Field(
        True,
        description="Without it no release. A soft one decides among what meets the hard ones, and a release that "
        "misses it says so.",
    )
    unit: str = Field("", description="What it is measured in, for people.")
    asked_by: str = Field("", description="Who asked for it.")
    why: str = Field("", description="Why this value.")

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
    money: Annotated[float, Field(gt=0)] | None = Field(
        None, description="What rows and labels may cost in all, by `planning.prices`. Empty: no limit."
    )
    per_row: Count = Field(4, description="Times one row of the transition table may be taken in one run.")


class Progress(Section):
    """When the loop is going nowhere."""

    patience: Count = Field(4, description="Ways back without coming closer to a release before the run stops.")
    min_gain: Annotated[float, Field(ge=0)] = Field(
        0.001,
        description="Smallest fall of the distance to a release that counts; it is the sum of the relative shortfalls, "
        "plus 1 before the pilot.",
    )


class Combine(Section):
    """How metrics are combined into what is to be as large as possible, among candidates that meet the requirements."""

    by: Literal["threshold", "weighted_mean", "formula", "outcome"] = Field(
        "threshold",
        description="threshold: the others are thresholds, `optimise` decides; weighted_mean: of `weights`, metrics of "
        "which less is better counting negative; formula: `call`; outcome: the mean of `planning.outcome` on the "
        "validation rows.",
    )
    weights: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict, description="Metric name -> weight of it in the weighted mean."
    )
    call: str | None = Field(
        None,
        description="Import path of a function of a dict of all metrics; it returns a number, larger being better.",
    )

    @model_validator(mode="after")
    def _whole(self) -> Combine:
        if self.by == "weighted_mean" and not sum(self.weights.values()) > 0:
            raise ValueError("weighted_mean needs weights, one at least above 0")
        if self.by == "formula" and not self.call:
            raise ValueError("formula needs call, the import path of a function")
        return self


class Decision(Section):
    """From which probability on a row is taken for the positive class; of two classes only."""

    threshold: Share | Literal["auto"] = Field(
        "auto",
        description="auto: a half, unless another one meets the requirements or is better by what is optimised, on the "
        "validation rows.",
    )


class Outcome(Section):
    """What a prediction brings in the world, by a function or by columns of your own: money, minutes, lives."""

    call: str | None = Field(
        None,
        description="Import path of a function of (rows, target, prediction) that returns a value a row, larger being "
        "better: a DataFrame; class codes or values; probabilities (n, classes) or values.",
    )
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="In place of a function: class -> column of what a row brings when it is taken for that class. Of "
        "`table`, or of the source, where they are then no features.",
    )
    table: str | None = Field(
        None, description="CSV or Parquet file under labels/ of those columns and the key (`data.source.key`)."
    )
    decides_from: Annotated[float, Field(ge=0, le=1)] = Field(
        0.5,
        description="With `columns`, the probability above which the second of two classes is decided for, by the "
        "model and by what stands beside it; of more classes the likeliest is.",
    )
    at_least: float | None = Field(None, description="Mean value a row that a release must bring in the pilot.")
    min_gain: Annotated[float, Field(ge=0)] = Field(
        0.0,
        description="Mean value a row that the model must bring beyond the rule.",
    )
    unit: str = Field("", description="What it is measured in, for people.")
    why: str = Field("", description="Who asked, and why this value.")

    @model_validator(mode="after")
    def _one_way(self) -> Outcome:
        if (self.call is None) == (not self.columns):
            raise ValueError("needs exactly one of call and columns")
        if self.table is not None and not self.columns:
            raise ValueError("table needs columns, those of it that hold what each decision brings")
        return self


class Planning(Section):
    """The charter: what is wanted, how it is measured, what it may cost."""

    goal: str = Field(
        description="What the project is for, in one sentence. Say what gets better, and for whom; not which model is "
        "built."
    )
    users: str = Field(
        "",
        description="Who uses the predictions: the people, or the program, that read them. Requirements are theirs: "
        "how often a prediction may be wrong, and how soon it must be there.",
    )
    decides: str = Field(
        "",
        description="What is decided by the predictions, and what happens without them. What is decided tells which "
        "mistake costs what; what happens without them is what a release must be better than.",
    )
    archetype: Name = Field(
        HUMAN,
        description="The kind of ML product (Full Stack Deep Learning 2021, lecture 5). software_2.0: it takes the "
        "place of a rule that works by now, and must surely be better. human_in_the_loop: it helps a person, who "
        "decides what it is not sure of. autonomous: it acts alone, so its failures must surely stay within a bound, "
        "and rows unlike all that it learned from go to a person. What each brings: docs/archetypes.md.",
    )
    task: Literal["classification", "regression"] = Field(description="What kind of target is predicted.")
    optimise: str = Field(description="The one metric to optimise; the others are thresholds.")
    optimise_next: list[str] = Field(
        default_factory=list,
        description="Metrics to optimise after it, in order: once `optimise` surely meets its own requirement it is a "
        "threshold only, and the next one is optimised. Empty: it is optimised on.",
    )
    requirements: dict[str, Requirement] = Field(description="Metric name -> bound that a release must meet.")
    beat: dict[str, Beat] = Field(
        default_factory=dict,
        description="Name -> a figure from elsewhere. A release that is not better says so; it is not held up.",
    )
    combine: Combine = Field(default_factory=Combine)
    decision: Decision = Field(default_factory=Decision)
    answering: Answering = Field(default_factory=Answering)
    outcome: Outcome | None = Field(None, description="What a prediction brings in the world. Empty: not measured.")
    rule: list[str] = Field(
        default_factory=list,
        description="Columns of the rule baseline: predict the target's mean in each cell. Empty: the best single one.",
    )
    replaces: str = Field(
        "",
        description="The rule that the software goes by now: with a colon the import path of a function of rows "
        "(package.module:function) that returns a class or value a row, or probabilities (n, classes); else the column "
        "that holds what it says, which is then no feature. Empty: the rule baseline.",
    )
    if_rule_suffices: Literal["stop", "continue"] = Field(
        "continue", description="What to do when a rule without any model meets every requirement."
    )
    unattended: Literal["stop", "relax", "revise", "ask"] = Field(
        "stop",
        description="When the loop returns to planning and nobody is there: stop with the evidence and what planning "
        "may choose from; relax the missed requirement to the value that was reached; revise the plan by the first "
        "kind of `revise` that is offered; or ask, and wait for a person (`approvals`).",
    )
    revise: list[Literal["cure", "narrow", "swap", "relax", "give_way", "fewer_rows"]] = Field(
        default_factory=list,
        description="With `unattended: revise`, the kinds of revision that may be taken, in order; docs/planning.md "
        "says what each is. None of them buys rows.",
    )
    max_outside: Share = Field(
        0.5,
        description="With `unattended: revise`, the largest share of all rows that may lie outside of the scope when "
        "it is narrowed. A person may narrow it further.",
    )
    approvals: Approvals = Field(default_factory=Approvals)
    prices: Prices = Field(default_factory=Prices)
    ethics: Ethics = Field(default_factory=Ethics)
    security: Security = Field(default_factory=Security)
    budgets: Budgets = Field(default_factory=Budgets)
    progress: Progress = Field(default_factory=Progress)

    @property
    def measured_outcome(self) -> Outcome | None:
        """What a prediction brings: the charter's own outcome, else what wrong decisions cost where they are priced."""
        priced = None not in (self.prices.false_positive, self.prices.false_negative)
        return self.outcome or (Outcome(call=BY_PRICES, unit="money") if priced else None)

    @property
    def kind(self) -> Archetype:
        """What the archetype brings."""
        return ARCHETYPES[self.archetype]

    @property
    def required(self) -> dict[str, Requirement]:
        """What a release is held to: the charter's own requirements, and those that its archetype adds."""
        own = {name: bound.bound for name, bound in self.requirements.items()}
        added = defaults(self.archetype, own, self.answering.max_error)
        return self.requirements | {name: Requirement(**bound) for name, bound in added.items()}

    @property
    def guarded(self) -> bool:
        """Whether rows unlike those that were learned from are left to a person."""
        asked = self.answering.guardrails
        return self.kind.guardrails if asked is None else asked

    @field_validator("replaces")
    @classmethod
    def _names_a_column_or_a_function(cls, replaces: str) -> str:
        """Refuse what has a colon and is no import path."""
        if ":" in replaces and not IMPORT_PATH.fullmatch(replaces):
            raise ValueError("is no import path: expected package.module:function, or a column's name without a colon")
        return replaces

    @model_validator(mode="after")
    def _has_outcome(self) -> Planning:
        if self.combine.by == "outcome" and self.measured_outcome is None:
            raise ValueError("combine.by: outcome needs planning.outcome, or prices of wrong decisions")
        return self

    @model_validator(mode="after")
    def _says_what_to_revise(self) -> Planning:
        if self.unattended == "revise" and not self.revise:
            raise ValueError("unattended: revise needs revise, the kinds of revision that may be taken")
        return self

    @model_validator(mode="after")
    def _can_move_on(self) -> Planning:
        """Refuse metrics that are optimised one after the other where one of them is never reached."""
        if not self.optimise_next:
            return self
        order = [self.optimise, *self.optimise_next]
        if len(set(order)) < len(order):
            raise ValueError(f"optimise and optimise_next name {', '.join(order)}: each metric once")
        if self.combine.by != "threshold":
            raise ValueError(f"optimise_next goes by one metric after the other, and combine.by is {self.combine.by}")
        open_ended = [name for name in order[:-1] if name not in self.requirements]
        if open_ended:
            raise ValueError(f"optimise_next never comes: {open_ended[0]} has no requirement that it could reach")
        return self

    @model_validator(mode="after")
    def _beats_others(self) -> Planning:
        measured = {"constant", "rule", "linear", "human"} | ({"present"} if self.replaces else set())
        own = sorted(measured & set(self.beat))
        if own:
            raise ValueError(f"beat.{own[0]}: the name of a baseline that is measured; choose another")
        return self
