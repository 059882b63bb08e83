"""The released model beside the new one, on the same rows of the pilot: whether it is to be replaced.

Not a DVC stage: what is released is the state of the world, and no function of the project's files. The loop asks once,
before it decides about a release, and the record keeps the answer.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stages.answering import Policy
from stages.context import Context
from stages.deployment.enough import Size, needed_for
from stages.deployment.release import current
from stages.deployment.shadow import shadow
from stages.files import read_json, write_json
from stages.metric_names import OFFLINE, larger_is_better
from stages.params import Champion, Requirement
from stages.signals import Signal
from stages.training.abstaining import answered, policy_of
from stages.training.comparison import paired_gain
from stages.training.estimators import predict
from stages.training.metrics import Figure, Scorer, constant_prediction, names_of, repeat
from stages.training.store import load_model

REPORT = Path("reports") / "champion.json"
SMALLER = 0.8  # of the released model's size: a fifth less is worth a change
REASONS = {
    "wish": "it meets what is wished for and the released one does not",
    "smaller": "it is smaller",
    "newer": "it has learned from later rows",
}


def compare(project: Path, iteration: int) -> Signal | None:
    """Return ``champion_stays``; None when nothing is released, or the release is this very model.

    A run that is killed between the release and its record finds its own model released; it takes the answer that it
    was released on from ``reports/champion.json``.
    """
    pointer = current(project)
    if pointer is None:
        return None
    work = Context(project)
    challenger = challenged(project)
    if pointer["sha256"] == challenger:
        known = read_json(project / REPORT) if (project / REPORT).exists() else {}
        same = known.get("iteration") == iteration and known.get("challenger") == pointer["sha256"]
        return Signal(**known["signal"]) if same else None
    card = read_json(project / str(pointer["card"]))
    settings, metric = work.params.deployment.champion, work.row_metric
    strange = incomparable(work, card)
    if strange:
        signal = champion_stays(None, [], metric, settings, unknown=strange)
    else:
        found = _measured(work, card, project / str(pointer["path"]), metric)
        signal = champion_stays(found.gain, found.missed, metric, settings, beside=found.beside)
        signal = signal.model_copy(update={"evidence": {**signal.evidence, "shadow": found.shadow}})
    signal = signal.model_copy(update={"evidence": {**signal.evidence, "champion": pointer["path"]}})
    report = {"iteration": iteration, "challenger": challenger, "signal": signal.model_dump()}
    write_json(project / REPORT, report)
    return Signal(**read_json(project / REPORT)["signal"])


def challenged(project: Path) -> str:
    """Return the hash of the model in the workspace, as a release is named."""
    return _sha256(project / Context.release_model)


@dataclass(frozen=True)
class Beside:
    """What else is known of the two, on the rows of the pilot.

    Attributes
    ----------
    advantage : float or None
        By how much the released model is better than the constant in the charter's metric; None where unknown.
    reasons : tuple of str
        What speaks for the new model though it is no better: of ``deployment.champion.reasons``.
    size : Size or None
        Of the pilot.
    """

    advantage: float | None = None
    reasons: tuple[str, ...] = ()
    size: Size | None = None


@dataclass(frozen=True)
class Measured:
    """The two side by side: the gain of the new model, what the released one misses, and the rows they differ in."""

    gain: Figure
    missed: list[str]
    beside: Beside
    shadow: dict[str, Any]


def champion_stays(
    gain: Figure | None,
    missed: list[str],
    metric: str,
    settings: Champion,
    unknown: str = "too few rows",
    beside: Beside | None = None,
) -> Signal:
    """Fire when the released model meets the charter and the new one has not earned its place.

    By default it has to be surely better: where the interval cannot tell, the model stays that people know. With
    ``not_inferior`` it has to be surely no worse by more than a margin, and there has to be a reason (to be surely
    better is one). A released model that misses a requirement on these rows is replaced by one that meets it,
    better or not.

    Parameters
    ----------
    gain : Figure or None
        By how much the new model is better in the charter's metric, larger being better, on the same rows; None, or
        without an interval, when they cannot be compared. Then it cannot tell, and the charter alone decides.
    missed : list of str
        Requirements that the released model misses on these rows.
    metric : str
        The charter's metric.
    settings : Champion
        ``deployment.champion``.
    unknown : str
        Why they cannot be compared.
    beside : Beside, optional
        What else is known of the two.
    """
    beside = beside or Beside()
    name, margin = "champion_stays", settings.margin * max(0.0, beside.advantage or 0.0)
    limits = {"not_inferior": -margin, "surely_better": settings.min_gain}
    limit = limits.get(settings.replace, 0.0)
    evidence: dict[str, Any] = {"missed_by_champion": missed, "replace": settings.replace}
    if settings.replace == "not_inferior":
        evidence |= {"margin": margin, "reasons": list(beside.reasons), "asked_for": list(settings.reasons)}
    if gain is None or gain["value"] is None or gain["low"] is None or gain["high"] is None:
        says = f"the released model and the new one cannot be compared: {unknown}"
        return Signal(name=name, threshold=limit, direction="below", says=says, evidence=evidence)
    value, low, high = gain["value"], gain["low"], gain["high"]
    why = bool(beside.reasons) or not settings.reasons or low > settings.min_gain
    stays = {
        "surely_better": low <= limit,
        "not_inferior": low <= limit or not why,
        "unless_worse": high < 0,
        "always": False,
    }[settings.replace] and not missed
    said = f"the new model's {metric} is better by {value:.4g} ({low:.4g} to {high:.4g}) on the rows of the pilot"
    said += f"; the released one misses {', '.join(missed)} there" if missed else ""
    said += _of_margin(low, limit, beside.reasons, why=why) if settings.replace == "not_inferior" else ""
    if settings.replace in limits and low <= limit <= high and beside.size is not None:
        said += f"; the pilot has {beside.size.words}, {needed_for(gain, limit, beside.size)}"
    return Signal(
        name=name,
        value=value,
        low=low,
        high=high,
        threshold=limit,
        direction="below",
        unit=metric,
        fires=stays,
        says=said,
        evidence=evidence,
    )


def _of_margin(low: float, limit: float, reasons: tuple[str, ...], *, why: bool) -> str:
    """Say what is made of a gain beside a margin."""
    if low <= limit:
        return f"; a loss of {-limit:.4g}, the margin, is not ruled out"
    speak = [REASONS[name] for name in reasons] or ([] if why else ["there is no reason to change"])
    return "".join([f"; surely no worse by more than {-limit:.4g}", *(f", and {text}" for text in speak)])


def _measured(work: Context, card: dict[str, Any], champion: Path, metric: str) -> Measured:
    pilot, learned = work.split("pilot"), work.window()
    target, blocks = work.target(pilot), work.blocks(pilot)
    constant = constant_prediction(work.task, work.target(learned), work.n_classes)
    new = predict(load_model(work.project / work.release_model), pilot, work.schema)
    old = predict(load_model(champion), pilot, {"features": card["features"], "classes": card["classes"]})
    theirs = Policy(**card.get("policy", {"threshold": card.get("threshold", 0.5)}))
    ours = policy_of(work, learned, work.threshold, work.confidence)
    challenger, released = (
        Scorer(
            *(work.task, target, found, constant, blocks, policy.threshold, answered(pilot, found, policy)),
            failing=work.failing,
        )
        for found, policy in ((new, ours), (old, theirs))
    )
    options = work.params.training.bootstrap
    sampling: dict[str, Any] = {"n": options.n, "level": options.level, "seed": work.params.seed}
    gain = paired_gain(challenger, released, metric, **sampling)
    sizes = {"new": (work.project / work.release_model).stat().st_size, "old": champion.stat().st_size}
    scores = released.score(names_of(work.charter)) | {"size_mb": sizes["old"] / 1e6}
    scored = challenger.score(names_of(work.charter)) | {"size_mb": sizes["new"] / 1e6}
    reasons = {
        "wish": any(
            bound.met_by(scored[name]) and not bound.met_by(scores[name]) for name, bound in _judged(work.wishes, work)
        ),
        "smaller": sizes["new"] <= SMALLER * sizes["old"],
        "newer": _newer(card["window"], work.schema["window"]),
    }
    nothing = replace(released, prediction=repeat(constant, len(pilot)), answered=None)
    sign = 1.0 if larger_is_better(work.task, metric) else -1.0
    beside = Beside(
        advantage=sign * (released.score([metric])[metric] - nothing.score([metric])[metric]),
        reasons=tuple(name for name in work.params.deployment.champion.reasons if reasons[name]),
        size=Size.of(len(pilot), blocks, options.level, work.params.deployment.pilot.power),
    )
    missed = [name for name, bound in _judged(work.requirements, work) if not bound.met_by(scores[name])]
    return Measured(gain, missed, beside, shadow(work, pilot, released, challenger, metric))


def _judged(bounds: dict[str, Requirement], work: Context) -> list[tuple[str, Requirement]]:
    """Return the bounds that both models can be held to on these rows."""
    return [(name, bound) for name, bound in bounds.items() if name in OFFLINE[work.task] or name == "size_mb"]


def _newer(theirs: dict[str, Any], ours: dict[str, Any]) -> bool:
    """Tell whether the new model has learned from later rows."""
    return bool(ours.get("end") and theirs.get("end") and str(ours["end"]) > str(theirs["end"]))


def incomparable(work: Context, card: dict[str, Any]) -> str:
    """Return why the released model cannot be held beside the new one on this pilot; empty when it can."""
    pilot = work.split("pilot")
    absent = [name for name in card["features"] if name not in pilot]
    if absent:
        return f"these rows lack its {', '.join(absent)}"
    if card["classes"] != work.schema["classes"]:
        return "its classes are others"
    learned, judged = card["window"], work.schema["pilot"]
    if work.schema["time"] and learned.get("end") and judged.get("start"):
        return "it has learned from rows of this pilot" if str(learned["end"]) > str(judged["start"]) else ""
    same = card.get("pilot_sha256") == _sha256(work.project / "data" / "splits" / "pilot.parquet")
    return "" if same else "it may have learned from rows of this pilot"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
