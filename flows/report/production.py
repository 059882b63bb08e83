"""What looks at production found, window by window: how the release did, what alarmed, and where that led."""

from __future__ import annotations

from collections.abc import Sequence

from flows.report.charts import Row, rows_with_intervals
from flows.report.facts import Facts
from flows.report.pieces import Picture, Section, Table, counted, told
from flows.watching.looks import Look, read_looks

MOST = 36  # looks in a picture; the table below it holds them all


def production_section(facts: Facts) -> Section | None:
    """Return what was seen of production, None where nobody has looked yet."""
    looks = read_looks(facts.project)
    if not looks:
        return None
    alarms = [look for look in looks if look.alarm]
    says = [
        f"{counted(len(looks), 'look')} at {counted(sum(look.rows for look in looks), 'row')}, "
        f"{counted(len(alarms), 'alarm')}. Intervals are as wide as it takes to keep false alarms rare over all looks."
    ]
    names = dict.fromkeys(name for look in looks for name in look.figures)
    pictures = [picture for name in names if (picture := _picture(facts, looks, name)) is not None]
    return Section("production", "In production", says, pictures=pictures, tables=[_table(looks)])


def _picture(facts: Facts, looks: Sequence[Look], name: str) -> Picture | None:
    rows = [
        Row(
            _days(look),
            float(found["value"]),
            found["low"],
            found["high"],
            look.alarm is not None,
            f"release of {look.iteration}" + (f"; {look.alarm.replace('_', ' ')}" if look.alarm else ""),
        )
        for look in looks[-MOST:]
        if (found := look.figures.get(name)) is not None and found["value"] is not None
    ]
    if not rows:
        return None
    bound = facts.params.planning.requirements.get(name)
    limits, words = ([bound.bound], f"required {bound.bound:g}") if bound is not None else ([], "")
    return Picture(f"{name} in production", str(rows_with_intervals(rows, name, limits, words)))


def _table(looks: Sequence[Look]) -> Table:
    rows = [
        [
            _days(look),
            str(look.rows),
            str(look.labelled),
            "nothing" if look.iteration is None else f"iteration {look.iteration}",
            "; ".join(f"{name} {told(found)}" for name, found in look.figures.items()),
            told(look.expected),
            (look.alarm or "quiet").replace("_", " "),
            "" if look.entered is None else f"iteration {look.entered}",
        ]
        for look in looks
    ]
    head = ["days", "rows", "with labels", "release of", "figures", "loss expected before labels", "alarm", "went to"]
    return Table("Looks at production", head, rows)


def _days(look: Look) -> str:
    return look.start[:10] if look.origin == "source" else f"log to {look.end[:10]}"
