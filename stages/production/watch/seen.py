"""The rows of one look: as the release read them, what it said of them, and their labels as far as they are known."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.answering import within
from stages.data.brought import WHY as BROUGHT
from stages.data.labels.reading import Coder
from stages.data.sources.columns import cells_of
from stages.data.sources.raw import Raw
from stages.params import Within
from stages.planning.outcome import PREFIX
from stages.production.log import WATCH, PredictionLog
from stages.production.recording import entries_of, now
from stages.production.released import Released
from stages.production.rows import Rows
from stages.shift.sides import draw

PART = 20_000


@dataclass(frozen=True)
class Seen:
    """The rows of one look.

    Attributes
    ----------
    start, end : date
        Days of the window, the second not in it.
    frame : DataFrame of n rows
        The rows of the window: features, columns of the scope, and under their names time, group and key.
    ripe : DataFrame of m rows
        The rows whose labels are due: the same columns, and the target: a class code or a value, NaN where the label is
        not there all the same. With labels that come at once, the rows of the window.
    unknown : int
        How many labels are none that the release knows.
    daily : bool
        Whether these are all rows of the days, so that their number tells something.
    """

    start: dt.date
    end: dt.date
    frame: pd.DataFrame
    ripe: pd.DataFrame
    unknown: int = 0
    daily: bool = True

    def __len__(self) -> int:
        return len(self.frame)

    def sample(self, target: str, most: int | None, seed: int) -> pd.DataFrame:
        """Return the labelled rows that are looked at: at most so many of those due, chosen by the seed."""
        known = self.ripe[self.ripe[target].notna()].reset_index(drop=True)
        return known if most is None else known.iloc[draw(len(known), most, seed)].reset_index(drop=True)


def answered(
    project: Path, released: Released, raw: Raw, days: tuple[dt.date, dt.date], schema: Mapping[str, Any]
) -> pd.DataFrame:
    """Answer the rows of a window as they came, keep what was answered in the log, and return the rows.

    No label is looked at. Rows out of the project's scope are refused, and not among those returned.

    Parameters
    ----------
    project : Path
        The project, in whose log the predictions are kept.
    released : Released
        Who answers.
    raw : Raw
        The rows.
    days : pair of date
        The window.
    schema : mapping
        The schema of the released iteration: names of its columns.

    Raises
    ------
    DataError
        If a cell or a column is not what the release takes in, or the predictions cannot be logged.
    """
    rows, source = released.read(raw), f"{WATCH} {days[0]} to {days[1]}"
    at = now()
    with PredictionLog(project).writing() as log:
        for start in range(0, len(rows), PART):
            part = rows.part(start, start + PART)
            said = released.answer(part)
            log.add(entries_of(released, part, said, source=source, at=at, call=source, first=start, role=WATCH))
    return within_scope(_frame(rows, schema), released)


def labelled(released: Released, raw: Raw, schema: Mapping[str, Any]) -> tuple[pd.DataFrame, int]:
    """Return rows whose labels are due, with them; and how many labels are none that the release knows.

    Columns of the source that tell what a decision brings are taken along, as far as they are numbers.

    Raises
    ------
    DataError
        If a cell or a column is not what the release takes in.
    """
    frame, target = _frame(released.read(raw), schema), str(schema["target"])
    frame, name = frame.assign(**_brought(released, raw.frame, schema)), source_name(released, target)
    if name not in raw.frame.columns:
        return frame.assign(**{target: np.nan}), 0
    cells, coder = cells_of(raw.frame[name]).reset_index(drop=True), Coder(released.classes)
    known: Mapping[str, float | None] = {str(label): coder.code(str(label)) for label in cells.dropna().unique()}
    codes = cells.map(known).astype("float64")
    found = within_scope(frame.assign(**{target: codes.to_numpy()}), released)
    return found, int((codes.isna() & cells.notna()).sum())


def _brought(released: Released, raw: pd.DataFrame, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of the source that tell what a decision brings, named as the splits name them.

    Not those that are scaled: rows of production are, as far as a release takes them in.
    """
    scaled = {item["column"] for item in released.contract.scale}
    named = [name for name, why in schema.get("dropped", {}).items() if why == BROUGHT and name not in scaled]
    there = {name: source_name(released, name) for name in named}
    return {
        PREFIX + new: pd.to_numeric(raw[old], errors="coerce").astype("float64").to_numpy()
        for new, old in there.items()
        if old in raw.columns
    }


def source_name(released: Released, column: str) -> str:
    """Return the name that a column has in the source."""
    return {new: old for old, new in released.contract.rename.items()}.get(column, column)


def within_scope(frame: pd.DataFrame, released: Released) -> pd.DataFrame:
    """Return the rows that the release is about: what it refuses is none of its failures."""
    scope = [Within(**item) for item in released.policy.scope]
    return frame[within(frame, scope)].reset_index(drop=True) if scope else frame


def _frame(rows: Rows, schema: Mapping[str, Any]) -> pd.DataFrame:
    roles = {schema[role]: rows.roles[role] for role in ("time", "group", "key") if role in rows.roles and schema[role]}
    beside = {name: column for name, column in roles.items() if name not in rows.frame.columns}
    return rows.frame.assign(**beside).reset_index(drop=True)
