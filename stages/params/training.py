"""``training``: the candidates, and how they are judged."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from stages.params.base import Section, Share
from stages.params.checks import Checks
from stages.params.search import Search, Span

# A name becomes a file, a word of a command, a key of params.yaml in a path with dots, and what follows an @ in DVC.
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")


class Candidate(Section):
    """Any scikit-learn estimator, by import path."""

    estimator: str = Field(description="Import path, e.g. sklearn.linear_model.LogisticRegression.")
    params: dict[str, Any] = Field(default_factory=dict, description="Keyword arguments of its constructor.")
    search: dict[str, Span] = Field(default_factory=dict, description="Keyword arguments to search, and where.")
    stop_early: bool = Field(
        False,
        description="Stop boosting where later rows (or other groups) are predicted best: the number of iterations is "
        "chosen on held-out rows, and the candidate is fitted on all rows with it.",
    )


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
    max_bias: Annotated[float, Field(ge=0)] = Field(
        0.05,
        description="Underfitting, or too much capacity: largest share of the validation loss that another model "
        "(a flexible reference, people) may save.",
    )
    min_gain: Annotated[float, Field(ge=0)] = Field(
        0.005, description="The learning curve still falls when doubling the data cut the loss by more than this share."
    )
    max_label_noise: Share = Field(
        0.033,
        description="Largest share of wrong labels; 3.3% is the mean of the test sets of ten well-known benchmarks "
        "(Northcutt, Athalye & Mueller 2021).",
    )


class Selection(Section):
    """When a more complex candidate is worth it."""

    min_gain: Annotated[float, Field(ge=0)] = Field(
        0.0,
        description="Of candidates that meet the requirements the simplest is taken, unless the best one's gain in the "
        "charter's metric over it is surely more than this (paired, on the validation rows).",
    )


class Training(Section):
    """The ladder of candidates, from low to high capacity, and which rungs are tried."""

    candidates: dict[str, Candidate] = Field(
        description="Name -> estimator, in order of rising capacity. A name is letters, digits, `_` and `-`."
    )
    use: list[str] = Field(description="Candidates fitted now; loop-backs add and remove rungs.")
    bootstrap: Bootstrap = Field(default_factory=Bootstrap)
    learning_curve: LearningCurve = Field(default_factory=LearningCurve)
    diagnosis: Diagnosis = Field(default_factory=Diagnosis)
    checks: Checks = Field(default_factory=Checks)
    search: Search = Field(default_factory=Search)
    selection: Selection = Field(default_factory=Selection)

    @field_validator("candidates")
    @classmethod
    def _named(cls, candidates: dict[str, Candidate]) -> dict[str, Candidate]:
        odd = [name for name in candidates if not NAME.fullmatch(name)]
        if odd:
            raise ValueError(
                f"{', '.join(map(repr, odd))}: a name is at most 64 of A-Z, a-z, 0-9, _ and -, and begins with none of "
                "the latter, as it names files and a DVC stage"
            )
        return candidates

    @model_validator(mode="after")
    def _known(self) -> Training:
        unknown = [name for name in self.use if name not in self.candidates]
        if unknown or not self.use:
            raise ValueError(f"use names {unknown or 'nothing'}; candidates are {', '.join(self.candidates)}")
        return self
