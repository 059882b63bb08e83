"""Would more data help? The chosen candidate on growing parts of the training rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.context import Context
from stages.files import read_json, write_json, write_text
from stages.step import main
from stages.training.estimators import build, fit, predict
from stages.training.metrics import Array, figure, resampled, row_losses
from stages.training.store import load_model


def run(project: Path) -> None:
    """Write the points of the curve, and the gain of the last doubling with its interval.

    The parts are nested and drawn at random, also from data in time: only the number of rows may differ between them.
    Each class is drawn in its share, and every class is in every part.
    """
    work = Context(project)
    chosen = str(read_json(project / "models" / "chosen.json")["name"])
    candidate = work.params.training.candidates[chosen]
    train, valid = work.split("train"), work.split("valid")
    order = nested_order(work.target(train) if work.n_classes > 1 else np.zeros(len(train)), work.params.seed)
    shares = work.params.training.learning_curve.shares
    points, losses = [], dict[float, Array]()
    for share in shares:
        rows = train.iloc[np.sort(order[: max(int(len(train) * share), work.n_classes * 2)])]
        if share == 1:
            model = load_model(project / "models" / "model.skops")
        else:
            model = fit(build(chosen, candidate, work.schema, work.task, work.params.seed), rows, work.schema)
        losses[share] = row_losses(work.task, work.target(valid), predict(model, valid, work.schema))
        own = row_losses(work.task, work.target(rows), predict(model, rows, work.schema))
        points.append({"rows": len(rows), "train_loss": own.mean(), "valid_loss": losses[share].mean()})
    frame = pd.DataFrame(points)
    write_text(project / "plots" / "learning_curve.csv", frame.to_csv(index=False, float_format="%.8g"))
    options = work.params.training.bootstrap
    gain = doubling_gain(losses[shares[-2]], losses[1.0], shares[-2], options.n, options.level, work.params.seed)
    write_json(project / "models" / "learning_curve.json", {"points": points, "gain": gain})


def nested_order(codes: Array, seed: int) -> NDArray[np.intp]:
    """Return the rows in an order of which every beginning holds each class in its share, and all classes early."""
    shuffled = np.random.default_rng(seed).permutation(len(codes))
    classes, which, counts = np.unique(codes[shuffled], return_inverse=True, return_counts=True)
    rank = np.empty(len(codes))
    for code in range(len(classes)):
        rank[which == code] = np.arange(counts[code])
    return np.asarray(shuffled[np.argsort(rank / counts[which], kind="stable")])


def doubling_gain(
    before: Array, after: Array, share: float, n: int, level: float, seed: int
) -> dict[str, float | None]:
    """Return the share of the loss that the last doubling of the rows took away; paired over the validation rows.

    When the last step was not a doubling, the gain is scaled to one on the logarithm of the rows.
    """
    doublings = -np.log2(share)

    def gain(weight: Array) -> list[float]:
        return [float((1 - np.dot(weight, after) / np.dot(weight, before)) / doublings)]

    rows = len(before)
    with np.errstate(divide="ignore", invalid="ignore"):  # a loss of zero has no shares
        return figure(gain(np.ones(rows))[0], resampled(gain, rows, n=n, seed=seed)[:, 0], level)


if __name__ == "__main__":
    main(run)
