"""What it costs to serve the model: its size, and the time of one prediction.

A timing is no function of files and params, so the tracked file holds only the verdict on it; the figure itself goes to
``reports/serving.json``.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from stages.context import Context
from stages.files import write_json
from stages.step import main
from stages.training.estimators import predict
from stages.training.store import load_model

CALLS, WARM_UP = 150, 10


def run(project: Path) -> None:
    """Measure, and hold against the requirements."""
    work = Context(project)
    path = project / "models" / "model.skops"
    size = path.stat().st_size / 1e6
    latency = latency_p99_ms(work)
    write_json(project / "reports" / "serving.json", {"latency_p99_ms": latency, "calls": CALLS, "size_mb": size})
    found = {}
    for name, value in (("latency_p99_ms", latency), ("size_mb", size)):
        if name in work.requirements:
            bound = work.requirements[name]
            found[name] = {"met": bound.met_by(value), "bound": bound.bound, "side": bound.side}
    if "size_mb" in found:
        found["size_mb"]["value"] = size
    write_json(project / "release" / "serving.json", found)


def latency_p99_ms(work: Context) -> float:
    """Return the 99th percentile of the wall time of single-row predictions, milliseconds."""
    model = load_model(work.project / "models" / "model.skops")
    rows = work.split("test")
    times = []
    for call in range(WARM_UP + CALLS):
        row = rows.iloc[[call % len(rows)]]
        started = time.perf_counter()
        predict(model, row, work.schema)
        times.append(1000 * (time.perf_counter() - started))
    return float(np.quantile(times[WARM_UP:], 0.99))


if __name__ == "__main__":
    main(run)
