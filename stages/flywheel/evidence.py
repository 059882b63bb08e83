"""What speaks for labelling each row: the model is unsure, another model disagrees, it lies where much is lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.answering import OUT_OF_RANGE, UNSEEN, Policy, confidence, reasons
from stages.data.labels.reviewed import frame_of
from stages.deployment.release import CANDIDATE
from stages.deployment.release_log import RELEASE, read_log, sha256_of, whole
from stages.files import read_json
from stages.flywheel.pool import cells_of
from stages.flywheel.slices import Slice
from stages.production.log import Entry
from stages.production.released import Released, labels_of
from stages.training.metrics import Array, decide

CRITERIA = ("unsure", "left", "disagreement", "slice", "unlike")
UNLIKE = {UNSEEN: "a category that was never learned from", OUT_OF_RANGE: "a number outside of what was learned from"}
LEFT = {"unsure": "left to people: too unsure", UNSEEN: "left to people", OUT_OF_RANGE: "left to people"}


@dataclass(frozen=True)
class Second:
    """Another model beside the release in force, and how it is called."""

    name: str
    predict: Callable[[pd.DataFrame], Array]
    features: dict[str, str]
    threshold: float


@dataclass(frozen=True)
class Evidence:
    """What speaks for each of n rows.

    Attributes
    ----------
    frame : DataFrame of n rows
        Their features, as the release in force reads them.
    scores : DataFrame of n rows
        A column for each of `CRITERIA`: the larger the more, 0 for nothing.
    says : list of list of str
        The same in words, for each row.
    """

    frame: pd.DataFrame
    scores: pd.DataFrame
    says: list[list[str]]


def second_model(project: Path, released: Released) -> Second | None:
    """Return the model in the workspace, else the release before the one in force; None where none can be held beside.

    It has to be another model with the same classes.
    """
    from stages.training.estimators import predict
    from stages.training.store import load_model

    def made(name: str, path: Path, card: dict[str, Any]) -> Second | None:
        if card["classes"] != released.classes:
            return None
        model, schema = load_model(path), {"features": card["features"], "classes": card["classes"]}
        limit = float(card.get("threshold", 0.5))
        return Second(name, lambda rows: predict(model, rows, schema), dict(card["features"]), limit)

    if (project / CANDIDATE).exists():
        card = read_json(project / CANDIDATE)
        path = project / str(card["model"])
        if path.exists() and sha256_of(path) != released.sha256:
            return made("the candidate in the workspace", path, card)
    earlier = [line for line in read_log(project) if line.kind == RELEASE and line.sha256 != released.sha256]
    for line in reversed(earlier):
        if whole(project, line) and (project / line.card).exists():
            found = made(f"release {line.sha256[:12]}", project / line.path, read_json(project / line.card))
            if found is not None:
                return found
    return None


def evidence(
    released: Released, entries: Sequence[Entry], second: Second | None, slices: Sequence[Slice]
) -> tuple[list[Entry], Evidence]:
    """Return the rows that the release can read, and what speaks for each.

    Parameters
    ----------
    released : Released
        The release in force.
    entries : sequence of Entry
        Rows of the log.
    second : Second or None
        The model to hold beside it.
    slices : sequence of Slice
        Those that are confirmed, the surest first.
    """
    from stages.training.estimators import predict

    cells = [cells_of(entry) for entry in entries]
    read = [at for at, row in enumerate(cells) if all(name in row for name in released.features)]
    entries, rows = [entries[at] for at in read], [cells[at] for at in read]
    frame = frame_of(rows, released.features)
    says: list[list[str]] = [[] for _ in rows]
    scores = pd.DataFrame(0.0, index=frame.index, columns=list(CRITERIA))
    if not rows:
        return [], Evidence(frame, scores, says)
    prediction = predict(released.model, frame, {"features": released.features, "classes": released.classes})
    if released.classes is not None:
        sure = confidence(prediction, released.policy.threshold)
        scores["unsure"] = np.where(sure <= np.median(sure), 1 - sure, 0.0)  # less sure than of most of these rows
        _say(says, [f"confidence {value:.2f}" for value in sure], scores["unsure"] > 0)
    left = [LEFT.get(str(entry["reason"]), "") for entry in entries]
    scores["left"] = [float(bool(words)) for words in left]
    _say(says, left, scores["left"] > 0)
    if second is not None and all(name in row for row in rows for name in second.features):
        other = second.predict(frame_of(rows, second.features))
        apart, told = _disagreement(released, prediction, second, other)
        scores["disagreement"] = apart
        _say(says, told, apart > 0)
    for item in slices:
        inside = item.holds(frame) & (scores["slice"] == 0).to_numpy()  # the surest slice that a row lies in counts
        scores["slice"] = np.where(inside, item.low or 0.0, scores["slice"])
        _say(says, [f"in a slice of high loss: {item.says}"] * len(rows), inside)
    strange = reasons(frame, np.zeros(len(rows)), Policy(guardrails=released.seen))
    scores["unlike"] = np.isin(strange, list(UNLIKE)).astype(float)
    _say(says, [UNLIKE.get(str(why), "") for why in strange], scores["unlike"].to_numpy() > 0)
    return entries, Evidence(frame, scores, says)


def _disagreement(released: Released, prediction: Array, second: Second, other: Array) -> tuple[Array, list[str]]:
    """Return how far the two are apart where they decide differently, and what the other says.

    The distance of total variation between probabilities; between values, in their standard deviations.
    """
    if released.classes is None:
        apart = np.abs(prediction - other) / (float(np.std(prediction)) or 1.0)
        apart = np.where(apart >= np.median(apart), apart, 0.0)  # they always differ: more than on most rows
        pairs = zip(other, prediction, strict=True)
        return apart, [f"{second.name} says {one:.4g} and not {two:.4g}" for one, two in pairs]
    mine, its = decide(prediction, released.policy.threshold), decide(other, second.threshold)
    apart = np.where(mine != its, np.abs(prediction - other).sum(axis=1) / 2, 0.0)
    names, others = (list(labels_of(codes, released.classes)) for codes in (mine, its))
    return apart, [f"{second.name} says {two} and not {one}" for one, two in zip(names, others, strict=True)]


def _say(says: list[list[str]], words: Sequence[str], where: Any) -> None:
    for at in np.flatnonzero(np.asarray(where)).tolist():
        says[at].append(words[at])
