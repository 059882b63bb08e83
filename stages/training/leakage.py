"""Target leakage: features that give the target away, timestamps from the future, rows that training knows already."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from stages.data.blocks import blocks_of
from stages.data.copies import by_chance, copied, hashed
from stages.params import Checks
from stages.training.features_alone import MIN_ROWS, features_alone
from stages.training.findings import wilson
from stages.training.metrics import Array
from stages.training.sampling import Sampling

Schema = dict[str, Any]
YEAR, MOSTLY = 366, 0.95


def look_for_leaks(
    train: pd.DataFrame, valid: pd.DataFrame, schema: Schema, task: str, limits: Checks, sampling: Sampling
) -> dict[str, Any]:
    """Return what may leak: ``alone``, ``future`` and ``copies``, as functions below have it, and how many features."""
    return {
        "features": len(schema["features"]),
        "alone": features_alone(train, schema, task, blocks_of(train, schema), limits, sampling),
        "future": future_timestamps(train, schema),
        "copies": copies(train, valid, schema),
    }


def copies(train: pd.DataFrame, valid: pd.DataFrame, schema: Schema) -> dict[str, Any]:
    """Return how many validation rows have the features of a training row, and their share without chance's.

    Numbers nearer than a thousandth of their interquartile range count as the same. The interval is that of a share
    (Wilson 1927); the part that chance explains (see `stages.data.copies.by_chance`) is taken off it.
    """
    found: dict[str, Any] = {"rows": 0, "of": len(valid), "by_chance": 0.0, "first": None}
    if min(len(train), len(valid)) < MIN_ROWS // 2:
        return found | {"value": None, "low": None, "high": None}
    rows = hashed(train, valid, schema)
    again = copied(rows)
    share = wilson(int(again.sum()), len(again))
    if again.any():
        at = int(np.argmax(again))
        before, after = rows.whole()
        chance = by_chance(rows)
        first = {"row": at, "of": int(np.argmax(before == after[at]))}
        found |= {"rows": int(again.sum()), "by_chance": chance, "first": first}
        share = {key: value * (1 - chance) for key, value in share.items()}
    return found | share


def future_timestamps(frame: pd.DataFrame, schema: Schema) -> list[dict[str, Any]]:
    """Return the features that are times, and the share of rows in which they lie after the row's own time.

    A feature is taken for a time when nearly all its values, read as days, seconds or milliseconds since 1970, lie
    within a year of the rows' own times. A time at a constant distance, such as a forecast's, tells no more than the
    row's own time and is left out.
    """
    name = schema["time"]
    if not name or len(frame) < MIN_ROWS:
        return []
    own = frame[str(name)]
    found = []
    for feature, kind in schema["features"].items():
        values = frame[feature].to_numpy(dtype="float64") if kind == "number" else np.array([])
        ahead = _ahead(values, own) if np.isfinite(values).sum() >= MIN_ROWS else None
        if ahead is None or np.nanstd(ahead) <= 1e-9 * max(1.0, float(np.nanmax(np.abs(ahead)))):
            continue
        later = ahead[np.isfinite(ahead)] > 0
        first = int(np.argmax(np.nan_to_num(ahead, nan=-1.0) > 0))
        item = {"feature": feature, **wilson(int(later.sum()), len(later)), "rows": int(later.sum())}
        found.append(item | ({"first": {"row": first, "time": str(own.iloc[first])}} if later.any() else {}))
    return sorted(found, key=lambda item: (-item["value"], item["feature"]))


def _ahead(values: Array, own: pd.Series[Any]) -> Array | None:
    """Return how many days each value lies after the row's own time; None if it is no time.

    Beside a time that is a plain number nothing can be told: an odometer or a model year follows it as a time would.
    """
    if not pd.api.types.is_datetime64_any_dtype(own.dtype):
        return None
    days = np.asarray(
        (own.dt.tz_convert("UTC") - pd.Timestamp("1970-01-01", tz="UTC")).to_numpy() / np.timedelta64(1, "D")
    )
    known = np.isfinite(values)
    for unit in (1.0, 86_400.0, 86_400e3):
        ahead = np.asarray(values / unit - days)
        if np.mean(np.abs(ahead[known]) < YEAR) >= MOSTLY:
            # A time column of whole days says nothing of the hour.
            return np.floor(values / unit) - days if np.all(days == np.floor(days)) else ahead
    return None
