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
from stages.data.labels.log import COMPLETE, Reviewed, read_reviewed
from stages.data.labels.reading import Coder
from stages.params import Watch
from stages.production.log import Entry, PredictionLog
from stages.production.lots import frontier, judges
from stages.production.watch.reference import Reference
from stages.production.watch.seen import Seen


@dataclass(frozen=True)
class Logged:
    """Rows of the log.

    Attributes
    ----------
    seen : Seen
        The rows, and those that are judged: see `logged`.
    last : int
        Number of the last prediction among them.
    start, end : str
        When the first and the last were made, UTC.
    labels : list of Reviewed
        All labels of predicted rows.
    judged : int
        How many of the labels no later look has to judge.
    notes : list of str
        What a reader has to know beside.
    """

    seen: Seen
    last: int
    start: str
    end: str
    labels: list[Reviewed]
    judged: int
    notes: list[str]


def logged(project: Path, reference: Reference, after: int, judged: int, settings: Watch) -> Logged | None:
    """Return what the release predicted after a prediction; None when nothing.

    Each row counts once, by its last prediction; rows that `watch` itself predicted do not, as it looks at them where
    they come from. The rows to judge are those of them that have a label, where ``min_labelled`` do; and rows of before
    that are of the random sample, or of a complete truth, by a label that the first ``judged`` did not hold. Where too
    few of the new rows are labelled, such rows alone are judged, new ones too, once there are ``min_rows``.
    """
    log, released = PredictionLog(project), reference.released
    entries = log.since(after, released.name)
    rows = [entry for entry in _once(entries) if entry["reason"] != OUT_OF_SCOPE]
    if not rows:
        return None
    labels = read_reviewed(project)
    said = {label.id: label.label for label in labels}
    fair = any_rows(labels) - any_rows(labels[:judged])
    late = [
        entry
        for entry in _once(sorted(log.find(sorted(fair)).values(), key=lambda entry: int(entry["number"])))
        if int(entry["number"]) <= after and entry["release"] == released.name and entry["reason"] != OUT_OF_SCOPE
    ]
    labelled = sum(entry["id"] in said for entry in rows)
    sample = [*late, *(entry for entry in rows if entry["id"] in fair)]
    enough = labelled >= settings.min_labelled * len(rows)
    alone = not enough and len(sample) >= settings.min_rows
    frame, target = _frame(rows, reference), str(reference.work.schema["target"])
    judging = sample if alone else [*late, *rows] if enough and labelled else rows
    codes = Coder(released.classes)
    ripe = _frame(judging, reference).assign(
        **{target: np.array([_code(codes, said.get(entry["id"])) for entry in judging], dtype="float64")}
    )
    unknown = sum(entry["id"] in said and codes.code(said[entry["id"]]) is None for entry in rows)
    first, last = (pd.Timestamp(str(entries[at]["at"])).date() for at in (0, -1))
    taken = alone or bool(enough and labelled)
    notes = _notes(reference, rows)
    if late and taken:
        notes.append(
            f"{len(late)} rows of before are judged too, whose labels have come since: drawn at random, or all"
        )
    return Logged(
        seen=Seen(first, last, frame, ripe, unknown, daily=False),
        last=int(entries[-1]["number"]),
        start=str(entries[0]["at"]),
        end=str(entries[-1]["at"]),
        labels=labels,
        judged=len(labels) if taken else judged,
        notes=notes,
    )


def any_rows(labels: Sequence[Reviewed]) -> set[str]:
    """Return the predictions whose labels are of no chosen rows: of the random sample, or of a complete truth."""
    upto = frontier(labels)
    return {label.id for label in labels if label.drawn == COMPLETE or judges(label, upto)}


def _once(entries: Sequence[Entry]) -> list[Entry]:
    """Return the last prediction of each row."""
    return list({(entry["key"], entry["content"]): entry for entry in entries}.values())


def _code(codes: Coder, label: str | None) -> float:
    code = None if label is None else codes.code(label)
    return np.nan if code is None else float(code)


def _notes(reference: Reference, rows: Sequence[Entry]) -> list[str]:
    """Return what is said of rows whose day or group the log does not know; see `_frame`."""
    schema = reference.work.schema
    role = "group" if schema["group"] else "time"
    lacking = sum(entry[role] is None for entry in rows)
    if not schema[role] or not lacking:
        return []
    told = f"{lacking} of {len(rows)} rows were predicted without {schema[role]}"
    if role == "time" and pd.api.types.is_datetime64_any_dtype(reference.judged[schema[role]].dtype):
        return [f"{told}: they count as of the day on which they were predicted"]
    return [f"{told}: the rows are taken for independent, and where they are not the intervals are too narrow"]


def _frame(entries: Sequence[Entry], reference: Reference) -> pd.DataFrame:
    """Return predictions as rows. One without a time is of when it was predicted; what not all have is left out."""
    schema = reference.work.schema
    cells = pd.DataFrame([json.loads(entry["row"]) for entry in entries])
    kinds: Mapping[str, str] = reference.released.features
    columns: dict[str, Any] = {
        name: cells[name].astype("float64" if kinds.get(name) == "number" else "str").where(cells[name].notna())
        for name in cells.columns
    }
    for role in ("time", "group", "key"):
        name = schema.get(role)
        if not name or name in columns:
            continue
        texts = pd.Series([entry[role] for entry in entries], dtype="str")
        if role == "time":
            texts = _moments(texts, [entry["at"] for entry in entries], reference.judged[name])
        columns |= {name: texts} if texts.notna().all() else {}
    return pd.DataFrame(columns)


def _moments(texts: pd.Series[Any], at: Sequence[str], like: pd.Series[Any]) -> pd.Series[Any]:
    """Return times as the release's rows have them: moments, else when the row was predicted; or numbers."""
    if pd.api.types.is_datetime64_any_dtype(like.dtype):
        texts = texts.where(texts.notna(), pd.Series(list(at), index=texts.index, dtype="str"))
        return pd.to_datetime(texts, utc=True, format="ISO8601", errors="coerce").dt.tz_convert(like.dt.tz)
    return pd.to_numeric(texts, errors="coerce")
