"""The rows of production, as the log of predictions has them: those without a label, and those to draw at random.

Of a row with a key the last prediction counts. Rows out of the project's scope are none of its rows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, select

from stages.answering import OUT_OF_SCOPE
from stages.data.labels.log import Reviewed
from stages.production.log import ASKED, LIGHT, PREDICTIONS, Entry, PredictionLog, last_word
from stages.production.lots import lot_of, unit_of

NOW = PREDICTIONS.c
NAMES = [NOW[name] for name in ("id", "content", "key")]


def labelled_units(log: PredictionLog, labels: Sequence[Reviewed]) -> set[str]:
    """Return which rows have a label, by `unit_of`; also under another release's prediction of the same row."""
    ids = list(dict.fromkeys(label.id for label in labels))
    parts = (ids[start : start + ASKED] for start in range(0, len(ids), ASKED))
    return {unit_of(entry) for entry in log.read(*(select(*NAMES).where(NOW.id.in_(part)) for part in parts))}


def newest(log: PredictionLog, labelled: set[str], count: int) -> list[Entry]:
    """Return the newest rows that have no label, at most so many, the newest first; with what the model read."""
    asked = select(*LIGHT, NOW.row).where(_standing()).order_by(NOW.number.desc()).limit(count + len(labelled))
    return [entry for entry in log.read(asked) if unit_of(entry) not in labelled][:count]


def to_draw(log: PredictionLog, labelled: set[str], count: int) -> list[Entry]:
    """Return the rows with the smallest lots that have no label, at most so many, in the order of their lots."""
    if count <= 0:
        return []
    fields, most = (*LIGHT, NOW.row), count + len(labelled)
    with_key = select(*fields).where(_standing(), NOW.key.is_not(None)).order_by(NOW.content).limit(most)
    without = select(*fields).where(_standing(), NOW.key.is_(None)).order_by(NOW.id).limit(most)
    found = [entry for entry in log.read(with_key, without) if unit_of(entry) not in labelled]
    return sorted(found, key=unit_of)[:count]


def owed(log: PredictionLog, labelled: set[str], upto: float) -> tuple[int, int]:
    """Return how many rows have a lot up to some number, the random sample, and how many of them have a label."""
    hexadecimal = f"{min(int(upto * 16**12) + 1, 16**12 - 1):012x}"
    sides = and_(NOW.key.is_not(None), NOW.content < hexadecimal), and_(NOW.key.is_(None), NOW.id < hexadecimal)
    found = log.read(*(select(*NAMES).where(_standing(), side) for side in sides))
    units = {unit_of(entry) for entry in found if lot_of(unit_of(entry)) <= upto}
    return len(units), len(units & labelled)


def _standing() -> ColumnElement[bool]:
    return and_(last_word(), NOW.reason != OUT_OF_SCOPE)


def cells_of(entry: Entry) -> dict[str, Any]:
    """Return the row of an entry, column by column."""
    return dict(json.loads(entry["row"]))
