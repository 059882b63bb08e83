"""The rows that may tell what a model is worth in production, and which of them a model has not learned from.

Only two kinds may: those that were drawn at random, and all rows of a time, labelled whatever the model said of them.
Labels that people gave to what the model was unsure of, or that correct an answer, are of rows that were chosen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.answering import OUT_OF_SCOPE
from stages.context import Context
from stages.data.joining import JUDGES, KNOWN, join
from stages.data.labels.log import COMPLETE, RANDOM, Reviewed, read_reviewed
from stages.data.labels.reading import Coder
from stages.data.labels.reviewed import UNFIT, UNKNOWN_LABEL, reviewed_rows
from stages.production.lots import frontier

SPLITS = ("train", "valid", "test", "pilot")
UNUSABLE = (KNOWN, UNFIT, UNKNOWN_LABEL, OUT_OF_SCOPE)
PILOT = "pilot"


@dataclass(frozen=True)
class Judging:
    """Labelled rows that a model may be judged by.

    Attributes
    ----------
    rows : DataFrame
        As the splits hold them, the newest label last.
    where : {"random", "complete", "pilot"}
        How they were come by.
    """

    rows: pd.DataFrame
    where: str

    @property
    def says(self) -> str:
        """Which rows they are, in words."""
        words = {
            RANDOM: "rows of production drawn at random",
            COMPLETE: "rows of production of which all of their time were labelled",
            PILOT: "rows of the pilot",
        }
        return f"{len(self.rows)} {words[self.where]}"


def labelled(work: Context) -> tuple[pd.DataFrame, list[Reviewed]]:
    """Return every labelled row of production with its place in the data (`stages.data.joining`), and the labels.

    Beside what `join` returns of them: ``review.first``, the number of the first label of the row's key.
    """
    labels = read_reviewed(work.project)
    if not labels:
        return pd.DataFrame(), []
    found = reviewed_rows(work.project, len(labels), work.schema, Coder(work.schema["classes"]))
    parts = {name: work.split(name) for name in SPLITS}
    rows = join(parts, found, work.schema, lambda frame: pd.Series(1.0, index=frame.index))[1]
    first: dict[str, int] = {}
    for number, label in enumerate(labels):
        first.setdefault(label.item, number)
    return rows.assign(**{"review.first": [first[item] for item in found["item"]]}), labels


def production(rows: pd.DataFrame, labels: list[Reviewed], learned: Collection[int]) -> dict[str, pd.DataFrame]:
    """Return the rows of each kind that may judge models which learned from the first so many labels each.

    A row of which one of those labels was given may have been learned from, unless it judged by then already.
    """
    if rows.empty:
        return {RANDOM: rows, COMPLETE: rows}
    first = rows["review.first"].to_numpy()
    lots = {label.id: label.lot for label in labels}
    lot = np.array([lots[name] if lots[name] is not None else np.inf for name in rows["review.id"]], dtype=float)
    fresh, unseen = first >= max(learned), np.ones(len(rows), dtype=bool)
    for count in learned:
        then = frontier(labels[:count])
        unseen &= first >= count if then is None else (first >= count) | (lot <= then)
    random = (rows["review.place"] == JUDGES).to_numpy() & unseen
    complete = (rows["review.drawn"] == COMPLETE).to_numpy() & fresh & _usable(rows)
    return {RANDOM: rows[random], COMPLETE: rows[complete]}


def judging(work: Context, learned: Collection[int]) -> Judging:
    """Return the rows that models may be judged by which learned from the first so many labels of people each.

    The larger kind of the two, when there are ``deployment.flywheel.judging`` rows of it; else the pilot.
    """
    kinds = production(*labelled(work), learned)
    where = max(kinds, key=lambda name: len(kinds[name]))
    if len(kinds[where]) >= work.params.deployment.flywheel.judging:
        return Judging(kinds[where].sort_values("review.first", kind="stable").reset_index(drop=True), where)
    return Judging(work.split(PILOT), PILOT)


def learned_labels(record: Iterable[tuple[int, Mapping[str, Any]]], iteration: int) -> set[int] | None:
    """Return how many labels of people may have been learned from in an iteration; None when the record does not tell.

    Every number that an iteration up to it had: it may stand on any of them, as iterations are restored.

    Parameters
    ----------
    record : iterable of (int, mapping)
        The number and the metrics of each iteration.
    iteration : int
        The number of the one in question.
    """
    found = {
        int(metrics["labels"]["reviewed"]["labels"])
        for number, metrics in record
        if number <= iteration and "reviewed" in metrics.get("labels", {})
    }
    return found or None


def _usable(rows: pd.DataFrame) -> NDArray[np.bool_]:
    return ~np.isin(rows["review.place"].to_numpy(dtype="str"), UNUSABLE)


def splits_there(project: Path) -> bool:
    """Tell whether a run has split the data."""
    return all((project / "data" / "splits" / f"{name}.parquet").exists() for name in SPLITS)
