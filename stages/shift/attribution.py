"""Which features are responsible: each is put back as it was, and what the model then regains is measured.

Numbers go back by their quantiles, so that a changed unit or a drift is undone and every row keeps its rank; categories
and missing values go back in as few rows as make the shares what they were. What only two features together tell is not
seen, nor what changed in the outcome itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from stages.data.blocks import Blocks
from stages.shift.comparing import difference
from stages.shift.drop import Losses
from stages.shift.sides import Array

WORTH = 0.01


def responsible(
    before: pd.DataFrame,
    after: pd.DataFrame,
    features: Sequence[tuple[str, str]],
    predict: Callable[[pd.DataFrame], Array],
    losses: Losses,
    blocks: Blocks | None,
    *,
    level: float,
    seed: int,
) -> list[dict[str, Any]]:
    """Return the features in the order of their blame.

    Parameters
    ----------
    before, after : DataFrame
        Earlier rows, and m later ones.
    features : sequence of (name, kind)
        Those to look at; the cost is one prediction of the later rows each.
    predict : callable
        DataFrame -> predictions, as in ``losses``.
    losses : Losses
        The m later rows.
    blocks : array of shape (m,), optional
        Which of the later rows hang together.
    level : float
        Coverage of the intervals.
    seed : int
        Seed of every choice.

    Returns
    -------
    list of dict
        ``feature``; ``regained``, the loss that goes away when the feature is put back, as a share of the constant's
        loss, with an interval; ``moves``, the mean absolute change of the prediction. Those that surely regain more
        than a hundredth come first, by how much; then the others, by how much they move the prediction: a reading that
        is wrong in some rows only cannot be put right by its quantiles.
    """
    whole = float(losses.constant(np.ones(len(losses.target))).mean()) or 1.0
    found = []
    for name, kind in features:
        column = restored(before[name], after[name], kind, seed)
        put_back = Losses(losses.task, losses.target, predict(after.assign(**{name: column})))
        gain = (losses.model - put_back.model) / whole
        value = float(gain.mean())
        regained = difference(value, (gain - value,), (blocks,)).figure(level)
        moves = float(np.abs(put_back.prediction - losses.prediction).mean())
        found.append({"feature": name, "regained": regained, "moves": moves})
    return sorted(found, key=_blame)


def restored(before: pd.Series[Any], after: pd.Series[Any], kind: str, seed: int) -> pd.Series[Any]:
    """Return ``after`` with the distribution of ``before``, changed in as few places as that takes."""
    random = np.random.default_rng(seed)
    if kind == "number":
        return _by_quantiles(before, after.astype("float64"), random)
    codes, names = pd.factorize(pd.concat([before, after]).astype(object), use_na_sentinel=False)
    one, two = codes[: len(before)], codes[len(before) :]
    return pd.Series(names[_coupled(one, two, len(names), random)], index=after.index, dtype=object).astype(after.dtype)


def _by_quantiles(before: pd.Series[Any], after: pd.Series[Any], random: np.random.Generator) -> pd.Series[Any]:
    one, values = np.sort(before.dropna().to_numpy(dtype=float)), after.to_numpy(dtype=float).copy()
    if not len(one):
        return after
    there = ~np.isnan(values)
    two = np.sort(values[there])
    if len(two):
        rank = (
            (np.searchsorted(two, values[there], "left") + np.searchsorted(two, values[there], "right")) / 2 / len(two)
        )
        values[there] = np.quantile(one, rank)
    excess = round((~there).sum() - len(values) * before.isna().mean())
    if excess > 0:
        filled = random.choice(np.flatnonzero(~there), excess, replace=False)
        values[filled] = random.choice(one, excess)
    elif excess < 0:
        values[random.choice(np.flatnonzero(there), -excess, replace=False)] = np.nan
    return pd.Series(values, index=after.index)


def _coupled(one: Any, two: Any, k: int, random: np.random.Generator) -> Any:
    """Move as few of the later codes as give them the earlier shares."""
    wanted = np.bincount(one, minlength=k) / len(one) * len(two)
    counts = np.bincount(two, minlength=k)
    excess = np.maximum(np.rint(counts - wanted), 0).astype(np.intp)
    found = two.copy()
    moved = np.concatenate(
        [random.choice(np.flatnonzero(two == code), excess[code], replace=False) for code in np.flatnonzero(excess)]
        or [np.empty(0, dtype=np.intp)]
    ).astype(np.intp)
    lacking = np.maximum(wanted - counts, 0)
    if len(moved) and lacking.sum() > 0:
        found[moved] = random.choice(k, len(moved), p=lacking / lacking.sum())
    return found


def _blame(item: dict[str, Any]) -> tuple[bool, float, str]:
    low = item["regained"]["low"]
    surely = low is not None and low > WORTH
    return not surely, -(item["regained"]["value"] if surely else item["moves"]), item["feature"]
