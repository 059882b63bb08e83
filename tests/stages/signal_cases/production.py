"""The signals of production, on flights that no release has seen, dealt to days by chance: severity 0 moves nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from stages.params import Requirement, Shift, load_params
from stages.production.latency import MS
from stages.production.watch import performance, quality
from stages.production.watch.levels import figures, level_of
from stages.production.watch.look import nothing_released
from stages.production.watch.measuring import ALARMS, Looking, Past
from stages.production.watch.speed import production_latency
from stages.production.watch.stale import production_stale
from stages.signals import Signal
from stages.training.metrics import row_losses
from tests.stages.signal_cases import Case
from tests.stages.signal_cases.shift import drawn
from tests.stages.watching import START, dealt, seen, watched, without_hour

LEVEL = level_of(0.05, 1, ALARMS)


def data(rows: pd.DataFrame) -> Signal:
    """Hold rows to the expectations and the schema."""
    now = watched()
    return quality.production_data(now.project, now.reference, seen(rows), load_params(now.project), level=LEVEL)


def volume(rows: pd.DataFrame) -> Signal:
    """Count rows a day."""
    signal = quality.production_volume(watched().reference, seen(rows), 0.5, level=LEVEL)
    assert signal is not None
    return signal


def worse(rows: pd.DataFrame) -> Signal:
    """Hold labelled rows to the charter."""
    reference = watched().reference
    wanted = performance.rowwise(reference.work.requirements, reference.work.task)
    found = figures(reference.scorer(rows), list(wanted), level=LEVEL, seed=0)
    return performance.production_worse(found, wanted, len(rows))


def risk(rows: pd.DataFrame) -> Signal:
    """Bet on the advantage over the constant, day after day."""
    reference = watched().reference
    usual, later = (performance.advantage(scorer) for scorer in (reference.usual, reference.scorer(rows)))
    return performance.production_risk(usual, later, reference.usual_constant_loss, Shift(), 0.05 / ALARMS)


def estimated(rows: pd.DataFrame) -> Signal:
    """Expect a loss before labels are there."""
    reference = watched().reference
    found = performance.estimated(reference, rows.drop(columns="target"), level=LEVEL, seed=0)
    usual = float(reference.usual.losses.mean())
    return performance.production_estimated(found, usual, reference.usual_constant_loss, Shift(), "log_loss")


def moved(rows: pd.DataFrame) -> Signal:
    """Hold production against what was learned from."""
    now = watched()
    return Looking(now.project, load_params(now.project), now.reference, Past(1, [], None)).production_shift(
        rows, broken=False
    )


def stale(since: pd.DataFrame, rows: pd.DataFrame) -> Signal:
    """Fit the release's candidate again on what has come since."""
    reference = watched().reference
    return production_stale(reference, since, reference.scorer(rows), rows, 0.005, level=LEVEL)


def regressed(rows: pd.DataFrame) -> Signal:
    """Hold the release against the one before, which does not know the hour."""
    signal = performance.release_regressed(watched().reference, without_hour(), rows, level=LEVEL, seed=0)
    assert signal is not None
    return signal


def broken_sensor(severity: float, rows: int, seed: int) -> dict[str, Any]:
    """Let the wind be -999 in a share of the rows."""
    frame, random = watched().rows(rows, seed), np.random.default_rng(seed + 1)
    return {"rows": frame.assign(wind_speed=frame["wind_speed"].where(random.random(rows) >= severity, -999.0))}


def fewer(severity: float, rows: int, seed: int) -> dict[str, Any]:
    """Let a share of the rows stay away."""
    return {"rows": watched().rows(rows - int(severity * rows), seed)}


def turned(severity: float, rows: int, seed: int) -> dict[str, Any]:
    """Turn the outcome round on half as large a share of the rows."""
    frame, random = watched().rows(rows, seed), np.random.default_rng(seed + 1)
    kept = random.random(rows) >= severity / 2
    return {"rows": frame.assign(target=frame["target"].where(kept, 1 - frame["target"]))}


def backwards(severity: float, rows: int, seed: int) -> dict[str, Any]:
    """Let a clock run backwards in a share of the rows; the release goes by the hour."""
    frame, random = watched().rows(rows, seed), np.random.default_rng(seed + 1)
    return {"rows": frame.assign(hour=frame["hour"].where(random.random(rows) >= severity, 24.0 - frame["hour"]))}


def harder(severity: float, rows: int, seed: int) -> dict[str, Any]:
    """Let rows come the more often the less sure the release is of them."""
    now, random = watched(), np.random.default_rng(seed)
    chance = now.reference.released.predict(now.pool)
    losses = [row_losses("classification", np.full(len(chance), code), chance) for code in (0, 1)]
    unsure = (chance * np.stack(losses, axis=1)).sum(axis=1)
    weight = np.exp(12 * severity * (unsure - unsure.max()))
    return {"rows": dealt(drawn(now.pool, weight, rows, random), START, 28, random)}


def another_rule(severity: float, rows: int, seed: int) -> dict[str, Any]:
    """Let flights of one airport be late when they were in time, in a share of them, from the end of the pilot on."""
    random = np.random.default_rng(seed + 1)

    def changed(frame: pd.DataFrame) -> pd.DataFrame:
        other = (frame["origin"] == "LGA") & (random.random(len(frame)) < severity)
        return frame.assign(target=frame["target"].where(~other, 1 - frame["target"]))

    every = watched().rows(2 * rows, seed, days=56)
    return {"since": changed(every.head(rows)), "rows": changed(every.tail(rows).reset_index(drop=True))}


def nobody_answers(severity: float, rows: int, seed: int) -> dict[str, Any]:
    """Let rows come while nothing is released."""
    return {"rows": int(severity * rows)}


def slow(severity: float, rows: int, seed: int) -> dict[str, Any]:
    """Let answers, an hour of them, take 200 ms more often."""
    random = np.random.default_rng(seed)
    told = []
    for minute in range(min(60, rows)):
        count = rows // min(60, rows)
        late = int(random.binomial(count, 0.002 + 0.1 * severity))
        buckets = [0] * (len(MS) + 1)
        buckets[MS.index(5)], buckets[MS.index(200)] = count - late, late
        told.append({"minute": f"2024-05-01T10:{minute:02d}", "count": count, "errors": 0, "buckets": buckets})
    return {"rows": told}


def latency(rows: list[dict[str, Any]]) -> Signal:
    """Hold what the server counted to a requirement."""
    signal = production_latency(rows, {"latency_p99_ms": Requirement(at_most=90.0)}, level=LEVEL)
    assert signal is not None
    return signal


CASES = [
    Case("production_data", broken_sensor, data, severities=(0.0, 0.1, 0.3), rows=1500, large=100_000),
    # Eight rows in four weeks are surely fewer than a hundred a day.
    Case("production_volume", fewer, volume, severities=(0.0, 0.4, 0.9), rows=2800, tiny=None, large=20_000),
    Case("production_worse", turned, worse, rows=2000, large=20_000),
    Case("production_risk", turned, risk, large=20_000),
    Case("production_estimated", harder, estimated, large=20_000),
    Case("production_shift", turned, moved, severities=(0.0, 1.0), rows=1000, large=20_000),
    Case("production_stale", another_rule, stale, rows=1500, large=10_000),
    Case("release_regressed", backwards, regressed, rows=1500, large=20_000),
    Case("production_latency", slow, latency),
    Case("nothing_released", nobody_answers, nothing_released, tiny=None),
]
