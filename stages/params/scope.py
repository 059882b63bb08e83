"""``data.collect.scope``: which rows the project is about."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import Field, StringConstraints, model_validator

from stages.params.base import Section


class Within(Section):
    """One condition on a column; a row without a value does not meet it."""

    column: Annotated[str, StringConstraints(min_length=1)] = Field(
        description="Any column that is known when a prediction is made, a feature or not."
    )
    values: list[Any] | None = Field(None, description="The column has one of these.")
    at_least: float | None = Field(None, description="The column is this or more; a date is its days since 1970.")
    at_most: float | None = Field(None, description="The column is this or less.")

    @model_validator(mode="after")
    def _says_something(self) -> Within:
        if self.values is None and self.at_least is None and self.at_most is None:
            raise ValueError("needs values, at_least or at_most")
        if self.values is not None and (not self.values or self.at_least is not None or self.at_most is not None):
            raise ValueError("needs values, one at least, or bounds, not both")
        odd = [value for value in self.values or [] if not _of_a_cell(value)]
        if odd:
            raise ValueError(f"values holds {odd[0]!r}, and a cell is a text, a finite number or a truth value")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"at_least {self.at_least} is above at_most {self.at_most}")
        return self

    @property
    def words(self) -> str:
        """The condition as people read it.

        Examples
        --------
        >>> Within(column="origin", values=["EWR", "LGA"]).words
        'origin in (EWR, LGA)'
        >>> Within(column="distance", at_least=500, at_most=1000).words
        'distance at least 500 and at most 1000'
        """
        if self.values is not None:
            listed = ", ".join(map(str, self.values))
            return f"{self.column} in ({listed})" if len(self.values) > 1 else f"{self.column} = {listed}"
        ends = [
            f"at {side} {end:g}" for side, end in (("least", self.at_least), ("most", self.at_most)) if end is not None
        ]
        return f"{self.column} {' and '.join(ends)}"


def _of_a_cell(value: Any) -> bool:
    return math.isfinite(value) if isinstance(value, float) else isinstance(value, str | int)
