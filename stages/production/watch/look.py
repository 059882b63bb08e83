"""One look at production: at a window of the source, or at the log of predictions. Called in the worker."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.context import Context
from stages.data.labels.log import Reviewed
from stages.data.sources import open_source
from stages.data.sources.raw import Raw
from stages.deployment.release_log import Release
from stages.errors import DataError
from stages.params import Params, load_params
from stages.production.latency import ENDPOINTS, read
from stages.production.log import PredictionLog
from stages.production.lots import frontier, judges
from stages.production.released import load_released
from stages.production.watch import quality
from stages.production.watch.logged import logged
from stages.production.watch.measuring import Looking, Measured, Past
from stages.production.watch.reference import Reference, read_reference
from stages.production.watch.seen import Seen, answered, labelled, source_name
from stages.signals import Signal

SINGLE = ENDPOINTS[0]


@dataclass(frozen=True)
class Asked:
    """What a look is to be at.

    Attributes
    ----------
    start, end : date
        The days of the window.
    since : date
        The release has learned from no row from this day on, and was judged on none.
    release : Release or None
        The one in force; None while nothing is.
    folder : Path or None
        The files of the release's iteration; see `stages.production.watch.reference`.
    past : Past
        The looks before.
    """

    start: dt.date
    end: dt.date
    since: dt.date
    release: Release | None
    folder: Path | None
    past: Past


@dataclass(frozen=True)
class AskedLog:
    """What a look at the log of predictions is to be at.

    Attributes
    ----------
    after : int
        Number of the last prediction that was looked at.
    judged : int
        How many labels were judged by then; see `stages.production.watch.logged`.
    release, folder, past
        As of `Asked`.
    """

    after: int
    judged: int
    release: Release
    folder: Path
    past: Past


def look(project: Path, asked: Asked) -> dict[str, Any]:
    """Look at a window of the source, and at the labels that have come since the look before.

    Returns
    -------
    dict
        ``ready``: whether the source has all of the window, and ``after``, the day after its last; else nothing more.
        ``rows``, ``seconds``, and what `stages.production.watch.measuring.Measured` holds, as plain values.

    Raises
    ------
    LoopwrightError
        If the release, or the files it is held against, cannot be read.
    """
    began, params = time.perf_counter(), load_params(project)
    between = open_source(project, params).between(asked.start, asked.end, params.data.collect.as_of)
    rows = len(between.raw.frame)
    if between.after < asked.end:
        return {"ready": False, "after": str(between.after)}
    if asked.release is None or asked.folder is None:
        schema, found, chosen = Context(project).schema, Measured([nothing_released(rows)]), None
    else:
        reference = read_reference(asked.folder, load_released(project, asked.release))
        schema, found = reference.work.schema, _of_source(project, params, reference, asked, between.raw)
        chosen = reference.work.chosen
    patch = taking_in(params, asked.since, asked.end)
    return _plain(found, _ways(schema, patch, asked.past.rows + rows, chosen), rows, began)


def look_at_log(project: Path, asked: AskedLog) -> dict[str, Any]:
    """Look at what the release in force has predicted since the look before.

    Returns
    -------
    dict
        As `look`; ``after`` is the number of the last prediction, and ``start`` and ``end`` tell when the first and the
        last were made; ``judged`` is how many labels no later look has to judge.
    """
    began, params = time.perf_counter(), load_params(project)
    reference = read_reference(asked.folder, load_released(project, asked.release))
    after, notes = asked.after, list[str]()
    if PredictionLog(project).last() < after:
        after, notes = (
            0,
            ["the log of predictions is another one than at the look before: looked at from its beginning"],
        )
    got = logged(project, reference, after, asked.judged, params.deployment.watch)
    if got is None or len(got.seen) < params.deployment.watch.min_rows:
        return {"ready": False, "after": after, "rows": 0 if got is None else len(got.seen), "notes": notes}
    looking = Looking(project, params, reference, asked.past)
    found = looking.measure(got.seen)
    rows = [row for row in read(project, got.start) if row["release"] == reference.released.name]
    found.notes[:0] = [*notes, *got.notes]
    found.signals += looking.latency([row for row in rows if row["endpoint"] == SINGLE])
    ways = _ways(
        reference.work.schema, learning_labels(params, got.labels, reference.work.schema), 0, reference.work.chosen
    )
    plain = _plain(found, ways, len(got.seen), began)
    return plain | {"after": got.last, "start": got.start, "end": got.end, "judged": got.judged}


def nothing_released(rows: int) -> Signal:
    """Return the signal that rows come and nobody answers them."""
    says = f"nothing is released, and {rows} rows have come"
    return Signal.measured("nothing_released", float(rows), threshold=0.0, direction="above", unit="rows", says=says)


def taking_in(params: Params, since: dt.date, end: dt.date) -> Mapping[str, Any]:
    """Return the params with which the window takes in what is known by a day, and the latest of it is the pilot.

    Empty where no label of a row from ``since`` on is known yet, or the window would not grow by it.
    """
    collect, known = params.data.collect, end - dt.timedelta(days=params.deployment.watch.label_days)
    if known <= max(since, collect.until or since):
        return {}
    patch = {"data.collect.until": str(known)}
    if collect.start is None and collect.end is None:
        return patch
    last = known - dt.timedelta(days=collect.pilot_days)
    if last <= max(filter(None, (collect.start, collect.end))):
        return {}
    patch |= {"data.collect.end": str(last)}
    if params.deployment.watch.window == "slides" and collect.start is not None and collect.end is not None:
        patch["data.collect.start"] = str(last - (collect.end - collect.start))
    return patch


def learning_labels(params: Params, labels: Sequence[Reviewed], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the params with which the labels of reviewed rows count that have come in since, if any of them teaches.

    Nothing learns from the random sample, which judges, or from a row without the time that the others have.
    """
    upto = frontier(labels)

    def teaches(label: Reviewed) -> bool:
        placed = not schema["time"] or label.time is not None or "time" in label.withheld_roles
        return placed and not judges(label, upto)

    found = any(teaches(label) for label in labels[params.data.labels.reviewed :])
    return {"data.labels.reviewed": len(labels)} if found else {}


def _of_source(project: Path, params: Params, reference: Reference, asked: Asked, raw: Raw) -> Measured:
    """Answer what came, and measure it; rows that the release cannot take in are an alarm of their own."""
    released, schema = reference.released, reference.work.schema
    looking = Looking(project, params, reference, asked.past)
    usual = _usual(project, params, reference)
    if not len(raw.frame):
        return looking.silent(asked.start, asked.end, usual)
    target, as_of = str(schema["target"]), params.data.collect.as_of
    delay = dt.timedelta(days=params.deployment.watch.label_days)
    first, source = max(asked.since, asked.start - delay), open_source(project, params)

    def before() -> pd.DataFrame:
        raw = source.between(asked.since, first, as_of).raw
        if not len(raw.frame):
            return reference.judged.iloc[:0]
        found, _ = labelled(released, raw, schema)
        return found[found[target].notna()]

    try:
        frame = answered(project, released, raw, (asked.start, asked.end), schema)
        due = source.between(first, max(first, asked.end - delay), as_of).raw if delay else raw
        ripe = labelled(released, due, schema) if len(due.frame) else (frame.iloc[:0].assign(**{target: np.nan}), 0)
        seen = Seen(asked.start, asked.end, frame, *ripe)
    except DataError as error:
        return Measured([quality.unreadable(error, len(raw.frame), params.planning.security.private)])
    if not delay and source_name(released, target) not in raw.frame.columns:
        return Measured([quality.without_target(target, len(raw.frame))])
    return looking.measure(seen, before, usual)


def _usual(project: Path, params: Params, reference: Reference) -> pd.Series[Any] | None:
    """Return when rows came in the days of the pilot, as the source has them: labelled or not, and none left out."""
    time = reference.work.schema["time"]
    if not pd.api.types.is_datetime64_any_dtype(reference.judged[time].dtype):
        return None
    first, last = (moment.date() for moment in (reference.judged[time].min(), reference.judged[time].max()))
    try:
        day = dt.timedelta(days=1)
        raw = open_source(project, params).between(first, last + day, params.data.collect.as_of).raw
        return labelled(reference.released, raw, reference.work.schema)[0][time] if len(raw.frame) else None
    except DataError:
        return None


def _ways(schema: Mapping[str, Any], patch: Mapping[str, Any], rows: int, chosen: str | None) -> dict[str, Any]:
    """Return what the loop may change on behalf of an alarm.

    ``rows`` that have come since the release's pilot would be collected beside those that the release has.
    """
    return {
        **({} if chosen is None else {"chosen": chosen}),
        "take_production": dict(patch),
        "rows": schema["window"]["rows"],
        "pilot_rows": schema["pilot"]["rows"],
        "production_rows": rows,
    }


def _plain(found: Measured, ways: dict[str, Any], rows: int, began: float) -> dict[str, Any]:
    signals = list(found.signals)
    if signals:  # what may be changed stands once
        signals[0] = signals[0].model_copy(update={"evidence": {**signals[0].evidence, **ways}})
    told = {key: value for key, value in asdict(found).items() if key != "signals"}
    seconds = round(time.perf_counter() - began, 3)
    return {"ready": True, "rows": rows, "signals": [one.model_dump() for one in signals], **told, "seconds": seconds}
