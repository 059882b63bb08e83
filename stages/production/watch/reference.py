"""What a release is held against: what it learned from, what it was judged on, and what the charter wanted of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from stages.answering import ANSWERED, reasons
from stages.context import Context
from stages.data.blocks import Blocks
from stages.metric_names import LOSS
from stages.production.released import Released
from stages.training.metrics import Array, Scorer, constant_prediction

FILES = (
    "charter/charter.json",
    "data/schema.json",
    "models/chosen.json",
    *(f"data/splits/{name}.parquet" for name in ("train", "valid", "test", "pilot")),
)


@dataclass(frozen=True)
class Reference:
    """A release, and the files of the iteration that made it.

    Attributes
    ----------
    work : Context
        A folder that holds `FILES` and ``params.yaml`` as they were when it was released.
    released : Released
        The release.
    """

    work: Context
    released: Released

    @cached_property
    def learned(self) -> pd.DataFrame:
        """The rows that it learned from."""
        return self.work.window()

    @cached_property
    def judged(self) -> pd.DataFrame:
        """The rows of its pilot, which it has never seen."""
        return self.work.split("pilot")

    @cached_property
    def constant(self) -> Array:
        """The best constant on the rows that it learned from."""
        return constant_prediction(self.work.task, self.work.target(self.learned), self.work.n_classes)

    @cached_property
    def usual(self) -> Scorer:
        """Its scores on the rows of the pilot."""
        return self.scorer(self.judged)

    @cached_property
    def usual_constant_loss(self) -> float:
        """What the constant loses a row in the pilot: the unit that a rise of the loss is told in."""
        return float(self.usual.constant_losses.mean())

    @property
    def loss(self) -> str:
        """The name of the loss."""
        return LOSS[self.work.task]

    def blocks(self, rows: pd.DataFrame) -> Blocks | None:
        """Return which rows hang together; None where it is not known of every one."""
        role = self.work.schema["group"] or self.work.schema["time"]
        return None if role is None or role not in rows or rows[role].isna().any() else self.work.blocks(rows)

    def scorer(self, rows: pd.DataFrame, released: Released | None = None) -> Scorer:
        """Return what scores this release, or another one, on labelled rows."""
        which = released or self.released
        found = which.predict(rows)
        kept = np.asarray(reasons(rows, found, which.policy) == ANSWERED)
        return Scorer(
            *(self.work.task, self.work.target(rows), found, self.constant, self.blocks(rows)),
            threshold=which.policy.threshold,
            answered=kept,
            failing=self.work.failing,
        )


def read_reference(folder: Path, released: Released) -> Reference:
    """Return the reference of a release whose files lie in a folder."""
    return Reference(Context(folder), released)
