"""Which rows are not independent of each other: those of one group, or of one day.

An interval that takes them for independent is too narrow, and a test that tears them apart finds what is not there: the
flights of one hour share their weather, so a classifier knows the hour again by it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Blocks = NDArray[np.intp]
MIN_BLOCKS = 5  # fewer do not tell how much they vary
MIN_DAYS = 5
SLICES = 20


def blocks_of(frame: pd.DataFrame, schema: dict[str, Any]) -> Blocks | None:
    """Return the block of each row, (n,), numbered from 0; None where the table says nothing but that rows are rows.

    A block is a group, else a day; where there are fewer than five days, one of twenty slices of the time.
    """
    if schema["group"]:
        return _codes(frame[schema["group"]])
    if not schema["time"]:
        return None
    time = frame[schema["time"]]
    if pd.api.types.is_datetime64_any_dtype(time.dtype):
        days = _codes(time.dt.normalize())
        if days.max() + 1 >= MIN_DAYS:
            return days
    return _codes(time.rank(method="min", pct=True).mul(SLICES).apply(np.ceil))


def _codes(values: pd.Series[Any]) -> Blocks:
    return np.asarray(pd.factorize(values, sort=True)[0], dtype=np.intp)
