"""What the log of predictions tells of a release and of the model beside it: how much each said, and how alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Float, and_, case, cast, func, select

from stages.data.labels.log import CHOSEN, REVIEWED, Answer, read_reviewed
from stages.data.labels.merging import answers_table, people
from stages.data.labels.reading import Coder
from stages.deployment.canary_log import Canary
from stages.production.log import CANARY, GIVEN, PREDICTIONS, RELEASE, SHADOW, Entry, PredictionLog, parts
from stages.production.lots import frontier, judges

SERVED = "serve"  # the source of what a server was asked
SEEN = PREDICTIONS.c
KEPT = [SEEN[name] for name in ("number", "content", "key", "time", "group", "row", "prediction", "probabilities")]


@dataclass(frozen=True)
class Side:
    """Who answers: the rows in the log that count for it.

    Attributes
    ----------
    release : str
        The model's name.
    role : {"release", "canary", "shadow"}
        As what it answered.
    since : str
        Since when the two stand beside each other.
    """

    release: str
    role: str
    since: str

    @property
    def every(self) -> ColumnElement[bool]:
        """What it ever said in this role."""
        return and_(SEEN.role == self.role, SEEN.release == self.release)

    @property
    def served(self) -> ColumnElement[bool]:
        """What it said to requests since the two stand beside each other; files chose no side."""
        return and_(self.every, SEEN.at >= self.since, SEEN.source == SERVED)


def sides_of(line: Canary, pointer: Mapping[str, Any]) -> tuple[Side, Side]:
    """Return the side of the release that a pointer names, and that of the model beside it.

    A release that came later is compared from then on: rows of before would be of another time than its own.
    """
    role, since = SHADOW if line.shadow else CANARY, max(line.at, str(pointer.get("at", "")))
    return Side(str(pointer["sha256"])[:12], RELEASE, since), Side(line.name, role, since)


def said(log: PredictionLog, side: Side, *, classes: bool) -> dict[str, Any]:
    """Return how many rows a side was served, what share of them it answered, and what it said of them.

    Returns
    -------
    dict
        ``rows``; ``answered``, None of none; ``said``: the share of each class, or the ``mean`` of values.
    """
    answered = func.sum(case((SEEN.answered, 1), else_=0))
    asked = select(func.count().label("rows"), answered.label("answered")).where(side.served)
    counted = next(iter(log.fetch([asked])), {"rows": 0})
    rows = int(counted["rows"])
    if not rows:
        return {"rows": 0, "answered": None, "said": {}}
    if classes:
        by = select(SEEN.prediction, func.count().label("n")).where(side.served).group_by(SEEN.prediction)
        shares = {str(found["prediction"]): found["n"] / rows for found in log.fetch([by.order_by(SEEN.prediction)])}
    else:
        (found,) = log.fetch([select(func.avg(cast(SEEN.prediction, Float)).label("mean")).where(side.served)])
        shares = {"mean": float(found["mean"])}
    return {"rows": rows, "answered": int(counted["answered"]) / rows, "said": shares}


def agreement(log: PredictionLog, release: Side, shadow: Side, *, classes: bool) -> tuple[int, float | None]:
    """Return of how many rows both sides spoke, and the share of which they say the same, or their mean difference.

    A row is one content: asked about it twice, a model says the same twice.
    """
    other = PREDICTIONS.alias()
    mine, its = func.min(SEEN.prediction), func.min(other.c.prediction)
    pairs = (
        select(mine.label("mine"), its.label("its"))
        .join(other, other.c.content == SEEN.content)
        .where(shadow.served, other.c.role == release.role, other.c.release == release.release)
        .group_by(SEEN.content)
        .subquery()
    )
    alike: Any = case((pairs.c.mine == pairs.c.its, 1.0), else_=0.0)
    apart: Any = func.abs(cast(pairs.c.mine, Float) - cast(pairs.c.its, Float))
    told = func.avg(alike if classes else apart).label("told")
    found = log.fetch([select(func.count().label("rows"), told).select_from(pairs)])
    if not found or not found[0]["rows"]:
        return 0, None
    return int(found[0]["rows"]), float(found[0]["told"])


def labels_by_content(
    project: Path, log: PredictionLog, classes: Sequence[Any] | None
) -> tuple[dict[str, float], set[str]]:
    """Return the labels that came in for predictions, by the content of the row, and the rows that are left out.

    Labels are class codes or numbers; of several people it is their consensus, as where they are learned from. Left out
    are rows that were labelled only because ``mine`` chose them, unless they are of the random sample: it chooses those
    on which the two models disagree, or where the release is unsure, so they tell of no other rows.
    """
    labels, coder = read_reviewed(project), Coder(classes)
    asked = [select(SEEN.id, SEEN.content).where(GIVEN, SEEN.id.in_(part)) for part in parts(one.id for one in labels)]
    contents, upto = {str(found["id"]): str(found["content"]) for found in log.fetch(asked)}, frontier(labels)
    kept = {contents[one.id] for one in labels if one.id in contents and (one.drawn != CHOSEN or judges(one, upto))}
    chosen = set(contents.values()) - kept
    answers = [
        Answer(key=contents[one.id], label=one.label, by=one.by, at=one.at, file=one.file)
        for one in labels
        if contents.get(one.id) in kept and coder.code(one.label) is not None
    ]
    if not answers:
        return {}, chosen
    found = people(answers_table(answers, coder, REVIEWED), len(classes) if classes else None)[0]
    return {str(content): float(value) for content, value in found.items()}, chosen


def entries_by_content(log: PredictionLog, where: ColumnElement[bool], contents: Iterable[str]) -> dict[str, Entry]:
    """Return what was said of rows, by their content; of what was said several times the last."""
    asked = [
        select(*KEPT, SEEN.answered).where(where, SEEN.content.in_(part)).order_by(SEEN.number)
        for part in parts(contents)
    ]
    return {str(entry["content"]): entry for entry in log.fetch(asked)}
