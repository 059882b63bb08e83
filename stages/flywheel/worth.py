"""Does a better model bring a better outcome? Every release on the same rows, which none of them learned from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from stages.answering import Policy
from stages.context import Context
from stages.data.brought import brought_in_production
from stages.deployment.champion import incomparable
from stages.deployment.outcome import means, metric_gain
from stages.deployment.release_log import RELEASE, Release, read_log, whole
from stages.files import read_json
from stages.flywheel.growth import sign
from stages.flywheel.judging import PILOT, Judging, judging
from stages.planning.outcome import with_review
from stages.production.released import policy_of
from stages.training.abstaining import answered
from stages.training.metrics import Array, Figure, Scorer, bootstrap, constant_prediction

MOST = 5  # releases, the newest
DECLARE = "declare what a prediction brings: planning.outcome.call, or the prices of wrong decisions (docs/outcome.md)"


@dataclass(frozen=True)
class Judged:
    """A release on the rows that judge: what they bring by it, or why that is not known."""

    line: Release
    scorer: Scorer
    brings: Array | None
    unknown: str


def worth(work: Context, learned: Callable[..., Collection[int]]) -> dict[str, Any]:
    """Return each release's metric and outcome on the same rows, and what each brought beside the one before it.

    Parameters
    ----------
    work : Context
        The project.
    learned : callable
        Returns how many labels of people some iterations may have learned from.

    Returns
    -------
    dict
        ``metric``, ``unit``, ``judged_on``, ``releases`` (oldest first, each with ``metric``, ``outcome``), ``steps``
        from one to the next (``metric_gain``, ``outcome_gain``, larger being better), ``left_out`` (releases that the
        rows cannot judge, and why), ``yes`` and ``says``.
    """
    lines = _releases(work)
    judges = judging(work, learned(*(line.iteration for line in lines)) or {0})
    charter, options = _charter(work), work.params.training.bootstrap
    sampling: dict[str, Any] = {"n": options.n, "level": options.level, "seed": work.params.seed}
    found, left_out = list[Judged](), list[dict[str, str]]()
    for line in lines:
        card = read_json(work.project / line.card)
        why = _strange(work, judges, card)
        if why:
            left_out.append({"release": line.sha256[:12], "why": why})
        else:
            found.append(_judged(work, judges, line, card, charter))
    wanted = charter.get("outcome") or {}
    told = [_told(item, work.row_metric, sampling) for item in found]
    steps = [_step(one, other, work.row_metric, sampling) for one, other in pairwise(found)]
    beside: dict[str, Any] = {"metric": work.row_metric, "unit": str(wanted.get("unit", ""))}
    beside |= {"judged_on": judges.says, "declared": bool(wanted)}
    return beside | {
        "releases": told,
        "steps": steps,
        "left_out": left_out,
        "yes": answer([step for step in steps if step["outcome_gain"] is not None]),
        "says": _says(found, judges, declared=bool(wanted)),
    }


def answer(steps: Sequence[Mapping[str, Any]]) -> bool | None:
    """Return whether models that are surely better brought surely more; None where no step tells, or two contradict."""
    told = {sign(step["outcome_gain"]) for step in steps if sign(step["metric_gain"])} - {None}
    return told.pop() if len(told) == 1 else None


def _releases(work: Context) -> list[Release]:
    """Return the newest releases whose files are there, each model once, the oldest first."""
    last: dict[str, Release] = {}
    for line in read_log(work.project):
        if line.kind == RELEASE and whole(work.project, line) and (work.project / line.card).exists():
            last.setdefault(line.sha256, line)
    return list(last.values())[-MOST:]


def _charter(work: Context) -> dict[str, Any]:
    """Return the charter with the outcome and the prices as the params have them now: to declare one needs no run."""
    planning = work.params.planning
    outcome = planning.measured_outcome
    return work.charter | {
        "outcome": None if outcome is None else outcome.model_dump(),
        "prices": planning.prices.model_dump(),
    }


def _strange(work: Context, judges: Judging, card: dict[str, Any]) -> str:
    """Return why these rows cannot judge a release; empty when they can."""
    if judges.where == PILOT:
        return incomparable(work, card)
    absent = [name for name in card["features"] if name not in judges.rows]
    if absent:
        return f"these rows lack its {', '.join(absent)}"
    return "" if card["classes"] == work.schema["classes"] else "its classes are others"


def _judged(work: Context, judges: Judging, line: Release, card: dict[str, Any], charter: dict[str, Any]) -> Judged:
    from stages.training.estimators import predict
    from stages.training.store import load_model

    rows: pd.DataFrame = judges.rows
    schema = {"features": card["features"], "classes": card["classes"]}
    made = predict(load_model(work.project / line.path), rows, schema)
    policy: Policy = policy_of(card)
    constant = constant_prediction(work.task, work.target(work.window()), work.n_classes)
    kept = answered(rows, made, policy)
    target, blocks = work.target(rows), work.blocks(rows)
    scorer = Scorer(work.task, target, made, constant, blocks, policy.threshold, kept, failing=work.failing)
    brings, unknown = brought_in_production(work.project, charter, work.schema, rows, target, made)
    return Judged(line, scorer, None if brings is None else with_review(brings, kept, charter), unknown)


def _told(item: Judged, metric: str, sampling: dict[str, Any]) -> dict[str, Any]:
    outcome: Figure | None = None
    if item.brings is not None:
        outcome = means({"outcome": item.brings}, *item.scorer.rows, **sampling)["outcome"]
    return {
        "release": item.line.sha256[:12],
        "iteration": item.line.iteration,
        "at": item.line.at,
        "metric": bootstrap(item.scorer, [metric], **sampling)[metric],
        "outcome": outcome,
    }


def _step(one: Judged, other: Judged, metric: str, sampling: dict[str, Any]) -> dict[str, Any]:
    gain: Figure | None = None
    if one.brings is not None and other.brings is not None:
        difference: Array = np.asarray(other.brings - one.brings)
        gain = means({"gain": difference}, *one.scorer.rows, **sampling)["gain"]
    return {
        "from": one.line.sha256[:12],
        "to": other.line.sha256[:12],
        "metric_gain": metric_gain(other.scorer, one.scorer, metric, **sampling),
        "outcome_gain": gain,
    }


def _says(found: Sequence[Judged], judges: Judging, *, declared: bool) -> str:
    if not declared:
        return f"no outcome is declared; {DECLARE}"
    if len(found) < 2:
        return f"{len(found) or 'no'} release can be judged on {judges.says}; two tell"
    unknown = next((f"; {item.unknown}" for item in found if item.unknown), "")
    return f"{len(found)} releases on {judges.says}{unknown}"
