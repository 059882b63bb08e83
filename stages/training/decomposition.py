"""Where the loss on the validation rows comes from: what nobody seen avoids, avoidable bias, variance, and the choice.

Full Stack Deep Learning 2021 (lecture 7, after Ng's "Machine Learning Yearning", ch. 20 to 42): error = irreducible +
avoidable bias + variance + what other rows add. All is relative to the constant's loss on the same rows, so that rows
which are harder for any model are no fault of this one; and in shares of the validation loss, so that the parts add up
to one, and an easy task is judged like a hard one.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

import numpy as np

from stages.data.blocks import Blocks
from stages.training.intervals import block_draws, spread, units
from stages.training.metrics import Array, Figure

MODEL, PEOPLE = "the model", "people"
PARTS = ("irreducible", "excess", "bias", "variance", "selection")


class Rows:
    """The losses of one model on some rows, beside the constant's.

    Parameters
    ----------
    losses, constant_losses : array of shape (n,)
        Each row's loss under the model, and under the constant prediction of the training rows.
    blocks : array of shape (n,), optional
        Which rows hang together; see `stages.data.blocks`.
    """

    def __init__(self, losses: Array, constant_losses: Array, blocks: Blocks | None = None) -> None:
        self.losses, self.constant_losses, self.blocks = losses, constant_losses, blocks

    @property
    def units(self) -> int:
        """How many independent units there are; 0 when they are too few."""
        return units(len(self.losses), self.blocks)


def decompose(
    train: Rows,
    valid: Rows,
    others: Mapping[str, Array],
    *,
    n: int,
    level: float,
    seed: int,
    test: Rows | None = None,
    people: Figure | None = None,
) -> dict[str, Any]:
    """Split the validation loss of a model into its parts, each with an interval.

    Parameters
    ----------
    train, valid : Rows
        The model's losses on the rows it was fitted on, and on those it is judged by.
    others : mapping of str to array of shape (n_valid,)
        Each validation row's loss under others that may do better, as a flexible reference.
    n, level, seed
        Draws, coverage and seed of the block bootstrap; the draws of ``valid`` and ``others`` are paired.
    test : Rows, optional
        The model on rows that chose nothing: what the choice on the validation rows flattered it by.
    people : figure, optional
        The mean loss of people on such rows.

    Returns
    -------
    dict
        Figures in shares of the validation loss: ``excess``, what the best of ``others`` and ``people`` saves of it;
        ``irreducible``, the rest; ``variance``; ``bias``; ``selection``. ``best``: who is the best, "the model" when
        nobody is better. ``relative_loss``: the validation loss over the constant's.

    Notes
    -----
    With r the mean loss over the constant's: excess = 1 - r_best / r_valid, variance = 1 - r_train / r_valid, bias =
    excess - max(variance, 0): how much worse the model is on the very rows it was fitted on than the best is on unseen
    ones. Below zero it has learned more than the best could use. selection = r_test / r_valid - 1. The irreducible part
    is an upper bound, as nobody knows who else might come.
    """
    names = {MODEL: valid.losses, **others}
    judged, drawn = _relative(names, valid, n, seed)
    own, own_drawn = _relative({MODEL: train.losses}, train, n, seed + 1)
    if people is not None and people["value"] is not None:
        judged[PEOPLE] = people["value"] / valid.constant_losses.mean()
        drawn[PEOPLE] = _normal(people, level, n, seed + 3) / valid.constant_losses.mean()
    best = min(judged, key=lambda name: judged[name])

    def parts(fit: Any, mine: Any, floor: Any) -> dict[str, Any]:
        excess, variance = 1 - floor / mine, 1 - fit / mine
        bias = excess - np.maximum(variance, 0.0)
        return {"irreducible": 1 - excess, "excess": excess, "variance": variance, "bias": bias}

    count = valid.units
    counts = dict.fromkeys(PARTS, count) | dict.fromkeys(("variance", "bias"), min(count, train.units))
    with np.errstate(divide="ignore", invalid="ignore"):  # a loss of zero has no shares
        values = parts(own[MODEL], judged[MODEL], judged[best])
        draws = parts(own_drawn[MODEL], drawn[MODEL], drawn[best])
        if test is not None:
            later, later_drawn = _relative({MODEL: test.losses}, test, n, seed + 2)
            values["selection"] = later[MODEL] / judged[MODEL] - 1
            draws["selection"] = later_drawn[MODEL] / drawn[MODEL] - 1
            counts["selection"] = min(count, test.units)
    found: dict[str, Any] = {
        name: spread(float(value), draws[name], counts[name], level) for name, value in values.items()
    }
    relative = spread(float(judged[MODEL]), drawn[MODEL], count, level)
    return {**found, "best": best, "relative_loss": relative}


def _relative(losses: Mapping[str, Array], rows: Rows, n: int, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return each loss over the constant's on some rows: the values, and paired draws of them."""
    columns = np.column_stack([*losses.values(), rows.constant_losses])
    sums, drawn = columns.sum(axis=0), block_draws(columns, rows.blocks, n, seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio, ratios = sums[:-1] / sums[-1], drawn[:, :-1] / drawn[:, -1:]
    return dict(zip(losses, ratio, strict=True)), dict(zip(losses, ratios.T, strict=True))


def _normal(figure: Figure, level: float, n: int, seed: int) -> Array:
    """Return draws from the normal distribution that a figure's interval is one of; of no spread when it has none."""
    value, low, high = (figure[key] for key in ("value", "low", "high"))
    assert value is not None
    width = 0.0 if low is None or high is None else (high - low) / 2 / NormalDist().inv_cdf((1 + level) / 2)
    return np.asarray(np.random.default_rng(seed).normal(value, width, n))
