"""The three conditions of the flywheel, as ``loopwright flywheel`` last measured them."""

from __future__ import annotations

from typing import Any

from flows.flywheel.conditions import REPORT, WORDS, told_of
from flows.report.facts import Facts
from flows.report.pieces import Section, Table, told
from flows.words import figure
from stages.files import read_json


def flywheel_section(facts: Facts) -> Section | None:
    """Return the conditions, what use and labels came by day or week, and the releases beside each other.

    None while nobody has asked. It is no part of the record: it is what was measured last, in the project as it was.
    """
    path = facts.project / REPORT
    if not path.exists():
        return None
    found: dict[str, Any] = read_json(path)
    conditions = [[title, WORDS[yes], "; ".join(lines)] for title, yes, lines in told_of(found)]
    tables = [Table("Conditions", ["condition", "holds", "measured"], conditions)]
    outcome = found["outcome"]
    if outcome["releases"]:
        unit = f"outcome, {outcome['unit'] or 'units'} a row"
        rows = [[item["release"], told(item["metric"]), told(item["outcome"])] for item in outcome["releases"]]
        tables.append(Table(f"Releases on {outcome['judged_on']}", ["release", outcome["metric"], unit], rows))
    periods = found["use"]["periods"]
    if periods:
        rows = [[item["start"], figure(item["predictions"]), figure(item["labels"])] for item in periods]
        head = [f"{found['use']['unit']} from", "predictions", "labels"]
        tables.append(Table(f"Use and labels by {found['use']['unit']}", head, rows))
    says = ["Do users bring data, data a better model, and that a better outcome? As last measured."]
    return Section("flywheel", "Does the flywheel turn?", says, tables=tables)
