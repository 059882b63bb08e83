"""What all sections of ``params.yaml`` are built from."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

PARAMS_FILE = "params.yaml"
WEIGHT = "__weight__"  # the column of the splits that says how much a row counts; no table's own is called so

Share = Annotated[float, Field(gt=0, lt=1)]
Variable = Annotated[str, StringConstraints(min_length=1, pattern=r"^[^\s=]+$")]  # of the environment
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """Common rules: unknown keys are errors, numbers are finite, values are not changed after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)
