"""Labels that come back to a server by the id of the prediction: they go the way of ``loopwright review import``."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from fastapi import HTTPException
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from flows.people.reviewing import classes_of, keep
from flows.people.sheets import Said
from flows.serving.gate import refused
from stages.data.labels.reading import Coder
from stages.errors import DataError
from stages.production.log import PredictionLog
from stages.production.recording import now

WHO = "feedback"
Text = Annotated[str, Field(min_length=1, max_length=200)]


class Label(BaseModel):
    """What a predicted row turned out to be, or what a person says of it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: Text = Field(description="The prediction's id, as it was answered.")
    label: Text | int | float = Field(description="A class of the release, or a number where it predicts numbers.")
    by: Text = Field(WHO, description="Who says so; a later label of the same replaces an earlier one.")


class Taken(BaseModel):
    """What became of labels."""

    new: int = Field(description="Labels that were not known.")
    known: int = Field(description="Labels that had come in before, the same by the same.")


LABEL: TypeAdapter[Label] = TypeAdapter(Label)
LABELS: TypeAdapter[list[Label]] = TypeAdapter(Annotated[list[Label], Field(min_length=1)])


def take(project: Path, labels: Sequence[Label], where: Sequence[tuple[str | int, ...]]) -> Taken:
    """Take labels in, all or none; the same again changes nothing.

    Parameters
    ----------
    project : Path
        The project.
    labels : sequence of Label
        What came in.
    where : sequence of tuple
        Where each stands in the request.

    Raises
    ------
    HTTPException
        404 if no prediction has that id, 422 if a label is none.
    """
    entries = PredictionLog(project).find(label.id for label in labels)
    unknown = [label.id for label in labels if label.id not in entries]
    if unknown:
        raise HTTPException(404, f"no prediction has the id {unknown[0]!r}")
    coder, at = Coder(classes_of(project)), now()
    wrong = [place for label, place in zip(labels, where, strict=True) if coder.code(str(label.label)) is None]
    if wrong:
        what = f"the label is unknown; expected {coder.expected}"
        raise refused(*({"type": "unknown_label", "loc": [*place, "label"], "msg": what} for place in wrong))
    given = [
        Said(label.id, str(label.label), label.by, at, _digest(label, at), ".".join(map(str, place)))
        for label, place in zip(labels, where, strict=True)
    ]
    try:
        new = keep(project, given)
    except DataError as error:
        raise refused({"type": "labels", "loc": ["body"], "msg": str(error)}) from None
    return Taken(new=len(new), known=len(given) - len(new))


def _digest(label: Label, at: str) -> str:
    """Return what stands for a file: one of its own, so that a correction can be taken back."""
    return hashlib.sha256(f"{label.model_dump_json()} {at}".encode()).hexdigest()
