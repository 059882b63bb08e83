"""The exit codes of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flows.record import Iteration

OK, CRASHED, MISTAKE, NOT_RELEASED, INTERRUPTED = 0, 1, 2, 3, 130
NOT_REPRODUCED = NOT_RELEASED  # asked for, done properly, and the answer is no


def exit_code(ended: Iteration | None, *, require_release: bool) -> int:
    """Return the code of a run by its last iteration; None when another process runs on."""
    released = ended is None or ended.move["to"] == "released"
    return NOT_RELEASED if require_release and not released else OK
