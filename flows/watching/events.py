"""An alarm as an event of Prefect, which a team's automations may act on."""

from __future__ import annotations

from pathlib import Path

from prefect.events import emit_event

from flows.artifacts import slug
from flows.watching.looks import Look

ALARM = "loopwright.alarm"


def emit_alarm(project: Path, look: Look) -> None:
    """Send Prefect the event of an alarm: ``loopwright.alarm`` of the resource ``loopwright.project.NAME``."""
    emit_event(
        event=ALARM,
        resource={
            "prefect.resource.id": f"loopwright.project.{slug(project.name)}",
            "prefect.resource.name": project.name,
        },
        payload={
            "alarm": look.alarm,
            "start": look.start,
            "end": look.end,
            "release": look.release,
            "iteration": look.entered,
            "told": look.told,
            "signals": [{key: item[key] for key in ("name", "fires", "value", "says")} for item in look.signals],
        },
    )
