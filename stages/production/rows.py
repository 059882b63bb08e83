"""New rows as the released model reads them: cleaned as the source's are, or the cell named that stands in the way.

A column of the source is judged by all its cells: text or numbers, marker or value. New rows may be few, or one, so
they are not judged again: what each column is stands in the release's card.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from stages.data.sources.cleaning import Cleaner, read_group, read_key
from stages.data.sources.columns import (
    DATE,
    ISO_DATE,
    NUMBER,
    TRUTH,
    TRUTHS,
    Place,
    cells_of,
    days_since_1970,
    is_marker,
    to_number,
    to_time,
)
from stages.data.sources.raw import Raw, plain_column
from stages.errors import DataError
from stages.params import Scale, Tabular

CONVERTED = ("sql", "python")  # sources whose cells are Python objects
TODO = "bring the file into the form of the data that the model learned from"


@dataclass(frozen=True)
class Contract:
    """What a release takes in, as its card tells.

    Attributes
    ----------
    kind : str
        The kind of source that it learned from.
    features : dict
        Column -> "number" or "category".
    written_as : dict or None
        Features of numbers whose cells are truth values or dates; None when the card does not tell.
    beside : dict
        Columns of the scope that are no features -> "number" or "category".
    time, group, key : str or None
        Columns that are taken along when they are there.
    rename, scale
        As in ``data.source``.
    """

    kind: str
    features: dict[str, str]
    written_as: dict[str, str] | None
    beside: dict[str, str]
    time: str | None
    group: str | None
    key: str | None
    rename: dict[str, str]
    scale: list[dict[str, Any]]


@dataclass(frozen=True)
class Rows:
    """New rows that were checked.

    Attributes
    ----------
    frame : DataFrame, shape (n_rows, n_columns)
        The features, float64 or text, and the columns of the scope.
    roles : DataFrame, shape (n_rows, up to 3)
        ``key``, ``time`` and ``group`` under these names, those that are there.
    """

    frame: pd.DataFrame
    roles: pd.DataFrame

    def __len__(self) -> int:
        return len(self.frame)

    def part(self, start: int, stop: int) -> Rows:
        """Return some of the rows."""
        return Rows(self.frame.iloc[start:stop], self.roles.iloc[start:stop])


def read_rows(raw: Raw, contract: Contract) -> Rows:
    """Clean new rows, all or none.

    Parameters
    ----------
    raw : Raw
        The rows as the source has them: before renaming and scaling, in any order of columns, with or without target.
    contract : Contract
        What the release takes in.

    Raises
    ------
    DataError
        If a column is not there, or a cell is not what the model learned from; file, row and column are named.
    """
    raw = Raw(raw.frame.reset_index(drop=True), raw.place, raw.unusable)
    raw = _plain(raw, convert=contract.kind in CONVERTED)
    there = {old: new for old, new in contract.rename.items() if old in raw.frame.columns}
    cleaner = Cleaner(Tabular(target="", rename=there), "classification")
    raw = cleaner.renamed(raw)
    frame, place = raw.frame, raw.place
    _check_there([*contract.features, *contract.beside], frame, place)
    _check_usable([*contract.features, *contract.beside, contract.time, contract.group, contract.key], raw)
    time = to_time(frame[contract.time], str(contract.time), place) if contract.time in frame.columns else None
    scaled = [Scale(**item) for item in contract.scale if item["column"] in frame.columns]
    frame = Cleaner(Tabular(target="", scale=scaled), "classification").scaled(raw, time)
    found = {name: _feature(frame[name], name, kind, contract, raw) for name, kind in contract.features.items()}
    found |= {
        name: cells_of(frame[name]) if kind == "category" else _guess(frame[name], name, place)
        for name, kind in contract.beside.items()
    }
    roles: dict[str, Any] = {} if time is None else {"time": time}
    for role, name, read in (("group", contract.group, read_group), ("key", contract.key, read_key)):
        if name in frame.columns:
            roles[role] = read(frame[name], str(name), place)
    return Rows(pd.DataFrame(found), pd.DataFrame(roles, index=frame.index))


def _plain(raw: Raw, *, convert: bool) -> Raw:
    """Return what a database or a callable gave, and a Parquet file holds, as cells that can be cleaned.

    Cells of a file stay as they are unless ``convert``: its source did not convert them either.
    """
    columns: dict[str, Any] = {}
    unusable = dict(raw.unusable)
    for name, column in raw.frame.items():
        plain = plain_column(column.tolist()) if column.dtype == object else column
        columns[str(name)] = plain if convert and not isinstance(plain, str) else column
        if isinstance(plain, str):
            unusable[str(name)] = plain
    return Raw(pd.DataFrame(columns), raw.place, unusable)


def _check_usable(names: Iterable[str | None], raw: Raw) -> None:
    for name in names:
        if name is not None and name in raw.unusable:
            raise raw.place.error(name, raw.unusable[name], "text, numbers, truth values or dates", TODO)


def _check_there(names: list[str], frame: pd.DataFrame, place: Place) -> None:
    missing = [name for name in names if name not in frame.columns]
    if missing:
        shown = ", ".join(map(repr, missing[:5])) + (", ..." if len(missing) > 5 else "")
        raise DataError(
            f"has no column {shown}",
            where=place.shown,
            expected="the columns " + ", ".join(dict.fromkeys(names)),
            todo=TODO,
        )


def _feature(raw: pd.Series[Any], name: str, kind: str, contract: Contract, whole: Raw) -> pd.Series[Any]:
    place = whole.place
    if kind == "category":
        if pd.api.types.is_numeric_dtype(raw.dtype) and raw.notna().any():
            raise place.error(name, "holds numbers", "text, as the model learned from", TODO)
        return cells_of(raw)
    if contract.written_as is not None:
        return READERS[contract.written_as.get(name, NUMBER)](raw, name, place)
    return _guess(raw, name, place)


def _number(raw: pd.Series[Any], name: str, place: Place) -> pd.Series[Any]:
    if pd.api.types.is_datetime64_any_dtype(raw.dtype):
        raise place.error(name, "holds dates", "numbers", TODO)
    if raw.dtype == object or pd.api.types.is_bool_dtype(raw.dtype):
        truths = raw.map(lambda cell: isinstance(cell, bool | np.bool_))
        if truths.any():
            raise place.error(name, "holds truth values", "numbers", TODO, truths)
    number = to_number(raw, name, place)
    if number is not None:
        return number
    number = pd.to_numeric(raw, errors="coerce").astype("float64")
    words = cells_of(raw)
    bad = number.isna() & words.notna() & ~is_marker(words)
    if bad.any():
        raise _unreadable(words, bad, name, place, "a number, or a missing marker (empty, NA, ?, -, null)")
    return number  # of few rows all may be markers


def _truth(raw: pd.Series[Any], name: str, place: Place) -> pd.Series[Any]:
    text = cells_of(raw).str.lower()
    found = text.map({**TRUTHS, "1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0}).astype("float64")
    bad = found.isna() & text.notna() & ~is_marker(text)
    if bad.any():
        raise _unreadable(cells_of(raw), bad, name, place, "true or false")
    return found


def _date(raw: pd.Series[Any], name: str, place: Place) -> pd.Series[Any]:
    if pd.api.types.is_datetime64_any_dtype(raw.dtype):
        return days_since_1970(pd.to_datetime(raw, utc=True))
    text = cells_of(raw)
    moment = pd.to_datetime(text.where(text.str.fullmatch(ISO_DATE)), utc=True, format="ISO8601", errors="coerce")
    bad = moment.isna() & text.notna() & ~is_marker(text)
    if bad.any():
        raise _unreadable(text, bad, name, place, "a date in ISO 8601, such as 2024-05-01")
    return days_since_1970(moment)


def _guess(raw: pd.Series[Any], name: str, place: Place) -> pd.Series[Any]:
    """Read numbers, truth values or dates, whichever the cells are: the card of an older release does not tell."""
    if pd.api.types.is_datetime64_any_dtype(raw.dtype):
        return _date(raw, name, place)
    if pd.api.types.is_bool_dtype(raw.dtype) or not pd.api.types.is_numeric_dtype(raw.dtype):
        words = cells_of(raw).dropna()
        if len(words) and words.str.fullmatch(ISO_DATE).all():
            return _date(raw, name, place)
        if len(words) and words.str.lower().isin(list(TRUTHS)).all():
            return _truth(raw, name, place)
    return _number(raw, name, place)


def _unreadable(text: pd.Series[Any], bad: pd.Series[Any], name: str, place: Place, expected: str) -> DataError:
    what = f"{int(bad.sum())} of {len(text)} cells cannot be read, first {text[bad].iloc[0]!r}"
    return place.error(name, what, expected, TODO, bad)


Reader = Callable[[pd.Series, str, Place], pd.Series]
READERS: Mapping[str, Reader] = {NUMBER: _number, TRUTH: _truth, DATE: _date}
