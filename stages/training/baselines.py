"""Baselines before any model: the constant, a rule, a linear model; what a candidate's figures are read beside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.context import Context
from stages.files import read_parquet, write_json
from stages.metric_names import OF_ANSWERS
from stages.planning.present import Present, present
from stages.planning.rule import Rule, rule_columns
from stages.step import main
from stages.training.estimators import LINEAR, build, fit, predict
from stages.training.metrics import Array, Figure, Scorer, bootstrap, constant_prediction, names_of, repeat

# What a label without a probability can be judged by.
OF_LABELS = frozenset(
    {"accuracy", "balanced_accuracy", "f1", "precision", "recall", "mae", "mae_skill", "r2", "rmse", "rmse_skill"}
    | OF_ANSWERS
)


def run(project: Path) -> None:
    """Measure every baseline on the validation rows."""
    work = Context(project)
    train, valid = work.split("train"), work.split("valid")
    constant = constant_prediction(work.task, work.target(train), work.n_classes)
    linear = fit(build("linear", LINEAR[work.task], work.schema, work.task, work.params.seed), train, work.schema)
    predictions = {
        "constant": repeat(constant, len(valid)),
        "rule": rule(work, train, valid),
        "linear": predict(linear, valid, work.schema),
    }
    options = work.params.training.bootstrap
    found = {
        name: bootstrap(
            Scorer(work.task, work.target(valid), prediction, constant, work.blocks(valid), failing=work.failing),
            names_of(work.charter),
            n=options.n,
            level=options.level,
            seed=work.params.seed,
        )
        for name, prediction in predictions.items()
    }
    now = present(project, str(work.charter.get("replaces", "")), work.schema, train, valid)
    if now is not None:
        found["present"] = present_figures(work, now, valid, constant)
    human = people(work, constant)
    if human:
        found["human"] = human
    for name, item in work.charter["beat"].items():
        found[name] = {item["metric"]: {"value": item["value"], "low": None, "high": None}}
    write_json(project / "metrics" / "baselines.json", found)


def present_figures(work: Context, now: Present, rows: pd.DataFrame, constant: Array) -> dict[str, Figure]:
    """Return the charter's metrics of the present rule: those of answers as it gives them, others by their worth."""
    names, options = names_of(work.charter), work.params.training.bootstrap
    found: dict[str, Figure] = {}
    for prediction, of_labels in ((now.says, True), (now.chance, False)):
        scorer = Scorer(work.task, work.target(rows), prediction, constant, work.blocks(rows), failing=work.failing)
        asked = [name for name in names if (name in OF_LABELS) == of_labels]
        found |= bootstrap(scorer, asked, n=options.n, level=options.level, seed=work.params.seed)
    return {name: found[name] for name in names}


def people(work: Context, constant: Array) -> dict[str, Figure]:
    """Return what people reach on the charter's metrics: each answer against the consensus of the other annotators.

    Only metrics of labels; none where no item has several answers. The interval draws whole items.
    """
    answers = read_parquet(work.project / "data" / "human.parquet")
    names = [name for name in names_of(work.charter) if name in OF_LABELS]
    if answers.empty or not names:
        return {}
    items, given = pd.factorize(answers["item"])[0], answers["answer"].to_numpy(dtype=float)
    said = given if work.task == "regression" else np.eye(work.n_classes)[given.astype(int)]
    scorer = Scorer(
        work.task,
        answers["others"].to_numpy(dtype=float),
        said,
        constant,
        np.asarray(items, dtype=np.intp),
        failing=work.failing,
    )
    options = work.params.training.bootstrap
    return bootstrap(scorer, names, n=options.n, level=options.level, seed=work.params.seed)


def rule(work: Context, train: pd.DataFrame, other: pd.DataFrame) -> NDArray[np.float64]:
    """Predict by the charter's rule, or by the single best column when it names none."""
    asked = [name for name in work.charter["rule"] if name not in work.schema["dropped"]]
    columns = rule_columns(asked, train, work.schema, work.params.seed)
    n_classes = work.n_classes if work.task == "classification" else None
    return Rule(columns, n_classes).fit(train, train[work.schema["target"]]).predict(other)


if __name__ == "__main__":
    main(run)
