"""Would more data help? The chosen candidate on growing parts of the training rows, and where its curve leads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.context import Context
from stages.data.blocks import Blocks
from stages.files import read_json, write_json, write_text
from stages.metric_names import LOSS, OFFLINE
from stages.params import Requirement
from stages.step import main
from stages.training.candidates import fit_candidate
from stages.training.ceiling import traded_off
from stages.training.estimators import predict
from stages.training.extrapolation import PowerLaw, extrapolate, reach
from stages.training.intervals import block_draws, units, widening
from stages.training.metrics import Array, Figure, Scorer, constant_prediction, figure
from stages.training.sampling import part_of, random_order
from stages.training.store import load_model

# How many parts are drawn, up to so many training rows: of the last size before all rows, which the gain is measured
# from, and of the smaller ones. On few rows fits cost next to nothing and differ most.
PARTS = ((2000, 6, 3), (20_000, 3, 2), (np.inf, 3, 1))
AHEAD = (2.0, 4.0)  # how far the plot looks, in multiples of the rows there are


def run(project: Path) -> None:
    """Write the points of the curve, the gain of the last doubling, and its extrapolation to missed requirements.

    Parts are drawn by whole blocks where rows hang together, as more data would come. Each part is drawn several times:
    which rows are in it makes as much difference as which rows it is judged on.
    """
    work = Context(project)
    train, valid = work.split("train"), work.split("valid")
    shares = work.params.training.learning_curve.shares
    seed = work.params.seed
    constant = constant_prediction(work.task, work.target(train), work.n_classes)
    last, smaller = next((last, smaller) for rows, last, smaller in PARTS if len(train) <= rows)
    orders = [random_order(len(train), work.blocks(train), seed + draw) for draw in range(last)]

    def scored(model: Any, rows: pd.DataFrame) -> Scorer:
        found, blocks = predict(model, rows, work.schema), work.blocks(rows)
        return Scorer(work.task, work.target(rows), found, constant, blocks, work.threshold, failing=work.failing)

    points, judged = [], list[list[Scorer]]()
    for share in shares:
        draws = orders[: 1 if share == 1 else last if share == shares[-2] else smaller]
        parts = [train if share == 1 else _part(work, train, order, share) for order in draws]
        models = [_fitted(work, part, whole=share == 1) for part in parts]
        judged.append([scored(model, valid) for model in models])
        own = scored(models[0], parts[0]).losses.mean()
        loss = np.mean([scorer.losses.mean() for scorer in judged[-1]])
        points.append({"rows": len(parts[0]), "train_loss": own, "valid_loss": loss})
    options = work.params.training.bootstrap
    sampling: dict[str, Any] = {"n": options.n, "level": options.level, "seed": seed}
    before = [scorer.losses for scorer in judged[-2]]
    gain = doubling_gain(before, judged[-1][0].losses, shares[-2], work.blocks(valid), **sampling)
    rows = np.asarray([point["rows"] for point in points], dtype=float)
    laws = extrapolate(judged, rows, [LOSS[work.task], *_missed(work)], **sampling | {"n": options.n // 2})
    limit = len(train) * _most_rows(work) / work.schema["window"]["rows"]
    reaches = {
        name: reach(laws[name], work.task, name, bound, limit=limit, level=options.level)
        for name, bound in _missed(work).items()
    }
    write_json(
        project / "models" / "learning_curve.json",
        {"points": points, "gain": gain, "reach": reaches, "window_rows": work.schema["window"]["rows"]},
    )
    _plot(project, pd.DataFrame(points), laws[LOSS[work.task]], options.level)


def doubling_gain(
    before: list[Array], after: Array, share: float, blocks: Blocks | None, *, n: int, level: float, seed: int
) -> Figure:
    """Return the share of the loss that the last doubling of the rows took away, with an interval.

    Parameters
    ----------
    before : list of array of shape (n,)
        Each validation row's loss after a part of the training rows, for several such parts; the interval holds for
        both which rows are in a part and which rows judge.
    after : array of shape (n,)
        The same after all training rows.
    share : float
        The part; where it is not a half, the gain is scaled to a doubling on the logarithm of the rows.
    blocks : array of shape (n,), optional
        Which validation rows hang together.
    n, level, seed
        Draws, coverage and seed of the bootstrap.
    """
    columns = np.column_stack([*before, after])
    drawn, sums = block_draws(columns, blocks, n, seed), columns.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):  # a loss of zero has no shares
        gains = (1 - drawn[:, -1] / drawn[:, :-1].mean(axis=1)) / -np.log2(share)
        value = (1 - sums[-1] / sums[:-1].mean()) / -np.log2(share)
        parts = (1 - sums[-1] / sums[:-1]) / -np.log2(share)
    enough = units(len(after), blocks)
    # The blocks' draws are too narrow for their being few; the parts add the standard error of their mean.
    judged = (gains - value) * (widening(enough, level) if enough else np.nan)
    drawn_parts = (parts - parts.mean()) / max(1, len(before) - 1) ** 0.5
    return figure(float(value), (value + judged[:, None] + drawn_parts).ravel(), level)


def _missed(work: Context) -> dict[str, Requirement]:
    """Return the offline requirements that the chosen model misses on the validation rows, and that rows might cure.

    Precision and recall move with the threshold of the decision, as do all metrics of decisions where several are
    required: a curve at one threshold tells nothing of what could be reached.
    """
    valid = read_json(work.project / "metrics" / "evaluation.json")["valid"]
    bounds = {name: bound for name, bound in work.requirements.items() if name in OFFLINE[work.task]}
    traded = traded_off(bounds)
    return {n: bound for n, bound in bounds.items() if not bound.met_by(valid[n]["value"]) and n not in traded}


def _most_rows(work: Context) -> float:
    """Return how many rows the window may ever have: those there are, where the source has no more."""
    here = int(work.schema["window"]["rows"])
    if not work.schema.get("more"):
        return here
    return max(here, int(work.charter["budgets"]["labels"]) - int(work.schema["pilot"]["rows"]))


def _part(work: Context, train: pd.DataFrame, order: NDArray[np.intp], share: float) -> pd.DataFrame:
    """Return the rows of a part, in their order."""
    return train.iloc[part_of(order, share, work.target(train) if work.n_classes > 1 else None)]


def _fitted(work: Context, part: pd.DataFrame, *, whole: bool) -> Any:
    if whole:
        return load_model(work.project / "models" / "model.skops")
    return fit_candidate(work, work.chosen, part)


def _plot(project: Path, points: pd.DataFrame, law: PowerLaw, level: float) -> None:
    """Write the curve, and its fit with an interval as far as it is extrapolated."""
    write_text(project / "plots" / "learning_curve.csv", points.to_csv(index=False, float_format="%.8g"))
    ahead = np.r_[points["rows"], points["rows"].iloc[-1] * np.asarray(AHEAD)]
    fits = [law.at(float(rows)) for rows in ahead]
    tails = [(1 - level) / 2, (1 + level) / 2]
    ends = [np.quantile(fit[1:], tails) if len(fit) > 1 else (np.nan, np.nan) for fit in fits]
    frame = pd.DataFrame({"rows": ahead, "fitted": [fit[0] for fit in fits]})
    frame[["low", "high"]] = np.asarray(ends)
    write_text(project / "plots" / "extrapolation.csv", frame.to_csv(index=False, float_format="%.8g"))


if __name__ == "__main__":
    main(run)
