"""The signals of shift, on real tables: the flights' rows in random order, so that severity 0 is no shift at all."""

from __future__ import annotations

import datetime as dt
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

from stages.data.sources.nycflights13 import Flights
from stages.params import WEIGHT, Candidate, Collect, Shift
from stages.shift.detector import detect
from stages.shift.drop import Losses
from stages.shift.joint import overlap, two_sample_scores
from stages.shift.measure import Task, measure, outcome_at_equal_inputs
from stages.shift.sides import Sides
from stages.shift.target import rate_change
from stages.shift.verdicts import concept_shift, covariate_shift, label_shift, shift
from stages.signals import Signal
from stages.training.estimators import build, fit, predict
from tests.stages.signal_cases import Case

FEATURES = {
    **dict.fromkeys(("hour", "distance", "temp", "wind_speed", "visib", "pressure", "humid"), "number"),
    **dict.fromkeys(("carrier", "origin"), "category"),
}
SCHEMA: dict[str, Any] = {"features": FEATURES, "target": "late", "classes": [0, 1], "time": None, "group": None}


@cache
def flights() -> pd.DataFrame:
    """Return 30,000 flights of June and July in random order, with their weather."""
    window = {"start": dt.date(2013, 6, 1), "end": dt.date(2013, 7, 25), "pilot_days": 7, "features": list(FEATURES)}
    frame = Flights().collect(Collect.model_validate(window), 0).window.dropna(subset=["late"])
    frame = frame.assign(late=frame["late"].astype("int64"), weight=1.0)
    return frame.sample(30_000, random_state=0).reset_index(drop=True)


@cache
def task() -> Task:
    """Return a model fitted on the first 10,000 of them."""
    kind = HistGradientBoostingClassifier
    candidate = Candidate(estimator=f"{kind.__module__}.{kind.__name__}", params={"max_iter": 40, "max_leaf_nodes": 8})
    rows = flights().head(10_000)
    fitted = fit(
        build("model", candidate, SCHEMA, "classification", 0), rows.rename(columns={"weight": WEIGHT}), SCHEMA
    )
    return Task("classification", "late", [0, 1], lambda frame: predict(fitted, frame, SCHEMA))


def windows(rows: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, np.random.Generator]:
    """Return a random window and what is left to draw a later one from, of rows that the model has not seen.

    No row is in both. Rows are repeated where there are too few of them.
    """
    random = np.random.default_rng(seed)
    unseen = flights().iloc[10_000:]
    if 4 * rows > len(unseen):
        unseen = unseen.iloc[random.integers(0, len(unseen), 4 * rows)]
    frame = unseen.iloc[random.permutation(len(unseen))].reset_index(drop=True)
    return frame.head(rows), frame.iloc[rows:].reset_index(drop=True), random


def inputs_only(before: pd.DataFrame, after: pd.DataFrame) -> Signal:
    """Measure and judge the inputs."""
    return covariate_shift(detect(Sides(before, after, FEATURES), level=0.95, seed=0), Shift())


def labels_only(before: pd.DataFrame, after: pd.DataFrame) -> Signal:
    """Measure and judge the rate of late flights."""
    one, two = (side["late"].to_numpy(dtype=float) for side in (before, after))
    return label_shift({"rate": rate_change(one, two, [0, 1], (None, None), level=0.95)}, Shift())


def concept_only(before: pd.DataFrame, after: pd.DataFrame) -> Signal:
    """Measure and judge the outcome at equal inputs."""
    sides = Sides(before, after, FEATURES)
    one, two = (
        Losses("classification", side["late"].to_numpy(float), task().predict(side)) for side in (before, after)
    )
    scores = two_sample_scores(sides, 0)
    chance = np.full(len(sides), 0.5) if scores is None else overlap(sides, scores)
    return concept_shift(outcome_at_equal_inputs(sides, one, two, chance, 0.95, 0), Shift())


def everything(before: pd.DataFrame, after: pd.DataFrame) -> Signal:
    """Measure all of it, and judge what it costs."""
    sides = Sides(before, after, FEATURES)
    return shift(measure(sides, sides, task(), level=0.95, seed=0), Shift())


def sensor(severity: float, rows: int, seed: int) -> dict[str, Any]:
    """Let a clock run backwards in a share of the rows; the model goes by the hour."""
    before, rest, random = windows(rows, seed)
    after, wrong = rest.head(rows), random.random(rows) < severity
    return {"before": before, "after": after.assign(hour=after["hour"].where(~wrong, 24.0 - after["hour"]))}


def rate(severity: float, rows: int, seed: int) -> dict[str, Any]:
    """Let late flights be drawn more often; what late flights look like stays."""
    before, rest, random = windows(rows, seed)
    return {"before": before, "after": drawn(rest, np.where(rest["late"] == 1, 1 + 3 * severity, 1.0), rows, random)}


def concept(severity: float, rows: int, seed: int) -> dict[str, Any]:
    """Turn the outcome round on a share of the rows; the inputs stay."""
    before, rest, random = windows(rows, seed)
    after, turned = rest.head(rows), random.random(rows) < severity / 2
    return {"before": before, "after": after.assign(late=after["late"].where(~turned, 1 - after["late"]))}


def drawn(rest: pd.DataFrame, weight: Any, rows: int, random: np.random.Generator) -> pd.DataFrame:
    """Draw rows by weight, none of them twice (Efraimidis & Spirakis 2006)."""
    first = np.argsort(random.exponential(size=len(rest)) / weight)[:rows]
    return rest.iloc[first].reset_index(drop=True)


CASES = [
    Case("covariate_shift", sensor, inputs_only, rows=1500),
    Case("label_shift", rate, labels_only),
    Case("concept_shift", concept, concept_only, rows=2000),
    Case("shift", concept, everything, rows=1500),
]
