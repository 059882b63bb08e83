"""How long requests took: counted by minute, release and endpoint in the database of the log of predictions.

Each process that answers keeps the counts of its present minutes and writes them over what it wrote before, so that a
write which is done twice counts once; what is read is the sum over processes.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import threading
import time
import uuid
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Integer, String, Table, Text, select
from sqlalchemy.dialects import postgresql, sqlite

from stages.errors import DataError
from stages.production.log import METADATA, PredictionLog, Writer

# The upper ends of the buckets, milliseconds; what took longer is in one more.
MS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000, 1500, 2000, 3000, 5000, 10_000)
ENDPOINTS = ("/predict", "/predict/batch", "/feedback")

LATENCIES = Table(
    "latencies",
    METADATA,
    Column("minute", String(16), primary_key=True),  # of its end; ISO 8601, UTC
    Column("release", String(12), primary_key=True),
    Column("endpoint", String(32), primary_key=True),
    Column("process", String(32), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("errors", Integer, nullable=False),  # of these, those that were told 500 and more
    Column("buckets", Text, nullable=False),  # how many of them in each, JSON
)
Key = tuple[int, str, str]
Row = dict[str, Any]


class Latencies:
    """The counts of one process. `count` may be called from one thread while another one writes."""

    def __init__(self) -> None:
        self.process = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._counts: dict[Key, list[int]] = {}  # errors, then the buckets
        self._changed: set[Key] = set()

    def count(self, release: str, endpoint: str, seconds: float, *, failed: bool = False) -> None:
        """Count a request that ends now."""
        key = (int(time.time() // 60), release, endpoint)
        with self._lock:
            counts = self._counts.get(key)
            if counts is None:
                counts = self._counts[key] = [0] * (len(MS) + 2)
            counts[0] += failed
            counts[1 + bisect_left(MS, 1000 * seconds)] += 1
            self._changed.add(key)

    def write(self, through: Callable[[Callable[[Writer], None]], None]) -> None:
        """Write what changed since the last time, through what keeps a transaction; what fails is written next time."""
        with self._lock:
            changed, self._changed = self._changed, set()
            rows = [self._row(key) for key in sorted(changed)]
        if not rows:
            return
        try:
            through(lambda writer: write(writer, rows))
        except DataError:
            with self._lock:
                self._changed |= changed
            raise
        before = int(time.time() // 60) - 1
        with self._lock:
            self._counts = {
                key: counts for key, counts in self._counts.items() if key[0] >= before or key in self._changed
            }

    def _row(self, key: Key) -> Row:
        minute, release, endpoint = key
        errors, *buckets = self._counts[key]
        return {
            "minute": dt.datetime.fromtimestamp(60 * minute, dt.UTC).strftime("%Y-%m-%dT%H:%M"),
            "release": release,
            "endpoint": endpoint,
            "process": self.process,
            "count": sum(buckets),
            "errors": errors,
            "buckets": json.dumps(buckets),
        }


def write(writer: Writer, rows: Sequence[Row]) -> None:
    """Write counts over those of the same minute, release, endpoint and process."""
    dialect = postgresql if writer.connection.dialect.name == "postgresql" else sqlite
    insert = dialect.insert(LATENCIES)
    counted = {name: insert.excluded[name] for name in ("count", "errors", "buckets")}
    key = [column.name for column in LATENCIES.primary_key]
    writer.connection.execute(insert.on_conflict_do_update(index_elements=key, set_=counted), list(rows))


def read(project: Path, since: str) -> list[Row]:
    """Return what was counted since a moment, by minute, release and endpoint, the oldest first.

    Parameters
    ----------
    project : Path
        The project.
    since : str
        ISO 8601, in UTC where it does not say; all of its minute counts.

    Returns
    -------
    list of dict
        ``minute``, ``release``, ``endpoint``, ``count``, ``errors`` and ``buckets``, how many took up to each of `MS`
        milliseconds and at the end how many took longer. What a client did wrong (4xx) is not in it.

    Raises
    ------
    DataError
        If ``since`` is no moment, or the database cannot be used.
    """
    asked = select(LATENCIES).where(LATENCIES.c.minute >= _minute(since))
    order = [LATENCIES.c[name] for name in ("minute", "release", "endpoint", "process")]
    summed: dict[tuple[str, ...], Row] = {}
    for row in PredictionLog(project).fetch([asked.order_by(*order)]):
        key = (row["minute"], row["release"], row["endpoint"])
        one = summed.setdefault(
            key,
            dict(zip(("minute", "release", "endpoint"), key, strict=True))
            | {"count": 0, "errors": 0, "buckets": [0] * (len(MS) + 1)},
        )
        one["count"] += row["count"]
        one["errors"] += row["errors"]
        one["buckets"] = [a + b for a, b in zip(one["buckets"], json.loads(row["buckets"]), strict=True)]
    return list(summed.values())


def summary(rows: Iterable[Mapping[str, Any]], bound_ms: float | None = None, level: float = 0.95) -> dict[str, Any]:
    """Return how long the requests of some rows of `read` took: a pure function.

    Parameters
    ----------
    rows : iterable of mapping
        What `read` returned, or a part of it.
    bound_ms : float, optional
        What a request may take. What lies in a bucket that ends beyond it counts as slower, so the share is never told
        too small; one of `MS` loses nothing.
    level : float
        Of the interval.

    Returns
    -------
    dict
        ``count``, ``errors``, ``p50_ms`` and ``p99_ms`` (the upper end of the bucket that the request lies in, infinite
        beyond the last one; None of none), and ``slower``, None without a bound: ``value``, ``low`` and ``high``, the
        interval of Clopper & Pearson (1934). It takes requests for independent, which those of a slow minute are not.

    Examples
    --------
    >>> found = summary([{"errors": 0, "buckets": [90, 0, 0, 10, *[0] * 20]}], bound_ms=3)
    >>> found["count"], found["p50_ms"], found["p99_ms"], found["slower"]["value"]
    (100, 1.0, 5.0, 0.1)
    """
    kept = list(rows)
    buckets = [sum(column) for column in zip(*(row["buckets"] for row in kept), strict=True)] or [0] * (len(MS) + 1)
    count = sum(buckets)
    slower = None
    if bound_ms is not None:
        late = sum(buckets[bisect_left(MS, math.nextafter(bound_ms, math.inf)) :])
        slower = _share(late, count, level)
    return {
        "count": count,
        "errors": sum(int(row["errors"]) for row in kept),
        "p50_ms": _quantile(buckets, 0.5),
        "p99_ms": _quantile(buckets, 0.99),
        "slower": slower,
    }


def _quantile(buckets: Sequence[int], share: float) -> float | None:
    count = sum(buckets)
    if not count:
        return None
    wanted, seen = math.ceil(share * count), 0
    for end, here in zip((*MS, math.inf), buckets, strict=True):
        seen += here
        if seen >= wanted:
            return float(end)
    return math.inf


def _share(part: int, whole: int, level: float) -> dict[str, float | None]:
    if not whole:
        return {"value": None, "low": None, "high": None}
    from scipy.stats import binomtest

    found = binomtest(part, whole).proportion_ci(level, method="exact")
    return {"value": part / whole, "low": float(found.low), "high": float(found.high)}


def _minute(since: str) -> str:
    try:
        moment = dt.datetime.fromisoformat(since)
    except ValueError:
        raise DataError(f"{since!r} is no moment", where="since", expected="ISO 8601, such as 2024-05-01") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M")
