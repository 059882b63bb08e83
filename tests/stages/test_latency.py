"""Latencies: what is written twice counts once, processes are summed, and figures are never told too small."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.errors import DataError
from stages.files import write_json
from stages.production.latency import MS, Latencies, read, summary
from stages.production.log import PredictionLog, Writer
from tests.stages.releasing import many_kinds, params_of

LONG_AGO = "2024-01-01"


@pytest.fixture(params=["sqlite", "postgresql"])
def project(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    settings: dict[str, Any] = {}
    if request.param == "postgresql":
        monkeypatch.setenv("PREDICTIONS", request.getfixturevalue("postgres"))
        settings = {"log": {"url_env": "PREDICTIONS"}}
    write_json(tmp_path / "params.yaml", params_of(many_kinds(), {}, deployment=settings))
    if request.param == "postgresql":
        from sqlalchemy import text

        with PredictionLog(tmp_path).engine.begin() as connection:
            connection.execute(text("drop table if exists latencies"))
    return tmp_path


def through(project: Path) -> Callable[[Callable[[Writer], None]], None]:
    def write(what: Callable[[Writer], None]) -> None:
        with PredictionLog(project).writing() as writer:
            what(writer)

    return write


def test_counts_of_processes_are_summed_and_written_over(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.production.latency.time.time", lambda: 1_700_000_000.0)
    one, other = Latencies(), Latencies()
    one.count("r", "/predict", 0.0015)
    one.write(through(project))
    one.count("r", "/predict", 0.0015, failed=True)
    one.count("s", "/predict", 99.0)
    one.write(through(project))
    one.write(through(project))  # nothing is new
    other.count("r", "/predict", 0.001)
    other.write(through(project))
    rows = read(project, "2023-11-14T22:13:59+00:00")
    assert [(row["release"], row["count"], row["errors"], row["buckets"][:3]) for row in rows] == [
        ("r", 3, 1, [1, 2, 0]),
        ("s", 1, 0, [0, 0, 0]),
    ]
    assert rows[1]["buckets"][-1] == 1
    assert read(project, "2023-11-14T23:14:00+01:00") == []


def test_what_cannot_be_written_is_written_next_time(project: Path) -> None:
    counts = Latencies()
    counts.count("r", "/predict", 0.002)

    def fail(what: Callable[[Writer], None]) -> None:
        raise DataError("locked")

    with pytest.raises(DataError):
        counts.write(fail)
    counts.write(through(project))
    assert [row["count"] for row in read(project, LONG_AGO)] == [1]


def test_what_is_no_moment_is_said(project: Path) -> None:
    with pytest.raises(DataError, match="is no moment"):
        read(project, "yesterday")


@given(st.lists(st.floats(0, 20_000), min_size=1, max_size=60), st.sampled_from(MS))
def test_figures_are_the_ends_of_the_buckets_that_the_requests_lie_in(times: list[float], bound: int) -> None:
    counts = Latencies()
    for ms in times:
        counts.count("r", "/predict", ms / 1000)
    rows = [row | {"buckets": json.loads(row["buckets"])} for row in map(counts._row, counts._counts)]
    found = summary(rows, bound)
    seconds = [1000 * (ms / 1000) for ms in times]
    for share, name in ((0.5, "p50_ms"), (0.99, "p99_ms")):
        exact = sorted(seconds)[math.ceil(share * len(times)) - 1]
        assert found[name] == min((end for end in MS if end >= exact), default=math.inf)
    assert found["slower"]["value"] == np.mean([ms > bound for ms in seconds])
    assert found["slower"]["low"] <= found["slower"]["value"] <= found["slower"]["high"]
    whole = summary(rows[:0], bound)
    assert (whole["count"], whole["p99_ms"], whole["slower"]["value"]) == (0, None, None)
    between = summary(rows, bound - 0.5)["slower"]["value"]
    assert between >= found["slower"]["value"]


def test_the_interval_is_the_exact_one() -> None:
    rows = [{"errors": 0, "buckets": [97, *[0] * (len(MS) - 1), 3]}]
    slower = summary(rows, 100)["slower"]
    # Clopper & Pearson for 3 of 100
    assert (slower["low"], slower["high"]) == (pytest.approx(0.006230, abs=1e-5), pytest.approx(0.085176, abs=1e-5))
