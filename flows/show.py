"""What a run prints: stage, iteration, signals, where it goes and why. A spinner only where a terminal is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows.words import beside_line, figure, interval, metric_line, option_lines, patch_line, scope_line, verdict_word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.status import Status

    from flows.entry import Entry
    from flows.record import Iteration

MARKS = {True: "[red]●[/]", False: "[green]○[/]", None: "[yellow]◌[/]"}


class Show:
    """Live progress of a run on a console; quiet gives none."""

    def __init__(self, console: Console | None = None, *, quiet: bool = False) -> None:
        self.console = console or Console(highlight=False)
        self.quiet = quiet
        self._status: Status | None = None
        self._title = ""

    def note(self, text: str) -> None:
        """Print a line beside the progress."""
        if not self.quiet:
            self.console.print(f"[dim]{escape(text)}[/]", soft_wrap=not self.console.is_terminal)

    def waiting(self, text: str) -> None:
        """Show what is being waited for."""
        if self.quiet or not self.console.is_terminal:
            return
        if self._status is None:
            self._status = self.console.status(escape(text))
            self._status.start()
        else:
            self._status.update(escape(text))

    def stage_started(self, title: str, entry: Entry) -> None:
        """Say which stage is entered, and why."""
        self._title = title
        if not self.quiet:
            self._stop()
            why = f"  [dim]{escape(entry.because)}[/]" if entry.by == "person" else ""
            self.console.print()
            self._say(f"[bold]{entry.number:>3}[/]", f"[bold]{escape(title)}[/]{why}", indent=0)
        self.waiting(title)

    def step(self, name: str, nth: int, of: int) -> None:
        """Say which step of the stage is running."""
        self.waiting(f"{self._title} · {name} ({nth}/{of})")

    def stage_done(self, item: Iteration) -> None:
        """Print the signals of a finished iteration and the move out of it."""
        self._stop()
        if self.quiet:
            return
        if item.steps:
            how = ", ".join(f"{s['name']} {s['how']} {s['seconds']:.1f}s" for s in item.steps)
            self._say(" ", f"[dim]{escape(how)}[/]")
        if metric_line(item):
            self._say(" ", escape(metric_line(item)))
        if beside_line(item):
            self._say(" ", f"[dim]{escape(beside_line(item))}[/]")
        if scope_line(item):
            self._say(" ", escape(scope_line(item)))
        for signal in item.signals:
            self._say(MARKS[signal["fires"]], f"{escape(signal['name'])}: {escape(signal['says'])}")
        move = item.move
        color = {"released": "green", "stopped": "yellow", "waiting": "yellow"}.get(str(move["to"]), "cyan")
        where = f"[{color}]{move['to']}[/] [{color} dim]({move['row']})[/]"
        self._say(f"[{color}]→[/]", f"{where} {escape(str(move['reason']))}")
        lines = [f"changes {patch_line(move['patch'])}"] if move["patch"] else []
        for line in [*lines, *option_lines(move)]:
            self._say(" ", f"[dim]{escape(line)}[/]")

    def close(self) -> None:
        """Stop the spinner."""
        self._stop()

    def _stop(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _say(self, mark: str, text: str, indent: int = 5) -> None:
        """Print a mark and a text; wrapped under itself on a terminal, in one line where no terminal is."""
        if self.console.is_terminal:
            grid = Table.grid(padding=(0, 1))
            grid.add_row(" " * indent + mark, text)
            self.console.print(grid)
        else:
            self.console.print(f"{' ' * indent}{mark} {text}", soft_wrap=True)


def print_signals(console: Console, item: Iteration) -> None:
    """Print each signal of an iteration: verdict, value, interval and threshold, then what it says."""
    for signal in item.signals:
        grid = Table.grid(padding=(0, 1))
        figures = (
            f"{figure(signal['value'])} ({interval(signal['low'], signal['high'])}) {escape(signal['unit'])}".strip()
        )
        limit = f"fires {signal['direction']} {figure(signal['threshold'])}"
        head = f"[bold]{escape(signal['name'])}[/] {verdict_word(signal['fires'])}: {figures}; {limit}"
        grid.add_row(f" {MARKS[signal['fires']]}", head)
        grid.add_row("", f"[dim]{escape(signal['says'])}[/]")
        console.print(grid)


def history_table(items: Sequence[Iteration]) -> Table:
    """Return one row an iteration."""
    table = Table("#", "stage", "data", "rows", "figures", "move", "s", box=SIMPLE_HEAD)
    for item in items:
        row = str(item.move["row"]).replace("_", " ")
        table.add_row(
            str(item.iteration),
            item.stage,
            (item.data_version or "–")[:7],
            figure(item.rows) + (f"\n[dim]cost {figure(item.money)}[/]" if item.money else ""),
            escape(metric_line(item).replace(": ", "\n", 1).replace(", ", "\n")),
            f"→ {item.move['to']}\n[dim]{escape(row)}[/]",
            f"{item.seconds:.1f}",
        )
    return table
