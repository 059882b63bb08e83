"""What a server counts, as Prometheus reads it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from stages.deployment.canary_log import Canary
from stages.production.log import Entry
from stages.production.quick import Answer
from stages.production.released import Released

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client reads it when it is imported, in each worker
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024)


class Metrics:
    """The counters of one server, in a registry of its own.

    Where `MULTIPROCESS` names a folder it holds the counts of all workers, and each of them tells the sum.
    """

    def __init__(self) -> None:
        self._shared = MULTIPROCESS in os.environ
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        every: dict[str, Any] = {"registry": self.registry}
        self.requests = Counter("loopwright_requests", "Requests answered.", ["path", "status"], **every)
        self.seconds = Histogram(
            "loopwright_request_seconds", "Seconds a request took.", ["path"], buckets=SECONDS, **every
        )
        self.predictions = Counter(
            "loopwright_predictions", "Rows predicted; why not, where not answered.", ["release", "outcome"], **every
        )
        self.flags = Counter(
            "loopwright_flagged_cells", "Cells unlike those that were learned from.", ["column", "what"], **every
        )
        self.batches = Histogram(
            "loopwright_batch_rows", "Rows answered in one call of the model.", buckets=ROWS, **every
        )
        self.logged = Histogram(
            "loopwright_log_seconds", "Seconds until a batch was in the log.", buckets=SECONDS, **every
        )
        self.unlogged = Counter("loopwright_log_failures", "Batches that could not be logged.", **every)
        self.swaps = Counter("loopwright_swaps", "Releases that were tried.", ["result"], **every)
        self.labels = Counter("loopwright_feedback_labels", "Labels that came in.", ["what"], **every)
        self.besides = Counter(
            "loopwright_beside_rows", "Rows put to the model beside the release.", ["role", "result"], **every
        )
        self._release = Gauge(
            "loopwright_release",
            "How many workers answer by a release.",
            ["release", "iteration"],
            multiprocess_mode="livesum",
            **every,
        )
        self._beside = Gauge(
            "loopwright_beside",
            "How many workers have a model beside the release.",
            ["release", "iteration", "share"],
            multiprocess_mode="livesum",
            **every,
        )

    def released(self, released: Released) -> None:
        """Tell which release answers now."""
        self._only(self._release, (released.name, str(released.iteration)))

    def stands_beside(self, line: Canary | None) -> None:
        """Tell which model stands beside it."""
        self._only(self._beside, None if line is None else (line.name, str(line.iteration), f"{line.share:g}"))

    def answered(self, answers: Sequence[Answer], entries: Sequence[Entry]) -> None:
        """Count answers and their flags."""
        for said, entry in zip(answers, entries, strict=True):
            self.predictions.labels(entry["release"], said.reason or "answered").inc()
            for column, what in said.flags.items():
                self.flags.labels(column, what).inc()

    def text(self) -> bytes:
        """Return all of it in Prometheus's format."""
        if not self._shared:
            return generate_latest(self.registry)
        summed = CollectorRegistry()
        MultiProcessCollector(summed)  # type: ignore[no-untyped-call]
        return generate_latest(summed)

    def _only(self, gauge: Gauge, labels: tuple[str, ...] | None) -> None:
        """Set a gauge to 1 for these labels, and for no others."""
        for metric in gauge.collect():
            for sample in metric.samples:
                gauge.labels(**sample.labels).set(0)  # what is in a shared file outlasts `clear`
        if not self._shared:
            gauge.clear()
        if labels is not None:
            gauge.labels(*labels).set(1)
