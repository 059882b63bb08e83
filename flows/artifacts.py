"""What a run shows in Prefect's UI: the signals of each stage, the table of iterations, the map of the loop."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from flows.map import text_map
from flows.record import Iteration
from flows.watching.looks import Look
from flows.words import figure, interval, metric_line, verdict_word

LOOKS_SHOWN = 50


def publish_artifacts(project: str, iteration: Iteration, run: Sequence[Iteration]) -> None:
    """Create the artifacts of one finished iteration; ``run`` holds every iteration of its run, itself included.

    Their keys begin with the project's name: a server may serve several projects.
    """
    name = slug(project)
    create_table_artifact(
        key=f"{name}-signals-{iteration.stage}",
        table=signal_rows(iteration.signals),
        description=f"Signals of iteration {iteration.iteration} ({iteration.stage}). {iteration.move['reason']}",
    )
    create_table_artifact(
        key=f"{name}-iterations", table=[iteration_row(item) for item in run], description="One row an iteration."
    )
    create_markdown_artifact(
        key=f"{name}-loop-map",
        markdown=f"## The loop and the path taken\n\n```\n{text_map(run)}\n```\n",
        description="The four stages, how often each was entered, and each way back with its count.",
    )


def publish_looks(project: str, looks: Sequence[Look]) -> None:
    """Show the latest looks at production as a table."""
    create_table_artifact(
        key=f"{slug(project)}-looks",
        table=[look_row(look) for look in reversed(looks[-LOOKS_SHOWN:])],
        description="Looks at production, the last first.",
    )


def slug(project: str) -> str:
    """Return a project's name as keys of Prefect may be written."""
    return re.sub(r"[^a-z0-9]+", "-", project.lower()).strip("-") or "project"


def look_row(look: Look) -> dict[str, Any]:
    """Return the row of one look, for people."""
    return {
        "days": f"{look.start} to {look.end}",
        "rows": look.rows,
        "with labels": look.labelled,
        "release of iteration": look.iteration,
        "alarm": look.alarm or "quiet",
        "went to iteration": look.entered,
        **{name: figure(found["value"]) for name, found in look.figures.items()},
    }


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
