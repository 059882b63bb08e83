"""Would more data help? The chosen candidate on growing parts of the training rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.context import Context
from stages.data.blocks import Blocks
from stages.files import write_json, write_text
from stages.step import main
from stages.training.estimators import fit_candidate, predict
from stages.training.metrics import Array, Figure, figure, resampled, row_losses
from stages.training.store import load_model

DRAWS = 3


def run(project: Path) -> None:
    """Write the points of the curve, and the gain of the last doubling with its interval.

    Parts are drawn by whole blocks where rows hang together, as more data would come. The last part before all rows is
    drawn several times: which rows are in it makes as much difference as which rows it is judged on.
    """
    work = Context(project)
    train, valid = work.split("train"), work.split("valid")
    shares = work.params.training.learning_curve.shares
    seed = work.params.seed
    orders = [random_order(len(train), work.blocks(train), seed + draw) for draw in range(DRAWS)]

    def losses(model: Any, rows: pd.DataFrame) -> Array:
        return row_losses(work.task, work.target(rows), predict(model, rows, work.schema))

    points, judged = [], dict[float, list[Array]]()
    for share in shares:
        draws = orders if share == shares[-2] else orders[:1]
        parts = [train if share == 1 else _part(work, train, order, share) for order in draws]
        models = [_fitted(work, part, whole=share == 1) for part in parts]
        judged[share] = [losses(model, valid) for model in models]
        own = np.mean([losses(model, part).mean() for model, part in zip(models, parts, strict=True)])
        points.append({"rows": len(parts[0]), "train_loss": own, "valid_loss": np.mean(judged[share])})
    frame = pd.DataFrame(points)
    write_text(project / "plots" / "learning_curve.csv", frame.to_csv(index=False, float_format="%.8g"))
    options = work.params.training.bootstrap
    sampling: dict[str, Any] = {"n": options.n, "level": options.level, "seed": seed}
    gain = doubling_gain(judged[shares[-2]], judged[1.0][0], shares[-2], work.blocks(valid), **sampling)
    write_json(project / "models" / "learning_curve.json", {"points": points, "gain": gain})


def random_order(rows: int, blocks: Blocks | None, seed: int) -> NDArray[np.intp]:
    """Return the rows in random order, those of a block together."""
    blocks = np.arange(rows) if blocks is None else blocks
    place = np.random.default_rng(seed).permutation(int(blocks.max()) + 1)
    return np.asarray(np.argsort(place[blocks], kind="stable"))


def doubling_gain(
    before: list[Array], after: Array, share: float, blocks: Blocks | None, *, n: int, level: float, seed: int
) -> Figure:
    """Return the share of the loss that the last doubling of the rows took away, with an interval.

    Parameters
    ----------
    before : list of array of shape (n,)
        Each validation row's loss after a part of the training rows, for several such parts; a bootstrap draw takes one
        of them and some blocks of the rows, so the interval holds for both.
    after : array of shape (n,)
        The same after all training rows.
    share : float
        The part; where it is not a half, the gain is scaled to a doubling on the logarithm of the rows.
    blocks : array of shape (n,), optional
        Which validation rows hang together.
    n, level, seed
        Draws, coverage and seed of the bootstrap.
    """
    doublings = -np.log2(share)

    def gains(weight: Array) -> list[float]:
        return [float((1 - np.dot(weight, after) / np.dot(weight, losses)) / doublings) for losses in before]

    with np.errstate(divide="ignore", invalid="ignore"):  # a loss of zero has no shares
        draws = resampled(gains, len(after), blocks, n=n, seed=seed)
        value = float(np.mean(gains(np.ones(len(after)))))
    return figure(value, draws.ravel(), level)


def _part(work: Context, train: pd.DataFrame, order: NDArray[np.intp], share: float) -> pd.DataFrame:
    """Return the beginning of an order, and a first row of each class that is not in it."""
    chosen = order[: max(1, int(len(train) * share))]
    if work.n_classes > 1:
        codes = work.target(train)[order]
        first = [int(np.flatnonzero(codes == code)[0]) for code in np.unique(codes)]
        chosen = np.union1d(chosen, order[first])
    return train.iloc[np.sort(chosen)]


def _fitted(work: Context, part: pd.DataFrame, *, whole: bool) -> Any:
    if whole:
        return load_model(work.project / "models" / "model.skops")
    return fit_candidate(work, work.chosen, part)


if __name__ == "__main__":
    main(run)
