"""One look at production: what came, what the release said of it, and every signal of it. Called in the worker."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from stages.context import Context
from stages.data.sources import open_source
from stages.data.sources.raw import Raw
from stages.deployment.outcome import outcome_low
from stages.deployment.release_log import Release
from stages.errors import DataError
from stages.params import Params, Shift, load_params
from stages.planning.outcome import outcome_of, with_review
from stages.production.released import load_released
from stages.production.watch import performance, quality
from stages.production.watch.levels import figures, level_of, mean_figure
from stages.production.watch.reference import Reference, read_reference
from stages.production.watch.seen import Seen, answered, labelled
from stages.production.watch.stale import production_stale
from stages.shift.detector import detect
from stages.shift.measure import Task, measure
from stages.shift.sides import Sides
from stages.shift.verdicts import covariate_shift, shift
from stages.signals import Signal
from stages.training.metrics import Figure, Scorer

ALARMS = 10  # signals that may alarm at a look


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
    earlier : Release or None
        The one in force before it.
    folder : Path or None
        The files of the release's iteration; see `stages.production.watch.reference`.
    number : int
        Of the look, from 1, while this release is in force.
    losses : list of float
        What `performance.advantage` gave at the looks before.
    """

    start: dt.date
    end: dt.date
    since: dt.date
    release: Release | None
    earlier: Release | None
    folder: Path | None
    number: int
    losses: list[float]


def look(project: Path, asked: Asked) -> dict[str, Any]:
    """Look at a window of the source, and at the labels that have come since the look before.

    Returns
    -------
    dict
        ``ready``: whether the source has all of the window, and ``after``, the day after its last; else nothing more.
        ``rows``, ``labelled``, ``signals`` (plain), ``figures`` (metric -> figure), ``expected`` (the loss before
        labels), ``losses`` (for later looks), ``seconds``.

    Raises
    ------
    LoopwrightError
        If the release, or the files it is held against, cannot be read.
    """
    began = time.perf_counter()
    params = load_params(project)
    between = open_source(project, params).between(asked.start, asked.end)
    if between.after < asked.end or not len(between.raw.frame):
        return {"ready": False, "after": str(between.after), "rows": len(between.raw.frame)}
    found: dict[str, Any] = {"ready": True, "rows": len(between.raw.frame), "labelled": 0, "losses": []}
    if asked.release is None or asked.folder is None:
        schema, signals = Context(project).schema, [nothing_released(len(between.raw.frame))]
    else:
        reference = read_reference(asked.folder, load_released(project, asked.release))
        schema, signals = reference.work.schema, _released(project, params, reference, asked, between.raw, found)
    signals = [_with_ways(signal, params, schema, asked, found["rows"]) for signal in signals]
    found |= {"signals": [signal.model_dump() for signal in signals]}
    return found | {"seconds": round(time.perf_counter() - began, 3)}


def nothing_released(rows: int) -> Signal:
    """Return the signal that rows come and nobody answers them."""
    says = f"nothing is released, and {rows} rows have come"
    return Signal.measured("nothing_released", float(rows), threshold=0.0, direction="above", unit="rows", says=says)


def _released(
    project: Path, params: Params, reference: Reference, asked: Asked, raw: Raw, found: dict[str, Any]
) -> list[Signal]:
    """Answer what came, and measure it; rows that the release cannot take in are an alarm of their own."""
    released, schema = reference.released, reference.work.schema
    delay = dt.timedelta(days=params.deployment.watch.label_days)
    first = max(asked.since, asked.start - delay)
    try:
        frame = answered(project, released, raw, (asked.start, asked.end), schema)
        due = open_source(project, params).between(first, max(first, asked.end - delay)).raw if delay else raw
        seen = Seen(asked.start, asked.end, frame, *labelled(released, due, schema))
    except DataError as error:
        return [quality.unreadable(error, len(raw.frame))]
    return _signals(project, params, reference, seen, asked, found)


def _signals(
    project: Path, params: Params, reference: Reference, seen: Seen, asked: Asked, found: dict[str, Any]
) -> list[Signal]:
    settings, limits = params.deployment.watch, params.deployment.shift
    level, seed = level_of(settings.alpha, asked.number, ALARMS), params.seed
    sampling: dict[str, Any] = {"level": level, "seed": seed}
    signals = [quality.production_data(project, reference, seen, params, level=level)]
    volume = quality.production_volume(reference, seen, settings.max_volume_change, level=level)
    signals += [volume] if volume is not None else []
    target = str(reference.work.schema["target"])
    rows, share = seen.sample(target, settings.labels, seed), float(seen.ripe[target].notna().mean())
    expected = performance.estimated(reference, seen.frame, **sampling)
    found |= {"expected": expected, "labelled": len(rows)}
    judged = len(rows) > 0 and share >= settings.min_labelled
    if settings.label_days or not judged:
        usual = float(reference.usual.losses.mean())
        told = performance.production_estimated(expected, usual, reference.usual_constant_loss, limits, reference.loss)
        signals += [told, _inputs(reference, seen, limits, **sampling)]
    return signals + (_judged(project, params, reference, rows, asked, found, sampling) if judged else [])


def _judged(
    project: Path,
    params: Params,
    reference: Reference,
    rows: pd.DataFrame,
    asked: Asked,
    found: dict[str, Any],
    sampling: dict[str, Any],
) -> list[Signal]:
    """Return what labels tell."""
    settings, limits = params.deployment.watch, params.deployment.shift
    scorer = reference.scorer(rows)
    wanted = performance.rowwise(reference.work.requirements, reference.work.task)
    names = list(dict.fromkeys([*wanted, reference.work.row_metric]))
    found["figures"] = figures(scorer, names, **sampling)
    found["losses"] = performance.advantage(scorer)
    worse = performance.production_worse(found["figures"], wanted, len(rows))
    moved = shift(_measured(reference, rows, **sampling), limits, broken=worse.fires is True)
    signals = [moved.model_copy(update={"name": "production_shift"}), worse]
    before = _since(project, params, reference, asked)
    least = settings.min_gain
    signals.append(production_stale(reference, before, scorer, rows, least, level=sampling["level"]))
    later = [*asked.losses, *found["losses"]]
    usual_days, constant = performance.advantage(reference.usual), reference.usual_constant_loss
    signals.append(performance.production_risk(usual_days, later, constant, limits, settings.alpha / ALARMS))
    signals += _outcome(project, reference, rows, scorer, found, sampling["level"])
    if asked.earlier is not None:
        regressed = performance.release_regressed(reference, load_released(project, asked.earlier), rows, **sampling)
        signals += [regressed] if regressed is not None else []
    return signals


def _since(project: Path, params: Params, reference: Reference, asked: Asked) -> pd.DataFrame:
    """Return the labelled rows from the release's pilot to this look."""
    delay = dt.timedelta(days=params.deployment.watch.label_days)
    end = max(asked.since, asked.start - delay)
    raw = open_source(project, params).between(asked.since, end).raw
    target = str(reference.work.schema["target"])
    if not len(raw.frame):
        return reference.judged.iloc[:0]
    found, _ = labelled(reference.released, raw, reference.work.schema)
    return found[found[target].notna()]


def _measured(reference: Reference, rows: pd.DataFrame, *, level: float, seed: int) -> dict[str, Any]:
    work, released = reference.work, reference.released
    blocks = reference.blocks(rows)
    learned, held = (
        Sides(before, rows, released.features, (reference.blocks(before), blocks))
        for before in (reference.learned, reference.judged)
    )
    task = Task(work.task, str(work.schema["target"]), work.schema["classes"], released.predict)
    return measure(learned, held, task, level=level, seed=seed)


def _inputs(reference: Reference, seen: Seen, limits: Shift, *, level: float, seed: int) -> Signal:
    """Return how the inputs moved, where no labels tell whether that does harm; told, and no alarm."""
    blocks = (reference.blocks(reference.learned), reference.blocks(seen.frame))
    found = detect(Sides(reference.learned, seen.frame, reference.released.features, blocks), level=level, seed=seed)
    told = covariate_shift(found, limits)
    return told.model_copy(update={"name": "production_inputs"})


def _outcome(
    project: Path, reference: Reference, rows: pd.DataFrame, scorer: Scorer, found: dict[str, Any], level: float
) -> list[Signal]:
    """Return ``outcome_low`` where the charter says what the outcome has to be."""
    charter = reference.work.charter
    brings, wanted = outcome_of(project, charter), charter.get("outcome") or {}
    if brings is None:
        return []
    values = brings(rows[list(reference.released.features)], scorer.target, scorer.prediction)
    values = with_review(values, scorer.answers, charter)
    figure: Figure = mean_figure(values, scorer.blocks, level)
    found["outcome"] = figure
    if wanted.get("at_least") is None:
        return []
    signal = outcome_low(figure, float(wanted["at_least"]), str(wanted.get("unit", "")), met=True)
    return [signal.model_copy(update={"says": signal.says.replace("the pilot", "production")})]


def _with_ways(signal: Signal, params: Params, schema: Mapping[str, Any], asked: Asked, rows: int) -> Signal:
    """Return a signal with what the loop may change on its behalf."""
    ways = {
        "take_production": taking_in(params, asked.end),
        "rows": schema["window"]["rows"],
        "pilot_rows": schema["pilot"]["rows"],
        "production_rows": rows,
    }
    return signal.model_copy(update={"evidence": {**signal.evidence, **ways}})


def taking_in(params: Params, end: dt.date) -> Mapping[str, str]:
    """Return the params with which the window takes in what is known by a day, and the latest of it is the pilot."""
    collect, known = params.data.collect, end - dt.timedelta(days=params.deployment.watch.label_days)
    patch = {"data.collect.until": str(known)}
    if collect.start is None and collect.end is None:
        return patch
    last = known - dt.timedelta(days=collect.pilot_days)
    grows = last > (collect.end or dt.date.min) and (collect.start is None or last > collect.start)
    return patch | ({"data.collect.end": str(last)} if grows else {})
