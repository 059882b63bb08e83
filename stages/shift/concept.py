"""Concept shift: does the same input have another outcome now? Told apart from a shift of the inputs.

Let e(x) be the chance that a row is of the later side and r the residual of the model that was trained before. The
change of the outcome at equal inputs, tau(x), is learned from r = m(x) + tau(x) (S - e(x)), S the side (the R-learner,
Nie & Wager 2021), out of fold. What tau is worth is then measured on rows it has not seen, by the generalised
covariance of r and S given x (Shah & Peters 2020), weighted by tau (Scheidegger et al. 2022). It is zero whenever
outcomes hang on inputs alone: a model that is wrong where the later rows lie is wrong there on both sides, and an
error in e or m counts only by the product of the two. Rows without a counterpart on the other side have S - e(x) near
zero and count nothing.
"""

from __future__ import annotations

import math

import numpy as np

from stages.shift.comparing import Estimate, difference
from stages.shift.drop import MIN_EFFECTIVE, effective_rows
from stages.shift.joint import cross_fit, learning_rows, paired_folds
from stages.shift.sides import Array, Sides


def concept_change(sides: Sides, residual: Array, prediction: Array, chance: Array, seed: int) -> Estimate:
    """Return by how much the outcome has moved at equal inputs, in the unit of the residual.

    It is a lower bound of the root mean square of tau over the inputs that both sides share, and its expectation is
    zero or below where nothing moved.

    Parameters
    ----------
    sides : Sides
        Rows that the model has not seen, n in all.
    residual : array of shape (n,)
        Outcome less prediction; see `residuals`.
    prediction : array of shape (n, k)
        The model's predictions, as further inputs.
    chance : array of shape (n,)
        `joint.overlap` of the rows.
    seed : int
        Seed of every choice.
    """
    fold = paired_folds(sides, seed)
    late = sides.is_after
    shared = effective_rows(chance[~late]), effective_rows(1 - chance[late])
    unknown = Estimate(math.nan, math.nan, 1.0)
    if fold is None or min(shared) < MIN_EFFECTIVE:
        return unknown
    matrix, learn = np.column_stack([sides.matrix, prediction]), learning_rows(sides, seed)
    even = np.where(late, len(late) / late.sum(), len(late) / (~late).sum()) / 2
    fit = (fold, learn, sides.categorical, seed)
    rest = residual - cross_fit(matrix, residual, *fit, even)
    side = late - chance
    change = cross_fit(matrix, rest / side, *fit, even * side**2)
    weight = even * side * change
    scale = float(np.mean(even * side**2 * change**2)) ** 0.5 * float(np.mean(even * side**2)) ** 0.5
    if scale == 0:
        return unknown
    parts = weight * rest / scale
    value = float(parts.mean())
    sizes = (~late).sum() / len(late), late.sum() / len(late)
    one, two = parts[~late], parts[late]
    return difference(value, ((one - one.mean()) * sizes[0], (two - two.mean()) * sizes[1]), sides.blocks)


def residuals(task: str, target: Array, prediction: Array) -> Array:
    """Return what the prediction left open, (n,).

    The outcome less its prediction; of more than two classes, whether the most probable one was right less its chance.
    """
    if task == "regression":
        return target - prediction
    if prediction.shape[1] == 2:
        return target - prediction[:, 1]
    guess = np.argmax(prediction, axis=1)
    return np.asarray((target == guess) - prediction[np.arange(len(guess)), guess])


def with_class_shares(prediction: Array, weights: Array) -> Array:
    """Return the probabilities that a model would give, had only the shares of the classes moved (Saerens et al. 2002).

    Parameters
    ----------
    prediction : array of shape (n, k)
        Probabilities.
    weights : array of shape (k,)
        `drop.class_weights`.
    """
    found = prediction * weights
    total = found.sum(axis=1, keepdims=True)
    return np.where(total > 0, found / np.where(total > 0, total, 1.0), prediction)
