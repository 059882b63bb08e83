"""The commands that only tell: status, history, why, map. They read the record and change nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows import record
from flows.lock import owner
from flows.map import svg_map, text_map
from flows.patching import params_hash
from flows.people.labelling import answers_counted
from flows.people.requests import pending
from flows.people.waiting import as_json as question_as_json
from flows.people.waiting import how_to_go_back, how_to_go_on
from flows.pilot import pilot_lines
from flows.record import Iteration
from flows.running import find
from flows.show import history_table, print_signals
from flows.transitions import BY_NAME, STAGES, WAITING
from flows.up.service import url_of
from flows.watching.looks import read_looks
from flows.words import beside_line, metric_line, option_lines, patch_line, remarks, scope_line
from stages.data.labels.log import read_answers
from stages.deployment.release import current
from stages.errors import ProjectError
from stages.files import write_text


def tell_status(project: Path, *, as_json: bool = False) -> None:
    """Print where the loop stands, what it waits for, and what is released."""
    lines = _lines(project)
    last = lines[-1] if lines else None
    pid = owner(project)
    release, watched = current(project), read_looks(project)
    state = {
        "iterations": len(lines),
        "running_pid": pid,
        "stage": last.stage if last else None,
        "move": last.move if last else None,
        "released": release,
        "question": question_as_json(last),
        "requests": [request.model_dump() for request in pending(project)],
        "up": url_of(project),
        "watched": watched[-1].model_dump(mode="json", exclude={"signals", "losses"}) if watched else None,
    }
    if as_json:
        print(json.dumps(state, indent=2, default=str))
        return
    console = Console(highlight=False)
    if state["up"]:
        console.print(f"up: {str(state['up']).removesuffix('/api')}")
    if pid:
        console.print(f"a run is going on (pid {pid})")
    for request in pending(project):
        console.print(escape(f"{request.by}'s way back to {request.stage} is taken next: {request.because}"))
    if last is None:
        console.print("no iteration yet; next: loopwright run")
        return
    to = str(last.move["to"])
    waits = "" if to not in STAGES else "goes to " if pid else "interrupted before "
    console.print(f"iteration {last.iteration}, {last.stage}: {waits}[bold]{to}[/] ({last.move['row']})")
    console.print(escape(str(last.move["reason"])))
    here = _workspace(project, lines)
    if here is not None and here != last.iteration:
        console.print(
            f"the workspace holds iteration {here}, restored; the release stays. next: loopwright run goes on"
        )
    print_signals(console, last)
    if release:
        console.print(
            f"released: {release['path']} (iteration {release['iteration']}, sha256 {release['sha256'][:12]})"
        )
        console.print(escape(_who_released(release)))
        for remark in remarks(lines[: release["iteration"]]):
            console.print(escape(f"  beside it: {remark}"))
    else:
        console.print("released: nothing yet")
    if watched:
        console.print(escape(f"watched: {watched[-1].brief}"))
    for line in [] if pid else _next(project, last):
        console.print(escape(line))


def tell_history(project: Path, *, run: str | None = None, as_json: bool = False) -> None:
    """Print the iterations, as a table or as JSON."""
    everything = _lines(project)
    lines = [item for item in everything if run in (None, item.run)]
    if run is not None and not lines:
        runs = ", ".join(dict.fromkeys(item.run for item in everything)) or "none yet"
        raise ProjectError(f"no run {run!r}", where="the record", expected=f"one of {runs}", todo="loopwright history")
    if as_json:
        print(json.dumps([item.model_dump(mode="json") for item in lines], indent=2, default=str))
        return
    console = Console(highlight=False)
    if not lines:
        console.print("no iteration yet; next: loopwright run")
        return
    console.print(history_table(lines))


def tell_why(project: Path, number: int) -> None:
    """Print the evidence behind an iteration's move."""
    lines = _lines(project)
    item = find(lines, number)
    console = Console(highlight=False)
    console.print(
        f"[bold]iteration {item.iteration}: {item.stage}[/], {item.started}, {item.seconds:.1f} s, run {item.run}"
    )
    console.print(f"entered because: {escape(item.because)}")
    console.print(f"changed on the way in: {escape(patch_line(item.patch))}")
    console.print(f"data {(item.data_version or 'none')[:8]}, code {item.code[:12]}, experiment {item.experiment}")
    if metric_line(item):
        console.print(f"metrics on {escape(metric_line(item))}")
    for line in filter(None, (beside_line(item), scope_line(item))):
        console.print(escape(line))
    print_signals(console, item)
    for line in pilot_lines(item):
        console.print(escape(line))
    if item.stage == "deployment" and item.steps:
        console.print(f"its tests: loopwright tests {item.iteration}")
    console.print(
        f"[bold]→ {item.move['to']}[/] by row [bold]{item.move['row']}[/]: {escape(str(item.move['reason']))}"
    )
    row = BY_NAME.get(str(item.move["row"]))
    if row is not None:
        console.print(f"  the row: when {escape(row.when)} → {row.to}: {escape(row.cure)}")
    console.print(f"  changes: {escape(patch_line(item.move['patch']))}")
    for line in option_lines(item.move):
        console.print(f"  {escape(line)}")
    for other in item.move["considered"]:
        console.print(f"  also fired: {other['row']}, not taken: {other['refused']}")
    _evidence(console, item)
    console.print(f"see also: dvc exp show --all-commits; loopwright restore {item.iteration}")


def tell_map(project: Path, *, run: str | None = None, svg: Path | None = None) -> None:
    """Draw the loop with the path of one run, as text or as an SVG file."""
    lines = _lines(project)
    if not lines:
        raise ProjectError("no iteration yet", where="the record", todo="loopwright run")
    path = [item for item in lines if item.run == (run or lines[-1].run)]
    if not path:
        raise ProjectError(f"no run {run!r}", where="the record", todo="loopwright history --json lists them")
    if svg is None:
        print(text_map(path))
        return
    write_text(svg, svg_map(path))
    print(f"wrote {svg}")


def _next(project: Path, last: Iteration) -> list[str]:
    """Return how the loop goes on after an iteration, when no run is going."""
    if last.move["to"] in STAGES:
        return ["next: loopwright run"]
    if last.move["to"] != WAITING:
        return how_to_go_back(last)
    came = len(read_answers(project)) - (answers_counted(last) or 0)
    return [f"{came} labels came in since. next: loopwright run"] if came > 0 else how_to_go_on(last)


def _workspace(project: Path, lines: list[Iteration]) -> int | None:
    """Return the latest iteration whose params are those in the workspace."""
    now = params_hash(project)
    return next((item.iteration for item in reversed(lines) if now in (item.params_before, item.params_after)), None)


def _who_released(pointer: dict[str, Any]) -> str:
    """Return who put the release in force, when and why."""
    how = "rolled back to it" if pointer.get("kind") == "rollback" else "released it"
    at = str(pointer.get("at", ""))[:16].replace("T", " ")
    return f"  {pointer.get('by', 'somebody')} {how} on {at} UTC: {pointer.get('because', '')}"


def _evidence(console: Console, item: Iteration) -> None:
    table = Table("signal", "evidence", "value", title_justify="left")
    for signal in item.signals:
        for key, value in signal["evidence"].items():
            text = json.dumps(value, default=str)
            table.add_row(signal["name"], key, escape(text if len(text) < 300 else text[:297] + "..."))
    if table.row_count:
        console.print(table)


def _lines(project: Path) -> list[Iteration]:
    if not (project / "params.yaml").exists():
        raise ProjectError(
            "is no project", where=str(project), expected="params.yaml", todo="loopwright init DIR --data FILE"
        )
    return record.read_record(project)
