"""Does more data bring a better model? The chosen candidate with and without the last labels, on rows neither saw."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from stages.context import Context
from stages.data.joining import RELEASE, TRAIN
from stages.files import read_json
from stages.flywheel.growth import UNKNOWN, sign
from stages.flywheel.judging import judging
from stages.metric_names import larger_is_better
from stages.training.candidates import fit_candidate
from stages.training.estimators import predict
from stages.training.intervals import spread, units
from stages.training.metrics import Array, Figure, Scorer, constant_prediction, resampled

FEWEST = 10  # labels; fewer make no difference that could be told
FITS = 5  # pairs of fits


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
    metric = work.row_metric
    told = {"kind": kind, "labels": len(left_out), "metric": metric, "doubling": _doubling(work)}
    if len(left_out) < FEWEST:
        nothing = {"gain": UNKNOWN, "per_label": UNKNOWN, "per_money": None, "judged_on": "", "yes": None}
        return told | nothing | {"says": f"{len(left_out)} rows are too few to leave out"}
    judges = judging(work, [work.params.data.labels.reviewed])
    gain = worth_of(work, whole, left_out, judges.rows)
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


def worth_of(work: Context, whole: pd.DataFrame, left_out: NDArray[np.intp], judges: pd.DataFrame) -> Figure:
    """Return by how much the candidate is better with some rows than without them, with an interval.

    Any change of the rows makes another model, and on many rows two models always differ. So the pair is fitted five
    times, each time without as many other rows, drawn at random: the gain is the mean, and its interval holds both for
    which rows judge (whole blocks resampled, in all pairs at once) and for what such a change does by itself (Student's
    interval of the five), the two being independent.

    Parameters
    ----------
    work : Context
        The project.
    whole : DataFrame
        All rows that are learned from.
    left_out : array of int
        The positions of the rows in question.
    judges : DataFrame
        Rows that are in none of the fits.
    """
    metric, options, seed = work.row_metric, work.params.training.bootstrap, work.params.seed
    constant = constant_prediction(work.task, work.target(whole), work.n_classes)
    target, blocks = work.target(judges), work.blocks(judges)
    rest = np.setdiff1d(np.arange(len(whole)), left_out)

    def scorer(rows: NDArray[np.intp]) -> Scorer:
        model = fit_candidate(work, work.chosen, whole.iloc[np.sort(rows)].reset_index(drop=True))
        made = predict(model, judges, work.schema)
        return Scorer(work.task, target, made, constant, blocks, work.threshold, failing=work.failing)

    pairs = []
    for number in range(FITS):
        others = np.random.default_rng([seed, number]).choice(rest, min(len(left_out), len(rest) // 4), replace=False)
        kept = np.setdiff1d(rest, others)
        pairs.append((scorer(np.r_[kept, left_out]), scorer(kept)))
    sign_of = 1.0 if larger_is_better(work.task, metric) else -1.0

    def gains(weight: Array) -> list[float]:
        scores = [[one.score([metric], weight)[metric] for one in pair] for pair in pairs]
        return [sign_of * (with_them - without) for with_them, without in scores]

    each = np.array(gains(np.ones(len(target))))
    draws = resampled(gains, len(target), blocks, n=options.n, seed=seed).mean(axis=1)
    judged = spread(float(each.mean()), draws, units(len(target), blocks), options.level)
    error = float(each.std(ddof=1) / FITS**0.5 * student.ppf((1 + options.level) / 2, FITS - 1))
    return widened(judged, error)


def widened(found: Figure, error: float) -> Figure:
    """Return a figure whose interval holds for another, independent error too: their squares are added."""
    value, low, high = found["value"], found["low"], found["high"]
    if value is None or low is None or high is None or not np.isfinite(error):
        return {"value": value, "low": None, "high": None}
    return {"value": value, "low": value - np.hypot(value - low, error), "high": value + np.hypot(high - value, error)}


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
