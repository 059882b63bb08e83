"""Which prediction is meant where a label names its row by the key of the source."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from flows.people.sheets import Said
from stages.errors import DataError
from stages.production.log import ASKED, GIVEN, PREDICTIONS, Entry, PredictionLog


def by_key(project: Path, given: Sequence[Said], *, timed: bool = False) -> dict[str, Entry]:
    """Return the prediction that each label means which names its row by key, by `Said.where`.

    That is the last one of the key that somebody was given; with ``timed`` the last until the label became known.
    """
    from sqlalchemy import select

    light = [PREDICTIONS.c[name] for name in ("id", "key", "at", "number")]
    keys = list(dict.fromkeys(said.item for said in given))
    parts = (keys[start : start + ASKED] for start in range(0, len(keys), ASKED))
    mine, number = PREDICTIONS.c.key, PREDICTIONS.c.number
    asked = [select(*light).where(GIVEN, mine.in_(part)).order_by(number) for part in parts]
    made: dict[str, list[Entry]] = {}
    for entry in PredictionLog(project).read(*asked):
        made.setdefault(str(entry["key"]), []).append(entry)
    found = {}
    for said in given:
        meant = [entry for entry in made.get(said.item, []) if not timed or _moment(entry["at"]) <= _moment(said.at)]
        if meant:
            found[said.where] = meant[-1]
    return found


def named_by_id(project: Path, given: Sequence[Said]) -> list[Said]:
    """Return labels that name rows by their key with the ids of their last predictions.

    Raises
    ------
    DataError
        If nothing was predicted for a key.
    """
    meant = by_key(project, given)
    for said in given:
        if said.where not in meant:
            raise never(said)
    return [replace(said, item=str(meant[said.where]["id"])) for said in given]


def never(said: Said) -> DataError:
    """Return the error of a label whose row was never predicted."""
    return DataError(
        f"no prediction has the key {said.item!r}",
        where=said.where,
        expected="the key of a row that was predicted, before its label was known",
        todo="correct it, or leave such rows out with loopwright feedback --ignore-unknown",
    )


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)
