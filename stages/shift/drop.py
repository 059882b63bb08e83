"""What the model lost from the held-out rows to the later ones, and how much of it the inputs account for.

All losses are taken as a share of what the best constant loses on the same rows: later rows may be harder for any
model, and a model that does not know the new rate of an outcome is worse than it need be. The parts are those of DISDE
(Cai, Namkoong & Yadlowsky 2023), which compares both sides on what they share, so that it holds where they hardly
overlap:

    total  = [earlier rows, as shared - earlier rows]  inputs, the part that the later side lost
           + [later rows, as shared - earlier rows, as shared]  not the inputs: the outcome at equal inputs
           + [later rows - later rows, as shared]  inputs, the part that is new
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from stages.shift.comparing import Estimate, Pair, difference
from stages.shift.sides import Array
from stages.training.metrics import TINY, Figure, row_losses

MIN_EFFECTIVE = 30


@dataclass(frozen=True)
class Losses:
    """The rows of one side: which task, the target (n,), and the predictions, (n, n_classes) or (n,)."""

    task: str
    target: Array
    prediction: Array

    @cached_property
    def model(self) -> Array:
        """Each row's loss, (n,)."""
        return row_losses(self.task, self.target, self.prediction)

    def constant(self, weight: Array) -> Array:
        """Return each row's loss under the constant that is best for the rows as weighted, (n,)."""
        if self.task == "regression":
            return np.asarray((self.target - np.dot(weight, self.target) / weight.sum()) ** 2)
        codes = self.target.astype(np.intp)
        shares = np.bincount(codes, weights=weight) / weight.sum()
        return np.asarray(-np.log(np.maximum(shares, TINY))[codes])

    def ratio(self, weight: Array | None = None) -> tuple[float, Array]:
        """Return the model's weighted loss as a share of the constant's, and each row's influence on it, (n,).

        That the constant is estimated has no influence of the first order, as it is where its loss is least.
        """
        weight = np.ones(len(self.target)) if weight is None else weight / weight.mean()
        constant = self.constant(weight)
        whole = float(np.dot(weight, constant)) / len(weight)
        if whole <= TINY:
            return float("nan"), np.full(len(weight), np.nan)
        value = float(np.dot(weight, self.model)) / len(weight) / whole
        return value, weight * (self.model - value * constant) / whole


def total_drop(before: Losses, after: Losses, blocks: Pair) -> Estimate:
    """Return by how much more of the constant's loss the model loses on the later rows."""
    (one, on_one), (two, on_two) = before.ratio(), after.ratio()
    return difference(two - one, (-on_one, on_two), blocks)


def parts_of_drop(before: Losses, after: Losses, chance: Array, blocks: Pair, *, level: float) -> dict[str, Any]:
    """Return the parts of the drop, as figures with intervals.

    Parameters
    ----------
    before, after : Losses
        n and m rows.
    chance : array of shape (n + m,)
        `joint.overlap` of the stacked rows. The shared distribution has density p q / (p + q): its weights, the chance
        of the other side, are bounded, whatever the two sides are.
    blocks : pair of blocks
        Which rows hang together, a side each.
    level : float
        Coverage of the intervals.

    Returns
    -------
    dict
        ``total``, ``inputs`` and ``not_inputs`` as figures (shares of the constant's loss), ``explained``, the share of
        the total that the inputs account for, and ``effective_rows`` of the two reweighted sides. With fewer than 30 of
        them the sides share too little, and only the total is known.
    """
    weights = chance[: len(before.target)], 1 - chance[len(before.target) :]
    effective = [effective_rows(weight) for weight in weights]
    (one, on_one), (two, on_two) = before.ratio(), after.ratio()
    (shared_one, on_shared_one), (shared_two, on_shared_two) = before.ratio(weights[0]), after.ratio(weights[1])
    total = total_drop(before, after, blocks).figure(level)
    found: dict[str, Any] = {"total": total, "inputs": _unknown(), "not_inputs": _unknown(), "explained": None}
    if min(effective) >= MIN_EFFECTIVE:
        inputs = (shared_one - one) + (two - shared_two)
        rest = shared_two - shared_one
        influence = on_shared_one - on_one, on_two - on_shared_two
        found["inputs"] = difference(inputs, influence, blocks).figure(level)
        found["not_inputs"] = difference(rest, (-on_shared_one, on_shared_two), blocks).figure(level)
        sure = total["low"] is not None and total["low"] > 0
        found["explained"] = inputs / (two - one) if sure else None
    return found | {"effective_rows": effective}


def drop_by_labels(before: Losses, after: Losses, blocks: Pair, *, level: float) -> Figure:
    """Return how much of the drop there would be, had only the shares of the classes moved (Lipton et al. 2018).

    The earlier rows count by how much more frequent their class has become. It is another account of the same drop, not
    a part beside the others.
    """
    weight = class_weights(before.target, after.target, before.prediction.shape[1])[before.target.astype(np.intp)]
    if not weight.any():
        return _unknown()
    (one, on_one), (moved, on_moved) = before.ratio(), before.ratio(weight)
    still = np.zeros(len(after.target))
    return difference(moved - one, (on_moved - on_one, still), blocks).figure(level)


def class_weights(before: Array, after: Array, k: int) -> Array:
    """Return each class's share after over its share before, (k,); 0 where it was not there before."""
    one, two = (np.bincount(codes.astype(np.intp), minlength=k) / len(codes) for codes in (before, after))
    return np.divide(two, one, out=np.zeros(k), where=one > 0)


def effective_rows(weight: Array) -> float:
    """Return how many equally weighted rows these weighted ones are worth (Kish 1965)."""
    return float(weight.sum() ** 2 / np.sum(weight**2))


def _unknown() -> Figure:
    return {"value": None, "low": None, "high": None}
