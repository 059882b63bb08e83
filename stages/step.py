"""How a step is run: ``python -m stages.<stage>.<step>`` in the project's folder, from DVC or by hand."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from stages.errors import LoopwrightError

Step = Callable[..., None]


def main(step: Step) -> None:
    """Run ``step`` on the current folder and the command's words; a user's mistake is one line on stderr and exit 2."""
    try:
        step(Path.cwd(), *sys.argv[1:])
    except LoopwrightError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
