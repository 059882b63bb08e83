"""The release candidate on the rows of the pilot: its calibration, how groups fare, and what missing values cost."""

from __future__ import annotations

from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from stages.context import Context
from stages.deployment.fairness import Groups, Sampling, by_group, compared, judged, told_metrics
from stages.deployment.groups import sensitive_columns
from stages.deployment.missing import missing_values
from stages.errors import ParamsError
from stages.files import write_json
from stages.metric_names import OF_GROUPS, between_groups
from stages.params import PARAMS_FILE, Requirement
from stages.step import main
from stages.training.calibration import recalibration
from stages.training.estimators import predict
from stages.training.intervals import units
from stages.training.metrics import Array, Figure, Scorer, bootstrap, constant_prediction, standard_error
from stages.training.store import load_model

SMALLEST = 1e-6  # a probability's logit has no end
Found = dict[str, Any]


def run(project: Path) -> None:
    """Write what was found."""
    work = Context(project)
    model = load_model(project / work.release_model)
    pilot = work.split("pilot")
    constant = constant_prediction(work.task, work.target(work.window()), work.n_classes)
    prediction = predict(model, pilot, work.schema)
    scorer = Scorer(work.task, work.target(pilot), prediction, constant, work.blocks(pilot), work.threshold)
    found = {
        "rows": len(pilot),
        "calibration": calibration(work, scorer),
        "fairness": fairness(work, scorer, pilot),
        "robustness": missing_values(work, model, pilot, constant),
    }
    write_json(project / "release" / "examined.json", found)


def calibration(work: Context, scorer: Scorer) -> dict[str, Figure]:
    """Return the calibration error of a classifier, and intercept and slope of what would put a prediction right."""
    options = work.params.training.bootstrap
    found: dict[str, Figure] = {}
    if work.task == "classification":
        found = bootstrap(scorer, ["calibration_error"], n=options.n, level=options.level, seed=work.params.seed)
        if scorer.prediction.shape[1] > 2:
            return found  # a line for each class would be many lines
        likely = np.clip(scorer.prediction[:, 1], SMALLEST, 1 - SMALLEST)
        line, influence = recalibration(np.log(likely / (1 - likely)), scorer.target, logistic=True)
    else:
        line, influence = recalibration(scorer.prediction, scorer.target, logistic=False)
    count = units(*scorer.rows)
    for at, name in enumerate(("intercept", "slope")):
        found[name] = _with_error(line[at], influence[:, at], scorer, count, options.level)
    return found


def fairness(work: Context, scorer: Scorer, pilot: pd.DataFrame) -> Found | None:
    """Return each group's figures and what lies between the groups; None where the charter names no group.

    Raises
    ------
    ParamsError
        If a requirement between groups is on a metric that this target does not have.
    """
    columns = sensitive_columns(work, pilot)
    if not columns:
        return None
    asked = {name: bound for name, bound in (work.requirements | work.wishes).items() if between_groups(name)}
    wanted = {name: between_groups(name) or ("", "") for name in asked}
    told = told_metrics(scorer)
    wanted |= {f"{name}_difference": (name, "difference") for name in told}
    metrics = tuple(dict.fromkeys([*told, *(metric for metric, _ in wanted.values())]))
    if work.task == "classification" and work.n_classes > 2:
        _refuse_two_class_metrics(asked)
    options = work.params.training.bootstrap
    sampling = Sampling(options.n, options.level, work.params.seed, work.params.deployment.fairness.min_rows)
    grouped = [by_group(scorer, pilot[name], metrics, sampling) for name in columns]
    pairs = sum(comb(len(groups.names), 2) for groups in grouped)
    between = []
    for name, (metric, how) in wanted.items():
        found = [compared(groups, metric, how, options.level, pairs) for groups in grouped]
        between.append({"metric": name, **_verdict(found, asked.get(name), how)})
    return {"groups": [_figures(groups) for groups in grouped], "between": between}


def _verdict(found: list[Found], bound: Requirement | None, how: str) -> Found:
    """Return the comparison of the column whose groups are furthest apart, and the verdict over all columns."""
    small = [f"{item['column']} {name}" for item in found for name in item["small"]]
    found = [{**item, "small": small} for item in found]
    known = [item for item in found if item["value"] is not None]
    sign = 1 if how == "difference" else -1
    first: Found = max(known, key=lambda item: sign * item["value"]) if known else found[0]
    if bound is None:
        return first
    verdicts = [judged(item, bound) for item in found]
    told = first if False not in verdicts else found[verdicts.index(False)]
    verdict = False if False in verdicts else None if None in verdicts else True
    return {**told, "bound": bound.bound, "side": bound.side, "hard": bound.hard, "verdict": verdict}


def _figures(groups: Groups) -> Found:
    return {
        "column": groups.column,
        "small": groups.small,
        "groups": [
            {"group": name, "rows": rows, **dict(zip(groups.metrics, map(float, values), strict=True))}
            for name, rows, values in zip(groups.names, groups.rows, groups.values, strict=True)
        ],
    }


def _refuse_two_class_metrics(asked: dict[str, Requirement]) -> None:
    for name in asked:
        if (between_groups(name) or ("",))[0] in OF_GROUPS["classification"]:
            raise ParamsError(
                f"{name} is of two classes, and the target has more",
                where=f"{PARAMS_FILE}: planning.requirements",
                expected="a metric of all classes, such as accuracy_difference",
                todo="correct it",
            )


def _with_error(value: float, influence: Array, scorer: Scorer, count: int, level: float) -> Figure:
    if not np.isfinite(value) or not count:
        return {"value": float(value) if np.isfinite(value) else None, "low": None, "high": None}
    half = float(student.ppf((1 + level) / 2, count - 1)) * standard_error(influence, scorer.blocks)
    return {"value": float(value), "low": float(value - half), "high": float(value + half)}


if __name__ == "__main__":
    main(run)
