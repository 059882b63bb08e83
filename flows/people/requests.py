"""Ways back that a person asks for while a run is going: files that the run takes at its next boundary."""

from __future__ import annotations

import datetime as dt
import json
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flows import patching, pipeline
from flows.lock import STATE
from flows.record import Iteration
from flows.session import check_files
from flows.transitions import STAGES
from stages.errors import LoopwrightError, ParamsError
from stages.files import write_text
from stages.params import check_params, read_params
from stages.planning.charter import check_plan
from stages.signals import Signal

FOLDER = f"{STATE}/requests"


class Request(BaseModel):
    """A person's way back: to a stage, with changes of params, for a reason."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: str
    because: str
    patch: dict[str, Any]
    by: str
    id: str = Field(default_factory=lambda: f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}")

    def as_signal(self) -> Signal:
        """Return the request as the signal of the row `manual`."""
        evidence = {"to": self.stage, "patch": self.patch, "by": self.by, "request": self.id}
        return Signal(name="manual", fires=True, says=self.because, evidence=evidence)


def check_patch(project: Path, patch: dict[str, Any], *, where: str) -> None:
    """Refuse changes of params that change nothing, or break the schema or the plan.

    Raises
    ------
    ParamsError
        Naming what is wrong.
    """
    values = read_params(project)
    if not patch or not patching.changes_anything(values, patch):
        raise ParamsError(
            "a way back that changes nothing is refused",
            where=where,
            expected="at least one --set KEY=VALUE that differs from params.yaml",
            todo="to run again as it is: loopwright run --again",
        )
    patched = check_params(patching.patched(values, patch))
    check_plan(patched.planning)
    check_files(project, patched)


def checked(project: Path, request: Request) -> Request:
    """Return the request as it can be taken: it enters earlier where a patched key is read earlier.

    Raises
    ------
    ParamsError
        If the stage is none, the changes cannot be made, or the reason is empty.
    """
    if request.stage not in STAGES:
        raise ParamsError(f"there is no stage {request.stage!r}", where="stage", expected=f"one of {', '.join(STAGES)}")
    check_patch(project, request.patch, where="loopwright back")
    if not request.because.strip():
        raise ParamsError("the reason is empty", where="--because", expected="a sentence for the record")
    reader = pipeline.first_reader(project, request.patch)
    if reader is None:
        keys = ", ".join(request.patch)
        raise ParamsError(f"no step reads {keys}", where="--set", expected="params that dvc.yaml names")
    return request.model_copy(update={"stage": min(request.stage, reader, key=STAGES.index)})


def put(project: Path, request: Request) -> None:
    """Leave a request for the run that is going, or for the next one."""
    write_text(project / FOLDER / f"{request.id}.json", json.dumps(request.model_dump(), sort_keys=True) + "\n")


def pending(project: Path) -> list[Request]:
    """Return the requests that wait, the oldest first; what is no request is left out."""
    found = []
    for path in sorted((project / FOLDER).glob("*.json")):
        try:
            found.append(Request.model_validate_json(path.read_text(encoding="utf-8")))
        except (OSError, ValidationError):
            continue
    return found


def remove(project: Path, request: Request) -> None:
    """Take a request away: it is in the record, or was refused."""
    (project / FOLDER / f"{request.id}.json").unlink(missing_ok=True)


def taken(lines: Iterable[Iteration], request: Request) -> bool:
    """Tell whether the record holds the request already: a kill came between its line and its removal."""
    return any(signal["evidence"].get("request") == request.id for item in lines for signal in item.signals)


def refusal(project: Path, request: Request) -> str | None:
    """Return why a request cannot be taken any more, None when it can: the loop changed params since."""
    try:
        checked(project, request)
    except LoopwrightError as error:
        return str(error)
    return None
