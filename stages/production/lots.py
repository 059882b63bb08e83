"""Each row of production has a random number for ever, its lot: which rows are drawn at random is told by it alone.

The lot is made of the row's hash, so it knows nothing of what the model says of the row, or of its label. The rows with
a lot up to some number are a random sample of all rows, of those that came and of those to come, whoever was labelled
before and for whatever reason (permanent random numbers: Ohlsson 1995, "Coordination of samples using permanent random
numbers"). A list of what was drawn would not do: drawn from the rows that have no label yet, it would leave out the
very rows that the model was unsure of and people have labelled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stages.data.labels.log import CHOSEN, RANDOM, Drawn, Reviewed
from stages.errors import ProjectError
from stages.files import append_line, whole_lines

ASKED = ".loopwright/mined.jsonl"  # beside the log of predictions: what was asked was asked, and is never restored
DIGITS = 12  # hexadecimal; 48 bits


def unit_of(entry: Mapping[str, Any]) -> str:
    """Return what stands for a row of production: its key and content, or without a key the prediction.

    Parameters
    ----------
    entry : mapping
        A prediction of the log, with ``id``, ``content`` and ``key``.
    """
    return str(entry["id"] if entry["key"] is None else entry["content"])


def lot_of(unit: str) -> float:
    """Return the lot of a row, from 0 to 1.

    Examples
    --------
    >>> lot_of("800000000000ffffffffffff")
    0.5
    """
    return int(unit[:DIGITS], 16) / float(16**DIGITS)


def how_drawn(project: Path) -> dict[str, Drawn]:
    """Return how each row that was ever put into a sheet came into it, by `unit_of`: one once drawn at random stays so.

    Raises
    ------
    ProjectError
        If a line of the list is damaged.
    """
    found: dict[str, Drawn] = {}
    for number, line in enumerate(whole_lines(project / ASKED), start=1):
        try:
            said = dict(json.loads(line))
            units: dict[Drawn, list[str]] = {RANDOM: said[RANDOM], CHOSEN: said[CHOSEN]}
        except (ValueError, TypeError, KeyError) as error:
            raise ProjectError(
                f"damaged: {type(error).__name__}: {error}",
                where=f"{ASKED} line {number}",
                expected="the rows of one sheet as JSON",
                todo="take the line out: labels of its rows then count as corrections",
            ) from None
        found |= dict.fromkeys(units[RANDOM], RANDOM)
        found |= {unit: CHOSEN for unit in units[CHOSEN] if found.get(unit) != RANDOM}
    return found


def remember(project: Path, at: str, random: Sequence[str], chosen: Sequence[str]) -> None:
    """Keep which rows a sheet holds, and why; before the sheet itself is written."""
    append_line(project / ASKED, json.dumps({"at": at, RANDOM: list(random), CHOSEN: list(chosen)}))


def frontier(labels: Sequence[Reviewed]) -> float | None:
    """Return the largest lot that was drawn at random and labelled: rows up to it judge. None where nothing was drawn.

    Rows up to it that have no label are owed, and rows up to it that were labelled for another reason belong to the
    sample too.
    """
    return max((label.lot for label in labels if label.drawn == RANDOM and label.lot is not None), default=None)


def judges(label: Reviewed, upto: float | None) -> bool:
    """Tell whether a labelled row is one of the random sample."""
    return upto is not None and label.lot is not None and label.lot <= upto
