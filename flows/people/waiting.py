"""What a run that waits for people tells them: the options, until when, and the commands to go on."""

from __future__ import annotations

from typing import Any

from flows.people import answers
from flows.record import Iteration
from flows.words import option_lines, patch_line

TOO_SMALL = "pilot_unsure"  # the row that waits for rows
HOW_TO_LABEL = "loopwright label export --out FILE; fill in the labels; loopwright label import FILE; loopwright run"
HOW_TO_DECIDE = "loopwright approve (option 1), choose N, choose --set KEY=VALUE, or reject --because TEXT"

HOW_TO_GO_BACK = "loopwright choose N goes back with an option (approve: option 1), or choose --set KEY=VALUE"
HOW_TO_ADD_ROWS = (
    "more rows in the source (later than data.collect.until, where it is set: loopwright watch moves it on), or a "
    "larger pilot (data.collect.pilot_days, pilot_share); then loopwright run"
)
HOW_TO_RELEASE = "loopwright approve (releases it), or reject --because TEXT"


def next_step(last: Iteration) -> str:
    """Return the commands by which a run that ended waiting goes on; they do not depend on the time."""
    if not last.move.get("asks"):
        return HOW_TO_ADD_ROWS if last.move["row"] == TOO_SMALL else HOW_TO_LABEL
    if not answers.about_release(last):
        return HOW_TO_DECIDE
    return f"{HOW_TO_RELEASE}; or {HOW_TO_ADD_ROWS}" if last.move["row"] == TOO_SMALL else HOW_TO_RELEASE


def how_to_go_on(last: Iteration, *, options: bool = True) -> list[str]:
    """Return what somebody can do about a run that ended waiting, a line each, with the options or without."""
    if not last.move.get("asks"):
        return [f"next: {next_step(last)}"]
    until, takes = answers.deadline(last), answers.asks_of(last).then == "relax"
    proposal = answers.by_charter(last)
    then = f"{patch_line(proposal)} is taken" if takes and proposal else "the run stops"
    if takes and answers.about_release(last):
        then = "it is released"
    over = " (over: loopwright run)" if answers.now() > until else ""
    return [
        *(option_lines(last.move) if options else []),
        f"it waits until {until:%Y-%m-%d %H:%M} UTC{over}; then {then}",
        f"next: {next_step(last)}",
    ]


def how_to_go_back(last: Iteration, *, options: bool = True) -> list[str]:
    """Return what somebody can do about a run that stopped with options, a line each; nothing where it has none."""
    if answers.stopped([last]) is None:
        return []
    told = f"loopwright why {last.iteration}; {HOW_TO_GO_BACK}"
    return [*(option_lines(last.move) if options else []), f"next: {told}"]


def as_json(last: Iteration | None) -> dict[str, Any] | None:
    """Return the question that waits, for machines; None when nothing does."""
    asked = answers.question([last] if last else [])
    if asked is None:
        return None
    until = answers.deadline(asked).isoformat(timespec="seconds")
    return {"iteration": asked.iteration, "until": until, "options": asked.move["options"], **asked.move["asks"]}
