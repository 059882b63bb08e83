"""How often decisions are wrong, and how often they may be at most: a one-sided bound that no failure makes zero.

The exact bound of Clopper & Pearson (1934), on an effective number of rows where rows hang together: Korn & Graubard
(1998), "Confidence intervals for proportions with small expected number of positive counts estimated from survey data".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta
from scipy.stats import t as student

from stages.data.blocks import MIN_BLOCKS, Blocks
from stages.errors import ParamsError
from stages.params import PARAMS_FILE

Array = NDArray[np.float64]
CORRELATION = 0.1  # of failures within a block, while few blocks hold one
FEW, MANY = 10, 30  # up to so many blocks with a failure it is assumed in full, from so many on it is estimated alone


@dataclass(frozen=True)
class Failing:
    """What a failure is, and how sure its bound is: ``planning.answering``.

    Attributes
    ----------
    tolerance : float or None
        Of a regression: a prediction that is off by more is a failure.
    level : float
        Confidence of the one-sided bound.
    """

    tolerance: float | None = None
    level: float = 0.95

    def off(self, target: Array, prediction: Array) -> NDArray[np.bool_]:
        """Tell which values are off by more than the tolerance, (n,).

        Raises
        ------
        ParamsError
            If there is no tolerance.
        """
        if self.tolerance is None:
            raise no_tolerance()
        return np.abs(target - prediction) > self.tolerance


PLAIN = Failing()


def no_tolerance() -> ParamsError:
    """Return the error of a regression whose failures are counted and not said to be any."""
    return ParamsError(
        "is empty, and failures of a regression are counted",
        where=f"{PARAMS_FILE}: planning.answering.tolerance",
        expected="a number: by how much a prediction that is no failure may be off",
        todo="set it, or require nothing of failures",
    )


def clopper_pearson(failed: float, rows: float, level: float) -> float:
    """Return the upper bound of a share of failures; 1 where there are no rows.

    Examples
    --------
    >>> round(clopper_pearson(0, 299, 0.95), 4)
    0.01
    >>> clopper_pearson(0, 0, 0.95)
    1.0
    """
    if rows <= 0 or failed >= rows:
        return 1.0
    return float(beta.ppf(level, failed + 1, rows - failed))


def rows_without_failure(most: float, level: float) -> int:
    """Return how many rows without a failure show that surely no more than a share fails.

    Examples
    --------
    >>> rows_without_failure(0.05, 0.95), rows_without_failure(0.01, 0.95)
    (59, 299)
    """
    return math.ceil(math.log(1 - level) / math.log(1 - most))


def failure_bound(
    wrong: NDArray[np.bool_], answered: NDArray[np.bool_], weight: Array, blocks: Blocks | None, level: float
) -> float:
    """Return the upper bound of the share of failures among the rows that are answered.

    Parameters
    ----------
    wrong, answered : array of bool of shape (n,)
        Which rows are decided wrongly, and which are answered.
    weight : array of shape (n,)
        How often each row counts, the same for all rows of a block.
    blocks : array of shape (n,), optional
        Which rows hang together; NaN with fewer than five.
    level : float
        Confidence of the bound.

    Notes
    -----
    With the design effect d = var(p) / (p (1 - p) / n), var(p) robust to blocks, n rows are worth n / d, and as d is
    estimated from c blocks, (t(n - 1) / t(c - 1))^2 of those. d is the larger of that of the answered rows and that of
    all: few failures tell little of how they hang together. Nor do failures in a few blocks, or none: then d is at
    least that of an assumed correlation (`least_effect`), which is not estimated.
    """
    rows, failed = float(weight @ answered), float(weight @ (answered & wrong))
    if rows <= 0:
        return 1.0
    worth = rows
    if blocks is not None:
        times = np.bincount(blocks, weights=weight) / np.maximum(np.bincount(blocks), 1)
        count = float(times.sum())
        if count < MIN_BLOCKS:
            return float("nan")
        everywhere = np.ones(len(wrong), dtype=bool)
        effect = max(1.0, *(design_effect(wrong, who, weight, blocks, times) for who in (answered, everywhere)))
        sure = float(student.ppf(level, max(1.0, rows - 1)) / student.ppf(level, count - 1)) ** 2
        worth = min(rows, rows / effect * sure, rows / least_effect(wrong, answered, weight, blocks, times))
    return clopper_pearson(failed / rows * worth, worth, level)


def design_effect(
    wrong: NDArray[np.bool_], counted: NDArray[np.bool_], weight: Array, blocks: Blocks, times: Array
) -> float:
    """Return by how much the variance of a share is larger for rows hanging together; 1 where none or all fail.

    ``times`` says how often each block counts.
    """
    used = weight * counted
    rows = float(used.sum())
    share = float(used @ wrong) / rows if rows else 0.0
    if not 0 < share < 1:
        return 1.0
    sums = np.bincount(blocks, weights=used * (wrong - share))
    count = float(times.sum())
    variance = float(np.sum(sums**2 / np.where(times > 0, times, 1.0))) * count / (count - 1) / rows**2
    return variance / (share * (1 - share) / rows)


def least_effect(
    wrong: NDArray[np.bool_], counted: NDArray[np.bool_], weight: Array, blocks: Blocks, times: Array
) -> float:
    """Return the design effect that is assumed while too few blocks hold a failure for it to be estimated.

    That of n rows in blocks of m on average, weighed by their rows, and of an intraclass correlation r:
    1 + (m - 1) r (Kish 1965, ch. 5.4). r is 0.1 up to ten blocks with a failure, and falls to 0 at thirty.
    """
    used = weight * counted
    sums = np.bincount(blocks, weights=used)
    failing = float(times[np.bincount(blocks, weights=used * wrong) > 0].sum())
    size = float(np.sum(sums**2 / np.where(times > 0, times, 1.0)) / sums.sum())
    return 1 + max(0.0, size - 1) * CORRELATION * float(np.clip((MANY - failing) / (MANY - FEW), 0, 1))
