"""How a model beside the release stands: `standing` tells it, and what it is worth on the rows that have labels by now.

A shadow speaks of the rows of the release, so the two are compared in pairs. A canary answers rows of its own, drawn by
a hash, so they are compared as two samples.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stages.context import Context
from stages.deployment.canary_log import START, Canary, current_canary, read_pointer
from stages.deployment.release import read_pointer as read_release
from stages.errors import ProjectError
from stages.files import read_json
from stages.production import sides
from stages.production.canary_rows import Comparison
from stages.production.canary_verdict import more_rows, verdict
from stages.production.log import PredictionLog
from stages.training.metrics import Figure


@dataclass(frozen=True)
class Stands:
    """One of the two.

    Attributes
    ----------
    release, iteration : str, int
        The model.
    rows : int
        How many rows of requests it spoke of since the two stand beside each other.
    answered : float or None
        The share that it answered, and did not leave to people.
    said : dict
        The share of each class, or the ``mean`` of values.
    labelled : int
        How many rows are compared.
    value : float or None
        The charter's metric on them.
    """

    release: str
    iteration: int
    rows: int
    answered: float | None
    said: dict[str, float]
    labelled: int
    value: float | None


@dataclass(frozen=True)
class Standing:
    """How a model beside the release stands.

    Attributes
    ----------
    canary : Canary
        What was put there, when, by whom and why.
    problem : str
        What is the matter with its model; empty where nothing is.
    release, beside : Stands
        The two.
    both, alike : int, float or None
        Of a shadow: of how many rows both spoke, and the share of which they say the same, or their mean difference.
    metric : str
        The charter's metric.
    gain : figure
        By how much the model beside the release is better in it, with its interval.
    margin, level : float
        ``deployment.canary``.
    verdict : {"not inferior", "inferior", "cannot tell yet"}
        See `canary_verdict.verdict`.
    more : int or None
        About how many more labelled rows tell; see `canary_verdict.more_rows`.
    why : str
        Why the two cannot be compared yet; empty where they can.
    left_out : int
        Labelled rows that are not compared: see `sides.labels_by_content`.
    """

    canary: Canary
    problem: str
    release: Stands
    beside: Stands
    both: int
    alike: float | None
    metric: str
    gain: Figure
    margin: float
    level: float
    verdict: str
    more: int | None
    why: str
    left_out: int

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def standing(project: Path) -> Standing | None:
    """Return how the model beside the release stands; None where there is none, or it is the release by now.

    It only reads: the log of predictions, ``labels/reviewed.jsonl`` and the cards.

    Raises
    ------
    LoopwrightError
        If the pointer, the log or a file of labels cannot be used.
    """
    line, pointer = read_pointer(project), read_release(project)
    if line is None or line.kind != START or pointer is None or pointer["sha256"] == line.sha256:
        return None
    problem = _problem(project)
    work, log = Context(project), PredictionLog(project)
    if not (project / "charter" / "charter.json").exists():
        raise ProjectError("there is no charter", where="charter/charter.json", todo="loopwright run, or dvc pull")
    cards = (read_json(project / str(pointer["card"])), read_json(project / line.card))
    release, beside = sides.sides_of(line, pointer)
    classes = cards[0]["classes"]
    told = [sides.said(log, side, classes=classes is not None) for side in (release, beside)]
    both, alike = sides.agreement(log, release, beside, classes=classes is not None) if line.shadow else (0, None)
    comparison = Comparison(project, work, log, line, (release, beside), cards)
    found = comparison.compared([item["answered"] for item in told])
    settings = work.params.deployment.canary
    more = more_rows(found.gain, settings.margin, found.count, settings.level)

    named = ((release.release, int(pointer["iteration"])), (beside.release, line.iteration))
    stands = [
        Stands(*names, **item, labelled=count, value=value)
        for names, item, count, value in zip(named, told, found.rows, found.values, strict=True)
    ]
    return Standing(
        canary=line,
        problem=problem,
        release=stands[0],
        beside=stands[1],
        both=both,
        alike=alike,
        metric=work.row_metric,
        gain=found.gain,
        margin=settings.margin,
        level=settings.level,
        verdict=verdict(found.gain, settings.margin),
        more=found.lacking or None if more is None else more,
        why=found.why,
        left_out=comparison.left_out(),
    )


def _problem(project: Path) -> str:
    try:
        current_canary(project)
    except ProjectError as error:
        return str(error)
    return ""
