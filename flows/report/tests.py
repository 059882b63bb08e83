"""What the model was tested for before its release, one row a test; groups side by side."""

from __future__ import annotations

from typing import Any

from flows.modeltests import EXAMINED, TESTS, counted, example_line, kind_words, measured
from flows.report.facts import Facts, evidence
from flows.report.pieces import Section, Table
from flows.words import figure
from stages.deployment.verdicts import FAILED


def tests_section(facts: Facts) -> Section | None:
    """Return the tests of the last entry of deployment; None while no model was tested."""
    tested = [item for item in facts.worked("deployment") if evidence(item, "tests_fail")]
    if not tested:
        return None
    last = tested[-1]
    kept = facts.archive.of(last)
    rows: list[dict[str, Any]] = kept.json(TESTS) or []
    if not rows:
        return None
    tables = [_tests(rows, last.iteration)]
    groups = ((kept.json(EXAMINED) or {}).get("fairness") or {}).get("groups", [])
    tables += [_groups(found, last.iteration) for found in groups if found["groups"]]
    tables += [_examples(row) for row in rows if row["verdict"] == FAILED and row.get("worst")]
    return Section("tests", "Tests of the model", [f"Iteration {last.iteration}: {counted(rows)}."], tables=tables)


def _tests(rows: list[dict[str, Any]], iteration: int) -> Table:
    head = ["test", "kind", "verdict", "figure", "limit", "rows", "says"]
    told = [
        [
            row["test"],
            kind_words(row["kind"]),
            row["verdict"],
            measured(row),
            row.get("limit") or "–",
            figure(row.get("rows")),
            row["says"],
        ]
        for row in rows
    ]
    return Table(f"Tests of iteration {iteration}", head, told)


def _groups(found: dict[str, Any], iteration: int) -> Table:
    names = [name for name in found["groups"][0] if name not in ("group", "rows")]
    rows = [
        [str(group["group"]), figure(group["rows"]), *(figure(group[n]) for n in names)] for group in found["groups"]
    ]
    small = f"; too small to be compared: {', '.join(found['small'])}" if found["small"] else ""
    return Table(
        f"Groups by {found['column']} in the pilot of iteration {iteration}{small}", ["group", "rows", *names], rows
    )


def _examples(row: dict[str, Any]) -> Table:
    told = [[str(number), example_line(example)] for number, example in enumerate(row["worst"], start=1)]
    return Table(f"Examples: {row['test']}", ["number", "example"], told)
