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

ROWS, ROUNDS = 50, 5


def run(project: Path) -> None:
    """Measure, and hold against the requirements."""
    work = Context(project)
    path = project / work.release_model
    size = path.stat().st_size / 1e6
    latency = latency_p99_ms(work)
    write_json(
        project / "reports" / "serving.json", {"latency_p99_ms": latency, "calls": ROWS * ROUNDS, "size_mb": size}
    )
    found = {}
    for name, value in (("latency_p99_ms", latency), ("size_mb", size)):
        bound = work.requirements.get(name) or work.wishes.get(name)
        if bound is not None:
            found[name] = {"met": bound.met_by(value), "bound": bound.bound, "side": bound.side}
    if "size_mb" in found:
        found["size_mb"]["value"] = size
    write_json(project / "release" / "serving.json", found)


def latency_p99_ms(work: Context) -> float:
    """Return the 99th percentile over rows of the wall time of a prediction, milliseconds.

    A row's time is the least of some rounds over all rows: what is more than that is the machine doing other things, as
    Python's ``timeit`` has it, and must not decide about a release.
    """
    model = load_model(work.project / work.release_model)
    rows = work.split("test").head(ROWS)
    times = np.empty((ROUNDS, len(rows)))
    for turn in range(ROUNDS):
        for at in range(len(rows)):
            row = rows.iloc[[at]]
            started = time.perf_counter()
            predict(model, row, work.schema)
            times[turn, at] = time.perf_counter() - started
    return float(1000 * np.quantile(times.min(axis=0), 0.99))


if __name__ == "__main__":
    main(run)
