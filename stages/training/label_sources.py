"""Where labels came from, and whether those of one source are worse than the others': told even where rows are hard."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from stages.data.blocks import Blocks
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
        10 rows are left out.

    Notes
    -----
    Rows are compared with those of the other sources at the same confidence of the model, in ten strata, as in the
    direct standardisation of rates. Where a label is wrong with chance r, to each other class alike, a row that the
    model contradicts with chance e is contradicted with e + r (1 - e - e / (k - 1)), which gives r. Its standard error
    is that of the sum of the rows' influences, by blocks (Liang & Zeger 1986), of as many degrees of freedom less one.
    """
    known = sources.notna().to_numpy()
    names = sources[known].astype("str").to_numpy()
    k = prediction.shape[1]
    wrong = (prediction.argmax(axis=1) != codes)[known].astype(float)
    sure = prediction.max(axis=1)[known]
    strata = np.searchsorted(np.quantile(sure, np.linspace(0, 1, BINS + 1)[1:-1]), sure)
    cells = np.arange(known.sum()) if blocks is None else blocks[known]
    sizes = pd.Series(names).value_counts()
    judged = sorted(sizes.index[sizes >= MIN_ROWS])
    if len(judged) < 2:
        return []
    freedom = len(np.unique(cells)) - 1
    if freedom < 1:
        return []
    quantile = float(student.ppf(1 - (1 - LEVEL) / (2 * len(judged)), freedom))
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
        half = quantile * float(np.sqrt(np.sum(sums**2))) / scale
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
