"""What it costs when values are missing that are there now: each feature as a whole, and a share of all cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from stages.context import Context
from stages.errors import DataError
from stages.training.estimators import predict
from stages.training.intervals import units
from stages.training.metrics import Array, repeat, row_losses, standard_error

MAX_ROWS, MIN_ROWS, CELLS = 2000, 200, 100_000  # rows that are looked at, fewer where there are many features
BATCH = 20_000  # rows that are predicted in one call


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
    lost = np.random.default_rng(seed).random((len(rows), len(names))) < options.missing
    masked = rows.assign(**{name: _without(rows[name], lost[:, at]) for at, name in enumerate(names)})
    there = [name for name in names if rows[name].notna().any()]
    changed = [rows, masked, *(rows.assign(**{n: _without(rows[n], np.ones(len(rows), dtype=bool))}) for n in there)]
    before, *after = _predicted(lambda frame: predict(model, frame, work.schema), changed)
    if isinstance(before, str):
        raise DataError(f"the pilot is not predicted: {before}", where="data/splits/pilot.parquet")
    rise = _Rise(work, rows, before, constant)
    level = work.params.training.bootstrap.level
    each = 1 - (1 - level) / max(1, len(there))
    features = [{"feature": name, **rise(found, each)} for name, found in zip(there, after[1:], strict=True)]
    cost = [np.inf if item["rise"]["value"] is None else item["rise"]["value"] for item in features]
    dearest = [features[at] for at in np.argsort(-np.asarray(cost, dtype=float), kind="stable")]
    return {"rows": len(rows), "share": options.missing, **rise(after[0], level), "features": dearest}


class _Rise:
    """The rise of the loss beside that of the same rows as they are."""

    def __init__(self, work: Context, rows: pd.DataFrame, before: Array, constant: Array) -> None:
        self.task, self.target, self.blocks = work.task, work.target(rows), work.blocks(rows)
        self.before = row_losses(self.task, self.target, before)
        self.scale = float(row_losses(self.task, self.target, repeat(constant, len(rows))).mean())
        self.count = units(len(rows), self.blocks)

    def __call__(self, found: Array | str, level: float) -> dict[str, Any]:
        """Return the rise that a prediction makes, None with the error where there is none."""
        if isinstance(found, str):
            return {"rise": {"value": None, "low": None, "high": None}, "error": found}
        more = row_losses(self.task, self.target, found) - self.before
        more = more / self.scale if self.scale else np.full(len(more), np.nan)
        value, half = float(more.mean()), np.nan
        if self.count:
            quantile = float(student.ppf((1 + level) / 2, self.count - 1))
            half = quantile * standard_error(more - value, self.blocks)
        ends = (value - half, value + half) if np.isfinite([value, half]).all() else (None, None)
        return {"rise": {"value": value if np.isfinite(value) else None, "low": ends[0], "high": ends[1]}}


def _predicted(model: Callable[[pd.DataFrame], Array], frames: Sequence[pd.DataFrame]) -> list[Array | str]:
    """Return the prediction of each frame, or why there is none; many frames in one call, as a call has its price."""
    together = max(1, BATCH // len(frames[0]))
    found: list[Array | str] = []
    for start in range(0, len(frames), together):
        part = frames[start : start + together]
        try:
            found += np.split(model(pd.concat(part, ignore_index=True)), len(part))
        except ValueError as error:
            alone = [str(error).splitlines()[0]] if len(part) == 1 else []
            found += alone or [one for frame in part for one in _predicted(model, [frame])]
    return found


def _without(column: pd.Series[Any], lost: Any) -> pd.Series[Any]:
    wide = column.astype(object) if column.dtype.kind not in "fiub" else column.astype("float64")
    return wide.mask(lost)
