"""The command ``releases``: what was released and rolled back, by whom, and what is in force; it changes nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows.words import figure
from stages.deployment.release import read_pointer
from stages.deployment.release_log import RELEASE, Release, in_force, read_log, whole
from stages.errors import ProjectError

IN_FORCE, EARLIER, ROLLED_BACK, DAMAGED = "in force", "earlier", "rolled back", "damaged"


def states(project: Path, lines: Sequence[Release]) -> list[list[str]]:
    """Return what each line of the log is by now; a rollback is nothing by itself."""
    stack = in_force(lines)
    found: list[list[str]] = []
    for line in lines:
        if line.kind != RELEASE:
            found.append([])
            continue
        state = IN_FORCE if line is stack[-1] else EARLIER if line in stack else ROLLED_BACK
        found.append([state, *([] if whole(project, line) else [DAMAGED])])
    return found


def tell_releases(project: Path, *, as_json: bool = False) -> None:
    """Print the releases and rollbacks, oldest first, as a table or as JSON."""
    lines = read_log(project)
    told = states(project, lines)
    if as_json:
        rows = [line.as_dict() | {"state": state} for line, state in zip(lines, told, strict=True)]
        print(json.dumps(rows, indent=2))
        return
    console = Console(highlight=False)
    if not lines:
        console.print("nothing is released yet; next: loopwright run")
        return
    table = Table(box=SIMPLE_HEAD)
    for name in ("when (UTC)", "what", "model", "held to the charter", "by", "state"):
        table.add_column(name, overflow="fold", no_wrap=name in ("what", "model", "state"))
    for line, state in zip(lines, told, strict=True):
        table.add_row(
            f"{line.at[:10]} {line.at[11:16]}",
            f"{line.kind}\n[dim]iteration {line.iteration}[/]",
            line.sha256[:12],
            escape(_held(line)),
            escape(f"{line.by}: {line.because}"),
            "\n".join(state),
        )
    console.print(table)
    for text in _wrong(project, lines, told):
        console.print(escape(text), soft_wrap=True)


def _held(line: Release) -> str:
    told = [f"{item['metric']} {_reached(item)}" for item in line.held]
    return "\n".join([*told, *(f"misses {name}" for name in line.missed)])


def _reached(item: dict[str, Any]) -> str:
    sign = "≥" if item["side"] == "at_least" else "≤"
    met = "" if item["met"] else ", missed"
    return f"{figure(item.get('value'))} ({sign} {figure(item['bound'])}{met})"


def _wrong(project: Path, lines: Sequence[Release], told: list[list[str]]) -> list[str]:
    """Return what is to be mended, a line each."""
    found = []
    if any(IN_FORCE in state and DAMAGED in state for state in told):
        iteration = in_force(lines)[-1].iteration
        found.append(
            f"the model in force is missing or not what was released; next: loopwright rollback --because TEXT, or "
            f"loopwright release {iteration} --because TEXT to bring it from DVC's cache"
        )
    try:
        if read_pointer(project) == lines[-1].as_dict():
            return found
        what = "says otherwise than the log"
    except ProjectError as error:
        what = error.what
    return [*found, f"releases/current.json {what}: the next run, release or rollback mends it"]
