"""Where data come from. A source is anything that keeps the `Source` protocol; two are included."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from stages.params import Collect, FlightsSource, Params

if TYPE_CHECKING:
    import pandas as pd

    from stages.data.sources.raw import Raw

Schema = dict[str, Any]


class Collected(NamedTuple):
    """What one collection brings.

    Attributes
    ----------
    window : DataFrame
        Rows to train, choose and test on: features, target, and the time and group columns when there are any.
    pilot : DataFrame
        Rows that follow the window, unseen until the pilot; the same columns.
    schema : dict
        The content of ``data/schema.json``.
    """

    window: pd.DataFrame
    pilot: pd.DataFrame
    schema: Schema


class Between(NamedTuple):
    """The rows of some days as the source has them, for the released model to answer.

    Attributes
    ----------
    raw : Raw
        The rows, uncleaned; the target may be missing in some, or in all.
    after : date
        The day after the last one that the source has rows of, as far as it was read.
    """

    raw: Raw
    after: dt.date


class Source(Protocol):
    """One source of rows. The same params and seed give the same rows in the same order."""

    @property
    def target(self) -> str:
        """Name of the column to predict."""
        ...

    @property
    def time(self) -> str | None:
        """Name of the column that orders the rows, if any."""
        ...

    @property
    def group(self) -> str | None:
        """Name of the column whose values a split must not tear apart, if any."""
        ...

    def collect(self, collect: Collect, seed: int) -> Collected:
        """Return the window, the pilot and the schema that ``data.collect`` asks for."""
        ...

    def first_look(self, collect: Collect, seed: int) -> tuple[pd.DataFrame, Schema]:
        """Return some rows with every feature, to judge the plan before anything is collected.

        None of them is in the pilot that ``collect`` asks for. The schema's ``look`` tells of how many ``rows`` they
        were chosen, how many rows the ``pilot`` keeps (0 while nobody knows), and whether the source may have ``more``.
        """
        ...

    def between(self, start: dt.date, end: dt.date, as_of: str | None = None) -> Between:
        """Return the rows of [start, end), each with every column there is; ``as_of`` is ``data.collect.as_of``."""
        ...


def open_source(project: Path, params: Params) -> Source:
    """Return the source that ``data.source`` names.

    Raises
    ------
    DataError
        If its data are missing or cannot be read.
    """
    settings = params.data.source
    if isinstance(settings, FlightsSource):
        from stages.data.sources.nycflights13 import Flights

        return Flights(late_minutes=settings.late_minutes, lead_hours=settings.lead_hours)
    from stages.data.sources.table import Table

    return Table(project, settings, params.planning.task)
