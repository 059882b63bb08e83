"""Are the rows still what the release takes in: expectations, schema, labels; and do as many come as usual."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.data.profiles import profile_of
from stages.errors import DataError
from stages.params import Params, Validate
from stages.production.watch.levels import mean_figure, share_figure
from stages.production.watch.reference import Reference
from stages.production.watch.seen import Seen
from stages.signals import Signal
from stages.training.metrics import Figure

COLUMN_KEYS = ("column", "column_A", "column_B")
DATA = "production_data"
SHOWN = 3
MIN_DAYS = 5  # fewer do not tell how much days vary


def unreadable(error: DataError, rows: int, private: Sequence[str] = ()) -> Signal:
    """Return ``production_data`` for rows that the release cannot take in; of a private column no cell is told."""
    hidden = any(f"column {name!r}" in error.where for name in private)
    what = "holds what cannot be read (private)" if hidden else error.what
    return Signal(
        name=DATA,
        value=1.0,
        low=1.0,
        high=1.0,
        threshold=0.0,
        unit="of the rows",
        fires=True,
        says=f"{rows} rows cannot be answered: {error.where} {what}; expected {error.expected}",
        evidence={"unreadable": what, "where": error.where},
    )


def without_target(target: str, rows: int) -> Signal:
    """Return ``production_data`` for rows whose labels are due, and that have no column for them any more."""
    says = f"{rows} rows have no column {target!r}, and labels are due (deployment.watch.label_days says when)"
    return Signal.measured(DATA, 1.0, threshold=0.0, direction="above", unit="of the rows", says=says)


def production_data(project: Path, reference: Reference, seen: Seen, params: Params, *, level: float) -> Signal:
    """Fire when surely too many rows fail the expectations or hold an unknown label, or the schema has changed.

    Parameters
    ----------
    project : Path
        The project, with its present suite.
    reference : Reference
        The release.
    seen : Seen
        The rows of the look.
    params : Params
        ``data.validate`` and ``deployment.watch.max_failing``.
    level : float
        Coverage of the interval.
    """
    failing, broken = _failing(project, reference, seen, params.data.validate_)
    blocks = reference.blocks(seen.frame)
    either = 1 - (1 - level) / 2  # one or the other may alarm
    share = _share(failing, blocks, either)
    unknown = share_figure(seen.unknown, len(seen.ripe), either)
    changed = _changed(reference, seen, params.data.validate_)
    limit = params.deployment.watch.max_failing
    worst = max(share, unknown, key=lambda found: found["low"] or 0.0)
    told = f"{int(failing.sum())} of {len(seen)} rows fail the expectations"
    told += f" ({', '.join(broken[:SHOWN])})" if broken else ""
    told += f"; {seen.unknown} labels are unknown to the release" if seen.unknown else ""
    told += f"; {changed.says}" if changed.fires else ""
    evidence: dict[str, Any] = {"failing": int(failing.sum()), "expectations": broken, "unknown_labels": seen.unknown}
    evidence["schema_changed"] = changed.model_dump()
    signal = Signal.of_figure(
        DATA, worst, threshold=limit, direction="above", unit="of the rows", says=told, evidence=evidence
    )
    return signal.model_copy(update={"fires": True}) if changed.fires else signal


def production_volume(
    reference: Reference, seen: Seen, most: float, *, level: float, usual: pd.Series[Any] | None = None
) -> Signal | None:
    """Fire when surely more, or fewer, rows come a day than did when the release was made; None without days.

    The value is the change of the mean as a share; the interval that of the ratio of two means, by the logarithm.

    Parameters
    ----------
    reference, seen
        The release, and the rows of the look.
    most : float
        ``deployment.watch.max_volume_change``.
    level : float
        Coverage of the interval.
    usual : Series of moments, optional
        When rows came in the days of the pilot. Else the release's own rows are counted, of which a sample, or those
        without a label, may be missing.
    """
    time = reference.work.schema["time"]
    if not seen.daily or not time or not pd.api.types.is_datetime64_any_dtype(reference.judged[time].dtype):
        return None
    if usual is None or not len(usual):
        usual = pd.concat([reference.learned, reference.judged], ignore_index=True)[time]
    return _volume(_per_day(usual), _per_day(seen.frame[time], seen.start, seen.end), most, level)


def _volume(usual: np.ndarray, now: np.ndarray, most: float, level: float) -> Signal:
    name, unit = "production_volume", "of the usual rows a day"
    says = f"{now.mean():.1f} rows a day, {usual.mean():.1f} when the release was made"
    if min(len(usual), len(now)) < MIN_DAYS:
        return Signal(name=name, threshold=most, unit=unit, says=f"{says}; too few days to tell")
    ratio = _ratio(usual, now, 1 - (1 - level) / 2)  # it fires at both ends
    value, low, high = (abs(ratio["value"] - 1), *_beyond(ratio))
    return Signal.measured(
        name, value, low, high, threshold=most, direction="above", unit=unit, says=says, evidence={"ratio": ratio}
    )


def _failing(project: Path, reference: Reference, seen: Seen, settings: Validate) -> tuple[np.ndarray, list[str]]:
    """Return which rows break an expectation, and which those are."""
    from stages.data.validate import Checked, load_suite

    suite = [spec for spec in load_suite(project, settings.suite) if _is_here(spec, seen.frame)]
    checked = Checked(seen.frame, suite, reference.work.schema, settings.suite, "window")
    outcomes = [item for item in checked.outcomes() if not item["success"] and item["level"] == "row"]
    return checked.fails, [f"{item['type']}({item['column']})" for item in outcomes]


def _is_here(spec: Mapping[str, Any], frame: pd.DataFrame) -> bool:
    """Tell whether an expectation is about columns that rows have before their labels."""
    kwargs = spec.get("kwargs", {})
    named = {kwargs[key] for key in COLUMN_KEYS if key in kwargs} | set(kwargs.get("column_list", []))
    return named <= set(frame.columns)


def _changed(reference: Reference, seen: Seen, settings: Validate) -> Signal:
    """Return what `stages.data.schema_changes.schema_changed` finds between the rows learned from and those seen."""
    from stages.data.schema_changes import schema_changed

    schema = reference.work.schema
    since = {**schema, "pilot": {**schema["pilot"], "start": str(seen.start)}}
    before, now = (profile_of(frame, schema) for frame in (reference.learned, seen.frame))
    return schema_changed(before, now, None, since, settings)


def _share(failing: np.ndarray, blocks: Any, level: float) -> Figure:
    if blocks is None or not failing.any():
        return share_figure(int(failing.sum()), len(failing), level)
    found = mean_figure(failing.astype(float), blocks, level)
    return {key: None if end is None else min(1.0, max(0.0, end)) for key, end in found.items()}


def _per_day(time: pd.Series[Any], start: dt.date | None = None, end: dt.date | None = None) -> np.ndarray:
    """Return how many rows there are of each day, also of those without any."""
    days = time.dt.tz_localize(None).to_numpy().astype("datetime64[D]")
    first = np.datetime64(start) if start else days.min()
    last = np.datetime64(end) if end else days.max() + 1
    inside = days[(days >= first) & (days < last)]
    return np.bincount((inside - first).astype(int), minlength=int((last - first).astype(int))).astype(float)


def _ratio(usual: np.ndarray, now: np.ndarray, level: float) -> dict[str, float]:
    from scipy import stats

    value = float(now.mean() / usual.mean())
    if value == 0:
        return {"value": 0.0, "low": 0.0, "high": 0.0}
    error = float(np.sqrt(sum(side.var(ddof=1) / len(side) / side.mean() ** 2 for side in (usual, now))))
    half = float(stats.t.ppf((1 + level) / 2, min(len(usual), len(now)) - 1)) * error
    return {"value": value, "low": value * float(np.exp(-half)), "high": value * float(np.exp(half))}


def _beyond(ratio: dict[str, float]) -> tuple[float, float]:
    """Return the least and the largest change, as a share, that a ratio's interval allows."""
    ends = abs(ratio["low"] - 1), abs(ratio["high"] - 1)
    return (0.0 if ratio["low"] <= 1 <= ratio["high"] else min(ends)), max(ends)
