"""The iterations one by one: why, on which data, with what evidence, what changed, what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flows.decide import FORWARD
from flows.entry import goes_back
from flows.record import Iteration
from flows.report.charts import strip
from flows.report.costs import Paid, paid
from flows.report.facts import Facts, bounds
from flows.report.past import changed_params
from flows.report.pieces import bound_sign, clock, counted, day, span, told
from flows.transitions import BY_NAME, STAGES
from flows.words import figure, interval, value_words, verdict_word

MOST_CHANGES, LONGEST = 3, 110  # of the line that is read without opening the iteration
ENDS = {"released": "✔", "stopped": "■", "waiting": "…"}


@dataclass(frozen=True)
class Measured:
    """A signal as the page shows it."""

    name: str
    verdict: str
    state: str
    value: str
    interval: str
    threshold: str
    unit: str
    says: str
    strip: str


@dataclass(frozen=True)
class Change:
    """One changed key of the params."""

    key: str
    before: str
    after: str


@dataclass(frozen=True)
class Entry:
    """One iteration as the page shows it."""

    number: int
    stage: str
    lane: int
    to: str
    next_lane: int | None
    back: bool
    end: str
    row: str
    because: str
    by: str
    summary: str
    brief: list[str]
    chips: list[tuple[str, bool]]
    moment: str
    day: str
    clock: str
    computing: str
    steps: list[str]
    changes: list[Change]
    data: list[tuple[str, str]]
    figures: list[tuple[str, str]]
    signals: list[Measured]
    reason: str
    cure: str
    leaves_with: list[Change]
    proposal: list[Change]
    considered: list[tuple[str, str]]
    code: str
    experiment: str


@dataclass(frozen=True)
class Run:
    """The iterations of one run."""

    name: str
    because: str
    day: str
    ended: str
    entries: list[Entry]


def timeline(facts: Facts) -> list[Run]:
    """Return every iteration, by run."""
    added, collected = paid(facts), _collected(facts)
    previous: Iteration | None = facts.before[-1] if facts.before else None
    runs = []
    for items in facts.runs:
        entries = []
        for item in items:
            entries.append(_entry(facts, item, previous, added[item.iteration], collected))
            previous = item
        to = str(items[-1].move["to"])
        ended = f"goes on with {to}" if to in STAGES else to
        runs.append(Run(items[0].run, items[0].because, day(items[0].started), ended, entries))
    return runs


def _entry(
    facts: Facts,
    item: Iteration,
    previous: Iteration | None,
    added: Paid,
    collected: Mapping[str | None, Iteration],
) -> Entry:
    move, to, changed = item.move, str(item.move["to"]), _changes(facts, previous, item)
    row = BY_NAME.get(str(move["row"]))
    last = item.iteration == facts.last.iteration
    return Entry(
        number=item.iteration,
        stage=item.stage,
        lane=STAGES.index(item.stage),
        to=to,
        next_lane=STAGES.index(to) if to in STAGES and not last else None,
        back=goes_back(move),
        end=ENDS.get(to, ""),
        row="" if move["row"] == FORWARD else str(move["row"]).replace("_", " "),
        because=item.because,
        by=item.by,
        summary=row.when if row is not None and move["row"] != "manual" else str(move["reason"]),
        brief=_brief(facts, item, changed, added),
        chips=[
            (_chip(name, found), found["met"]) for name, found in bounds(item).items() if found.get("value") is not None
        ],
        moment=item.started,
        day=day(item.started),
        clock=clock(item.started),
        computing=span(item.seconds),
        steps=[f"{step['name']} {step['how']}, {step['seconds']:.1f} s" for step in item.steps],
        changes=changed,
        data=_data(facts, item, added, collected),
        figures=_figures(item),
        signals=[_measured(signal) for signal in item.signals],
        reason=str(move["reason"]),
        cure=row.cure if row is not None else "",
        leaves_with=[Change(key, "", value_words(value)) for key, value in move["patch"].items()],
        proposal=[Change(key, "", value_words(value)) for key, value in move["proposal"].items()],
        considered=[(str(other["row"]).replace("_", " "), str(other["refused"])) for other in move["considered"]],
        code=item.code[:12],
        experiment=item.experiment,
    )


def _chip(name: str, found: Mapping[str, Any]) -> str:
    needs = bound_sign(found["side"], found["bound"])
    return f"{name} {figure(found['value'])}" + (f" {needs}" if found["met"] else f", needs {needs}")


def _brief(facts: Facts, item: Iteration, changed: list[Change], added: Paid) -> list[str]:
    """Return what changed and what was collected, a line each."""
    told_of = [
        f"{change.key}: {change.before} → {change.after}" if change.before else f"{change.key}: {change.after}"
        for change in changed[:MOST_CHANGES]
    ]
    lines = [line if len(line) <= LONGEST else line[: LONGEST - 1] + "…" for line in told_of]
    if len(changed) > MOST_CHANGES:
        lines.append(f"and {counted(len(changed) - MOST_CHANGES, 'more change')} of the params")
    if item.rows is not None:
        window = (facts.archive.of(item).json("data/schema.json") or {}).get("window") or {}
        when = f", {window['start']} to {window['end']}" if window.get("start") and window.get("end") else ""
        if window.get("rows"):
            lines.append(f"window of {counted(window['rows'], 'row')}{when}")
        new = f"{added.labels:,}" if added.labels else "none"
        lines.append(f"window and pilot: {counted(item.rows, 'row')}, {counted(item.labels or 0, 'label')}, {new} new")
    return lines


def _changes(facts: Facts, previous: Iteration | None, item: Iteration) -> list[Change]:
    """Return how the params differ from those of the iteration before; by the record alone where they are not kept."""
    before = None if previous is None else facts.archive.of(previous).params
    found = changed_params(before, facts.archive.of(item).params)
    if found or before is not None:
        return [Change(key, _cell(old), _cell(new)) for key, old, new in found]
    return [Change(key, "", _cell(value)) for key, value in item.patch.items()]


def _cell(value: Any) -> str:
    return "not set" if value is None else value_words(value)


def _collected(facts: Facts) -> dict[str | None, Iteration]:
    """Return the last iteration that collected each version of the data."""
    return {item.data_version: item for item in (*facts.before, *facts.items) if item.rows is not None}


def _data(
    facts: Facts, item: Iteration, added: Paid, collected: Mapping[str | None, Iteration]
) -> list[tuple[str, str]]:
    source = collected.get(item.data_version)
    if item.data_version is None or source is None:
        return []
    found = [("version", item.data_version.removesuffix(".dir")[:12])]
    if source.iteration != item.iteration:
        found.append(("collected in", f"iteration {source.iteration}"))
    schema = facts.archive.of(source).json("data/schema.json") or {}
    for part in ("window", "pilot"):
        about = schema.get(part) or {}
        when = f"{about['start']} to {about['end']}, " if about.get("start") and about.get("end") else ""
        if about.get("rows"):
            found.append((part, when + counted(about["rows"], "row")))
    labels = counted(source.labels or 0, "label")
    found.append(("held", f"{counted(source.rows or 0, 'row')}, {labels}"))
    if added.rows is not None:
        news = f"{added.rows:,} rows, {added.labels or 0:,} labels"
        found.append(("paid for now", news + (f", money {figure(added.money)}" if added.money else "")))
    return found


def _figures(item: Iteration) -> list[tuple[str, str]]:
    """Return what the stage measured of the model, each figure with its interval."""
    pilot, evaluation = item.metrics.get("pilot", {}), item.metrics.get("evaluation", {})
    rows = {"valid": "validation rows", "test": "test rows", "train": "training rows"}
    parts = {"pilot": pilot.get("model")} if pilot else {says: evaluation.get(key) for key, says in rows.items()}
    return [
        (f"{name}, {part}", told(figures[name]))
        for part, figures in parts.items()
        if figures
        for name in figures
        if isinstance(figures[name], dict)
    ]


def _measured(signal: dict[str, Any]) -> Measured:
    fires = signal["fires"]
    drawn = strip(signal, signal["threshold"], f"fires {signal['direction']}")
    threshold = "–" if signal["threshold"] is None else f"{signal['direction']} {figure(signal['threshold'])}"
    return Measured(
        name=signal["name"].replace("_", " "),
        verdict=verdict_word(fires),
        state={True: "fires", False: "calm", None: "unsure"}[fires],
        value=figure(signal["value"]),
        interval=interval(signal["low"], signal["high"]),
        threshold=threshold,
        unit=signal["unit"],
        says=signal["says"],
        strip="" if drawn is None else str(drawn),
    )
