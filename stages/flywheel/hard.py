"""Where the model in force loses most: slices of rows that it has not learned from, and the worst labelled rows."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from stages.context import Context
from stages.deployment.champion import incomparable
from stages.flywheel.judging import PILOT, Judging, judging, splits_there
from stages.flywheel.slices import Slice, find_slices
from stages.production.log import PredictionLog
from stages.production.released import Released
from stages.training.metrics import Array, row_losses


def slices_of(
    work: Context, released: Released, card: dict[str, Any], learned: Collection[int]
) -> tuple[list[Slice], str]:
    """Return the slices of high loss, and on which rows they were sought, or why on none.

    Parameters
    ----------
    work : Context
        The project.
    released : Released
        The release in force.
    card : dict
        Its card.
    learned : collection of int
        How many labels of people it may have learned from.
    """
    from stages.training.estimators import predict

    if not splits_there(work.project):
        return [], "no run has split the data yet"
    if card["classes"] != work.schema["classes"]:
        return [], "the data have other classes than the release"
    found: Judging = judging(work, learned)
    strange = incomparable(work, card) if found.where == PILOT else ""
    least = work.params.deployment.flywheel.slice_rows
    if len(found.rows) < 4 * least:
        return [], f"{found.says} are too few, {4 * least} are needed (deployment.flywheel.slice_rows)"
    missing = [name for name in released.features if name not in found.rows]
    if strange or missing:
        return [], strange or f"these rows lack its {', '.join(missing)}"
    made = predict(released.model, found.rows, {"features": released.features, "classes": released.classes})
    losses = row_losses(work.task, work.target(found.rows), made)
    # A condition shows cells of its column.
    shown = {k: v for k, v in released.features.items() if k not in work.params.planning.security.private}
    slices = find_slices(
        found.rows,
        losses,
        shown,
        work.blocks(found.rows),
        min_rows=least,
        level=work.params.training.bootstrap.level,
        seed=work.params.seed,
    )
    return slices, found.says


def worst(work: Context, rows: pd.DataFrame) -> pd.DataFrame:
    """Return labelled rows with the loss of what was predicted before their label came, the largest first.

    Parameters
    ----------
    work : Context
        The project.
    rows : DataFrame
        What `stages.data.labels.reviewed.reviewed_rows` returns.

    Returns
    -------
    DataFrame
        ``id``, ``key``, ``label``, ``prediction``, ``confidence``, ``loss``, ``by``, ``drawn``.
    """
    classes = work.schema["classes"]
    entries = PredictionLog(work.project).find(rows["id"])
    found = []
    for _, row in rows[rows["value"].notna()].iterrows():
        entry = entries.get(str(row["id"]))
        loss = None if entry is None else _loss(entry, float(row["value"]), classes)
        if entry is not None and loss is not None:
            label = row["value"] if classes is None else classes[int(row["value"])]
            said = {"prediction": entry["prediction"], "confidence": entry["confidence"], "loss": loss}
            found.append({"id": row["id"], "key": entry["key"], "label": label, **said, **row[["by", "drawn"]]})
    columns = ["id", "key", "label", "prediction", "confidence", "loss", "by", "drawn"]
    table = pd.DataFrame(found, columns=columns).astype({"confidence": "float64"})
    return table.sort_values(["loss", "id"], ascending=[False, True], kind="stable").reset_index(drop=True)


def _loss(entry: Mapping[str, Any], value: float, classes: list[Any] | None) -> float | None:
    """Return the loss of a logged prediction; None where the release knew other classes."""
    if classes is None:
        return float((float(entry["prediction"]) - value) ** 2)
    chances: Array = np.array(json.loads(entry["probabilities"] or "[]"), dtype=float)
    if len(chances) != len(classes):
        return None
    return float(row_losses("classification", np.array([value]), chances[None])[0])
