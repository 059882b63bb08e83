"""The description of the server for people and machines: OpenAPI, of the release that answers now."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict, Field

from flows.serving.feedback import Label
from flows.serving.serving import Serving

REF = "#/components/schemas/{model}"
ABOUT = """Predictions of the released model. Each is in the log before it is answered, and its id is what a label comes
back by.

`POST /predict` takes a row: the columns of the data that the model learned from. A value that is not known is `null`.
One unlike those that were learned from is no mistake: it is answered, and flagged."""


class Answered(BaseModel):
    """What is said of a row."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(description="Names the prediction, for `/feedback`.")
    prediction: str | float | int | None = Field(description="The class, or the value; null where it is not answered.")
    answered: bool = Field(description="Whether the model answers this row by itself.")
    reason: str = Field(description="Why not: unsure, unseen_value, out_of_range, out_of_scope; empty where it does.")
    confidence: float | None = Field(description="The probability of the class decided for; null for values.")
    probabilities: dict[str, float] | None = Field(description="Of each class; null for values.")
    flags: dict[str, str] = Field(description="Columns unlike what was learned from: out_of_range or unseen_value.")
    release: str = Field(
        description="Who answered: the first twelve digits of the model's hash; where a canary did, of its."
    )
    at: str = Field(description="When, ISO 8601, UTC.")


class AnsweredRows(BaseModel):
    """What is said of each row of a request, in its order."""

    model_config = ConfigDict(extra="forbid")

    rows: list[Answered]


class Ready(BaseModel):
    """Whether the server answers, and by which release."""

    ready: bool
    release: str
    iteration: int
    beside: str | None = Field(description="The model beside the release, a canary or a shadow.")
    problems: list[str] = Field(
        description="Why not, or why a later release, or the model beside this one, does not answer."
    )


class Mistake(BaseModel):
    """Why a request was not answered."""

    detail: str


class Wrong(BaseModel):
    """One thing that is wrong in a request, and where."""

    type: str
    loc: list[str | int]
    msg: str


class Mistakes(BaseModel):
    """All that is wrong in a request."""

    detail: list[Wrong]


MISTAKES: dict[int | str, dict[str, Any]] = {
    401: {"model": Mistake, "description": "No key, or a wrong one"},
    408: {"model": Mistake, "description": "The body came too slowly"},
    413: {"model": Mistake, "description": "The body is too long"},
    415: {"model": Mistake, "description": "The body is no JSON"},
    422: {"model": Mistakes, "description": "A field is wrong; `loc` names it"},
    500: {"model": Mistake, "description": "The model fails on these rows"},
    503: {"model": Mistake, "description": "Come again: too much waits, or the log cannot be written"},
}


def body(schema: dict[str, Any]) -> dict[str, Any]:
    """Return what FastAPI adds to the description of an endpoint that reads its body by itself."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


ROW_REF = {"$ref": "#/components/schemas/Row"}
ROW, ROWS = body(ROW_REF), body({"$ref": "#/components/schemas/Rows"})
LABEL = {"$ref": "#/components/schemas/Label"}
FEEDBACK = body({"anyOf": [LABEL, {"type": "array", "minItems": 1, "items": LABEL}]})


def describe(app: FastAPI, serving: Serving, *, keyed: bool, most: int) -> dict[str, Any]:
    """Return the OpenAPI description of a server.

    Parameters
    ----------
    app : FastAPI
        The server.
    serving : Serving
        The release that answers.
    keyed : bool
        Whether a key is asked for.
    most : int
        Rows of one request.
    """
    found = get_openapi(title=app.title, version=serving.released.name, description=ABOUT, routes=app.routes)
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    row = serving.reader.checker.json_schema(ref_template=REF)
    schemas |= row.pop("$defs", {}) | {"Row": row, "Label": _label(serving)}
    schemas["Rows"] = {
        "type": "object",
        "required": ["rows"],
        "additionalProperties": False,
        "properties": {"rows": {"type": "array", "minItems": 1, "maxItems": most, "items": ROW_REF}},
    }
    if keyed:
        found["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        for path, methods in found["paths"].items():
            if path not in ("/health", "/ready"):
                for operation in methods.values():
                    operation["security"] = [{"key": []}]
    return found


def _label(serving: Serving) -> dict[str, Any]:
    """Return what a label looks like: of the classes one, by name or by number, else a number."""
    found, classes = Label.model_json_schema(), serving.released.classes
    told = {"type": "number"} if classes is None else {"enum": list(dict.fromkeys([*classes, *serving.quick.texts]))}
    found["properties"]["label"] = told | {"description": found["properties"]["label"]["description"]}
    return found
