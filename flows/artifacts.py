"""What a run shows in Prefect's UI: the signals of each stage, the table of iterations, the map of the loop."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from flows.map import text_map
from flows.record import Iteration
from flows.words import figure, interval, metric_line, verdict_word


def publish_artifacts(project: str, iteration: Iteration, run: Sequence[Iteration]) -> None:
    """Create the artifacts of one finished iteration; ``run`` holds every iteration of its run, itself included.

    Their keys begin with the project's name: a server may serve several projects.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", project.lower()).strip("-") or "project"
    create_table_artifact(
        key=f"{slug}-signals-{iteration.stage}",
        table=signal_rows(iteration.signals),
        description=f"Signals of iteration {iteration.iteration} ({iteration.stage}). {iteration.move['reason']}",
    )
    create_table_artifact(
        key=f"{slug}-iterations", table=[iteration_row(item) for item in run], description="One row an iteration."
    )
    create_markdown_artifact(
        key=f"{slug}-loop-map",
        markdown=f"## The loop and the path taken\n\n```\n{text_map(run)}\n```\n",
        description="The four stages, how often each was entered, and each way back with its count.",
    )


def signal_rows(signals: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row a signal, for people."""
    return [
        {
            "signal": item["name"],
            "verdict": verdict_word(item["fires"]),
            "value": figure(item["value"]),
            "interval": interval(item["low"], item["high"]),
            "threshold": f"{item['direction']} {figure(item['threshold'])}",
            "says": item["says"],
        }
        for item in signals
    ]


def iteration_row(item: Iteration) -> dict[str, Any]:
    """Return the row of one iteration, for people."""
    return {
        "iteration": item.iteration,
        "stage": item.stage,
        "because": item.because,
        "metrics": metric_line(item),
        "data": (item.data_version or "")[:8],
        "rows": item.rows,
        "to": item.move["to"],
        "row": item.move["row"],
        "seconds": round(item.seconds, 2),
        "experiment": item.experiment,
    }
