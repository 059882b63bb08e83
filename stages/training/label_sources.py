"""Where labels came from, and whether those of one source are worse than the others': told even where rows are hard."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from stages.data.blocks import MIN_BLOCKS, Blocks
from stages.training.metrics import Array

LEVEL, MIN_ROWS, BINS = 0.95, 10, 10


def source_rates(
    codes: NDArray[np.intp], prediction: Array, sources: pd.Series[Any], blocks: Blocks | None = None
) -> list[dict[str, Any]]:
    """Return each source's excess of wrong labels over the other sources, the worst first.

    Parameters
    ----------
    codes : ndarray of shape (n,)
        The labels as they are given.
    prediction : ndarray of shape (n, n_classes)
        Out-of-fold probabilities.
    sources : Series of shape (n,)
        Where each label came from; rows without are left out.
    blocks : ndarray of shape (n,), optional
        Which rows hang together.

    Returns
    -------
    list of dict
        ``source``, ``rows``, ``share`` of the rows, ``value``, ``low``, ``high`` (the excess rate, its interval at a
        level corrected for the number of sources), and ``bad``: whether the low end is above 0. Sources of fewer than
        10 rows or 5 blocks are left out.

    Notes
    -----
    Rows are compared with those of the other sources at the same confidence of the model, in ten strata, as in the
    direct standardisation of rates. Where a label is wrong with chance r, to each other class alike, a row that the
    model contradicts with chance e is contradicted with e + r (1 - e - e / (k - 1)), which gives r. Its standard error
    is that of the sum of the rows' influences, by blocks (Liang & Zeger 1986). As r makes a source's own influences sum
    to zero, those of one block would always, and of few nearly: the variance is as of a source's own blocks less one,
    and the degrees of freedom as of the effective number of blocks (Carter, Schnepel & Steigerwald 2017), the source's
    or the rest's, whichever are fewer.
    """
    known = sources.notna().to_numpy()
    names = sources[known].astype("str").to_numpy()
    k = prediction.shape[1]
    wrong = (prediction.argmax(axis=1) != codes)[known].astype(float)
    sure = prediction.max(axis=1)[known]
    strata = np.searchsorted(np.quantile(sure, np.linspace(0, 1, BINS + 1)[1:-1]), sure)
    cells = np.arange(known.sum()) if blocks is None else blocks[known]
    held = pd.Series(cells).groupby(names).agg(["size", "nunique"])
    judged = sorted(held.index[(held["size"] >= MIN_ROWS) & (held["nunique"] >= MIN_BLOCKS)])
    if len(judged) < 2:
        return []
    chance = (1 - LEVEL) / (2 * len(judged))
    found = []
    for name in judged:
        own = names == name
        mine, rest = (np.bincount(strata[rows], minlength=BINS).astype(float) for rows in (own, ~own))
        expected = np.bincount(strata[~own], weights=wrong[~own], minlength=BINS) / np.maximum(rest, 1)
        usable = (rest > 0)[strata]
        room = np.where(own & usable, (1 - expected - expected / (k - 1))[strata], 0.0)
        scale = float(room.sum())
        if scale <= 0:
            continue
        weight = np.where(own, 1.0, -(mine / np.maximum(rest, 1))[strata]) * usable
        excess = weight * (wrong - expected[strata])
        value = float(excess[own].sum()) / scale
        sums = np.bincount(cells, weights=excess - value * room)
        half = (
            _factor(np.bincount(cells[own]), np.bincount(cells[~own]), chance) * float(np.sqrt(np.sum(sums**2))) / scale
        )
        found.append(
            {
                "source": name,
                "rows": int(own.sum()),
                "share": float(own.sum() / len(codes)),
                "value": value,
                "low": value - half,
                "high": value + half,
                "bad": bool(value - half > 0),
            }
        )
    return sorted(found, key=lambda item: (-item["low"], item["source"]))


def _factor(own: NDArray[np.intp], rest: NDArray[np.intp], chance: float) -> float:
    """Return the multiple of the root of the sum of squares that is half an interval, given the rows in each block."""
    blocks = np.count_nonzero(own)
    freedom = min(float(rows.sum() ** 2 / np.sum(rows**2)) for rows in (own, rest)) - 1
    return float(student.ppf(1 - chance, max(freedom, 1.0)) * np.sqrt(blocks / (blocks - 1)))
