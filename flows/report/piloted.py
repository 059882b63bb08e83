"""Whether the pilot was large enough to tell, and how the new model does beside the released one."""

from __future__ import annotations

from typing import Any

from flows.pilot import apart_words, asked, beside, needed, rows_words, told
from flows.report.facts import Facts, evidence
from flows.report.pieces import Section, Table
from flows.words import figure, interval


def pilot_section(facts: Facts) -> Section | None:
    """Return what the last pilot told; None while nothing was piloted."""
    piloted = [item for item in facts.worked("deployment") if evidence(item, "pilot_unsure")]
    if not piloted:
        return None
    last = piloted[-1]
    signal = evidence(last, "pilot_unsure") or {}
    tables = [_needed(needed(last), last.iteration)] if needed(last) else []
    says, found = [f"Iteration {last.iteration}: {signal['says']}."], beside(last)
    if found is not None:
        says.append(f"Beside the released model: {apart_words(found)}.")
        tables.append(_metrics(found, last.iteration))
        tables += [_slices(found, last.iteration)] if found["slices"] else []
    return Section("pilot", "What the pilot told", says, tables=tables)


def _needed(entries: list[dict[str, Any]], iteration: int) -> Table:
    head = ["metric", "reached", "interval", "required", "to rule out", "told", "size to plan for"]
    rows = [
        [
            entry["metric"],
            figure(entry["value"]),
            interval(entry["low"], entry["high"]),
            asked(entry).removeprefix("required "),
            figure(entry["least"]),
            told(entry),
            rows_words(entry),
        ]
        for entry in entries
    ]
    return Table(f"What the pilot of iteration {iteration} tells", head, rows)


def _metrics(found: dict[str, Any], iteration: int) -> Table:
    rows = [[name, figure(both["released"]), figure(both["new"])] for name, both in found["metrics"].items()]
    return Table(
        f"The released and the new model in the pilot of iteration {iteration}", ["metric", "released", "new"], rows
    )


def _slices(found: dict[str, Any], iteration: int) -> Table:
    head = ["slice", "rows", "answered apart", "released alone right", "new alone right"]
    rows = [
        [
            f"{part['column']} = {part['value']}",
            *(figure(part[key]) for key in ("rows", "apart", "released_right", "new_right")),
        ]
        for part in found["slices"]
    ]
    return Table(f"Where the two answer apart most, iteration {iteration}", head, rows)
