"""Where the errors concentrate: slices whose loss exceeds the overall loss, corrected for looking at many."""

from __future__ import annotations

from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from stages.context import Context
from stages.files import write_json
from stages.step import main
from stages.training.estimators import predict
from stages.training.metrics import Array, row_losses
from stages.training.store import load_model

MANY_VALUES, QUANTILES = 24, 5


def run(project: Path) -> None:
    """Write every judged slice, the worst first."""
    work = Context(project)
    model = load_model(project / "models" / "model.skops")
    rows = work.split("test")
    losses = row_losses(work.task, work.target(rows), predict(model, rows, work.schema))
    options = work.params.deployment.slices
    found = judge(rows, losses, _columns(work, rows), options.min_rows, work.params.training.bootstrap.level)
    write_json(project / "release" / "slices.json", found)
    summary = {"judged": len(found), "hard": sum(item["low"] > options.max_excess for item in found)}
    worst = {"worst_excess": found[0]["excess"]} if found else {}
    write_json(project / "metrics" / "slices.json", summary | worst)


def judge(rows: pd.DataFrame, losses: Array, columns: list[str], min_rows: int, level: float) -> list[dict[str, Any]]:
    """Return each slice's excess loss over that of all rows, as a share of it, with a simultaneous interval.

    The interval is normal with Bonferroni's correction over the slices judged (Dunn 1961), so that all of them hold
    together with the given level.
    """
    slices = [
        (column, value, binned, np.flatnonzero(member))
        for column in columns
        for value, binned, member in _values(rows[column])
        if member.sum() >= min_rows
    ]
    overall = losses.mean()
    if not slices or overall == 0:
        return []
    z = NormalDist().inv_cdf(1 - (1 - level) / 2 / len(slices))
    found = []
    for column, value, binned, member in slices:
        mine = losses[member]
        excess = mine.mean() / overall - 1
        half = z * mine.std(ddof=1) / np.sqrt(len(mine)) / overall
        found.append(
            {
                "column": column,
                "value": value,
                "binned": binned,
                "rows": len(mine),
                "excess": excess,
                "low": excess - half,
                "high": excess + half,
            }
        )
    return sorted(found, key=lambda item: (-item["low"], item["column"], str(item["value"])))


def _columns(work: Context, rows: pd.DataFrame) -> list[str]:
    return [name for name in work.params.deployment.slices.columns if name in rows]


def _values(column: pd.Series[Any]) -> list[tuple[Any, bool, Array]]:
    """Return (value, whether it is a bin, membership) of each slice; numbers with many values by quintile."""
    if pd.api.types.is_numeric_dtype(column) and column.nunique() > MANY_VALUES:
        bins = pd.qcut(column, QUANTILES, duplicates="drop")
        return [(str(name), True, (bins == name).to_numpy()) for name in bins.cat.categories]
    values = sorted(column.dropna().unique().tolist(), key=str)
    return [(value, False, (column == value).to_numpy()) for value in values]


if __name__ == "__main__":
    main(run)
