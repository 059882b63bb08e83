"""Rows of the pilot that the released model has right and the new one wrong, and the other way round.

A model that is better on average may be wrong where people relied on it; each such row is a regression (Yan et al.
2021, "Positive-congruent training"). Not a DVC stage, as the released model is no function of the project's files: the
loop compares once, beside `stages.deployment.champion`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.context import Context
from stages.data.blocks import Blocks
from stages.deployment.champion import challenged, incomparable
from stages.deployment.release import current
from stages.deployment.shares import share
from stages.files import read_json, write_json, write_text
from stages.signals import Signal, verdict
from stages.training.estimators import predict
from stages.training.metrics import Array, decide
from stages.training.store import load_model

REPORT = Path("reports") / "flips.json"
LIST = Path("reports") / "flips.csv"
NEGATIVE, POSITIVE = "negative", "positive"
WORST = 5
Flags = NDArray[np.bool_]


def compare(project: Path, iteration: int) -> Signal | None:
    """Return ``negative_flips`` and write the list; None when nothing is released, or the release is this very model.

    A run that is killed between the release and its record takes the answer that is in ``reports/flips.json``.
    """
    pointer = current(project)
    if pointer is None:
        return None
    work = Context(project)
    challenger = challenged(project)
    known = read_json(project / REPORT) if (project / REPORT).exists() else {}
    if pointer["sha256"] == challenger:
        same = known.get("iteration") == iteration and known.get("challenger") == challenger
        return Signal(**known["signal"]) if same else None
    card = read_json(project / str(pointer["card"]))
    limit, level = work.params.deployment.champion.max_negative_flips, work.params.training.bootstrap.level
    evidence: dict[str, Any] = {"champion": pointer["path"], "chosen": work.chosen, "file": str(LIST)}
    strange = incomparable(work, card)
    if strange:
        (project / LIST).unlink(missing_ok=True)
        signal = negative_flips(None, None, None, limit, level, unknown=strange)
    else:
        table, was, now = _beside(work, card, project / str(pointer["path"]))
        write_text(project / LIST, table.to_csv(index=False, float_format="%.6g"))
        evidence["worst"] = table[table["flip"] == NEGATIVE].head(WORST).to_dict("records")
        signal = negative_flips(was, now, work.blocks(work.split("pilot")), limit, level)
    signal = signal.model_copy(update={"evidence": {**signal.evidence, **evidence}})
    write_json(project / REPORT, {"iteration": iteration, "challenger": challenger, "signal": signal.model_dump()})
    return Signal(**read_json(project / REPORT)["signal"])


def negative_flips(
    was: Flags | None,
    now: Flags | None,
    blocks: Blocks | None,
    limit: float | None,
    level: float,
    unknown: str = "too few rows",
) -> Signal:
    """Fire when surely more rows than allowed are right by the released model and wrong by the new one.

    Parameters
    ----------
    was, now : array of shape (n,)
        Which rows the released and the new model have right; None when they cannot be compared.
    blocks : array of shape (n,), optional
        Which rows hang together.
    limit : float or None
        ``deployment.champion.max_negative_flips``; None never fires.
    level : float
        Coverage of the interval.
    unknown : str
        Why they cannot be compared.
    """
    name = "negative_flips"
    if was is None or now is None:
        says = f"the released model and the new one cannot be compared row by row: {unknown}"
        return Signal(name=name, threshold=limit, unit="of the rows", says=says)
    lost, won = was & ~now, ~was & now
    found = share(lost, blocks, level)
    low, high = found["low"], found["high"]
    fires = False if limit is None else None if low is None or high is None else verdict(low, high, limit, "above")
    says = (
        f"of {len(now)} rows of the pilot the new model gets {int(lost.sum())} wrong that the released one has right, "
    )
    says += f"and {int(won.sum())} right that it has wrong"
    counts = {"rows": len(now), "negative": int(lost.sum()), "positive": int(won.sum())}
    evidence: dict[str, Any] = counts | {"positive_rate": share(won, blocks, level)}
    shared = {"threshold": limit, "unit": "of the rows", "fires": fires, "says": says, "evidence": evidence}
    return Signal(name=name, **found, **shared)


def _beside(work: Context, card: dict[str, Any], champion: Path) -> tuple[pd.DataFrame, Flags, Flags]:
    """Return the rows on which the two differ in being right, the worst first, and which rows each has right."""
    pilot = work.split("pilot")
    target = work.target(pilot)
    old = predict(load_model(champion), pilot, {"features": card["features"], "classes": card["classes"]})
    new = predict(load_model(work.project / work.release_model), pilot, work.schema)
    if work.task == "classification":
        was, now, columns, cost = _classes(work, target, old, new, float(card.get("threshold", 0.5)))
    else:
        was, now, columns, cost = _values(work, target, old, new)
    flips = np.flatnonzero(was != now)
    kind = np.where(was[flips], NEGATIVE, POSITIVE)
    named = {"row": flips, **_keys(work, pilot, flips), "flip": kind}
    table = pd.DataFrame({**named, **{name: column[flips] for name, column in columns.items()}})
    order = np.lexsort((flips, -cost[flips], kind))  # negative before positive, by how much was lost
    return table.iloc[order].reset_index(drop=True), was, now


def _classes(
    work: Context, target: Array, old: Array, new: Array, threshold: float
) -> tuple[Flags, Flags, dict[str, Any], Array]:
    """Return which rows are right, and the columns: a probability is that of the true class."""
    labels = np.asarray([str(label) for label in work.schema["classes"]], dtype=object)
    codes, rows = target.astype(int), np.arange(len(target))
    before, after = decide(old, threshold), decide(new, work.threshold)
    truth = (old[rows, codes], new[rows, codes])
    columns = {
        "target": labels[codes],
        "released_says": labels[before],
        "new_says": labels[after],
        "released_probability": truth[0],
        "new_probability": truth[1],
    }
    return before == codes, after == codes, columns, np.asarray(np.abs(truth[0] - truth[1]))


def _values(work: Context, target: Array, old: Array, new: Array) -> tuple[Flags, Flags, dict[str, Any], Array]:
    """Return which values are right: off by no more than the target's standard deviation, as the cases are."""
    allowed = work.target(work.split("train")).std()
    off = np.abs(old - target), np.abs(new - target)
    columns = {"target": target, "released_says": old, "new_says": new}
    return off[0] <= allowed, off[1] <= allowed, columns, np.asarray(np.abs(off[0] - off[1]))


def _keys(work: Context, pilot: pd.DataFrame, flips: NDArray[np.intp]) -> dict[str, Any]:
    key = work.schema.get("key")
    private = set(work.charter["security"]["private"])
    return {str(key): pilot[key].to_numpy()[flips]} if key and key in pilot and key not in private else {}
