"""Baselines before any model: the constant, a rule, a linear model; what a candidate's figures are read beside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.context import Context
from stages.files import write_json
from stages.planning.rule import Rule, rule_columns
from stages.step import main
from stages.training.estimators import LINEAR, build, fit, predict
from stages.training.metrics import Scorer, bootstrap, constant_prediction, names_of, repeat


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
            Scorer(work.task, work.target(valid), prediction, constant, work.blocks(valid)),
            names_of(work.charter),
            n=options.n,
            level=options.level,
            seed=work.params.seed,
        )
        for name, prediction in predictions.items()
    }
    write_json(project / "metrics" / "baselines.json", found)


def rule(work: Context, train: pd.DataFrame, other: pd.DataFrame) -> NDArray[np.float64]:
    """Predict by the charter's rule, or by the single best column when it names none."""
    asked = [name for name in work.charter["rule"] if name not in work.schema["dropped"]]
    columns = rule_columns(asked, train, work.schema, work.params.seed)
    n_classes = work.n_classes if work.task == "classification" else None
    return Rule(columns, n_classes).fit(train, train[work.schema["target"]]).predict(other)


if __name__ == "__main__":
    main(run)
