"""What it costs to serve the model: its size, the time of a prediction, rows a second, and memory where asked for.

A timing is no function of files and params, so the tracked file holds only the verdict on it; the figures themselves go
to ``reports/serving.json``.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.context import Context
from stages.deployment.footprint import peak_memory_mb
from stages.files import write_json
from stages.metric_names import SERVING
from stages.step import main
from stages.training.estimators import predict
from stages.training.store import load_model

ROWS, ROUNDS = 50, 3
BATCH, BATCH_ROUNDS = 1000, 3


def run(project: Path) -> None:
    """Measure, and hold against the requirements."""
    work = Context(project)
    path = project / work.release_model
    model = load_model(path)
    asked = {**work.wishes, **work.requirements}
    times = row_times_ms(work, model)
    figures: dict[str, float] = {
        "latency_p50_ms": float(np.quantile(times, 0.5)),
        "latency_p99_ms": float(np.quantile(times, 0.99)),
        "size_mb": path.stat().st_size / 1e6,
        "calls": ROWS * ROUNDS,
        **batch(work, model),
    }
    if "memory_mb" in asked:
        figures["memory_mb"] = peak_memory_mb(project)
    write_json(project / "reports" / "serving.json", figures)
    found: dict[str, dict[str, Any]] = {
        name: {"met": asked[name].met_by(figures[name]), "bound": asked[name].bound, "side": asked[name].side}
        for name in SERVING
        if name in asked
    }
    if "size_mb" in found:
        found["size_mb"]["value"] = figures["size_mb"]
    write_json(project / "release" / "serving.json", found)


def row_times_ms(work: Context, model: Any) -> NDArray[np.float64]:
    """Return the wall time of a prediction of each of some rows, milliseconds.

    A row's time is the least of some rounds over all rows: what is more than that is the machine doing other things, as
    Python's ``timeit`` has it, and must not decide about a release.
    """
    rows = work.split("test").head(ROWS)
    times = np.empty((ROUNDS, len(rows)))
    for turn in range(ROUNDS):
        for at in range(len(rows)):
            row = rows.iloc[[at]]
            started = time.perf_counter()
            predict(model, row, work.schema)
            times[turn, at] = time.perf_counter() - started
    return np.asarray(1000 * times.min(axis=0))


def batch(work: Context, model: Any) -> dict[str, float]:
    """Return how many rows a second are predicted in one call, the best of some rounds, and how many rows it was."""
    rows = work.split("test").head(BATCH)
    best = np.inf
    for _ in range(BATCH_ROUNDS):
        started = time.perf_counter()
        predict(model, rows, work.schema)
        best = min(best, time.perf_counter() - started)
    return {"batch_rows": len(rows), "batch_rows_per_s": len(rows) / best}


if __name__ == "__main__":
    main(run)
