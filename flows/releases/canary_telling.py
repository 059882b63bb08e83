"""What the commands of a canary print: what was done, and how the two models stand."""

from __future__ import annotations

import json
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows.releases import canary
from flows.words import figure, interval
from stages.deployment.canary_log import START, Canary, read_canaries, read_pointer
from stages.production.canary import Standing, standing
from stages.production.canary_verdict import CANNOT_TELL

SHOWN = 4  # classes


def tell_start(
    project: Path, number: int, *, because: str, share: float | None, by: str | None, although_missed: bool
) -> None:
    """Put a model beside the release, and say what."""
    console = Console(highlight=False, soft_wrap=True)
    with console.status("looking the model over"):
        line = canary.start(project, number, because=because, share=share, by=by, although_missed=although_missed)
    console.print(escape(f"{_what(line)} beside the release in force"))
    console.print("a server takes it up by itself; next: loopwright canary")


def tell_stop(project: Path, *, because: str, by: str | None) -> None:
    """Take it away, and say so."""
    line = canary.stop(project, because=because, by=by)
    print(f"the model of iteration {line.iteration} no longer stands beside the release, which answers every row")


def tell_promote(project: Path, *, because: str, by: str | None, although_missed: bool) -> None:
    """Release it, and say so."""
    console = Console(highlight=False, soft_wrap=True)
    with console.status("looking the model over"):
        line, _ = canary.promote(project, because=because, by=by, although_missed=although_missed)
    but = f", although it misses {', '.join(line.missed)}" if line.missed else ""
    console.print(escape(f"released the model of iteration {line.iteration}, sha256 {line.sha256[:12]}{but}"))


def tell(project: Path, *, as_json: bool = False) -> None:
    """Print how the model beside the release stands."""
    stands = standing(project)
    if as_json:
        print(json.dumps(None if stands is None else stands.as_dict(), indent=2))
        return
    console = Console(highlight=False)
    for text in _lagging(project):
        console.print(escape(text), soft_wrap=True)
    if stands is None:
        line = read_pointer(project)
        if line is not None and line.kind == START:
            what = f"the model of iteration {line.iteration} is the release in force by now"
            told = f"{what}; next: loopwright canary stop --because TEXT"
        else:
            told = "no model stands beside the release; next: loopwright canary start N --because TEXT"
        console.print(told, soft_wrap=True)
        return
    line = stands.canary
    console.print(escape(f"{_what(line)} since {line.at} ({line.by}: {line.because})"), soft_wrap=True)
    if stands.problem:
        console.print(escape(f"it does not answer: {stands.problem}"), soft_wrap=True)
    console.print(_table(stands))
    for text in (_alike(stands), *_says(stands)):
        if text:
            console.print(escape(text), soft_wrap=True)


def _what(line: Canary) -> str:
    how = "is a shadow" if line.shadow else f"answers {line.share:.4g} of the rows"
    but = f", although it misses {', '.join(line.missed)}" if line.missed else ""
    return f"the model of iteration {line.iteration}, {line.name}, {how}{but}"


def _lagging(project: Path) -> list[str]:
    """Return that the pointer is not what the log says, as after a kill between the two."""
    lines = read_canaries(project)
    if not lines or read_pointer(project) == lines[-1]:
        return []
    return ["releases/canary.json says otherwise than its log: the next loopwright canary start or stop mends it"]


def _table(stands: Standing) -> Table:
    table = Table(box=SIMPLE_HEAD)
    beside = "shadow" if stands.canary.shadow else "canary"
    table.add_column("")
    for name, one in (("release", stands.release), (beside, stands.beside)):
        table.add_column(f"{name} {one.release}\n[dim]iteration {one.iteration}[/]", no_wrap=True)
    both = (stands.release, stands.beside)
    table.add_row("rows", *(f"{one.rows:,}" for one in both))
    table.add_row("answered", *(figure(one.answered) for one in both))
    names = list(dict.fromkeys(name for one in both for name in one.said))
    names.sort(key=lambda name: -max(one.said.get(name, 0.0) for one in both))
    for name in names[:SHOWN]:
        what = "mean prediction" if name == "mean" and len(names) == 1 else f"says {name}"
        table.add_row(escape(what), *(figure(one.said.get(name, 0.0) if one.rows else None) for one in both))
    table.add_row("labelled rows", *(f"{one.labelled:,}" for one in both))
    table.add_row(stands.metric, *(figure(one.value) for one in both))
    return table


def _alike(stands: Standing) -> str:
    if stands.alike is None:
        return ""
    values = "mean" in stands.release.said and len(stands.release.said) == 1
    told = f"lie {figure(stands.alike)} apart on average" if values else f"say the same of {stands.alike:.1%}"
    return f"of {stands.both:,} rows that both spoke of they {told}"


def _says(stands: Standing) -> list[str]:
    """Return the verdict, and what is missing to it."""
    gain, found = stands.gain, [stands.why] if stands.why else []
    if gain["value"] is not None:
        ahead = "better" if gain["value"] >= 0 else "worse"
        ends = f" ({interval(gain['low'], gain['high'])})" if gain["low"] is not None else ""
        found.append(f"{stands.metric}: {ahead} by {figure(abs(gain['value']))}{ends} on the labelled rows")
    found.append(f"{stands.verdict}: it may be worse by {figure(stands.margin)}, at a level of {figure(stands.level)}")
    if stands.verdict == CANNOT_TELL and stands.more:
        counted = f"about {stands.more:,} more labelled rows tell with a chance of 80%"
        found[-1] += (
            f"; {counted if stands.gain['low'] is not None else f'{stands.more:,} more labelled rows at least'}"
        )
    return found
