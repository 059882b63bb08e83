"""Each feature by itself: whether its distribution moved, its values are missing more often, or categories are new.

Every feature has a distance in [0, 1] between its distributions with an interval: Kolmogorov and Smirnov's for
numbers, the total variation for categories. One question is asked of its values and one of how often they are missing;
the p-values of all features together are adjusted for the false discovery rate (Benjamini & Hochberg 1995).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from stages.shift.comparing import Estimate, Pair, enough, mean_difference, units
from stages.shift.figures import size, within_one
from stages.shift.sides import Array, Rows, Sides
from stages.training.metrics import Figure, standard_error


@dataclass(frozen=True)
class Moved:
    """What was found of one feature's values, those that are not missing.

    ``distance`` has the standard error of a difference of two shares; ``p`` is that of "the same distribution", one for
    all the tests made of it; ``new`` is the share of later rows in categories that were not there before.
    """

    distance: Estimate
    p: float
    new: float = 0.0


def feature_shifts(sides: Sides, *, level: float) -> list[dict[str, Any]]:
    """Return what moved of each feature, the largest effect first.

    Returns
    -------
    list of dict
        ``feature``, ``kind``; ``distance``, ``missing`` and ``mean`` as figures with intervals that hold for all
        features together (Bonferroni); ``new``, the share of later rows whose category was not there before; ``p`` and
        ``p_missing``, adjusted over all features. ``effect`` is the larger of the distance and the change of the
        missing share, the figure that limits are held against, and ``p_effect`` the p-value that goes with it.
    """
    together = 1 - (1 - level) / max(1, len(sides.features))
    found = [_feature(sides, name, together) for name in sides.features]
    asked = [(at, key) for at, item in enumerate(found) for key in ("p", "p_missing") if item[key] is not None]
    adjusted = stats.false_discovery_control([found[at][key] for at, key in asked]) if asked else []
    for (at, key), p in zip(asked, adjusted, strict=True):
        found[at][key] = float(p)
    for item in found:
        by_missing = abs(item["missing"]["value"]) > (item["distance"]["value"] or 0.0)
        item["effect"] = size(item["missing"] if by_missing else item["distance"])
        item["p_effect"] = item["p_missing"] if by_missing else item["p"]
    return sorted(found, key=lambda item: (-(item["effect"]["value"] or 0.0), item["feature"]))


def smallest_p(found: list[dict[str, Any]]) -> float:
    """Return the p-value of "no feature moved at all": under that, Benjamini & Hochberg's control all errors."""
    return min((p for item in found for p in (item["p"], item["p_missing"]) if p is not None), default=1.0)


def _feature(sides: Sides, name: str, level: float) -> dict[str, Any]:
    before, after = sides.columns[name]
    gone = np.isnan(before), np.isnan(after)
    missing = mean_difference(gone[0].astype(float), gone[1].astype(float), sides.blocks)
    blocks = tuple(None if side is None else side[~out] for side, out in zip(sides.blocks, gone, strict=True))
    kept = before[~gone[0]], after[~gone[1]]
    of = _number if sides.features[name] == "number" else _category
    known = all(enough(len(values), side) for values, side in zip(kept, blocks, strict=True))
    moved = of(*kept, (blocks[0], blocks[1])) if known else Moved(Estimate(math.nan, math.nan, 1.0), math.nan)
    if known and of is _number:
        readings = [_raw(side, name)[~out] for side, out in zip((sides.before, sides.after), gone, strict=True)]
        p = _readings_p(readings[0], readings[1], (blocks[0], blocks[1]))
        moved = replace(moved, p=min(1.0, 2 * min(moved.p, p)))
    return {
        "feature": name,
        "kind": sides.features[name],
        "distance": within_one(moved.distance.figure(level)),
        "mean": _mean(sides, name, level) if of is _number else None,
        "missing": missing.figure(level),
        "new": moved.new,
        "p": None if math.isnan(moved.p) else moved.p,
        "p_missing": missing.p_other() if gone[0].any() or gone[1].any() else None,
    }


def _mean(sides: Sides, name: str, level: float) -> Figure:
    return _standardised(_raw(sides.before, name), _raw(sides.after, name), sides.blocks).figure(level)


def _raw(frame: pd.DataFrame, name: str) -> Array:
    return np.asarray(frame[name].to_numpy(dtype=float, na_value=np.nan), dtype=float)


def _number(before: Array, after: Array, blocks: Pair) -> Moved:
    """Test location by Wilcoxon's ranks (1945), spread by Mood's (1954), and the rest by Kolmogorov and Smirnov."""
    codes = before.astype(np.intp), after.astype(np.intp)
    bins = int(max(side.max() for side in codes)) + 1
    counts = [np.bincount(side, minlength=bins) for side in codes]
    gaps = np.cumsum(counts[0]) / len(before) - np.cumsum(counts[1]) / len(after)
    at = int(np.argmax(np.abs(gaps)))
    low = np.where(np.arange(bins) <= at, 1.0 if gaps[at] >= 0 else -1.0, 0.0)
    below = low[codes[0]], low[codes[1]]
    distance = mean_difference(below[1], below[0], (blocks[1], blocks[0]))
    both = counts[0] + counts[1]
    rank = np.asarray((np.cumsum(both) - both / 2) / both.sum() - 0.5, dtype=float)
    ps = [mean_difference(score[codes[0]], score[codes[1]], blocks).p_other() for score in (rank, rank**2)]
    ps.append(_kolmogorov_p(distance, below, blocks))
    return Moved(distance, min(1.0, len(ps) * min(ps)))


def _readings_p(before: Array, after: Array, blocks: Pair) -> float:
    """Return the p-value of "no new readings but such as are always to come", of a number that is read off a grid.

    Readings off the grid tell that the instrument has changed, however little they have moved; a move that small has no
    distance, so it is significant and does not matter. 1 for a number whose readings mostly occur once.
    """
    grid = np.unique(before)
    if len(grid) > len(before) / 2:
        return 1.0
    met, count = _incidence(np.searchsorted(grid, before), blocks[0], len(grid))
    new = np.setdiff1d(after, grid)  # a reading that comes often in a day is still one
    return _more_new(float(len(new)), int(np.sum(met == 1)), (count, units(len(after), blocks[1])))


def _kolmogorov_p(distance: Estimate, below: tuple[Array, Array], blocks: Pair) -> float:
    """Return the p-value of the distance, with as many rows as blocks of them are worth (Rao & Scott 1981)."""
    sizes = [len(part) / _design_effect(part, side) for part, side in zip(below, blocks, strict=True)]
    root = math.sqrt(sizes[0] * sizes[1] / (sizes[0] + sizes[1]))
    return float(stats.kstwobign.sf((root + 0.12 + 0.11 / root) * distance.value))  # Stephens (1970) for small samples


def _design_effect(values: Array, blocks: Any) -> float:
    """Return the variance of a mean over what it would be, were the rows independent; at least 1."""
    if blocks is None:
        return 1.0
    centred = values - values.mean()
    alone = standard_error(centred, None)
    return max(1.0, (standard_error(centred, blocks) / alone) ** 2) if alone > 0 else 1.0


def _standardised(before: Array, after: Array, blocks: Pair) -> Estimate:
    """Return the change of the mean in standard deviations, of values that may be missing."""
    kept = [np.isfinite(side) for side in (before, after)]
    one, two = before[kept[0]], after[kept[1]]
    if not len(one) or not len(two):
        return Estimate(math.nan, math.nan, 1.0)
    deviation = one.std() or two.std() or 1.0
    inside = [None if side is None else side[keep] for side, keep in zip(blocks, kept, strict=True)]
    moved = mean_difference(one, two, (inside[0], inside[1]))
    return Estimate(moved.value / deviation, moved.error / deviation, moved.freedom)


def _category(before: Array, after: Array, blocks: Pair) -> Moved:
    """Test the shares by Pearson's chi-square with Rao & Scott's correction (1981), as F with Thomas & Rao's (1987)."""
    codes = before.astype(np.intp), after.astype(np.intp)
    k = int(max(side.max() for side in codes)) + 1
    shares = [np.bincount(side, minlength=k) / len(side) for side in codes]
    score = np.sign(shares[1] - shares[0]) / 2
    distance = mean_difference(score[codes[0]], score[codes[1]], blocks)
    n = [len(side) for side in codes]
    pooled = (n[0] * shares[0] + n[1] * shares[1]) / sum(n)
    there = pooled > 0
    freedom = int(there.sum()) - 1
    new = float(shares[1][shares[0] == 0].sum())
    if freedom == 0:
        return Moved(distance, 1.0, new=new)
    pearson = float(np.sum((shares[1] - shares[0])[there] ** 2 / pooled[there]) / (1 / n[0] + 1 / n[1]))
    spread = [_variance(side, share, block, pooled) for side, share, block in zip(codes, shares, blocks, strict=True)]
    effect = max(1.0, sum(spread) / (freedom * (1 / n[0] + 1 / n[1])))
    spare = freedom * (sum(units(len(side), block) for side, block in zip(codes, blocks, strict=True)) - 2)
    p = min(float(stats.f.sf(pearson / effect / freedom, freedom, spare)), _unseen_p(codes, blocks, k))
    return Moved(distance, min(1.0, 2 * p), new=new)


def _unseen_p(codes: tuple[Rows, Rows], blocks: Pair, k: int) -> float:
    """Return the p-value of "no more rows of new categories than there always are".

    By Good and Turing (1953), a unit, a row or a block, brings as many categories not seen before as there are
    categories that one unit only has had, over the units: two counts, of which the later one is held against the share
    of the units that are later (the conditional test of two Poisson rates).
    """
    met, later = (_incidence(side, block, k) for side, block in zip(codes, blocks, strict=True))
    new, once = later[0][met[0] == 0].sum(), int(np.sum(met[0] == 1))
    return _more_new(float(new), once, (met[1], later[1]))


def _more_new(new: float, once: int, counts: tuple[int, int]) -> float:
    return float(stats.binom.sf(new - 1, new + once, counts[1] / sum(counts)))


def _incidence(codes: Rows, blocks: Any, k: int) -> tuple[Rows, int]:
    """Return in how many units each category is, (k,), and how many units there are."""
    if blocks is None:
        return np.bincount(codes, minlength=k), len(codes)
    block = np.unique(blocks, return_inverse=True)[1]
    pairs = np.unique(block * k + codes)
    return np.bincount(pairs % k, minlength=k), int(block.max()) + 1


def _variance(codes: Rows, shares: Array, blocks: Any, pooled: Array) -> float:
    """Return the variances of the shares, each over its pooled share, summed."""
    n, there = len(codes), pooled > 0
    if blocks is None:
        return float(np.sum((shares * (1 - shares))[there] / pooled[there]) / n)
    block = np.unique(blocks, return_inverse=True)[1]
    count = int(block.max()) + 1
    sums = np.bincount(block * len(shares) + codes, minlength=count * len(shares)).reshape(count, len(shares))
    centred = sums - np.bincount(block)[:, None] * shares
    return float(np.sum(np.sum(centred**2, axis=0)[there] / pooled[there]) * count / (count - 1) / n**2)
