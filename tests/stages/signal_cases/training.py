"""Faults that make the figures of training worthless: the target leaks, or something is broken."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from stages.data.sources.nycflights13 import Flights
from stages.deployment.champion import champion_stays
from stages.deployment.flips import negative_flips
from stages.deployment.replacing import beside_rule, no_better_than_rule
from stages.params import WEIGHT, Candidate, Champion, Checks, Collect
from stages.training.bugs import look_for_bugs
from stages.training.comparison import better_than_constant, paired_gain
from stages.training.estimators import build, fit, predict
from stages.training.leakage import look_for_leaks
from stages.training.metrics import Scorer, constant_prediction
from stages.training.sampling import Sampling
from stages.training.suspicion import bug_suspected, leakage
from tests.conftest import bundled_table
from tests.stages.signal_cases import Case

Inputs = dict[str, Any]
LOGISTIC = Candidate(estimator="sklearn.linear_model.LogisticRegression", params={"max_iter": 500})
SAMPLING = Sampling(n=100, seed=0)


@cache
def table(name: str) -> pd.DataFrame:
    frame = bundled_table(name, spoilt=False)
    if name != "diabetes":
        frame["target"] = pd.factorize(frame["target"], sort=True)[0]
    return frame.assign(**{WEIGHT: 1.0})


def drawn(name: str, rows: int, seed: int) -> tuple[pd.DataFrame, dict[str, Any], np.random.Generator]:
    """Rows of a bundled table in random order; more than it has are drawn again, with a little noise."""
    random = np.random.default_rng(seed)
    source = table(name)
    frame = source.iloc[random.permutation(max(rows, len(source)))[:rows] % len(source)].reset_index(drop=True)
    features = [str(column) for column in source if column not in ("target", WEIGHT)]
    if rows > len(source):
        frame[features] += 0.05 * source[features].std().to_numpy() * random.normal(size=(rows, len(features)))
    classes = None if name == "diabetes" else sorted(source["target"].unique().tolist())
    schema = {"features": dict.fromkeys(features, "number"), "classes": classes, "target": "target"}
    return frame, schema | {"time": None, "group": None}, random


def halves(frame: pd.DataFrame, schema: dict[str, Any], share: float = 0.6) -> Inputs:
    at = int(share * len(frame))
    return {"train": frame[:at].reset_index(drop=True), "valid": frame[at:].reset_index(drop=True), "schema": schema}


def noisy_copy(severity: float, rows: int, seed: int) -> Inputs:
    """A column made after the outcome: the target, less and less noise on it."""
    frame, schema, random = drawn("diabetes", rows, seed)
    y = frame["target"].to_numpy()
    frame["after"] = severity * (y - y.mean()) + (1 - severity) * y.std() * random.normal(size=rows)
    return halves(frame, schema | {"features": schema["features"] | {"after": "number"}})


def copied_rows(severity: float, rows: int, seed: int) -> Inputs:
    """That share of the validation rows are training rows."""
    frame, schema, random = drawn("breast_cancer", rows, seed)
    found = halves(frame, schema)
    struck = random.random(len(found["valid"])) < severity
    at = random.integers(0, len(found["train"]), int(struck.sum()))
    found["valid"].loc[struck] = found["train"].iloc[at].to_numpy()
    return found


@cache
def flights() -> tuple[pd.DataFrame, dict[str, Any]]:
    window = Collect.model_validate({"start": "2013-01-01", "end": "2013-01-15", "features": ["schedule"]})
    found = Flights().collect(window, 0)
    return found.window.dropna(subset="late").astype({"late": int}), found.schema


def future_time(severity: float, rows: int, seed: int) -> Inputs:
    """A time that, in that share of the rows, was written after the flight."""
    frame, schema = flights()
    random = np.random.default_rng(seed)
    frame = frame.iloc[np.sort(random.choice(len(frame), rows, replace=rows > len(frame)))].reset_index(drop=True)
    scheduled = (frame["scheduled"] - pd.Timestamp("1970-01-01", tz="UTC")) / pd.Timedelta(days=1)
    later = random.random(rows) < severity
    frame["written"] = scheduled + np.where(later, 0.2, -0.2) * random.random(rows)
    frame[WEIGHT] = 1.0
    return halves(frame, schema | {"features": schema["features"] | {"written": "number"}})


def measure_leakage(train: pd.DataFrame, valid: pd.DataFrame, schema: dict[str, Any]) -> Any:
    task = "regression" if schema["classes"] is None else "classification"
    return leakage(look_for_leaks(train, valid, schema, task, Checks(), SAMPLING), Checks())


def scrambled(severity: float, rows: int, seed: int) -> Inputs:
    """A model that gets its columns, that share of them, in another order than it was fitted on."""
    frame, schema, random = drawn("breast_cancer", rows, seed)
    names = random.permutation(list(schema["features"]))[: int(severity * len(schema["features"]))]
    return halves(frame, schema) | {"swapped": dict(zip(names, np.roll(names, 1), strict=True))}


def measure_bug(train: pd.DataFrame, valid: pd.DataFrame, schema: dict[str, Any], swapped: dict[str, str]) -> Any:
    task = "classification"
    fitted = fit(build("one", LOGISTIC, schema, task, 0), train, schema)

    def model(rows: pd.DataFrame) -> Any:
        return predict(fitted, rows.assign(**{name: rows[other] for name, other in swapped.items()}), schema)

    target = train["target"].to_numpy(dtype=float)
    scorer = Scorer(task, target, model(train), constant_prediction(task, target, 2))
    better = better_than_constant(scorer, SAMPLING.n, SAMPLING.level, SAMPLING.seed)
    findings = look_for_bugs(LOGISTIC, model, (train, valid), schema, task, Checks(), SAMPLING)
    return bug_suspected(better, [finding.model_dump() for finding in findings])


def worn_out(severity: float, rows: int, seed: int) -> Inputs:
    """A new model, that share of whose predictions went to other rows, beside a released one that meets the charter."""
    frame, schema, random = drawn("breast_cancer", 2 * rows, seed)
    train, pilot = frame[:rows], frame[rows:]
    released = predict(fit(build("one", LOGISTIC, schema, "classification", 0), train, schema), pilot, schema)
    sharpened = released**3 / (released**3).sum(axis=1, keepdims=True)
    better = 0.7 * np.eye(2)[pilot["target"]] + 0.3 * released  # knows more than the released one, when nothing is worn
    struck = np.flatnonzero(random.random(rows) < severity)
    better[struck] = sharpened[random.permutation(struck)]
    return {"target": pilot["target"].to_numpy(dtype=float), "new": better, "released": released}


def measure_champion(target: Any, new: Any, released: Any) -> Any:
    constant = np.array([0.4, 0.6])
    one, other = (Scorer("classification", target, found, constant) for found in (new, released))
    gain = paired_gain(one, other, "log_loss", n=SAMPLING.n, level=SAMPLING.level, seed=SAMPLING.seed)
    return champion_stays(gain, [], "log_loss", Champion())


def measure_flips(target: Any, new: Any, released: Any) -> Any:
    was, now = (found.argmax(axis=1) == target for found in (released, new))
    return negative_flips(was, now, None, 0.05, SAMPLING.level)


def beside(target: Any, new: Any, released: Any) -> Any:
    """The same two, the released one being the rule whose place the new one takes."""
    constant = np.array([0.4, 0.6])
    scorers = {n: Scorer("classification", target, p, constant) for n, p in (("model", new), ("rule", released))}
    sampling: dict[str, Any] = {"n": SAMPLING.n, "level": SAMPLING.level, "seed": SAMPLING.seed}
    found = beside_rule(scorers, {}, "log_loss", "rule", "", **sampling)
    return no_better_than_rule(found["gain"], rule="rule", by="log_loss", unit="log_loss")


CASES = [
    Case("negative_flips", worn_out, measure_flips, severities=(0.0, 0.3, 1.0), rows=280),
    Case("no_better_than_rule", worn_out, beside, severities=(0.0, 0.3, 1.0), rows=280),
    Case("champion_stays", worn_out, measure_champion, severities=(0.0, 0.3, 1.0), rows=280),
    Case("leakage", noisy_copy, measure_leakage, severities=(0.0, 0.5, 0.7, 1.0), rows=440),
    Case("leakage", copied_rows, measure_leakage, severities=(0.0, 0.1, 0.3), rows=560),
    Case("leakage", future_time, measure_leakage, severities=(0.0, 0.01, 0.5), rows=2000),
    Case("bug_suspected", scrambled, measure_bug, severities=(0.0, 1.0), rows=560),
]
