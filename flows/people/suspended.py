"""Which of Prefect's flow runs waits for the answer to which question; read without Prefect."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ValidationError

from flows.lock import STATE
from flows.record import Iteration
from stages.files import write_text

POINTER = f"{STATE}/suspended.json"


class Suspended(BaseModel):
    """A flow run, by its id, and the iteration of a run that asks."""

    flow_run: str
    run: str
    iteration: int

    def waits_for(self, asked: Iteration | None) -> bool:
        """Tell whether it waits for the answer to this question."""
        return asked is not None and (asked.run, asked.iteration) == (self.run, self.iteration)


def suspended(project: Path) -> Suspended | None:
    """Return the flow run that waits, None when none does."""
    try:
        return Suspended.model_validate_json((project / POINTER).read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None


def point(project: Path, suspended: Suspended) -> None:
    """Remember a flow run that is about to wait."""
    write_text(project / POINTER, suspended.model_dump_json() + "\n")


def forget(project: Path) -> None:
    """Forget it: it goes on, or is gone."""
    (project / POINTER).unlink(missing_ok=True)
