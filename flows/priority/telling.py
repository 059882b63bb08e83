"""`loopwright prioritise`: the ranking in the terminal, as JSON, and the picture."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from flows.priority.drivers import AXES
from flows.priority.evidence import Evidence
from flows.priority.loading import load_candidates
from flows.priority.picture import draw
from flows.priority.scoring import Judged, Reply, Span, judge
from flows.priority.settling import Settling, not_apart, settling
from stages.errors import ProjectError
from stages.files import write_text

SHOWN = 3
REASONS = {1: "for", -1: "against"}


def prioritise(file: Path, *, as_json: bool = False, svg: Path | None = None) -> None:
    """Print the candidates of a file as they rank; write the two-by-two picture where asked.

    Raises
    ------
    PriorityError
        If the file, or a project that it names, is wrong.
    ProjectError
        If the picture cannot be written.
    """
    projects = judge(load_candidates(file), file.parent)
    found = settling(projects)
    if svg is not None:
        _write(svg, draw(projects))
    if as_json:
        print(json.dumps(as_data(projects, found), indent=2, allow_nan=False))
        return
    console = Console(highlight=False)
    console.print(_table(projects))
    for number, project in enumerate(projects, start=1):
        _tell(console, number, project)
    _tell_open(console, projects, found)
    if svg is not None:
        console.print(f"wrote {escape(str(svg))}", soft_wrap=True)


def as_data(projects: Sequence[Judged], found: Sequence[Settling]) -> dict[str, Any]:
    """Return all that is told, as plain data; what is infinite or unknown is null."""
    return {
        "projects": [_project(number, project) for number, project in enumerate(projects, start=1)],
        "not_apart": [list(pair) for pair in not_apart(projects)],
        "find_out": [vars(item) for item in found],
    }


def _project(rank: int, project: Judged) -> dict[str, Any]:
    return {
        "rank": rank,
        "name": project.name,
        "about": project.about,
        **{axis: vars(project.axes[axis]) for axis in AXES},
        "priority": vars(project.priority),
        "verdict": project.verdict,
        "vetoes": project.vetoes,
        "may_be_vetoed": project.may_be_vetoed,
        **{word: [item.driver.name for item in project.reasons(sign)] for sign, word in REASONS.items()},
        "unknown": _unknown(project),
        "drivers": {name: _reply(item, project.weights[name]) for name, item in project.replies.items()},
        "remarks": list(project.remarks),
    }


def _reply(item: Reply, weight: float) -> dict[str, Any]:
    answer, found = item.answer, item.evidence
    said = {"low": answer.low, "high": answer.high} if answer.given else None
    return {
        "answer": vars(item.span),
        "by": item.by,
        "weight": weight,
        "said": said,
        "why": answer.why,
        "measured": found and {key: _finite(value) for key, value in vars(found).items()} | {"unit": item.driver.unit},
        "contradiction": item.contradiction,
    }


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _table(projects: Sequence[Judged]) -> Table:
    table = Table("#", "project", "impact", "feasibility", "priority", "verdict", "unknown", box=SIMPLE_HEAD)
    for number, project in enumerate(projects, start=1):
        spans = [project.axes["impact"], project.axes["feasibility"], project.priority]
        unknown = len(_unknown(project))
        color = "red" if project.vetoes else "green" if project.verdict == "do it" else "cyan"
        verdict = f"[{color}]{escape(project.verdict)}[/]"
        table.add_row(
            str(number), escape(project.name), *map(_cell, spans), verdict, f"{unknown} of {len(project.replies)}"
        )
    return table


def _cell(span: Span) -> str:
    ends = "" if span.low == span.high else f"\n[dim]{span.low:.2f}…{span.high:.2f}[/]"
    return f"{span.value:.2f}{ends}"


def _tell(console: Console, number: int, project: Judged) -> None:
    about = f"  [dim]{escape(project.about)}[/]" if project.about else ""
    console.print(f"[bold]{number} {escape(project.name)}[/]{about}")
    for sign, word in REASONS.items():
        reasons = project.reasons(sign)[:SHOWN]
        if reasons:
            _line(console, word, "; ".join(_reason(item) for item in reasons))
    for item in project.replies.values():
        if item.evidence is not None:
            _line(console, "measured", _measured(item, item.evidence))
        if item.contradiction:
            why = f" ({escape(item.answer.why)})" if item.answer.why else ""
            told = f"[bold]{item.driver.name}[/]: {item.contradiction}{why}; what is measured counts"
            _line(console, "[red]at odds[/]", told)
    unknown = _unknown(project)
    if unknown and not project.vetoes:
        vetoes = [f"[bold]{name}[/] (may end it)" if name in project.may_be_vetoed else name for name in unknown]
        _line(console, "unknown", ", ".join(vetoes))
    for remark in project.remarks:
        _line(console, "[yellow]note[/]", escape(remark))
    console.print()


def _line(console: Console, word: str, text: str) -> None:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=9)
    grid.add_row(word, text)
    console.print(Padding(grid, (0, 0, 0, 2)))


def _reason(item: Reply) -> str:
    why = f": {escape(item.answer.why)}" if item.answer.why and item.by == "a person" else ""
    by = " measured" if item.by == "measured" else ""
    return f"[bold]{item.driver.name} {item.span}[/]{by}{why}"


def _measured(item: Reply, found: Evidence) -> str:
    told = "not graded" if found.low is None else "cannot tell"
    grade = f"[bold]{item.driver.name} {item.span}[/]" if item.by == "measured" else f"{item.driver.name} ({told})"
    return f"{grade}: {escape(found.says)} [dim]\\[{found.source}][/]"


def _unknown(project: Judged) -> list[str]:
    return [name for name, item in project.replies.items() if item.by == "nobody"]


def _tell_open(console: Console, projects: Sequence[Judged], found: Sequence[Settling]) -> None:
    numbers = {project.name: number for number, project in enumerate(projects, start=1)}
    pairs = _pairs([(numbers[one], numbers[other]) for one, other in not_apart(projects)])
    if pairs:
        console.print(f"[bold]cannot be told apart yet:[/] {'; '.join(pairs)}")
    elif len(projects) > 1:
        console.print("every pair is told apart: no answer that is unknown changes the order")
    if found:
        console.print("[bold]find out first[/] (each answer taken as equally likely)")
    for item in found[:SHOWN]:
        parts = [f"{item.settles:.2g} open questions fewer on average"] if item.settles else []
        parts += [f"another project leads after {100 * item.leads:.0f}% of the answers"] if item.leads else []
        parts += [f"the range of its priority narrows by {item.narrows:.2g}"] if item.narrows else []
        ask = next(p for p in projects if p.name == item.project).replies[item.driver].driver.ask
        told = f"[bold]{item.driver}[/] of {escape(item.project)}: {ask} [dim]{', '.join(parts)}[/]"
        _line(console, str(numbers[item.project]), told)


def _pairs(pairs: Sequence[tuple[int, int]]) -> list[str]:
    """Return pairs of numbers in words, those of one number together: "1 and 2 to 4, 7"."""
    found = []
    for one in dict.fromkeys(first for first, _ in pairs):
        others = [second for first, second in pairs if first == one]
        grouped = groupby(enumerate(others), key=lambda item: item[1] - item[0])
        runs = [[number for _, number in run] for _, run in grouped]
        told = [f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
        found.append(f"{one} and {', '.join(told)}")
    return found


def _write(path: Path, text: str) -> None:
    try:
        write_text(path, text)
    except OSError as error:
        raise ProjectError(f"cannot be written ({error.strerror})", where=str(path), expected="a file name") from None
