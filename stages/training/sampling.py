"""How an interval is drawn, and which rows a check looks at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

from stages.data.blocks import MIN_BLOCKS, Blocks
from stages.params import Bootstrap
from stages.training.metrics import Array

Folds = list[tuple[NDArray[np.intp], NDArray[np.intp]]]
FOLDS = 3


@dataclass(frozen=True)
class Sampling:
    """Resamples, coverage and seed of a bootstrap."""

    n: int = 200
    level: float = 0.95
    seed: int = 0

    @classmethod
    def of(cls, options: Bootstrap, seed: int) -> Sampling:
        """Return what the params say."""
        return cls(options.n, options.level, seed)


def some(rows: int, most: int, seed: int) -> NDArray[np.intp]:
    """Return at most that many rows, in order, chosen by the seed."""
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def renumbered(blocks: Blocks | None, rows: NDArray[np.intp]) -> Blocks | None:
    """Return the blocks of some rows, numbered from 0 without gaps."""
    return None if blocks is None else np.unique(blocks[rows], return_inverse=True)[1].astype(np.intp)


def random_order(rows: int, blocks: Blocks | None, seed: int) -> NDArray[np.intp]:
    """Return the rows in random order, those of a block together."""
    blocks = np.arange(rows) if blocks is None else blocks
    place = np.random.default_rng(seed).permutation(int(blocks.max()) + 1)
    return np.asarray(np.argsort(place[blocks], kind="stable"))


def part_of(order: NDArray[np.intp], share: float, codes: Array | None) -> NDArray[np.intp]:
    """Return the beginning of an order, sorted, and a first row of each class (by its code) that is not in it."""
    chosen = order[: max(1, int(len(order) * share))]
    if codes is not None:
        placed = codes[order]
        first = [int(np.flatnonzero(placed == code)[0]) for code in np.unique(placed)]
        chosen = np.union1d(chosen, order[first])
    return np.sort(chosen)


def folds(target: Array, task: str, blocks: Blocks | None, seed: int) -> Folds:
    """Return folds that keep blocks whole, and classes in their shares where rows are rows; none if it cannot be."""
    rows = np.arange(len(target))
    if blocks is not None:
        return list(GroupKFold(FOLDS).split(rows, groups=blocks)) if blocks.max() + 1 >= MIN_BLOCKS else []
    if task == "classification" and np.bincount(target.astype(int)).max() >= FOLDS:
        return list(StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(rows, target))
    return list(KFold(FOLDS, shuffle=True, random_state=seed).split(rows))
