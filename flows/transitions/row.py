"""One row of the transition table, and the places that it leads to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flows.changes import charter
from flows.situation import Patch, Situation

ANY = "any"
STOP = "stopped"
WAITING = "waiting"
RELEASED = "released"
STAGES = ("planning", "data", "training", "deployment")


@dataclass(frozen=True)
class Transition:
    """One row of the table.

    Attributes
    ----------
    name : str
        Name of the row, as it stands in the record.
    stage : str
        The stage it leaves, or "any".
    to : str
        The stage it enters, or "stopped", or "waiting".
    signals : tuple of str
        Signals that must all fire.
    when : str
        The condition in words.
    cure : str
        What changes on the way back, in words.
    change : callable
        Situation -> params patch; an empty one refuses the row.
    asks : bool
        True when the charter wants a person for it; an unattended run then follows ``planning.unattended``.
    releases : bool
        True when the row waits for something without which a person may release.
    live : bool
        False while its signal is not measured yet.
    """

    name: str
    stage: str
    to: str
    signals: tuple[str, ...]
    when: str
    cure: str
    change: Callable[[Situation], Patch] = charter.nothing
    asks: bool = False
    releases: bool = False
    live: bool = True

    def fires(self, situation: Situation) -> bool:
        """Tell whether every signal of the row is present and fires."""
        return self.live and all(situation.fires(name) for name in self.signals)
