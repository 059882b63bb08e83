"""The faults, each with the row of the transition table that should fire, and how it is put into a sound project.

A fault changes the data that the source brought, the params, or the code; its severity lies in (0, 1]. Severities and
seeds by which a rule was developed are not those that are reported: see `benchmarks.routing.__main__`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import pandas as pd
from numpy.random import Generator

from benchmarks.routing import bugs, damage
from benchmarks.routing.charters import NEARER, between, reached, skill_name, surest
from benchmarks.routing.tables import TABLES, TARGET, TIME, Table
from flows.patching import patched
from flows.transitions import RELEASED

Params = dict[str, Any]
Parts = tuple[pd.DataFrame, pd.DataFrame]
BIG = ("flights", "visibility", "temperature")
CLASSES = ("flights", "visibility", "digits", "breast_cancer", "wine")
# Where classes overlap, wrong labels cannot be told from rows that no feature tells apart (Scott et al. 2013); those of
# one source can, beside the others'.
SEPARABLE = ("digits", "breast_cancer", "wine")
TOLD_BY_SOURCE = ("visibility", *SEPARABLE)
ALL = tuple(TABLES)


@dataclass(frozen=True)
class Scene:
    """What a charter is drawn up from: params, schema, the whole table, and window and pilot, sound and faulty."""

    severity: float
    params: Params
    schema: Params
    table: pd.DataFrame
    sound: Parts
    faulty: Parts


def _as_it_is(window: pd.DataFrame, pilot: pd.DataFrame, severity: float, random: Generator, schema: Params) -> Parts:
    return window, pilot


def _no_params(severity: float, table: Table, params: Params) -> Params:
    return {}


def _as_the_table(scene: Scene) -> Params:
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
    also : tuple of str
        Other rows of the same fault: a cure of the same kind, or one that a person is asked for.
    charter : callable
        Scene -> patch of the params, once the data are there.
    outcome : callable, optional
        severity -> text of the module with the function ``brings``, the charter's outcome.
    code : callable
        (severity, seed) -> context in which the code has the fault.
    """

    row: str | Callable[[float], str]
    tables: tuple[str, ...] = ALL
    data: Callable[[pd.DataFrame, pd.DataFrame, float, Generator, Params], Parts] = _as_it_is
    params: Callable[[float, Table, Params], Params] = _no_params
    also: tuple[str, ...] = ()
    charter: Callable[[Scene], Params] = _as_the_table
    outcome: Callable[[float], str] | None = None
    code: Callable[[float, int], AbstractContextManager[None]] = _no_bug


def _without_days(params: Params) -> Params:
    """Let the source go by rows: the pilot cannot be taken in, and days do not hang together."""
    return {"data.source.time": None, "data.source.drop": [TIME], "data.collect.start": None, "data.collect.end": None}


def _few_rows(severity: float, table: Table, params: Params) -> Params:
    """Start with a few of the rows there are, and every candidate tried."""
    rows = params["planning"]["budgets"]["labels"] // 2
    few = {"data.collect.rows": round(rows ** (1 - 0.3 * severity))}
    return _without_days(params) | _whole_ladder(params) | few


def _all_rows_reach_it(scene: Scene) -> Params:
    sound = reached(scene.params, scene.schema, scene.table)
    return between(sound, reached(scene.params, scene.schema, scene.faulty[0]), scene.params)


def _sound_labels_reach_it(scene: Scene) -> Params:
    sound, faulty = (reached(scene.params, scene.schema, parts[0]) for parts in (scene.sound, scene.faulty))
    return between(sound, faulty, scene.params)


def _window_reaches_it(scene: Scene) -> Params:
    window, pilot = scene.faulty
    sound = reached(scene.params, scene.schema, window)
    return between(sound, reached(scene.params, scene.schema, window, pilot), scene.params, NEARER)


def _window_keeps_the_loss(scene: Scene) -> Params:
    """Ask for a loss, as a skill is beside a constant that the new shares of the classes make worse still."""
    window, pilot = scene.faulty
    kept = reached(scene.params, scene.schema, window, metric="log_loss")
    lost = reached(scene.params, scene.schema, window, pilot, metric="log_loss")
    return {"planning.requirements.log_loss": {"at_most": round(lost + NEARER * (kept - lost), 4)}}


def _boosting_reaches_it(scene: Scene) -> Params:
    window, sound = scene.faulty[0], patched(scene.params, {"training.use": ["boosting"]})
    return between(reached(sound, scene.schema, window), reached(scene.params, scene.schema, window), scene.params)


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


def _every_candidate(severity: float, table: Table, params: Params) -> Params:
    return _whole_ladder(params)


def _impossible(scene: Scene) -> Params:
    """Ask for up to nine tenths of the way from what the whole ladder reaches to perfection."""
    best = reached(scene.params, scene.schema, scene.sound[0])
    return between(best, best + 2 * (1 - best) * (0.4 + 0.5 * scene.severity), scene.params)


def _conflicting(scene: Scene) -> Params:
    """Ask for a precision that the surest rows have, and for more recall than they alone can have."""
    precision, recall = surest(scene.params, scene.schema, scene.sound[0])
    bounds = {"precision": 0.85 * precision, "recall": recall + (0.98 - recall) * (0.5 + 0.5 * scene.severity)}
    return {f"planning.requirements.{name}": {"at_least": round(bound, 3)} for name, bound in bounds.items()}


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
        f"planning.requirements.{skill_name(table.task)}": {"at_least": 0.02},
    }


def _large(severity: float, table: Table, params: Params) -> Params:
    """Ask for less than boosting takes, of which a linear model takes a fifth at most."""
    return {"training.use": ["boosting"], "planning.requirements.size_mb.at_most": round(0.03 - 0.01 * severity, 5)}


def _plain_in_slices(severity: float, table: Table, params: Params) -> Params:
    """Use a model that knows no exceptions, and look at slices, in a table whose pilot cannot be taken in."""
    slices = {"deployment.slices.min_rows": 100}
    return _without_days(params) | {"training.use": ["logistic"]} | slices


ACTING = """
def brings(rows, target, prediction):
    return (prediction[:, 1] > 0.5) * (target - {cost})
"""
FAIR = 0.7  # what acting on a row of the second class brings, where it costs 0.3


def _weak_rule(severity: float, table: Table, params: Params) -> Params:
    """Stand beside a rule that never acts."""
    return {"planning.rule": ["origin"]}


def _dear_outcome(severity: float) -> str:
    """Acting on a prediction costs more than it brings, the more often a model does the worse."""
    return ACTING.format(cost=0.6 + 0.8 * severity)


def _fair_outcome(severity: float) -> str:
    return ACTING.format(cost=1 - FAIR)


def _much_wanted(scene: Scene) -> Params:
    """Want of the outcome from half to all of what perfect predictions would bring."""
    perfect = FAIR * (scene.sound[1][TARGET] == scene.schema["classes"][1]).mean()
    return {"planning.outcome.at_least": round(float(perfect * (0.5 + 0.5 * scene.severity)), 5)}


def _quarantined(severity: float) -> str:
    """Return the row for rows that break the suite: the charter says how many may be taken out (5%)."""
    return "expectations_fail" if damage.burst_share(severity) <= 0.05 else "expectations_unmet"


FAULTS: dict[str, Fault] = {
    "none": Fault(RELEASED),
    "labels_flipped": Fault("labels_inconsistent", SEPARABLE, damage.flip_labels, charter=_sound_labels_reach_it),
    # Not digits: 40% of one class of ten are 4% of the labels, hardly more than `max_label_noise` allows.
    "labels_flipped_in_one_class": Fault(
        "labels_inconsistent",
        ("breast_cancer", "wine"),
        damage.flip_one_class,
        charter=_sound_labels_reach_it,
    ),
    "bad_annotator": Fault("labels_inconsistent", TOLD_BY_SOURCE, damage.bad_annotator, charter=_sound_labels_reach_it),
    "bad_label_source": Fault("labels_inconsistent", TOLD_BY_SOURCE, damage.bad_source, charter=_sound_labels_reach_it),
    "too_few_rows": Fault(
        "overfitting_curve_falls",
        ("flights", "visibility", "temperature", "digits"),
        also=("more_rows", "pilot_needs_rows", "labels_too_few"),
        params=_few_rows,
        charter=_all_rows_reach_it,
    ),
    "capacity_too_high": Fault(
        "capacity_too_high",
        ("flights", "visibility", "diabetes"),
        also=("overfitting_curve_flat",),
        params=_overgrown,
        charter=_boosting_reaches_it,
    ),
    "capacity_too_low": Fault("underfitting", params=_stunted, charter=_boosting_reaches_it),
    "features_scrambled": Fault("worse_than_baseline", code=bugs.scrambled_features),
    "loss_sign": Fault("worse_than_baseline", CLASSES, code=bugs.flipped_sign),
    "column_order": Fault("worse_than_baseline", code=bugs.wrong_column_order),
    "leakage_copy": Fault("leakage", data=damage.leak_copy),
    "leakage_after": Fault("leakage", data=damage.leak_after),
    "covariate_shift": Fault("shift", BIG, damage.shift_covariates, charter=_window_reaches_it),
    "label_shift": Fault("shift", ("flights", "visibility"), damage.shift_labels, charter=_window_keeps_the_loss),
    "concept_shift": Fault("shift", (*BIG, "digits"), damage.shift_concept, charter=_window_reaches_it),
    "pilot_population": Fault("shift", BIG, damage.other_population, charter=_window_reaches_it),
    "unit_change": Fault(
        "schema_changed",
        tuple(name for name in ALL if name != "digits"),
        damage.change_unit,
        also=("schema_unmended",),
    ),
    "missing_burst": Fault(_quarantined, data=damage.lose_values),
    "new_category": Fault(_quarantined, BIG, data=damage.new_category),
    "hard_slice": Fault(
        "hard_slices", ("visibility",), damage.hard_slice, _plain_in_slices, charter=_window_reaches_it
    ),
    "impossible_requirement": Fault(
        "task_too_hard", params=_every_candidate, also=("requirements_unreached",), charter=_impossible
    ),
    "conflicting_requirements": Fault(
        "requirements_trade_off", ("flights", "visibility"), params=_every_candidate, charter=_conflicting
    ),
    "metric_misleads": Fault("metric_misleads", ("flights", "visibility"), params=_weak_rule, outcome=_dear_outcome),
    "outcome_too_low": Fault(
        "world_not_good_enough", ("flights", "visibility"), charter=_much_wanted, outcome=_fair_outcome
    ),
    "latency_too_high": Fault("too_large_or_slow", params=_slow),
    "model_too_large": Fault("too_large", params=_large),
}
