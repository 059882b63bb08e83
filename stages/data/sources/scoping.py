"""Leave out the rows that the project is not about, before anything is counted, cut or learned from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from stages.data.sources import Schema
from stages.data.sources.columns import as_text, to_feature
from stages.data.sources.raw import Raw
from stages.params import Tabular, Within
from stages.scope import Members, check_scope, wrong

Columns = dict[str, pd.Series]


@dataclass(frozen=True)
class Scope:
    """``data.collect.scope``, held against the rows of a source.

    Attributes
    ----------
    conditions : sequence of Within
        What a row must meet.
    whole : bool
        Whether all rows are there that were asked for; a first look may lack values that come later.
    """

    conditions: Sequence[Within] = ()
    whole: bool = True

    def columns(self, raw: Raw, settings: Tabular) -> Columns:
        """Return the columns that the scope names, read as features and roles are.

        Raises
        ------
        ParamsError
            If a column is not there, cannot be used, or is known only afterwards.
        """
        return {item.column: self._column(at, item.column, raw, settings) for at, item in enumerate(self.conditions)}

    def leave(self, raw: Raw, known: Columns) -> tuple[Raw, Members]:
        """Return the raw rows within, and which those are.

        Raises
        ------
        ParamsError
            If none is, or the scope cannot be meant.
        """
        if not self.conditions:
            return raw, np.ones(len(raw.frame), dtype=bool)
        inside = check_scope(known, self.conditions, values=self.whole)
        place = replace(
            raw.place,
            lines=np.asarray(raw.place.lines)[inside],
            files=tuple((int(inside[:first].sum()), name) for first, name in raw.place.files),
        )
        return replace(raw, frame=raw.frame[inside].reset_index(drop=True), place=place), inside

    def described(self, known: Columns, inside: Members) -> Schema:
        """Return what the schema says of the scope: conditions, columns, and how many rows lie inside and outside."""
        if not self.conditions:
            return {}
        kinds = {name: "number" if _number(column) else "category" for name, column in known.items()}
        return {"scope": described(self.conditions, kinds, int(inside.sum()), int((~inside).sum()))}

    def _column(self, at: int, name: str, raw: Raw, settings: Tabular) -> pd.Series[Any]:
        if name not in raw.frame.columns:
            raise wrong(at, f"{raw.place.shown} has no column {name!r}", "one of " + ", ".join(raw.frame.columns))
        if name in (settings.target, settings.label_source):
            raise wrong(at, f"{name!r} is known only with the label", "a column known when a prediction is made")
        if name in raw.unusable:
            raise wrong(at, f"column {name!r} {raw.unusable[name]}", "a column of text, numbers or truth values")
        if name == settings.time:
            raise wrong(at, f"{name!r} is the time", "data.collect.start and end, which cut by it")
        if name in (settings.group, settings.key):
            return as_text(raw.frame[name])
        read = to_feature(raw.frame[name], name, raw.place)
        return as_text(raw.frame[name]) if isinstance(read, str) else read[0]


def described(conditions: Sequence[Within], kinds: Mapping[str, str], inside: int, outside: int) -> Schema:
    """Return the ``scope`` of a schema."""
    return {
        "conditions": [item.model_dump(mode="json", exclude_none=True) for item in conditions],
        "columns": dict(kinds),
        "inside": inside,
        "outside": outside,
        "share_outside": outside / (inside + outside),
    }


def _number(column: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(column.dtype)


EVERY = Scope()
