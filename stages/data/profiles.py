"""Profiles: what the columns of a window look like, small enough to keep beside the suite and to compare with later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Profile = dict[str, Any]
Floats = npt.NDArray[np.float64]

PROFILE = "profile.json"
ROLES = ("target", "time", "group", "key", "label_source")
QUANTILES = 100
LEVELS = (np.arange(QUANTILES) + 0.5) / QUANTILES
MAX_VALUES = 100
# As many slices as have 30 rows each, within these bounds; fewer rows than a slice can be of tell no scale.
FEWEST_SLICES, SLICES, MIN_SLICE = 4, 8, 30
MIN_ROWS = 28
MIN_SHARE = 0.1  # so many of the values must be other than 0 to have a scale
EQUAL = 1e-9


def profile_of(frame: pd.DataFrame, schema: dict[str, Any]) -> Profile:
    """Return the profile of a window or pilot.

    Parameters
    ----------
    frame : DataFrame, shape (n_rows, n_columns)
        In the order of time, when there is one.
    schema : dict
        The content of ``data/schema.json``.

    Returns
    -------
    dict
        ``rows``; ``known``, every column of the source; ``columns``: feature (and a numeric target) -> its ``kind``,
        ``missing`` (share), and ``values``: of numbers 100 quantiles, of categories the share of each of the 100 most
        frequent. Of numbers also how many values there are (``count``), ``spread``, see `log_spread`, over how many
        ``slices``, and ``enough``: whether rows are many enough for it.
    """
    kinds = dict(schema["features"])
    if schema["classes"] is None:
        kinds[schema["target"]] = "number"
    known = {name for group in schema["feature_groups"].values() for name in group} | set(schema["dropped"])
    known |= {schema[role] for role in ROLES if schema.get(role)}
    columns = {
        str(name): _column(pd.Series(frame[name]), kind) for name, kind in kinds.items() if name in frame.columns
    }
    return {"rows": len(frame), "known": sorted(known | set(kinds)), "columns": columns}


def profile_path(suite: str) -> Path:
    """Return where the profile that goes with a suite is stored."""
    return Path(suite).with_name(PROFILE)


def log_ratio(old: Floats, new: Floats) -> float | None:
    """Return the logarithm of the factor between two sets of quantiles, the median over levels; None without one.

    Zeros have no scale: only the other values are compared, a tenth of all at least. Only levels at which both have the
    same sign say something of a factor; they must be at least half. Of a column with both signs the half of the levels
    that is nearer to zero is left out, as a little shift there is a large factor.
    """
    old, new = _other_than_zero(old), _other_than_zero(new)
    if not (len(old) and len(new)):
        return None
    alike = old * new > 0
    if old.min() < 0 < old.max():
        size = np.abs(old)
        far = size >= np.median(size)
        old, new, alike = old[far], new[far], alike[far]
    if alike.mean() < 0.5:
        return None
    return float(np.median(np.log(new[alike] / old[alike])))


def distance(old: Floats, new: Floats) -> float:
    """Return the Kolmogorov-Smirnov distance of two distributions given by their quantiles, to about 0.01."""
    at = np.concatenate([old, new])
    at = at + EQUAL * np.abs(at)  # a value that was multiplied and divided again is the same value
    below = [np.searchsorted(side, at, "right") / len(side) for side in (old, new)]
    return float(np.abs(below[0] - below[1]).max())


def _column(column: pd.Series[Any], kind: str) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": kind, "missing": float(column.isna().mean())}
    if kind == "category":
        shares = column.dropna().astype("str").value_counts(normalize=True).sort_index(kind="stable")
        top = shares.sort_values(ascending=False, kind="stable").head(MAX_VALUES)
        return found | {"values": {str(name): float(share) for name, share in top.items()}}
    numbers = column.dropna().to_numpy(dtype="float64")
    whole, enough = _quantiles(numbers), len(numbers) >= MIN_ROWS
    slices = int(np.clip(len(numbers) // MIN_SLICE, FEWEST_SLICES, SLICES))
    spread = log_spread(numbers, whole, slices) if enough else None
    return found | {
        "values": whole.tolist(),
        "count": len(numbers),
        "enough": enough,
        "slices": slices,
        "spread": spread,
    }


def log_spread(numbers: Floats, whole: Floats, slices: int) -> float | None:
    """Return how far the scale of a column may be off by itself, as a deviation of its logarithm.

    Over slices in the order of the rows, the logarithm of the scale has the variance of drift (season, week, customer)
    plus that of sampling; over slices of shuffled rows it has that of sampling alone. Drift does not average out,
    sampling does: the variance returned is drift + sampling / slices. None where a slice has no scale, as of a column
    that is all but zero.
    """
    shuffled = np.random.default_rng(0).permutation(numbers)
    parts = [_slice_variance(rows, whole, slices) for rows in (numbers, shuffled)]
    if parts[0] is None or parts[1] is None:
        return None
    return float(np.sqrt(max(0.0, parts[0] - parts[1]) + parts[1] / slices))


def _slice_variance(numbers: Floats, whole: Floats, slices: int) -> float | None:
    ratios = [log_ratio(whole, _quantiles(part)) for part in np.array_split(numbers, slices)]
    found = [ratio for ratio in ratios if ratio is not None]
    return float(np.var(found, ddof=1)) if len(found) == slices else None


def _other_than_zero(values: Floats) -> Floats:
    """Return quantiles of the values other than zero, as many as were given; none where nearly all are zero."""
    kept = values[values != 0]
    return kept if len(kept) == len(values) else _quantiles(kept) if len(kept) >= MIN_SHARE * len(values) else kept[:0]


def _quantiles(numbers: Floats) -> Floats:
    # Of the inverted CDF a quantile is a value that is there, and a factor keeps its rank.
    return np.quantile(numbers, LEVELS, method="inverted_cdf") if len(numbers) else np.empty(0)
