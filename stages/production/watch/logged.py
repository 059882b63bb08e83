"""Predictions of the log as rows of a look: what `predict` and `serve` answered since, with labels that came in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.answering import OUT_OF_SCOPE
from stages.data.labels.log import read_reviewed
from stages.data.labels.reading import Coder
from stages.production.log import Entry, PredictionLog
from stages.production.watch.reference import Reference
from stages.production.watch.seen import Seen


@dataclass(frozen=True)
class Logged:
    """Rows of the log.

    Attributes
    ----------
    seen : Seen
        The rows.
    last : int
        Number of the last prediction among them.
    start, end : str
        When the first and the last were made, UTC.
    labels : int
        How many labels of predicted rows there are in all.
    """

    seen: Seen
    last: int
    start: str
    end: str
    labels: int


def logged(project: Path, reference: Reference, after: int) -> Logged | None:
    """Return what the release predicted after a prediction; None when nothing.

    Each row counts once, by its last prediction; rows that `watch` itself predicted do not, as it looks at them where
    they come from.
    """
    entries = PredictionLog(project).since(after, reference.released.name)
    if not entries:
        return None
    once = {(entry["key"], entry["content"]): entry for entry in entries}
    rows = [entry for entry in once.values() if entry["reason"] != OUT_OF_SCOPE]
    if not rows:
        return None
    labels = read_reviewed(project)
    frame = _frame(rows, reference)
    said = {label.id: label.label for label in labels}
    coder, target = Coder(reference.released.classes), str(reference.work.schema["target"])
    codes = [coder.code(said[entry["id"]]) if entry["id"] in said else None for entry in rows]
    given = sum(entry["id"] in said for entry in rows)
    ripe = frame.assign(**{target: np.array([np.nan if code is None else code for code in codes], dtype="float64")})
    first, last = (pd.Timestamp(str(entries[at]["at"])).date() for at in (0, -1))
    unknown = given - int(ripe[target].notna().sum())
    return Logged(
        seen=Seen(first, last, frame, ripe, unknown, daily=False),
        last=int(entries[-1]["number"]),
        start=str(entries[0]["at"]),
        end=str(entries[-1]["at"]),
        labels=len(labels),
    )


def _frame(entries: Sequence[Entry], reference: Reference) -> pd.DataFrame:
    schema = reference.work.schema
    cells = pd.DataFrame([json.loads(entry["row"]) for entry in entries])
    kinds: Mapping[str, str] = reference.released.features
    columns: dict[str, Any] = {
        name: cells[name].astype("float64" if kinds.get(name) == "number" else "str").where(cells[name].notna())
        for name in cells.columns
    }
    for role in ("time", "group", "key"):
        if schema.get(role) and schema[role] not in columns:
            texts = pd.Series([entry[role] for entry in entries], dtype="str")
            columns[schema[role]] = texts if role != "time" else _moments(texts, reference.judged[schema[role]])
    return pd.DataFrame(columns)


def _moments(texts: pd.Series[Any], like: pd.Series[Any]) -> pd.Series[Any]:
    """Return times as the release's rows have them: moments, or numbers."""
    if pd.api.types.is_datetime64_any_dtype(like.dtype):
        return pd.to_datetime(texts, utc=True, format="ISO8601", errors="coerce").dt.tz_convert(like.dt.tz)
    return pd.to_numeric(texts, errors="coerce")
