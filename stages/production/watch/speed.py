"""Are answers as quick as the charter wants them, by the latencies that the server counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stages.data.blocks import MIN_BLOCKS
from stages.params import Requirement
from stages.production.latency import MS, summary
from stages.shift.comparing import MIN_ROWS, Estimate
from stages.signals import Signal
from stages.training.metrics import Figure

SLOWER = {"latency_p50_ms": 0.5, "latency_p99_ms": 0.01}  # the share of answers that may take longer


def production_latency(
    rows: Sequence[dict[str, Any]], requirements: dict[str, Requirement], *, level: float
) -> Signal | None:
    """Fire when surely more answers are slower than a requirement on the latency allows; None where none was counted.

    A quantile lies beyond its bound when more than its share of the answers do, so it is the share that is judged.

    Parameters
    ----------
    rows : sequence of dict
        What `stages.production.latency.read` gives of the release, for single predictions.
    requirements : dict
        The hard requirements of the charter.
    level : float
        Coverage of the interval, which takes the answers of a minute for one unit: they wait for each other.
    """
    wanted = {name: bound for name, bound in requirements.items() if name in SLOWER and bound.side == "at_most"}
    if not rows or not wanted:
        return None
    whole = summary(rows)
    told = f"{whole['count']} answers, p50 up to {whole['p50_ms']:g} ms, p99 up to {whole['p99_ms']:g} ms"
    each = 1 - (1 - level) / len(wanted)
    found = {name: _share(rows, bound.bound, each) for name, bound in wanted.items()}
    excess = {
        name: (share["low"] if share["low"] is not None else -1.0) - SLOWER[name] for name, share in found.items()
    }
    worst = max(excess, key=lambda name: excess[name])
    return Signal.of_figure(
        "production_latency",
        found[worst],
        threshold=SLOWER[worst],
        direction="above",
        unit=f"of the answers, slower than {wanted[worst].bound:g} ms",
        says=f"{told}; {worst} is required to be at most {wanted[worst].bound:g} ms",
        evidence={"shares": found, "errors": whole["errors"]},
    )


def _share(rows: Sequence[dict[str, Any]], bound: float, level: float) -> Figure:
    """Return the share of answers surely slower than a bound, minutes being the units of its interval.

    Answers are counted up to certain times, so those between the bound and the next such time are not told from quicker
    ones: an alarm does not count them.
    """
    told = next((end for end in MS if end >= bound), None)
    if told is None:
        return {"value": None, "low": None, "high": None}
    by_minute: dict[str, list[int]] = {}
    for row in rows:
        late, count = by_minute.setdefault(str(row["minute"]), [0, 0])
        slower = summary([row], bound_ms=told)["slower"]["value"] or 0.0
        by_minute[str(row["minute"])] = [late + round(slower * row["count"]), count + int(row["count"])]
    lates, counts = np.array(list(by_minute.values()), dtype=float).T
    share, minutes = float(lates.sum() / counts.sum()), len(counts)
    if minutes < MIN_BLOCKS or counts.sum() < MIN_ROWS:
        return {"value": share, "low": None, "high": None}
    error = float(np.sqrt(np.sum((lates - share * counts) ** 2) * minutes / (minutes - 1)) / counts.sum())
    figure = Estimate(share, error, minutes - 1).figure(level)
    return {key: None if end is None else min(1.0, max(0.0, end)) for key, end in figure.items()}
