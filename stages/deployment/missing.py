"""What it costs when values are missing that are there now: each feature as a whole, and a share of all cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from stages.context import Context
from stages.training.estimators import predict
from stages.training.intervals import units
from stages.training.metrics import Array, Figure, repeat, row_losses, standard_error

MAX_ROWS, MIN_ROWS, CELLS = 2000, 200, 100_000  # rows that are looked at, fewer where there are many features


def missing_values(work: Context, model: Any, pilot: pd.DataFrame, constant: Array) -> dict[str, Any]:
    """Return by how much the loss rises, as a share of the constant's loss on the same rows.

    Rows are drawn with the project's seed. The intervals of the features hold together (Bonferroni).

    Parameters
    ----------
    work : Context
        The project.
    model : pipeline
        The release candidate.
    pilot : DataFrame
        The rows that values are taken from.
    constant : array
        `stages.training.metrics.constant_prediction` of the window.

    Returns
    -------
    dict
        ``rows``, ``share``: what is taken of all cells, ``rise``: of the loss with it, and ``features``, the dearest
        first: each with its ``rise``. A rise of None with ``error``: the model does not predict such rows.
    """
    seed, options = work.params.seed, work.params.deployment.robustness
    names = list(work.schema["features"])
    rows = pilot
    most = min(MAX_ROWS, max(MIN_ROWS, CELLS // len(names)))
    if len(pilot) > most:
        rows = pilot.sample(most, random_state=seed).sort_index()
    target, blocks = work.target(rows), work.blocks(rows)
    before = row_losses(work.task, target, predict(model, rows, work.schema))
    scale = float(row_losses(work.task, target, repeat(constant, len(rows))).mean())
    count = units(len(rows), blocks)

    def rise(changed: pd.DataFrame, level: float) -> dict[str, Any]:
        try:
            after = row_losses(work.task, target, predict(model, changed, work.schema))
        except ValueError as error:
            unknown: Figure = {"value": None, "low": None, "high": None}
            return {"rise": unknown, "error": str(error).splitlines()[0]}
        more = (after - before) / scale if scale else np.full(len(rows), np.nan)
        value = float(more.mean())
        half = (
            float(student.ppf((1 + level) / 2, count - 1)) * standard_error(more - value, blocks) if count else np.nan
        )
        known = np.isfinite([value, half]).all()
        ends = (value - half, value + half) if known else (None, None)
        return {"rise": {"value": value if np.isfinite(value) else None, "low": ends[0], "high": ends[1]}}

    level = work.params.training.bootstrap.level
    features = _each(rows, names, rise, 1 - (1 - level) / max(1, len(names)))
    lost = np.random.default_rng(seed).random((len(rows), len(names))) < options.missing
    masked = rows.assign(**{name: _without(rows[name], lost[:, at]) for at, name in enumerate(names)})
    return {"rows": len(rows), "share": options.missing, **rise(masked, level), "features": features}


def _each(
    rows: pd.DataFrame, names: list[str], rise: Callable[[pd.DataFrame, float], dict[str, Any]], level: float
) -> list[dict[str, Any]]:
    found = [
        {"feature": name, **rise(rows.assign(**{name: _without(rows[name], np.ones(len(rows), dtype=bool))}), level)}
        for name in names
        if rows[name].notna().any()
    ]
    cost = [np.inf if item["rise"]["value"] is None else item["rise"]["value"] for item in found]
    return [found[at] for at in np.argsort(-np.asarray(cost, dtype=float), kind="stable")]


def _without(column: pd.Series[Any], lost: Any) -> pd.Series[Any]:
    wide = column.astype(object) if column.dtype.kind not in "fiub" else column.astype("float64")
    return wide.mask(lost)
