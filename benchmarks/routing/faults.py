"""The faults, each with the row of the transition table that should fire, and how it is put into a sound project.

A fault changes the data that the source brought, the params, or the code; its severity lies in (0, 1]. Severities and
seeds by which a rule was developed are not those that are reported: see `benchmarks.routing.__main__`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import pandas as pd
from numpy.random import Generator

from benchmarks.routing import bugs, damage
from benchmarks.routing.tables import DAYS, START, TABLES, Table
from flows.transitions import RELEASED

Params = dict[str, Any]
Parts = tuple[pd.DataFrame, pd.DataFrame]
BIG = ("flights", "visibility", "temperature")
BINARY = ("flights", "visibility", "breast_cancer")
CLASSES = ("flights", "visibility", "digits", "breast_cancer", "wine")
# Where classes overlap, wrong labels cannot be told from rows that no feature tells apart (Scott et al. 2013).
SEPARABLE = ("visibility", "digits", "breast_cancer", "wine")
ALL = tuple(TABLES)


def _as_it_is(window: pd.DataFrame, pilot: pd.DataFrame, severity: float, random: Generator, schema: Params) -> Parts:
    return window, pilot


def _no_params(severity: float, table: Table, params: Params) -> Params:
    return {}


def _no_bug(severity: float, seed: int) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True)
class Fault:
    """A fault and its truth.

    Attributes
    ----------
    row : str or callable
        The row that should fire; a function of the severity where the charter itself draws the line.
    tables : tuple of str
        The tables it makes sense on.
    data : callable
        (window, pilot, severity, random, schema) -> the two with the fault.
    params : callable
        (severity, table, params) -> patch of the params.
    code : callable
        (severity, seed) -> context in which the code has the fault.
    """

    row: str | Callable[[float], str]
    tables: tuple[str, ...] = ALL
    data: Callable[[pd.DataFrame, pd.DataFrame, float, Generator, Params], Parts] = _as_it_is
    params: Callable[[float, Table, Params], Params] = _no_params
    code: Callable[[float, int], AbstractContextManager[None]] = _no_bug


def _few_rows(severity: float, table: Table, params: Params) -> Params:
    """Start with a few days of the rows there are."""
    rows = params["planning"]["budgets"]["labels"] // 2
    kept = rows ** (1 - 0.4 * severity)
    days = max(3, round(DAYS * kept / rows))
    return {
        "data.collect.end": str(dt.date.fromisoformat(START) + dt.timedelta(days=days)),
        "training.use": ["boosting"],
    }


def _overgrown(severity: float, table: Table, params: Params) -> Params:
    """Let trees grow until they know every row by heart; nothing more can be collected."""
    kind = "Classifier" if table.task == "classification" else "Regressor"
    settings = {
        "max_iter": int(100 + 300 * severity),
        "learning_rate": 0.1 + 0.4 * severity,
        "max_leaf_nodes": int(31 * 8**severity),
        "min_samples_leaf": 1,
        "max_depth": None,
    }
    grown = {"estimator": f"sklearn.ensemble.HistGradientBoosting{kind}", "params": settings}
    ladder = {name: item for name, item in params["training"]["candidates"].items() if name != "random_forest"}
    return {"training.candidates": ladder | {"overgrown": grown}, "training.use": ["overgrown"]}


def _stunted(severity: float, table: Table, params: Params) -> Params:
    """Use a linear model with next to no freedom, below a sound ladder."""
    strength = 10.0 ** (-1 - 4 * severity)
    low = {"estimator": "sklearn.linear_model.LogisticRegression", "params": {"C": strength, "max_iter": 1000}}
    if table.task == "regression":
        low = {"estimator": "sklearn.linear_model.Ridge", "params": {"alpha": 1e3 / strength}}
    return {"training.candidates": {"stunted": low} | params["training"]["candidates"], "training.use": ["stunted"]}


def _whole_ladder(params: Params) -> Params:
    return {"training.use": list(params["training"]["candidates"])}


def _impossible(severity: float, table: Table, params: Params) -> Params:
    skill = "log_loss_skill" if table.task == "classification" else "rmse_skill"
    bound = 1 - (1 - table.skill) * (0.6 - 0.55 * severity)
    return _whole_ladder(params) | {f"planning.requirements.{skill}": {"at_least": round(bound, 4)}}


def _conflicting(severity: float, table: Table, params: Params) -> Params:
    high = 0.80 + 0.19 * severity
    bounds = {"precision": {"at_least": round(high, 3)}, "recall": {"at_least": round(high, 3)}}
    return _whole_ladder(params) | {f"planning.requirements.{name}": bound for name, bound in bounds.items()}


def _slow(severity: float, table: Table, params: Params) -> Params:
    """Ask for less time than a forest takes, which a linear model keeps easily."""
    trees = int(100 + 300 * severity)
    kind = "Classifier" if table.task == "classification" else "Regressor"
    forest = {
        "estimator": f"sklearn.ensemble.ExtraTrees{kind}",
        "params": {"n_estimators": trees, "max_depth": 8, "min_samples_leaf": 2},
    }
    ladder = {name: item for name, item in params["training"]["candidates"].items() if name != "random_forest"}
    return {
        "training.candidates": ladder | {"slow": forest},
        "training.use": ["slow"],
        "planning.requirements.latency_p99_ms.at_most": 1.0,
        "planning.requirements.log_loss_skill" if kind == "Classifier" else "planning.requirements.rmse_skill": {
            "at_least": 0.02
        },
    }


def _large(severity: float, table: Table, params: Params) -> Params:
    """Ask for less than boosting takes, of which a linear model takes a fifth at most."""
    return {"training.use": ["boosting"], "planning.requirements.size_mb.at_most": round(0.03 - 0.01 * severity, 5)}


def _quarantined(severity: float) -> str:
    """Return the row for rows that break the suite: the charter says how many may be taken out (5%)."""
    return "expectations_fail" if damage.burst_share(severity) <= 0.05 else "expectations_unmet"


FAULTS: dict[str, Fault] = {
    "none": Fault(RELEASED),
    "labels_flipped": Fault("labels_inconsistent", SEPARABLE, damage.flip_labels),
    "labels_flipped_in_one_class": Fault("labels_inconsistent", SEPARABLE, damage.flip_one_class),
    "bad_annotator": Fault("labels_inconsistent", SEPARABLE, damage.bad_annotator),
    "bad_label_source": Fault("labels_inconsistent", SEPARABLE, damage.bad_source),
    "too_few_rows": Fault(
        "overfitting_curve_falls", ("flights", "visibility", "temperature", "digits"), params=_few_rows
    ),
    "capacity_too_high": Fault(
        "capacity_too_high", ("flights", "visibility", "temperature", "diabetes"), params=_overgrown
    ),
    "capacity_too_low": Fault("underfitting", params=_stunted),
    "features_scrambled": Fault("worse_than_baseline", code=bugs.scrambled_features),
    "loss_sign": Fault("worse_than_baseline", CLASSES, code=bugs.flipped_sign),
    "column_order": Fault("worse_than_baseline", code=bugs.wrong_column_order),
    "leakage_copy": Fault("leakage", data=damage.leak_copy),
    "leakage_after": Fault("leakage", data=damage.leak_after),
    "covariate_shift": Fault("shift", (*BIG, "digits"), damage.shift_covariates),
    "label_shift": Fault("shift", BINARY, damage.shift_labels),
    "concept_shift": Fault("shift", (*BIG, "digits"), damage.shift_concept),
    "pilot_population": Fault("shift", (*BIG, "digits"), damage.other_population),
    "unit_change": Fault("schema_changed", data=damage.change_unit),
    "missing_burst": Fault(_quarantined, data=damage.lose_values),
    "new_category": Fault(_quarantined, ("flights", "visibility", "temperature"), damage.new_category),
    "hard_slice": Fault("hard_slices", ("flights", "visibility"), damage.hard_slice),
    "impossible_requirement": Fault("task_too_hard", params=_impossible),
    "conflicting_requirements": Fault("requirements_trade_off", ("flights", "visibility"), params=_conflicting),
    "latency_too_high": Fault("too_large_or_slow", params=_slow),
    "model_too_large": Fault("too_large", params=_large),
}
