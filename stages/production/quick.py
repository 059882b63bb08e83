"""What a release says of a few rows, for a server: the same as `Released.answer` and `entries_of`, sooner.

Those take frames and are made for files of many rows. A test holds the two to each other, row by row and byte by byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import sklearn
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from stages.answering import ANSWERED, OUT_OF_RANGE, OUT_OF_SCOPE, UNSEEN, UNSURE, confidence, expected_cost, within
from stages.params import Within
from stages.production.cells import Cells, Value
from stages.production.direct import direct, frame_of, inner
from stages.production.log import RELEASE, Entry
from stages.production.recording import content_of, digest
from stages.production.released import Released, labels_of
from stages.training.metrics import decide

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Answer:
    """What is said of one row.

    Attributes
    ----------
    label : Any
        The likeliest class by its label, or the value, answered or not.
    text : str
        The same as the log keeps it.
    probabilities : list of float or None
        In the order of the release's classes.
    confidence : float or None
        The probability of the class decided for.
    reason : str
        Why the row is not answered; empty where it is.
    flags : dict
        Column -> "out_of_range" or "unseen_value", beside what the model learned from.
    """

    label: Any
    text: str
    probabilities: list[float] | None
    confidence: float | None
    reason: str
    flags: dict[str, str]


class Quick:
    """Answers rows of one release, all calls from one thread; see `quietly`.

    Parameters
    ----------
    released : Released
        The release.
    names : sequence of str
        What the cells of a row are, as in `RowReader.names`.

    Attributes
    ----------
    texts : list of str
        The classes as the log keeps them; empty for a regression.
    """

    def __init__(self, released: Released, names: Sequence[str]) -> None:
        self.released, self.names = released, tuple(names)
        self.places = {name: at for at, name in enumerate(self.names)}
        self.pipeline = inner(released.model)
        self.encode = direct(self.pipeline, released.features)
        self.edition = released.edition
        self._scope = [Within(**item) for item in released.policy.scope]
        self._guards, self._seen = _limits(released.policy.guardrails), _limits(released.seen)
        self.texts: list[str] = []
        if released.classes is not None:
            labels = labels_of(np.arange(len(released.classes)), released.classes)
            self._labels, self.texts = labels.tolist(), labels.astype("str").tolist()
            self._columns = np.asarray(self.pipeline.classes_, dtype=int)

    def answer(self, rows: Sequence[Cells]) -> list[Answer]:
        """Return what the release says of each row."""
        columns = dict(zip(self.names, zip(*(row.values for row in rows), strict=True), strict=True))
        prediction = self.predict(columns)
        why = self._reasons(rows, columns, prediction)
        flags = [_outside(row.values, self._seen, self.places) for row in rows]
        if self.released.classes is None:
            return [
                Answer(value, str(value), None, None, reason, flag)
                for value, reason, flag in zip(prediction.tolist(), why, flags, strict=True)
            ]
        threshold = self.released.policy.threshold
        codes, sure = decide(prediction, threshold).tolist(), confidence(prediction, threshold).tolist()
        return [
            Answer(self._labels[code], self.texts[code], chances, least, reason, flag)
            for code, chances, least, reason, flag in zip(codes, prediction.tolist(), sure, why, flags, strict=True)
        ]

    def entries(
        self,
        rows: Sequence[Cells],
        answers: Sequence[Answer],
        *,
        source: str,
        at: str,
        calls: Sequence[str],
        by: Quick | None = None,
        role: str = RELEASE,
    ) -> list[Entry]:
        """Return the log's entries.

        Parameters
        ----------
        rows, answers : sequence
            The rows as this release reads them, and what was said of them.
        source, at : str
            As in `recording.entries_of`.
        calls : sequence of str
            Name the rows without a key.
        by, role : Quick and str, optional
            Who answered, where it was a model beside this one. What it said has ids of its own, so that the same model
            says it again as the release.
        """
        who, found = by or self, list[Entry]()
        released, beside = who.released, () if role == RELEASE else (role,)
        for row, said, call in zip(rows, answers, calls, strict=True):
            text = self.text_of(row)
            content = content_of(text, row.key, row.time, row.group)
            named = "key" if row.key is not None else call
            found.append(
                {
                    "id": digest(who.edition, content, named, *beside),
                    "content": content,
                    "at": at,
                    "release": released.name,
                    "iteration": released.iteration,
                    "source": source,
                    "key": row.key,
                    "time": row.time,
                    "group": row.group,
                    "row": text,
                    "prediction": said.text,
                    "probabilities": None if said.probabilities is None else orjson.dumps(said.probabilities).decode(),
                    "confidence": said.confidence,
                    "answered": said.reason == ANSWERED,
                    "reason": said.reason,
                    "role": role,
                }
            )
        return found

    def text_of(self, row: Cells) -> str:
        """Return a row as the log keeps it."""
        return orjson.dumps(dict(zip(self.names, row.values, strict=True))).decode()

    def predict(self, columns: Mapping[str, Sequence[Value]]) -> Array:
        """Return probabilities in the order of the classes, or values; see `stages.training.estimators.predict`."""
        released = self.released
        given: Any
        if self.encode is None:
            model, given = self.pipeline, frame_of(columns, released.features)
        else:
            model, given = self.pipeline.named_steps["model"], self.encode(columns)
        if released.classes is None:
            return np.asarray(model.predict(given), dtype=float)
        found = np.zeros((len(given), len(released.classes)))
        found[:, self._columns] = model.predict_proba(given)
        return found

    def _reasons(self, rows: Sequence[Cells], columns: Mapping[str, Sequence[Value]], prediction: Array) -> list[str]:
        """Return why each row is not answered; see `stages.answering.reasons`."""
        policy = self.released.policy
        found = [ANSWERED] * len(rows)
        if prediction.ndim == 2:
            unsure = confidence(prediction, policy.threshold) < policy.confidence
            if policy.prices:
                unsure |= expected_cost(prediction, policy.threshold, policy.prices) > policy.prices["review"]
            found = [UNSURE if flag else ANSWERED for flag in unsure.tolist()]
        if self._guards:
            for at, row in enumerate(rows):
                found[at] = next(reversed(_outside(row.values, self._guards, self.places).values()), found[at])
        if self._scope:
            kinds = self.released.features | self.released.contract.beside
            scoped = {item.column: kinds[item.column] for item in self._scope}
            frame = frame_of(columns, scoped).astype(
                {name: "str" if kind == "category" else "float64" for name, kind in scoped.items()}
            )
            inside = within(frame, self._scope).tolist()
            found = [reason if here else OUT_OF_SCOPE for reason, here in zip(found, inside, strict=True)]
        return found


def quietly() -> None:
    """Let the thread that calls predict on itself alone, without checks that were made when the model was released.

    Setting the number of threads takes 2 ms, as much as a prediction; so it is set once. The checks left out are those
    of parameters, and that cells are finite, which the schema of a row says.
    """
    threadpool_limits(limits=1)
    sklearn.set_config(assume_finite=True, skip_parameter_validation=True)


def _limits(told: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, frozenset[str] | None, float, float]]:
    return [
        (
            name,
            frozenset(map(str, limit["values"])) if "values" in limit else None,
            float(limit.get("low", -np.inf)),
            float(limit.get("high", np.inf)),
        )
        for name, limit in told.items()
    ]


def _outside(
    values: Sequence[Value],
    limits: Sequence[tuple[str, frozenset[str] | None, float, float]],
    places: Mapping[str, int],
) -> dict[str, str]:
    """Return the cells that are not like those that were learned from, and how; a missing one is none of them."""
    found = {}
    for name, known, low, high in limits:
        value = values[places[name]]
        if value is None:
            continue
        if known is not None:
            if value not in known:
                found[name] = UNSEEN
        elif not low <= float(value) <= high:
            found[name] = OUT_OF_RANGE
    return found
