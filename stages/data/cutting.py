"""Cut a table into parts: by time, by whole groups, or by a seeded choice that keeps the shares of the classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from stages.errors import DataError

Ints = npt.NDArray[np.int64]
GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class By:
    """What a cut goes by: the columns of time, of group and of class, each if any."""

    time: str | None = None
    group: str | None = None
    strata: str | None = None


def cut(frame: pd.DataFrame, shares: Sequence[float], by: By, seed: int) -> list[pd.DataFrame]:
    """Cut ``frame`` into ``len(shares)`` parts; every row is in exactly one of them.

    Parameters
    ----------
    frame : DataFrame
        At least as many rows (groups, when cut by groups) as parts.
    shares : sequence of float
        Wanted shares of the rows, in order; they sum to 1.
    by : By
        With ``time``, earlier rows come into earlier parts and rows of one moment stay together where they can. With
        ``group``, the rows of a group stay together; with both, groups come in the order of their first row.
        Otherwise rows are chosen by ``seed``, and each class of ``strata`` is spread over the parts in their shares.
    seed : int
        Seed of the choice.

    Returns
    -------
    list of DataFrame
        The parts, none of them empty; in the order of time, or else in that of ``frame``.

    Raises
    ------
    DataError
        If there are too few rows or groups.
    """
    units = frame[by.group].nunique() if by.group else len(frame)
    if units < len(shares):
        what = f"groups in column {by.group!r}" if by.group else "rows"
        raise DataError(
            f"{units} {what} cannot make {len(shares)} parts",
            where="data/split",
            expected=f"at least {len(shares)} {what}",
            todo="collect more rows" + (", or choose another data.source.group" if by.group else ""),
        )
    if by.time:
        frame = frame.sort_values(by.time, kind="stable")
    if by.group:
        part = _by_group(frame[by.group], shares, None if by.time else seed)
    elif by.time:
        part = _by_time(frame[by.time], shares)
    else:
        strata = frame[by.strata] if by.strata else pd.Series(0, index=frame.index)
        part = _by_chance(strata, shares, seed)
    return [frame[part == index].reset_index(drop=True) for index in range(len(shares))]


def _by_time(time: pd.Series, shares: Sequence[float]) -> Ints:
    """Return the part of each row of a sorted time column."""
    wanted = _bounds(np.cumsum(shares)[:-1] * len(time), len(time))
    # Each bound moves back to the first row of its moment, unless that would empty a part.
    moments = np.searchsorted(time.to_numpy(), time.to_numpy()[wanted], side="left")
    moved = np.array([0, *moments, len(time)])
    bounds = moments if bool((np.diff(moved) > 0).all()) else wanted
    return np.searchsorted(bounds, np.arange(len(time)), side="right")


def _by_group(group: pd.Series, shares: Sequence[float], seed: int | None) -> Ints:
    """Return the part of each row; groups in order of appearance, or shuffled by ``seed``."""
    codes, names = pd.factorize(group, sort=seed is not None)
    order = np.arange(len(names)) if seed is None else np.random.default_rng(seed).permutation(len(names))
    sizes = np.bincount(codes, minlength=len(names))[order]
    middle = np.cumsum(sizes) - sizes / 2
    bounds = _bounds(np.searchsorted(middle, np.cumsum(shares)[:-1] * len(group)), len(names))
    part_of_group = np.empty(len(names), dtype="int64")
    part_of_group[order] = np.searchsorted(bounds, np.arange(len(names)), side="right")
    return part_of_group[codes]


def _by_chance(strata: pd.Series, shares: Sequence[float], seed: int) -> Ints:
    """Return the part of each row by systematic sampling within classes.

    Rows are shuffled, laid out class by class and dealt by the golden-ratio sequence, whose every stretch is spread
    evenly over [0, 1): each class and the whole meet the shares to about a row.
    """
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(len(strata))
    codes = pd.factorize(strata, sort=True)[0]
    order = shuffled[np.argsort(codes[shuffled], kind="stable")]
    dealt = (generator.random() + GOLDEN * np.arange(len(order))) % 1.0
    # The ranks of the sequence instead of its values make the totals exact.
    bounds = _bounds(np.cumsum(shares)[:-1] * len(order), len(order))
    part = np.empty(len(order), dtype="int64")
    part[order] = np.searchsorted(bounds, np.argsort(np.argsort(dealt)), side="right")
    return part


def _bounds(wanted: npt.ArrayLike, count: int) -> Ints:
    """Round wanted bounds so that every part holds at least one of ``count`` units."""
    bounds = np.rint(np.asarray(wanted, dtype="float64")).astype("int64")
    low = np.arange(1, len(bounds) + 1)
    bounds = np.maximum.accumulate(np.maximum(bounds - low, 0)) + low
    return np.asarray(np.minimum(bounds, count - low[::-1]), dtype="int64")
