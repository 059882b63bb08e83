"""The signals of planning, of the expectations and of the number of labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from stages.data.split import expectations_signal, labels_signal
from stages.params import Data, Requirement
from stages.planning.feasibility import rule_signal
from stages.planning.rule import Rule
from stages.planning.simple_models import Look, Plan, judged, simple_models
from stages.planning.verdict import Supply, verdict
from stages.signals import Signal
from stages.training.metrics import Scorer, bootstrap, constant_prediction
from stages.training.sampling import Sampling
from tests.conftest import bundled_table
from tests.stages.signal_cases import Case

SOURCE = {"kind": "table", "path": "table.csv", "target": "target"}
SUITE = [
    {"type": "expect_column_values_to_be_between", "kwargs": {"column": "mean_radius", "min_value": 5, "max_value": 30}}
]
SCHEMA: dict[str, Any] = {
    **{"features": {"mean_radius": "number"}, "feature_groups": {"mean_radius": ["mean_radius"]}},
    **{"dropped": {}, "classes": [0, 1]},
}


def drawn(rows: int, seed: int) -> pd.DataFrame:
    """Return rows of the cancer table, with the target as codes."""
    frame = bundled_table("breast_cancer", spoilt=False).sample(rows, replace=True, random_state=seed)
    return frame.assign(target=(frame["target"] == "malignant").astype(int)).reset_index(drop=True)


def ruled(severity: float, rows: int, seed: int) -> dict[str, Any]:
    """A column that gives the diagnosis away in a share of the rows, of which the rule is made."""
    frame, random = drawn(2 * rows, seed), np.random.default_rng(seed)
    told = frame["target"].where(random.random(len(frame)) < severity, random.permutation(frame["target"].to_numpy()))
    frame = frame.assign(told=told.astype("str"))
    return {"seen": frame.iloc[:rows], "later": frame.iloc[rows:].reset_index(drop=True)}


def rule_suffices(seen: pd.DataFrame, later: pd.DataFrame) -> Signal:
    made = Rule(["told"], 2).fit(seen, seen["target"]).predict(later)
    target, before = (rows["target"].to_numpy(dtype=float) for rows in (later, seen))
    scorer = Scorer("classification", target, made, constant_prediction("classification", before, 2))
    found = bootstrap(scorer, ["log_loss_skill"], n=200, level=0.95, seed=0)
    return rule_signal(found, {"log_loss_skill": Requirement(at_least=0.4)}, ["told"], len(later))


def out_of_range(severity: float, rows: int, seed: int) -> dict[str, Any]:
    """Radii in millimetres are in tenths of them from some row on."""
    window, pilot = drawn(rows, seed)[["mean_radius"]], drawn(rows, seed + 1)["mean_radius"]
    wrong = np.arange(rows) < 0.2 * severity * rows
    return {"window": window, "pilot": pilot.mask(wrong, 10 * pilot).to_frame()}


def expectations_fail(window: pd.DataFrame, pilot: pd.DataFrame) -> Signal:
    from stages.data.validate import Checked  # imports Great Expectations

    report: dict[str, Any] = {"expectations": []}
    for name, frame in (("window", window), ("pilot", pilot)):
        checked = Checked(frame, SUITE, SCHEMA, "suite.json", name)
        report["expectations"] += checked.outcomes()
        report[name] = {"rows": len(frame), "failing": int(checked.fails.sum())}
    return expectations_signal(report, Data.model_validate({"source": SOURCE}))


def scarce(severity: float, rows: int, seed: int) -> dict[str, Any]:
    """Ever fewer rows are left of what the plan needs."""
    left = int(rows * (1 - 0.8 * severity))
    schema = SCHEMA | {"window": {"rows": left}, "pilot": {"rows": 0}, "more": {}, "more_rows": 0, "include_pilot": {}}
    needed = {"rows": rows // 2, "per_class": max(1, rows // 10)}
    data = Data.model_validate({"source": SOURCE, "minimum": needed})
    return {"target": drawn(rows, seed)["target"].head(left), "schema": schema, "data": data}


def unlearnable(severity: float, rows: int, seed: int) -> dict[str, Any]:
    """The diagnoses of a share of the rows are anybody's."""
    frame, random = drawn(2 * rows, seed), np.random.default_rng(seed)
    any_ = random.permutation(frame["target"].to_numpy())
    frame = frame.assign(target=frame["target"].where(random.random(len(frame)) >= severity, any_))
    return {"seen": frame.iloc[:rows], "later": frame.iloc[rows:].reset_index(drop=True)}


def feasibility(seen: pd.DataFrame, later: pd.DataFrame) -> Signal:
    numbers = dict.fromkeys(seen.columns.drop("target"), "number")
    schema = {"features": numbers, "target": "target", "classes": [0, 1], "time": None, "group": None}
    constant = constant_prediction("classification", seen["target"].to_numpy(dtype=float), 2)
    supply = Supply(here=len(seen), source=len(seen), labels=len(seen))
    look = Look(seen, later, schema, "classification", constant)
    plan = Plan({"log_loss_skill": Requirement(at_least=0.5)}, supply, 1.0, Sampling())
    _, found = simple_models(look, plan)
    return verdict(judged(plan, found), supply).signal({})


CASES = [
    Case("feasibility", unlearnable, feasibility, rows=300, large=10_000),
    Case("rule_suffices", ruled, rule_suffices),
    Case("expectations_fail", out_of_range, expectations_fail, tiny=None, large=100_000),
    Case("labels_too_few", scarce, labels_signal, tiny=None),
]
