"""``training.checks``: what is asked of model and data before any figure is believed."""

from __future__ import annotations

from pydantic import Field

from stages.params.base import Section, Share


class Checks(Section):
    """Limits of the checks for bugs and leaks."""

    max_alone: Share = Field(
        0.3,
        description="Leakage: a feature alone may save at most this share of the loss that all the other features "
        "together leave. Honest ones of five real tables lie below 0, a flight's departure delay at 0.42.",
    )
    max_ahead: Share = Field(
        0.6,
        description="Leakage: a feature alone may save at most this share of the loss that the next best feature alone "
        "leaves. The strongest honest ones of eight real tables save 0 to 0.55 of it.",
    )
    max_copies: Share = Field(
        0.05,
        description="Leakage: largest share of the validation rows that stand in the training rows too (the limit of "
        "deepchecks' train-test samples mix).",
    )
    max_future: Share = Field(0.01, description="Leakage: largest share of rows in which a time lies after the row's.")
    trusted: list[str] = Field(
        default_factory=list, description="Features known to be there at prediction time, never taken for a leak."
    )
    min_batch_fit: Share = Field(
        0.5, description="Bug: what a freed candidate must rank at least of what plain models rank on the same batch."
    )
    min_memory: Share = Field(
        0.9, description="Bug: what a fully grown tree must rank at least of the rows of a batch that it was fitted on."
    )
    min_refit: Share = Field(
        0.5, description="Bug: what the model must rank at least of what the candidate ranks when fitted again."
    )
    max_far: Share = Field(
        0.01, description="Bug: largest share of predictions more than ten times the target's range outside of it."
    )
    max_control: Share = Field(
        0.1, description="Bug: largest ranking (2 AUC - 1, or correlation) by a model fitted on shuffled labels."
    )
