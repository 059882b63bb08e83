"""The metrics of a charter, weighted, so that a bootstrap resample is a vector of counts and nothing is copied."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from stages.data.blocks import MIN_BLOCKS, Blocks
from stages.metric_names import OFFLINE, of_rows
from stages.training.calibration import Residuals, binned_residuals, calibration_error
from stages.training.failures import PLAIN, Failing, failure_bound

Array = NDArray[np.float64]
Figure = dict[str, float | None]
Flags = NDArray[np.bool_]
TINY = 1e-15


def constant_prediction(task: str, target: Array, n_classes: int) -> Array:
    """Return the prediction that needs no features: the class shares (n_classes,), or the mean (1,)."""
    if task == "classification":
        return np.asarray(np.bincount(target.astype(int), minlength=n_classes) / len(target), dtype=float)
    return np.asarray([target.mean()])


def repeat(constant: Array, n: int) -> Array:
    """Return a constant prediction for ``n`` rows: (n, n_classes), or (n,)."""
    return np.tile(constant, (n, 1)) if len(constant) > 1 else np.full(n, constant[0])


def row_losses(task: str, target: Array, prediction: Array) -> Array:
    """Return each row's loss, (n,): log loss in nats, or the squared error."""
    if task == "classification":
        chosen = prediction[np.arange(len(target)), target.astype(int)]
        return np.asarray(-np.log(np.clip(chosen, TINY, 1.0)))
    return np.asarray((prediction - target) ** 2)


def decide(prediction: Array, threshold: float = 0.5) -> NDArray[np.intp]:
    """Return the class that each row is taken for, (n,): of two the second above the threshold, else the likeliest."""
    if prediction.shape[1] == 2:
        return (prediction[:, 1] > threshold).astype(np.intp)
    return np.asarray(np.argmax(prediction, axis=1))


@dataclass(frozen=True)
class Scorer:
    """Scores one set of predictions, for any weights of its rows; what sorts or bins is done once.

    Parameters
    ----------
    task : {"classification", "regression"}
    target : array of shape (n,)
        Class codes, or values.
    prediction : array of shape (n, n_classes) or (n,)
        Probabilities, or values.
    constant : array of shape (n_classes,) or (1,)
        `constant_prediction` of the training rows, which skills are measured against.
    blocks : array of shape (n,), optional
        Which rows hang together; see `stages.data.blocks`.
    threshold : float, optional
        Of two classes, the probability above which a row is taken for the second.
    answered : array of bool of shape (n,), optional
        Which rows are answered; all of them where it is not given. Only metrics of answers heed it.
    failing : Failing, optional
        What a failure is, and how sure its bound.
    """

    task: str
    target: Array
    prediction: Array
    constant: Array
    blocks: Blocks | None = None
    threshold: float = 0.5
    answered: Flags | None = None
    failing: Failing = PLAIN

    @property
    def rows(self) -> tuple[int, Blocks | None]:
        """How many rows there are, and which hang together: what `resampled` wants."""
        return len(self.target), self.blocks

    def score(self, names: Sequence[str], weight: Array | None = None) -> dict[str, float]:
        """Return the named metrics; NaN where one is not defined, as a ROC AUC with one class."""
        weight = np.ones(len(self.target)) if weight is None else weight
        with np.errstate(divide="ignore", invalid="ignore"):
            return {name: float(_METRICS[name](self, weight)) for name in names}

    @cached_property
    def losses(self) -> Array:
        """Each row's loss, (n,)."""
        return row_losses(self.task, self.target, self.prediction)

    @cached_property
    def constant_losses(self) -> Array:
        """Each row's loss under the constant prediction, (n,)."""
        return row_losses(self.task, self.target, repeat(self.constant, len(self.target)))

    @cached_property
    def codes(self) -> NDArray[np.intp]:
        """The true class of each row, (n,)."""
        return self.target.astype(np.intp)

    @cached_property
    def labels(self) -> NDArray[np.intp]:
        """The class that each row is taken for, (n,)."""
        return decide(self.prediction, self.threshold)

    @cached_property
    def answers(self) -> Flags:
        """Which rows are answered, (n,)."""
        return np.ones(len(self.target), dtype=bool) if self.answered is None else self.answered

    @cached_property
    def wrong(self) -> Flags:
        """Which rows are decided wrongly, (n,): another class, or a value off by more than the tolerance."""
        if self.task == "classification":
            return np.asarray(self.labels != self.codes)
        return self.failing.off(self.target, self.prediction)

    @cached_property
    def ranked(self) -> list[tuple[NDArray[np.intp], NDArray[np.intp], Array]]:
        """For each class scored: rows by falling score, the starts of ties among them, and whether a row is of it."""
        n_classes = self.prediction.shape[1]
        found = []
        for code in [1] if n_classes == 2 else range(n_classes):
            score = self.prediction[:, code]
            order = np.argsort(-score, kind="stable")
            starts = np.flatnonzero(np.r_[True, np.diff(score[order]) != 0])
            found.append((order, starts, (self.codes[order] == code).astype(float)))
        return found

    @cached_property
    def residuals(self) -> list[Residuals]:
        """For each class scored: each row's bin by its probability, and observed less predicted."""
        return binned_residuals(self.prediction, self.codes)

    def confusion(self, weight: Array) -> Array:
        """Return the weighted confusion matrix, (n_classes, n_classes): rows true, columns predicted."""
        k = self.prediction.shape[1]
        counts = np.bincount(self.codes * k + self.labels, weights=weight, minlength=k * k)
        return np.asarray(counts.reshape(k, k))


def bootstrap(scorer: Scorer, names: Sequence[str], *, n: int, level: float, seed: int) -> dict[str, Figure]:
    """Return each metric with its percentile bootstrap interval (Efron 1979): ``{"value", "low", "high"}``.

    Resamples in which a metric is not defined (a class is absent) are left out of its interval.
    """
    values = scorer.score(names)
    draws = resampled(lambda weight: list(scorer.score(names, weight).values()), *scorer.rows, n=n, seed=seed)
    return {name: figure(values[name], draws[:, i], level) for i, name in enumerate(names)}


def resampled(
    statistic: Callable[[Array], Sequence[float]], rows: int, blocks: Blocks | None, *, n: int, seed: int
) -> Array:
    """Return ``n`` bootstrap draws of a weighted statistic of some rows, (n, statistics).

    Whole blocks are drawn (Davison & Hinkley 1997, ch. 2.4), rows where there are none. All NaN with fewer than five
    blocks, as so few do not tell how much they vary.
    """
    drawn = np.arange(rows) if blocks is None else blocks
    count = int(drawn.max()) + 1
    if blocks is not None and count < MIN_BLOCKS:
        return np.full((n, len(statistic(np.ones(rows)))), np.nan)
    random = np.random.default_rng(seed)
    draws = []
    # One thread: a sum takes microseconds, and BLAS would wait at each one for all cores, which others may be using.
    with threadpool_limits(limits=1):
        for _ in range(n):
            times = np.bincount(random.integers(0, count, count), minlength=count)
            draws.append(statistic(times[drawn].astype(float)))
    return np.asarray(draws, dtype=float)


def standard_error(influence: Array, blocks: Blocks | None) -> float:
    """Return the standard error of a mean from each row's influence on it, (n,), robust to blocks.

    The root of the sum of the squared sums of the blocks, over n (Liang & Zeger 1986); the textbook's for no blocks.
    """
    sums = influence if blocks is None else np.bincount(blocks, weights=influence)
    count = int(np.count_nonzero(np.bincount(blocks))) if blocks is not None else len(influence)
    if count < 2:
        return float("nan")
    return float(np.sqrt(np.sum(sums**2) * count / (count - 1)) / len(influence))


def figure(value: float, draws: Array, level: float) -> Figure:
    """Return a value with its percentile interval; None where it is not a number."""
    known = draws[np.isfinite(draws)]
    if not len(known) or not np.isfinite(value):
        return {"value": value if np.isfinite(value) else None, "low": None, "high": None}
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return {"value": value, "low": float(low), "high": float(high)}


def _mean(values: Array, weight: Array) -> float:
    return float(np.dot(values, weight) / weight.sum())


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def _roc_auc(scorer: Scorer, weight: Array) -> float:
    return float(np.mean([_auc(weight[order], starts, mine) for order, starts, mine in scorer.ranked]))


def _auc(weight: Array, starts: NDArray[np.intp], mine: Array) -> float:
    """Mann-Whitney form of the area: the chance that a positive outranks a negative, ties counting half."""
    positive = np.add.reduceat(weight * mine, starts)
    negative = np.add.reduceat(weight * (1 - mine), starts)
    below = negative.sum() - np.cumsum(negative)
    return float(np.dot(positive, below + negative / 2) / (positive.sum() * negative.sum()))


def _average_precision(scorer: Scorer, weight: Array) -> float:
    found = []
    for order, starts, mine in scorer.ranked:
        w = weight[order]
        positive, every = np.add.reduceat(w * mine, starts), np.add.reduceat(w, starts)
        precision = np.cumsum(positive) / np.maximum(np.cumsum(every), TINY)
        found.append(np.dot(positive, precision) / positive.sum())
    return float(np.mean(found))


def _recalls(scorer: Scorer, weight: Array) -> Array:
    matrix = scorer.confusion(weight)
    return np.asarray(np.diag(matrix) / matrix.sum(axis=1))


def _precisions(scorer: Scorer, weight: Array) -> Array:
    matrix = scorer.confusion(weight)
    predicted = matrix.sum(axis=0)
    return np.where(predicted > 0, np.diag(matrix) / np.where(predicted > 0, predicted, 1), 0.0)


def _of_positive(by_class: Array) -> float:
    return float(by_class[1] if len(by_class) == 2 else by_class.mean())


def _f1(scorer: Scorer, weight: Array) -> float:
    matrix = scorer.confusion(weight)
    return _of_positive(2 * np.diag(matrix) / (matrix.sum(axis=0) + matrix.sum(axis=1)))


def _brier(scorer: Scorer, weight: Array) -> float:
    """Mean squared error of the probabilities; of the positive class when there are two (Brier 1950)."""
    truth = np.eye(scorer.prediction.shape[1])[scorer.codes]
    squared = (scorer.prediction - truth) ** 2
    return _mean(squared[:, 1] if squared.shape[1] == 2 else squared.sum(axis=1), weight)


def _r2(scorer: Scorer, weight: Array) -> float:
    mean = _mean(scorer.target, weight)
    return 1 - _ratio(_mean(scorer.losses, weight), _mean((scorer.target - mean) ** 2, weight))


def _mae(target: Array, prediction: Array, weight: Array) -> float:
    return _mean(np.abs(target - prediction), weight)


_METRICS: dict[str, Callable[[Scorer, Array], float]] = {
    "accuracy": lambda s, w: _mean((s.labels == s.codes).astype(float), w),
    "balanced_accuracy": lambda s, w: float(_recalls(s, w).mean()),
    "average_precision": _average_precision,
    "brier": _brier,
    "calibration_error": lambda s, w: calibration_error(s.residuals, w, s.blocks),
    "coverage": lambda s, w: _mean(s.answers.astype(float), w),
    "failure_bound": lambda s, w: failure_bound(s.wrong, s.answers, w, s.blocks, s.failing.level),
    "failure_rate": lambda s, w: _ratio(float(w @ (s.answers & s.wrong)), float(w @ s.answers)),
    "f1": _f1,
    "log_loss": lambda s, w: _mean(s.losses, w),
    "log_loss_skill": lambda s, w: 1 - _ratio(_mean(s.losses, w), _mean(s.constant_losses, w)),
    "precision": lambda s, w: _of_positive(_precisions(s, w)),
    "recall": lambda s, w: _of_positive(_recalls(s, w)),
    "roc_auc": _roc_auc,
    "mae": lambda s, w: _mae(s.target, s.prediction, w),
    "mae_skill": lambda s, w: (
        1 - _ratio(_mae(s.target, s.prediction, w), _mae(s.target, repeat(s.constant, len(s.target)), w))
    ),
    "mse": lambda s, w: _mean(s.losses, w),
    "r2": _r2,
    "rmse": lambda s, w: _mean(s.losses, w) ** 0.5,
    "rmse_skill": lambda s, w: 1 - _ratio(_mean(s.losses, w), _mean(s.constant_losses, w)) ** 0.5,
}


def names_of(charter: dict[str, object]) -> list[str]:
    """Return the metrics a charter is judged by: optimised, required offline, weighed, or of a figure to beat."""
    task = str(charter["task"])
    weights = charter.get("combine", {}).get("weights", {})  # type: ignore[attr-defined]
    wanted = [of_rows(charter), *charter["requirements"], *weights]  # type: ignore[misc]
    wanted += [str(item["metric"]) for item in charter.get("beat", {}).values()]  # type: ignore[attr-defined]
    return list(dict.fromkeys(name for name in wanted if name in OFFLINE[task]))
