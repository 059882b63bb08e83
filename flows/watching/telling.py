"""What looks at production tell: one by one as they are made, and all of them as a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows.show import MARKS, Show
from flows.watching.looks import Look
from flows.words import figure, interval


def tell(look: Look, show: Show) -> None:
    """Print one look: a line when all is well, every signal when it is not."""
    show.close()
    console = show.console
    if show.quiet:
        if look.alarm:
            console.print(escape(f"alarm  {look.says}"), soft_wrap=True)
        return
    wrap = not console.is_terminal
    by = f"release {look.release} of iteration {look.iteration}" if look.release else "nothing is released"
    head = f"{_when(look.start)} to {_when(look.end)}: {look.rows:,} rows, {look.labelled:,} with labels; {by}"
    if look.alarm is None:
        console.print(f"[green]quiet[/]  {head}", soft_wrap=wrap)
        unsure = [str(item["name"]) for item in look.signals if item["fires"] is None]
        if unsure:
            console.print(f"       [dim]cannot tell: {', '.join(unsure)}[/]", soft_wrap=wrap)
    else:
        console.print(f"[red]alarm[/]  {head}: [bold]{escape(look.alarm)}[/]", soft_wrap=wrap)
        if look.entered is None:
            for item in look.signals:
                console.print(f"       {MARKS[item['fires']]} {item['name']}: {escape(item['says'])}", soft_wrap=wrap)
        if look.told:
            console.print(f"       {escape(look.told)}", soft_wrap=wrap)
    for note in look.notes:
        console.print(f"       {escape(note)}", soft_wrap=wrap)
    if line := figures_line(look):
        console.print(f"       [dim]{escape(line)}[/]", soft_wrap=wrap)


def figures_line(look: Look) -> str:
    """Return what was measured on the labelled rows, and expected of the others, in a line."""
    parts = [f"{name} {figure(found['value'])} ({_ends(found)})" for name, found in look.figures.items()]
    if look.expected and look.expected["value"] is not None:
        parts.append(f"expected before labels {figure(look.expected['value'])} ({_ends(look.expected)})")
    if look.outcome:
        parts.append(f"outcome {figure(look.outcome['value'])} ({_ends(look.outcome)}) a row")
    return ", ".join(parts)


def tell_looks(looks: Sequence[Look]) -> None:
    """Print one row a look."""
    console = Console(highlight=False)
    if not looks:
        console.print("no look yet; next: loopwright watch")
        return
    table = Table("#", box=SIMPLE_HEAD)
    table.add_column("days", min_width=10)
    for head in ("rows", "by", "figures", "alarm", "to"):
        table.add_column(head, no_wrap=head == "figures")
    for look in looks:
        table.add_row(
            str(look.number),
            f"{_when(look.start)}\n[dim]{_when(look.end)}[/]",
            f"{look.rows:,}",
            "–" if look.iteration is None else str(look.iteration),
            "\n".join(f"{name} {figure(found['value'])}" for name, found in look.figures.items()),
            escape(look.alarm.replace("_", " ")) if look.alarm else "[green]quiet[/]",
            "" if look.entered is None else str(look.entered),
        )
    console.print(table)
    console.print("[dim]by: the iteration whose release was in force; to: the iteration that an alarm became[/]")


def _when(moment: str) -> str:
    """Return a day, or a moment to the minute."""
    return moment[:16].replace("T", " ")


def _ends(found: dict[str, float | None]) -> str:
    return interval(found["low"], found["high"])
