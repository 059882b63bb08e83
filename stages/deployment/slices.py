"""Where the errors concentrate: slices that their own mean would predict better, corrected for looking at many."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.context import Context
from stages.data.blocks import MIN_BLOCKS, Blocks
from stages.deployment.groups import members, sensitive_columns
from stages.files import write_json
from stages.step import main
from stages.training.candidates import fit_candidate
from stages.training.estimators import predict
from stages.training.metrics import Array, constant_prediction, repeat, row_losses, standard_error
from stages.training.sampling import folds
from stages.training.store import load_model

Members = NDArray[np.intp]


def run(project: Path) -> None:
    """Write every judged slice, the worst first."""
    work = Context(project)
    rows, predicted = unseen(work)
    target = work.target(rows)
    losses = row_losses(work.task, target, predicted)

    def own(member: Members) -> Array:
        mean = constant_prediction(work.task, target[member], work.n_classes)
        return row_losses(work.task, target[member], repeat(mean, len(member)))

    options = work.params.deployment.slices
    level = work.params.training.bootstrap.level
    found = judge(rows, losses, own, _columns(work, rows), options.min_rows, level, work.blocks(rows))
    write_json(project / "release" / "slices.json", found)
    sure = sum(item["low"] > 0 for item in found)
    worst = {"worst_excess": found[0]["excess"]} if found else {}
    write_json(project / "metrics" / "slices.json", {"judged": len(found), "worse_than_own_mean": sure} | worst)


def unseen(work: Context) -> tuple[pd.DataFrame, Array]:
    """Return the training and the validation rows, each with the prediction of a model that was not fitted on it.

    That is the chosen model for the validation rows, and for each fold of the training rows its candidate fitted on the
    other folds: a slice is a small part, of the validation rows alone too small for most to be told. Without the
    training rows where they have too few blocks for folds.
    """
    valid, train = work.split("valid"), work.split("train")
    parts = [(valid, predict(load_model(work.project / "models" / "model.skops"), valid, work.schema))]
    for learned, held in folds(work.target(train), work.task, work.blocks(train), work.params.seed):
        model = fit_candidate(work, work.chosen, train.iloc[learned])
        parts.append((train.iloc[held], predict(model, train.iloc[held], work.schema)))
    return pd.concat([rows for rows, _ in parts], ignore_index=True), np.concatenate([made for _, made in parts])


def judge(
    rows: pd.DataFrame,
    losses: Array,
    own: Callable[[Members], Array],
    columns: list[str],
    min_rows: int,
    level: float,
    blocks: Blocks | None,
) -> list[dict[str, Any]]:
    """Return each slice's excess loss over what the slice's own mean would lose, as a share, with an interval.

    A slice whose outcomes are a toss-up has a large loss under any model, and weighing it up cures nothing; one where
    its own mean would do better has something to learn. ``own`` gives the losses of some rows under their own mean.
    The intervals are those of a ratio (Liang & Zeger 1986) with Bonferroni's correction over the slices judged (Dunn
    1961), so that all of them hold together with the given level.
    """
    slices = [
        (column, value, binned, np.flatnonzero(member))
        for column in columns
        for value, binned, member in members(rows[column])
        if member.sum() >= min_rows
    ]
    found = []
    for column, value, binned, member in slices:
        mine, floor = losses[member], own(member)
        if floor.mean() == 0 or (blocks is not None and len(np.unique(blocks[member])) < MIN_BLOCKS):
            continue
        ratio = mine.mean() / floor.mean()
        error = standard_error(mine - ratio * floor, None if blocks is None else blocks[member]) / floor.mean()
        half = NormalDist().inv_cdf(1 - (1 - level) / 2 / len(slices)) * error
        excess = ratio - 1
        item = {"column": column, "value": value, "binned": binned, "rows": len(mine), "excess": excess}
        found.append(item | {"low": excess - half, "high": excess + half})
    return sorted(found, key=lambda item: (-item["low"], item["column"], str(item["value"])))


def _columns(work: Context, rows: pd.DataFrame) -> list[str]:
    """Return the columns whose values are slices: those of the params, and of groups that must not fare worse."""
    sensitive = sensitive_columns(work, rows)
    named = [name for name in work.params.deployment.slices.columns if name in rows]
    return list(dict.fromkeys([*named, *sensitive]))


if __name__ == "__main__":
    main(run)
