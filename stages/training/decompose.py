"""The chosen model's loss in its parts, beside a flexible reference fitted here, and people where they are known."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd

from stages.context import Context
from stages.files import read_json, write_json, write_text
from stages.step import main
from stages.training.decomposition import Rows, decompose
from stages.training.estimators import predict
from stages.training.metrics import Figure, Scorer, constant_prediction, names_of
from stages.training.reference import NAME, reference_predictions
from stages.training.selection import by_metric
from stages.training.store import load_model
from stages.training.thresholds import best_threshold, decides, sweep


def run(project: Path) -> None:
    """Write ``models/decomposition.json`` and the waterfall ``plots/decomposition.csv``."""
    work = Context(project)
    model = load_model(project / "models" / "model.skops")
    splits = {name: work.split(name) for name in ("train", "valid", "test")}
    constant = constant_prediction(work.task, work.target(splits["train"]), work.n_classes)

    def judged(rows: pd.DataFrame) -> Rows:
        scorer = Scorer(work.task, work.target(rows), predict(model, rows, work.schema), constant)
        return Rows(scorer.losses, scorer.constant_losses, work.blocks(rows))

    valid = judged(splits["valid"])
    answers = reference_predictions(work, splits["train"], splits["valid"])
    target, blocks = work.target(splits["valid"]), work.blocks(splits["valid"])
    reference = Scorer(work.task, target, answers, constant, blocks, failing=work.failing)
    options = work.params.training.bootstrap
    human = read_json(project / "metrics" / "baselines.json").get("human", {})
    found = decompose(
        judged(splits["train"]),
        valid,
        {NAME: reference.losses},
        n=options.n,
        level=options.level,
        seed=work.params.seed,
        test=judged(splits["test"]),
        people=people_loss(human, work.n_classes),
    )
    found["reference"] = reached(work, reference)
    found["constant_loss"] = float(valid.constant_losses.mean())
    write_json(project / "models" / "decomposition.json", found)
    text = waterfall(found).to_csv(index=False, float_format="%.8g")
    write_text(project / "plots" / "decomposition.csv", text)


def reached(work: Context, reference: Scorer) -> dict[str, float | None]:
    """Return what the reference scores, deciding from the threshold that suits the charter best."""
    names = names_of(work.charter)
    scores: dict[str, float | None] = {**reference.score(names)}
    bounds = {name: bound for name, bound in work.requirements.items() if name in names}
    if not decides(names, work.n_classes):
        return scores
    options = sweep(reference, scores)
    return options[best_threshold(options, bounds, by_metric(names[0], work.task))]


def people_loss(human: dict[str, Figure], n_classes: int) -> Figure | None:
    """Return the loss of people by their accuracy or their root mean squared error; None when neither is known.

    People give answers and no probabilities. With a share e of wrong ones, who holds each answer for right with
    probability 1 - e and shares the rest among the other classes has a log loss of H(e) + e ln(k - 1).
    """
    if "rmse" in human:
        return {key: None if end is None else end**2 for key, end in human["rmse"].items()}
    if "accuracy" not in human:
        return None
    ends = {key: None if end is None else _entropy(1 - end, n_classes) for key, end in human["accuracy"].items()}
    return {"value": ends["value"], "low": ends["high"], "high": ends["low"]}


def _entropy(error: float, n_classes: int) -> float:
    e = min(max(error, 0.0), 1 - 1 / n_classes)  # worse than guessing is no worse than guessing
    return float(-sum(p * math.log(p) for p in (e, 1 - e) if p > 0) + e * math.log(n_classes - 1))


def waterfall(found: dict[str, Any]) -> pd.DataFrame:
    """Return the parts as steps from the loss nobody avoids to that on the test rows, in shares of the constant's.

    Columns: ``part``, ``start`` and ``end`` of its step, and ``share``, its size.
    """
    relative = found["relative_loss"]["value"]
    rows, level = [], 0.0
    for name in [part for part in ("irreducible", "bias", "variance", "selection") if part in found]:
        value = found[name]["value"]
        size = 0.0 if value is None or relative is None else value * relative
        if name == "variance":
            size = max(size, 0.0)  # below zero it is in the bias already
        rows.append({"part": name, "start": level, "end": level + size, "share": size})
        level += size
    return pd.DataFrame(rows)


if __name__ == "__main__":
    main(run)
