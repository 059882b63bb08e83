"""What the log keeps of each prediction: the row as the model read it, what was said of it, and by which release."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any

import numpy as np
import orjson
import pandas as pd

from stages.production.log import RELEASE, Entry
from stages.production.released import PROBABILITY, Released
from stages.production.rows import Rows


def entries_of(
    released: Released,
    rows: Rows,
    answers: pd.DataFrame,
    *,
    source: str,
    at: str,
    call: str,
    first: int = 0,
    role: str = RELEASE,
) -> list[Entry]:
    """Return the log's entries of some rows and what the release said of them.

    Parameters
    ----------
    released : Released
        Who answered.
    rows, answers : Rows, DataFrame
        The rows, and what `Released.answer` said of them.
    source : str
        Where the rows came from, e.g. the name of a file.
    at : str
        When; see `now`.
    call : str
        What names a row that has no key, with its number: the hash of the file, or the id of a request. The same row of
        the same file is the same prediction; the same features in another file are another.
    first : int
        Number of the first row.
    role : str
        As what it was answered; only what the release says to those who ask has ids without it.

    Returns
    -------
    list of mapping
        One for each row. Its ``id`` stands for release, policy, row, key (or call and number), time and group, so that
        recording it again changes nothing, and a time that came later or was corrected is a prediction of its own.
    """
    roles = {name: _texts(rows.roles[name]) for name in rows.roles.columns}
    beside = () if role == RELEASE else (role,)
    keys, nothing = roles.get("key"), [None] * len(rows)
    parts = [name for name in answers.columns if name.startswith(PROBABILITY)]
    probabilities = [
        orjson.dumps(values).decode() for values in answers[parts].to_numpy(dtype="float64").tolist()
    ] if parts else nothing  # fmt: skip
    sure = [None if np.isnan(value) else value for value in answers["confidence"].tolist()]
    said = answers["suggestion"].astype("str").tolist()
    answered, why, edition = answers["answered"].tolist(), answers["reason"].tolist(), released.edition
    found: list[Entry] = []
    for place, row in enumerate(as_json(rows.frame)):
        key = keys[place] if keys else None
        time, group = (roles.get(name, nothing)[place] for name in ("time", "group"))
        content = content_of(row, key, time, group)
        named = "key" if key is not None else f"{call} {first + place}"
        found.append(
            {
                "id": digest(edition, content, named, *beside),
                "content": content,
                "at": at,
                "release": released.name,
                "iteration": released.iteration,
                "source": source,
                "key": key,
                "time": time,
                "group": group,
                "row": row,
                "prediction": said[place],
                "probabilities": probabilities[place],
                "confidence": sure[place],
                "answered": answered[place],
                "reason": why[place],
                "role": role,
            }
        )
    return found


def as_json(frame: pd.DataFrame) -> list[str]:
    """Return each row as a JSON object of text, numbers (to the last digit) and, where nothing is known, null."""
    names = list(map(str, frame.columns))
    columns = [_plain(frame[name]) for name in frame.columns]
    return [orjson.dumps(dict(zip(names, values, strict=True))).decode() for values in zip(*columns, strict=True)]


def content_of(row: str, key: str | None, time: str | None, group: str | None) -> str:
    """Return what stands for a row and what is known of it: one whose time is put right is another one."""
    return digest(row, key or "", time or "", group or "")


def digest(*parts: str) -> str:
    """Return 24 hex digits that stand for these texts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def now() -> str:
    """Return the time in UTC, ISO 8601."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")


def _plain(column: pd.Series[Any]) -> list[Any]:
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype):
        return column.to_numpy(dtype="float64", na_value=np.nan).tolist()  # orjson writes NaN as null
    return _texts(column)


def _texts(column: pd.Series[Any]) -> list[str | None]:
    """Return cells as text, moments in ISO 8601, and None for missing ones."""
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        column = column.dt.tz_convert("UTC").map(lambda moment: moment.isoformat())
    return (
        column.astype("object")
        .where(column.notna(), None)
        .map(lambda cell: cell if cell is None else str(cell))
        .tolist()
    )
