"""The tests of the model, for people and for CI: one table an entry of deployment, and the same as JUnit XML."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows import record
from flows.record import Iteration
from flows.words import figure, interval
from stages.deployment.verdicts import FAILED, PASSED, SKIPPED, TOLD, UNSURE
from stages.errors import ProjectError
from stages.files import read_json, replacing
from stages.signals import Signal

Row = dict[str, Any]
TESTS, EXAMINED, SERVING = "release/tests.json", "release/examined.json", "reports/serving.json"
JUNIT = Path("reports") / "model-tests.xml"
COLORS = {PASSED: "green", FAILED: "red", UNSURE: "yellow", SKIPPED: "yellow", TOLD: "dim"}
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # what XML allows in no text


@dataclass(frozen=True)
class Tests:
    """What one release candidate was tested for.

    Attributes
    ----------
    rows : list of dict
        See `stages.deployment.results`.
    groups : list of dict
        For each column of groups the figures of each.
    iteration : int or None
        None for a workspace without a record.
    """

    rows: list[Row]
    groups: list[dict[str, Any]] = field(default_factory=list)
    iteration: int | None = None


def tell_tests(project: Path, number: int | None, *, as_json: bool = False, junit: Path | None = None) -> None:
    """Print the tests of the last entry of deployment, or of one iteration.

    Raises
    ------
    ProjectError
        If no release candidate was tested there.
    """
    tested = tested_in(project, number)
    if junit is not None:
        write_junit(junit, tested)
        print(f"wrote {junit}")
        return
    if as_json:
        print(json.dumps({"iteration": tested.iteration, "tests": tested.rows, "groups": tested.groups}, indent=2))
        return
    console = Console(highlight=False)
    where = "" if tested.iteration is None else f" of iteration {tested.iteration}"
    console.print(f"[bold]tests of the model{where}[/]: {counted(tested.rows)}")
    console.print(_table(tested.rows))
    for group in tested.groups:
        console.print(_groups(group))
    for row in tested.rows:
        if row["verdict"] == FAILED and row.get("worst"):
            console.print(f"[bold]{escape(row['test'])}[/], for example")
            for example in row["worst"]:
                console.print(f"  {escape(example_line(example))}")


def tested_in(project: Path, number: int | None) -> Tests:
    """Return what was tested in an iteration, the last entry of deployment by default.

    Raises
    ------
    ProjectError
        If nothing was.
    """
    lines = record.read_record(project)
    items = [item for item in lines if item.stage == "deployment" and item.steps]
    if number is not None:
        items = [item for item in items if item.iteration == number]
        if not items:
            todo = "loopwright history"
            raise ProjectError(f"iteration {number} tested no model", where="the record", todo=todo)
    if not items:
        return here(project)
    from flows.report.past import archive

    item = items[-1]
    with archive(project) as kept:
        past = kept.of(item)
        rows, examined = past.json(TESTS), past.json(EXAMINED)
    if rows is None:
        what = f"the tests of iteration {item.iteration} are not in DVC's cache"
        raise ProjectError(what, where=TESTS, todo=f"dvc pull, or loopwright restore {item.iteration}")
    latest = item is [line for line in lines if line.stage == "deployment" and line.steps][-1]
    figures = _serving_figures(project) if latest else {}
    return Tests(_whole(rows, item, figures), _grouped(examined), item.iteration)


def here(project: Path) -> Tests:
    """Return what the workspace holds, as ``dvc repro`` leaves it.

    Raises
    ------
    ProjectError
        If it is no project, or no model was tested.
    """
    if not (project / "params.yaml").exists():
        raise ProjectError(
            "is no project", where=str(project), expected="params.yaml", todo="loopwright init DIR --data FILE"
        )
    path = project / TESTS
    if not path.exists():
        raise ProjectError("no model was tested yet", where=TESTS, todo="loopwright run")
    examined = read_json(project / EXAMINED) if (project / EXAMINED).exists() else None
    return Tests(_whole(read_json(path), None, _serving_figures(project)), _grouped(examined))


def write_reports(project: Path, iteration: int, signals: Sequence[Signal]) -> None:
    """Write ``reports/model-tests.xml`` for the workspace's model, before its iteration is recorded."""
    rows = read_json(project / TESTS)
    flips = next((_flips(signal.model_dump()) for signal in signals if signal.name == "negative_flips"), None)
    whole = _with_figures(rows, _serving_figures(project)) + ([flips] if flips else [])
    write_junit(project / JUNIT, Tests(whole, iteration=iteration))


def write_junit(path: Path, tested: Tests) -> None:
    """Write tests as JUnit XML, a suite a kind, in the dialect of Jenkins' schema that CI systems read.

    What is only told has no limit and is no test. What cannot tell, and a wish that is missed, count as skipped: they
    hold up no release.
    """
    rows = [row for row in tested.rows if row["verdict"] != TOLD]
    counts = {
        name: count for name, count in _counts(rows).items() if name != "skipped"
    }  # which the schema has not here
    top = ET.Element("testsuites", {"name": "tests of the model", **counts})
    for kind in dict.fromkeys(row["kind"] for row in rows):
        ours = [row for row in rows if row["kind"] == kind]
        suite = ET.SubElement(top, "testsuite", {"name": kind, **_counts(ours)})
        if tested.iteration is not None:
            properties = ET.SubElement(suite, "properties")
            ET.SubElement(properties, "property", {"name": "iteration", "value": str(tested.iteration)})
        for row in ours:
            _testcase(suite, row)
    ET.indent(top)
    with replacing(path) as temporary:
        ET.ElementTree(top).write(temporary, encoding="utf-8", xml_declaration=True)


def counted(rows: Sequence[Row]) -> str:
    """Return how many tests came out how, in words."""
    counts = {verdict: sum(row["verdict"] == verdict for row in rows) for verdict in COLORS}
    words = {TOLD: "told only", SKIPPED: "skipped"}
    return ", ".join(f"{count} {words.get(verdict, verdict)}" for verdict, count in counts.items() if count)


def example_line(example: Mapping[str, Any]) -> str:
    """Return an example as ``key value`` words."""
    return ", ".join(f"{key} {_shown(value)}" for key, value in example.items())


def measured(row: Row) -> str:
    """Return a row's figure with its interval."""
    if row.get("value") is None:
        return "–"
    ends = interval(row["low"], row["high"])
    return figure(row["value"]) + ("" if ends in ("–", "exact") else f" ({ends})")


def kind_words(kind: str) -> str:
    """Return a kind of test as people write it."""
    return kind.replace("_", " ")


def _whole(rows: list[Row], item: Iteration | None, figures: dict[str, float]) -> list[Row]:
    flips = [_flips(signal) for signal in (item.signals if item else []) if signal["name"] == "negative_flips"]
    return [*_with_figures(rows, figures), *flips]


def _with_figures(rows: list[Row], figures: dict[str, float]) -> list[Row]:
    """Return the rows with what serving measured on this machine, which no tracked file holds."""
    serving = {row["test"] for row in rows if row["kind"] == "serving"}
    found = []
    for row in rows:
        value = figures.get(row["test"]) if row["kind"] == "serving" else None
        known = {} if value is None else {**dict.fromkeys(("value", "low", "high"), value), "says": figure(value)}
        found.append(row | known)
    for name, value in figures.items():
        if name not in serving and name not in ("calls", "batch_rows"):
            told = {"kind": "serving", "test": name, "verdict": TOLD, "passed": True, "says": "on this machine"}
            found.append(told | dict.fromkeys(("value", "low", "high"), value))
    return found


def _flips(signal: Mapping[str, Any]) -> Row:
    verdict = UNSURE if signal["fires"] is None else FAILED if signal["fires"] else PASSED
    limit = signal["threshold"]
    row = {"kind": "regression", "test": "negative flips against the released model", "passed": verdict != FAILED}
    row |= {key: signal[key] for key in ("value", "low", "high", "says")}
    if limit is None:
        return row | {"verdict": TOLD}
    bounds = {"limit": f"at most {100 * limit:g}% of the rows", "worst": signal["evidence"].get("worst", [])}
    return row | {"verdict": verdict, "rows": signal["evidence"].get("rows")} | bounds


def _serving_figures(project: Path) -> dict[str, float]:
    path = project / SERVING
    return dict(read_json(path)) if path.exists() else {}


def _grouped(examined: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    return list(((examined or {}).get("fairness") or {}).get("groups", []))


def _table(rows: Sequence[Row]) -> Table:
    table = Table("verdict", box=SIMPLE_HEAD)
    for head, ratio in (("test", 5), ("figure", 2), ("limit", 2)):
        table.add_column(head, ratio=ratio)
    last = None
    for row in rows:
        if row["kind"] != last:
            table.add_section()
            table.add_row("", f"[bold]{kind_words(row['kind'])}[/]", "", "")
            last = row["kind"]
        color, name = COLORS[row["verdict"]], row["test"].removeprefix(f"{kind_words(row['kind'])}: ")
        on = f", {figure(row['rows'])} rows" if row.get("rows") else ""
        test = f"{escape(name)}\n[dim]{escape(row['says'] + on)}[/]"
        table.add_row(f"[{color}]{row['verdict']}[/]", test, measured(row), escape(row.get("limit") or "–"))
    return table


def _groups(found: Mapping[str, Any]) -> Table:
    groups = found["groups"]
    names = [name for name in (groups[0] if groups else {}) if name not in ("group", "rows")]
    table = Table(str(found["column"]), "rows", *names, box=SIMPLE_HEAD)
    for group in groups:
        table.add_row(escape(group["group"]), figure(group["rows"]), *(figure(group[name]) for name in names))
    return table


def _testcase(suite: ET.Element, row: Row) -> None:
    case = ET.SubElement(suite, "testcase", {"classname": row["kind"], "name": _clean(row["test"]), "time": "0"})
    limit = f"; {row['limit']}" if row.get("limit") else ""
    message = _clean(f"{row['verdict']}: {row['says']}{limit}")
    examples = _clean("\n".join(map(example_line, row.get("worst") or [])))
    if not row["passed"]:
        ET.SubElement(case, "failure", {"message": message, "type": row["kind"]}).text = examples or message
    elif row["verdict"] != PASSED:
        ET.SubElement(case, "skipped", {"message": message})
    if row.get("value") is not None:
        ET.SubElement(case, "system-out").text = f"measured {measured(row)}"


def _counts(rows: Sequence[Row]) -> dict[str, str]:
    failed = sum(not row["passed"] for row in rows)
    skipped = sum(row["passed"] and row["verdict"] != PASSED for row in rows)
    counts = {"tests": len(rows), "failures": failed, "errors": 0, "skipped": skipped}
    return {**{name: str(count) for name, count in counts.items()}, "time": "0"}


def _clean(text: str) -> str:
    return CONTROL.sub("", text)


def _shown(value: Any) -> str:
    return figure(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
