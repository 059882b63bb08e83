"""A release and the model beside it on the rows whose labels have come in: in pairs, or as two samples."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.answering import Policy
from stages.context import Context
from stages.data.blocks import Blocks, blocks_of
from stages.deployment.canary_log import Canary
from stages.production import sides
from stages.production.beside import takes
from stages.production.log import Entry, PredictionLog
from stages.production.released import policy_of
from stages.production.sides import Side
from stages.production.unseen import wide_enough
from stages.training.comparison import MIN_ROWS, UNKNOWN, paired_gain, unpaired_gain
from stages.training.intervals import units, widening
from stages.training.metrics import Array, Figure, Flags, Scorer, constant_prediction

FEWEST = 5  # labelled rows that stand for the answered ones, or for the others
RARE = 0.01  # a kind of row that is rarer may be missing among the labelled ones


@dataclass(frozen=True)
class Compared:
    """What labelled rows say of the two.

    Attributes
    ----------
    rows : tuple of int
        How many of the release, and of the model beside it.
    paired : bool
        Whether they are the same rows.
    values : tuple of float or None
        The charter's metric of both.
    gain : figure
        By how much the model beside the release is better.
    why : str
        Why that is not known; empty where it is.
    """

    rows: tuple[int, int]
    paired: bool
    values: tuple[float | None, float | None] = (None, None)
    gain: Figure = field(default_factory=lambda: dict(UNKNOWN))
    why: str = ""

    @property
    def count(self) -> int:
        """How many labelled rows there are, a pair being one."""
        return self.rows[0] if self.paired else sum(self.rows)

    @property
    def lacking(self) -> int:
        """How many labelled rows are lacking until anything can be told of how much they vary."""
        return sum(max(0, MIN_ROWS - count) for count in (self.rows[:1] if self.paired else self.rows))


class Comparison:
    """The two on the rows whose labels have come in."""

    def __init__(
        self,
        project: Path,
        work: Context,
        log: PredictionLog,
        line: Canary,
        both: tuple[Side, Side],
        cards: tuple[dict[str, Any], dict[str, Any]],
    ) -> None:
        self.work, self.log, self.line, self.cards = work, log, line, cards
        self.release, self.beside = both
        self.labels, self._chosen = sides.labels_by_content(project, log, cards[0]["classes"])

    def compared(self, answered: Sequence[float | None]) -> Compared:
        """Return it; ``answered`` is the share of all rows that each side answered."""
        its = sides.entries_by_content(self.log, self.beside.served, self.labels)
        mine = self._mine(its)
        if self.line.shadow:
            its = {content: its[content] for content in mine}
        rows = (len(mine), len(its))
        if not rows[0] or not rows[1]:
            return Compared(rows, self.line.shadow, why="no row that both could be compared on is labelled yet")
        pooled = np.array([self.labels[content] for content in (*mine, *its)])
        constant = constant_prediction(self.work.task, pooled, len(self.cards[0]["classes"] or [0]))
        blocks = self._blocks([*mine.values()] if self.line.shadow else [*mine.values(), *its.values()])
        champion, challenger = (
            self._scorer(entries, policy_of(card), constant, blocks if self.line.shadow else None)
            for entries, card in zip((mine, its), self.cards, strict=True)
        )
        worth, why = self._worth(champion, challenger, answered)
        if worth is None:
            return Compared(rows, self.line.shadow, why=why)
        metric, sampling = self.work.row_metric, self._sampling()
        values = tuple(
            _known(scorer.score([metric], weight)[metric])
            for scorer, weight in zip((champion, challenger), worth, strict=True)
        )
        if self.line.shadow:
            gain = paired_gain(challenger, champion, metric, **sampling, worth=worth[0])
        else:
            gain = unpaired_gain(challenger, champion, metric, blocks, **sampling, worth=(worth[1], worth[0]))
        gain = widened(gain, units(min(rows), blocks) if min(rows) >= MIN_ROWS else 0, sampling["level"])
        gain = wide_enough(gain, challenger, champion, metric, sampling["level"], (worth[1], worth[0]))
        few = "" if gain["low"] is not None else "the labelled rows are too few to tell how much they vary"
        return Compared(rows, self.line.shadow, (values[0], values[1]), gain, few)

    def left_out(self) -> int:
        """Return how many labelled rows of the two are not compared, as ``mine`` chose them."""
        both = (self.release.served, self.beside.served)
        return len({content for side in both for content in sides.entries_by_content(self.log, side, self._chosen)})

    def _mine(self, its: Mapping[str, Entry]) -> dict[str, Entry]:
        """Return what the release said: of the rows of its shadow, or of those on its own side of the draw."""
        if self.line.shadow:
            return sides.entries_by_content(self.log, self.release.every, its)
        found = sides.entries_by_content(self.log, self.release.served, self.labels)
        return {content: entry for content, entry in found.items() if not self._drawn(entry)}

    def _drawn(self, entry: Entry) -> bool:
        """Tell whether the canary was to answer a row; the release answered it before the server knew, or for it."""
        name = entry["row"] if entry["key"] is None else entry["key"]
        return takes(str(name), self.line.sha256, self.line.share)

    def _scorer(self, entries: Mapping[str, Entry], policy: Policy, constant: Array, blocks: Blocks | None) -> Scorer:
        classes = self.cards[0]["classes"]
        said = [
            entry["prediction"] if classes is None else json.loads(entry["probabilities"]) for entry in entries.values()
        ]
        return Scorer(
            self.work.task,
            np.array([self.labels[content] for content in entries]),
            np.array(said, dtype=float),
            constant,
            blocks,
            policy.threshold,
            np.array([bool(entry["answered"]) for entry in entries.values()]),
            self.work.failing,
        )

    def _worth(
        self, champion: Scorer, challenger: Scorer, answered: Sequence[float | None]
    ) -> tuple[tuple[Array, Array] | None, str]:
        """Return what the rows of each side count for, see `representative`; a pair is one row."""
        found = [representative(champion.answers, answered[0])]
        found.append(found[0] if self.line.shadow else representative(challenger.answers, answered[1]))
        why = next((told for _, told in found if told), "")
        return (None if why else (found[0][0], found[1][0])), why

    def _blocks(self, entries: Sequence[Entry]) -> Blocks | None:
        """Return which rows hang together, where the log knows it of every one."""
        schema = self.work.schema
        role = "group" if schema["group"] else "time"
        cells = [entry[role] for entry in entries]
        if not schema[role] or None in cells:
            return None
        column = pd.Series(cells)
        if role == "time":
            numbers = pd.to_numeric(column, errors="coerce")
            column = numbers if numbers.notna().all() else pd.to_datetime(column, utc=True, format="ISO8601")
        return blocks_of(pd.DataFrame({schema[role]: column}), schema)

    def _sampling(self) -> dict[str, Any]:
        params = self.work.params
        return {"n": params.training.bootstrap.n, "level": params.deployment.canary.level, "seed": params.seed}


def widened(gain: Figure, count: int, level: float) -> Figure:
    """Return a gain whose interval is as wide as ``count`` rows or blocks ask for; without one where they are none."""
    value, low, high = gain["value"], gain["low"], gain["high"]
    if value is None or low is None or high is None or not count:
        return {"value": value, "low": None, "high": None}
    wide = widening(count, level)
    return {"value": value, "low": value + wide * (low - value), "high": value + wide * (high - value)}


def representative(answered: Flags, share: float | None) -> tuple[Array, str]:
    """Return what labelled rows count for, so that answered ones weigh as much among them as among all rows.

    Rows that were left to people are labelled first, and are the hard ones. Within the two kinds the labelled rows are
    taken for any (post-stratification: Holt & Smith 1979).

    Parameters
    ----------
    answered : array of bool of shape (n,)
        Which of the labelled rows were answered.
    share : float or None
        The share of all rows that was; None where that is not known.

    Returns
    -------
    array of shape (n,), str
        The weights, of mean 1; and why there are none, where one of the two kinds is hardly labelled.

    Examples
    --------
    >>> weights, _ = representative(np.array([True] * 5 + [False] * 15), share=0.75)
    >>> weights[0].round(3), weights[-1].round(3)
    (np.float64(3.0), np.float64(0.333))
    """
    worth = np.ones(len(answered))
    if share is None:
        return worth, ""
    for kind, part, name in ((answered, share, "answered"), (~answered, 1 - share, "left to people")):
        if part > RARE and kind.sum() < FEWEST:
            todo = "/feedback takes labels of any row" if name == "answered" else "loopwright review export"
            return worth, f"only {kind.sum()} of the labelled rows were {name}, {part:.0%} of all are ({todo})"
        worth[kind] = part / max(kind.mean(), 1e-9)
    return worth / worth.mean(), ""


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
