"""Which label each row ends with: the column's, unless truth, annotators, people or an oracle say otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from stages.data.labels.consensus import consensus
from stages.data.labels.log import Answer, Asked, latest
from stages.data.labels.reading import Coder
from stages.errors import DataError

COLUMN, TRUTH, ANNOTATORS, ANSWER, ORACLE = "column", "truth", "annotators", "answer", "oracle"
SUSPECT, MISSING = "suspect", "without a label"


@dataclass
class Labelling:
    """The rows of window and pilot and their labels, as sources of labels are merged one after the other.

    Attributes
    ----------
    rows : DataFrame
        ``part``, ``row`` (position in it), ``key``, ``value`` (code, number or NaN), ``origin``.
    """

    rows: pd.DataFrame

    @classmethod
    def of(cls, parts: dict[str, pd.DataFrame], key: str, target: str, coder: Coder) -> Labelling:
        """Begin with the labels of the target column.

        Raises
        ------
        DataError
            If a label is none of the classes.
        """
        found = []
        for part, frame in parts.items():
            values = frame[target].map({label: coder.code(str(label)) for label in frame[target].dropna().unique()})
            found.append(
                pd.DataFrame({"part": part, "row": np.arange(len(frame)), "key": frame[key].to_numpy()}).assign(
                    value=values.to_numpy(dtype="float64", na_value=np.nan)
                )
            )
        rows = pd.concat(found, ignore_index=True)
        return cls(rows.assign(origin=np.where(rows["value"].notna(), COLUMN, "")))

    def take(self, labels: pd.Series[Any], origin: str) -> pd.Series[bool]:
        """Take labels by key over those there are; return which rows got another value than they had."""
        new = self.rows["key"].map(labels)
        known = new.notna()
        changed = known & self.rows["value"].notna() & (new != self.rows["value"])
        self.rows["value"] = self.rows["value"].where(~known, new).astype("float64")
        self.rows["origin"] = self.rows["origin"].where(~known, origin)
        return changed

    def has(self, keys: Sequence[str]) -> pd.Series[bool]:
        """Tell which rows have one of these keys."""
        return self.rows["key"].isin(list(keys))

    @property
    def replaced(self) -> pd.DataFrame:
        """The rows whose label comes from elsewhere than the column: what ``data/labels.parquet`` holds."""
        rows = self.rows[~self.rows["origin"].isin([COLUMN, ""])]
        return rows[["part", "row", "key", "value", "origin"]].reset_index(drop=True)

    def pending(self, asked: Sequence[Asked], *, missing: bool) -> pd.Series[Any]:
        """Return why each row still waits for a label, NaN where it does not."""
        answered = self.rows["origin"].isin([ANSWER, ORACLE])
        suspect = self.has([entry.key for entry in asked]) & ~answered
        why = pd.Series(np.nan, index=self.rows.index, dtype="object").mask(suspect, SUSPECT)
        return why.mask(self.rows["value"].isna(), MISSING) if missing else why


def answers_table(answers: Sequence[Answer], coder: Coder, where: str) -> pd.DataFrame:
    """Return the last answer of each person on each item: ``item``, ``annotator``, ``label``.

    Raises
    ------
    DataError
        If a label is none of the classes there are now.
    """
    last = list(latest(answers).values())
    codes = [coder.code(answer.label) for answer in last]
    for answer, code in zip(last, codes, strict=True):
        if code is None:
            raise DataError(
                f"the answer {answer.label!r} on {answer.key} by {answer.by} is no label of this target",
                where=where,
                expected=coder.expected,
                todo="collect rows of that class too, or import a correction",
            )
    return pd.DataFrame(
        {"item": [a.key for a in last], "annotator": [a.by for a in last], "label": np.asarray(codes, dtype=float)}
    )


def audit(labelling: Labelling, asked: Sequence[Asked], changed: pd.Series[bool], answers: pd.DataFrame) -> list[Any]:
    """Return, for each round of relabelling, what became of the rows asked.

    Each: ``iteration`` that asked, ``noise`` estimated then, and how many rows were ``asked``, ``answered``,
    ``changed``, had several answers (``shared``), and several that differ (``disputed``).
    """
    answered = set(labelling.rows["key"][labelling.rows["origin"].isin([ANSWER, ORACLE])])
    other = set(labelling.rows["key"][changed])
    spread = answers.groupby("item")["label"].agg(["size", "nunique"])
    shared, disputed = (set(spread.index[spread[name] > 1]) for name in ("size", "nunique"))
    rounds = []
    for iteration in dict.fromkeys(entry.iteration for entry in asked):
        entries = [entry for entry in asked if entry.iteration == iteration]
        keys = {entry.key for entry in entries}
        rounds.append(
            {
                "iteration": iteration,
                "noise": entries[0].noise,
                "asked": len(keys),
                "answered": len(keys & answered),
                "changed": len(keys & other),
                "shared": len(keys & shared),
                "disputed": len(keys & disputed),
            }
        )
    return rounds


def people(answers: pd.DataFrame, n_classes: int | None) -> tuple[pd.Series[Any], pd.DataFrame]:
    """Return the consensus by item, and each answer beside that of the others: ``item``, ``answer``, ``others``."""
    found = consensus(answers, n_classes)
    beside = pd.DataFrame({"item": answers["item"], "answer": answers["label"], "others": found.others})
    return found.labels, beside.dropna(subset="others").reset_index(drop=True)
