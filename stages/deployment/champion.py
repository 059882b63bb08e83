"""The released model beside the new one, on the same rows of the pilot: whether it is to be replaced.

Not a DVC stage: what is released is the state of the world, and no function of the project's files. The loop asks once,
before it decides about a release, and the record keeps the answer.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from stages.answering import Policy
from stages.context import Context
from stages.deployment.release import current
from stages.files import read_json, write_json
from stages.metric_names import OFFLINE
from stages.params import Champion
from stages.signals import Signal
from stages.training.abstaining import answered, policy_of
from stages.training.comparison import paired_gain
from stages.training.estimators import predict
from stages.training.metrics import Figure, Scorer, constant_prediction, names_of
from stages.training.store import load_model

REPORT = Path("reports") / "champion.json"


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
        gain, missed = _measured(work, card, project / str(pointer["path"]), metric)
        signal = champion_stays(gain, missed, metric, settings)
    signal = signal.model_copy(update={"evidence": {**signal.evidence, "champion": pointer["path"]}})
    report = {"iteration": iteration, "challenger": challenger, "signal": signal.model_dump()}
    write_json(project / REPORT, report)
    return Signal(**read_json(project / REPORT)["signal"])


def challenged(project: Path) -> str:
    """Return the hash of the model in the workspace, as a release is named."""
    return _sha256(project / Context.release_model)


def champion_stays(
    gain: Figure | None, missed: list[str], metric: str, settings: Champion, unknown: str = "too few rows"
) -> Signal:
    """Fire when the released model meets the charter and the new one has not earned its place.

    By default it has to be surely better: where the interval cannot tell, the model stays that people know. A released
    model that misses a requirement on these rows is replaced by one that meets it, better or not.

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
    """
    name, limit = "champion_stays", settings.min_gain
    evidence: dict[str, Any] = {"missed_by_champion": missed, "replace": settings.replace}
    if gain is None or gain["value"] is None or gain["low"] is None or gain["high"] is None:
        says = f"the released model and the new one cannot be compared: {unknown}"
        return Signal(name=name, threshold=limit, direction="below", says=says, evidence=evidence)
    value, low, high = gain["value"], gain["low"], gain["high"]
    stays = {"surely_better": low <= limit, "unless_worse": high < 0, "always": False}[settings.replace] and not missed
    said = f"the new model's {metric} is better by {value:.4g} ({low:.4g} to {high:.4g}) on the rows of the pilot"
    said += f"; the released one misses {', '.join(missed)} there" if missed else ""
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


def _measured(work: Context, card: dict[str, Any], champion: Path, metric: str) -> tuple[Figure, list[str]]:
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
    gain = paired_gain(challenger, released, metric, n=options.n, level=options.level, seed=work.params.seed)
    scores = released.score(names_of(work.charter)) | {"size_mb": champion.stat().st_size / 1e6}
    judged = {
        name: bound for name, bound in work.requirements.items() if name in OFFLINE[work.task] or name == "size_mb"
    }
    return gain, [name for name, bound in judged.items() if not bound.met_by(scores[name])]


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
