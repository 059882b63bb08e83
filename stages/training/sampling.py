"""How an interval is drawn, and which rows a check looks at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.data.blocks import Blocks
from stages.params import Bootstrap


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
