"""Does more data bring a better model? The chosen candidate with and without the last labels, on rows neither saw."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.context import Context
from stages.data.joining import RELEASE, TRAIN
from stages.files import read_json
from stages.flywheel.growth import UNKNOWN, sign
from stages.flywheel.judging import judging
from stages.training.candidates import fit_candidate
from stages.training.comparison import paired_gain
from stages.training.estimators import predict
from stages.training.metrics import Figure, Scorer, constant_prediction

FEWEST = 10  # labels; fewer make no difference that could be told


def marginal(work: Context) -> dict[str, Any]:
    """Return what the last labels brought, by the metric of the charter.

    The last labels are those of production that are learned from; where there are fewer than ten, the last rows of the
    window (by time; at random where there is none). All other rows, the candidate and its seed are the same.

    Returns
    -------
    dict
        ``kind`` ("production" or "window"), ``labels`` (how many were left out), ``metric``, ``gain`` (larger is
        better), ``per_label``, ``per_money`` (None without a price), ``judged_on``, ``doubling`` (the share of the loss
        that the last doubling of the training rows took away), ``yes`` and ``says``.
    """
    whole = work.learned()
    kind, left_out = _last(work, whole)
    metric, options = work.row_metric, work.params.training.bootstrap
    told = {"kind": kind, "labels": len(left_out), "metric": metric, "doubling": _doubling(work)}
    if len(left_out) < FEWEST:
        nothing = {"gain": UNKNOWN, "per_label": UNKNOWN, "per_money": None, "judged_on": "", "yes": None}
        return told | nothing | {"says": f"{len(left_out)} rows are too few to leave out"}
    judges = judging(work, [work.params.data.labels.reviewed])
    less = whole.iloc[np.setdiff1d(np.arange(len(whole)), left_out)].reset_index(drop=True)
    constant = constant_prediction(work.task, work.target(whole), work.n_classes)

    def scored(rows: pd.DataFrame) -> Scorer:
        made = predict(fit_candidate(work, work.chosen, rows), judges.rows, work.schema)
        target, blocks = work.target(judges.rows), work.blocks(judges.rows)
        return Scorer(work.task, target, made, constant, blocks, work.threshold, failing=work.failing)

    gain = paired_gain(scored(whole), scored(less), metric, n=options.n, level=options.level, seed=work.params.seed)
    price = work.params.planning.prices.label + (work.params.planning.prices.row if kind == "window" else 0)
    which = "labels of production" if kind == "production" else "rows of the window"
    return told | {
        "gain": gain,
        "per_label": scaled(gain, 1 / len(left_out)),
        "per_money": scaled(gain, 1 / (len(left_out) * price)) if price else None,
        "judged_on": judges.says,
        "yes": sign(gain),
        "says": f"the last {len(left_out)} {which}, judged on {judges.says}",
    }


def scaled(found: Figure, factor: float) -> Figure:
    """Return a figure times a factor."""
    return {name: None if value is None else value * factor for name, value in found.items()}


def _last(work: Context, whole: pd.DataFrame) -> tuple[str, NDArray[np.intp]]:
    """Return which rows of all that is learned are the last labels, by their position."""
    most = min(work.params.deployment.flywheel.last, len(whole) // 2)
    found = production_rows(work, whole)
    if len(found) >= FEWEST:
        return "production", np.sort(found[-most:])
    time = work.schema["time"]
    if time:
        return "window", np.sort(np.argsort(whole[time].to_numpy(), kind="stable")[-most:])
    return "window", np.sort(np.random.default_rng(work.params.seed).choice(len(whole), most, replace=False))


def production_rows(work: Context, whole: pd.DataFrame) -> NDArray[np.intp]:
    """Return the positions of the rows of production in all that is learned, in the order in which labels came.

    `stages.data.joining` puts those that are trained on behind the other training rows; the release takes the others
    in behind the window.
    """
    reviewed = work.reviewed()
    if reviewed is None:
        return np.zeros(0, dtype=np.intp)
    place = reviewed["review.place"].to_numpy(dtype="str")
    trained, later = (place == TRAIN).sum(), (place == RELEASE).sum()
    end = len(work.split("train"))
    at = np.zeros(len(reviewed), dtype=np.intp)
    at[place == TRAIN] = np.arange(end - trained, end)
    at[place == RELEASE] = np.arange(len(whole) - later, len(whole))
    return at[np.isin(place, (TRAIN, RELEASE))]


def _doubling(work: Context) -> Figure:
    path = work.project / "models" / "learning_curve.json"
    return dict(read_json(path)["gain"]) if path.exists() else UNKNOWN
