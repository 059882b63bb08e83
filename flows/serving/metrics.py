"""What a server counts, as Prometheus reads it."""

from __future__ import annotations

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

from stages.production.quick import Answer
from stages.production.released import Released

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024)


class Metrics:
    """The counters of one server, in a registry of its own."""

    def __init__(self) -> None:
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
        self._release = Gauge(
            "loopwright_release", "1 for the release that answers.", ["release", "iteration"], **every
        )

    def released(self, released: Released) -> None:
        """Tell which release answers now."""
        self._release.clear()
        self._release.labels(released.name, str(released.iteration)).set(1)

    def answered(self, release: str, answers: Sequence[Answer]) -> None:
        """Count answers and their flags."""
        for said in answers:
            self.predictions.labels(release, said.reason or "answered").inc()
            for column, what in said.flags.items():
                self.flags.labels(column, what).inc()

    def text(self) -> bytes:
        """Return all of it in Prometheus's format."""
        return generate_latest(self.registry)
