"""What a run that waits for people tells them: the options, until when, and the commands to go on."""

from __future__ import annotations

from typing import Any

from flows import answers
from flows.record import Iteration
from flows.words import patch_line

HOW_TO_LABEL = (
    "next: loopwright label export --out FILE; fill in the labels; loopwright label import FILE; loopwright run"
)


def how_to_go_on(last: Iteration) -> list[str]:
    """Return what somebody can do about a run that ended waiting, a line each."""
    if not last.move.get("asks"):
        return [HOW_TO_LABEL]
    asks, until = answers.asks_of(last), answers.deadline(last)
    lines = [
        f"{number}: {option.name}: {patch_line(option.patch)}" + (f" ({option.says})" if option.says else "")
        for number, option in enumerate(asks.options, start=1)
    ]
    then = "the first option is taken" if asks.then == "relax" and asks.options else "the run stops"
    over = " (over: loopwright run)" if answers.now() > until else ""
    lines.append(f"it waits until {until:%Y-%m-%d %H:%M} UTC{over}; then {then}")
    approve = "loopwright approve; " if asks.options else ""
    return [*lines, f"next: {approve}loopwright choose N, or --set KEY=VALUE; loopwright reject --because TEXT"]


def as_json(last: Iteration | None) -> dict[str, Any] | None:
    """Return the question that waits, for machines; None when nothing does."""
    asked = answers.question([last] if last else [])
    if asked is None:
        return None
    asks = answers.asks_of(asked).model_dump()
    return {"iteration": asked.iteration, "until": answers.deadline(asked).isoformat(timespec="seconds"), **asks}
