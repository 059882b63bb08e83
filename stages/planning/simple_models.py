"""How far two simple models come on growing parts of the first look, and where their curves lead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from stages.data.blocks import Blocks, blocks_of
from stages.params import WEIGHT, Candidate, Requirement
from stages.planning.verdict import Reached, Supply
from stages.requirements import shortfall, worst
from stages.training.ceiling import traded_off
from stages.training.estimators import LINEAR, build, fit, predict
from stages.training.extrapolation import PowerLaw, extrapolate, reach
from stages.training.metrics import Array, Figure, Scorer, bootstrap
from stages.training.sampling import Sampling, part_of, random_order, renumbered, some

_BOOSTING = "sklearn.ensemble.HistGradientBoosting"
_SMALL: dict[str, Any] = {"max_iter": 40, "learning_rate": 0.15, "max_leaf_nodes": 8}
MODELS: dict[str, dict[str, Candidate]] = {
    "linear": LINEAR,
    "boosting": {
        "classification": Candidate(estimator=f"{_BOOSTING}Classifier", params=_SMALL),
        "regression": Candidate(estimator=f"{_BOOSTING}Regressor", params=_SMALL),
    },
}
SHARES = ((0.125, 2), (0.25, 2), (0.5, 2), (1.0, 1))  # of the rows, and how many parts of that size are drawn
MOST_ROWS = 8000  # to learn from; as many judge at most
MOST_CELLS = 400_000  # rows x features x classes: what bounds the time on wide tables
LEAST_ROWS = 200
MIN_TRAIN = 40  # an eighth of fewer is no curve


@dataclass(frozen=True)
class Look:
    """The first look, cut.

    Attributes
    ----------
    train, test : DataFrame
        Rows to learn from, and later (or other) ones that judge.
    schema : dict
        Of the look.
    task : {"classification", "regression"}
    constant : array
        `constant_prediction` of the training rows.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    schema: dict[str, Any]
    task: str
    constant: Array

    def capped(self, seed: int) -> Look:
        """Return the look with no more rows than the time allows, chosen by the seed."""
        cells = max(1, len(self.schema["features"])) * max(1, len(self.schema["classes"] or []) - 1)
        most = min(MOST_ROWS, max(LEAST_ROWS, MOST_CELLS // cells))
        train, test = (rows.iloc[some(len(rows), most, seed)] for rows in (self.train, self.test))
        return Look(train.reset_index(drop=True), test.reset_index(drop=True), self.schema, self.task, self.constant)

    def target(self, rows: pd.DataFrame) -> Array:
        """Return the target of some rows: codes, or values."""
        return np.asarray(rows[self.schema["target"]], dtype="float64")

    def blocks(self, rows: pd.DataFrame) -> Blocks | None:
        """Return which of some rows hang together."""
        return renumbered(blocks_of(rows, self.schema), np.arange(len(rows)))


def simple_models(
    look: Look, bounds: Mapping[str, Requirement], supply: Supply, share: float, sampling: Sampling
) -> tuple[str, dict[str, dict[str, Any]]]:
    """Return the better of the simple models, and how far it comes with each requirement.

    Parameters
    ----------
    look : Look
        Rows to learn from and to judge by.
    bounds : mapping of str to Requirement
        The offline requirements, soft ones too.
    supply : Supply
        The rows there are and those that may be had.
    share : float
        The share of a window that is learned from; the curve is one of those rows.
    sampling : Sampling
        Of the bootstrap.

    Returns
    -------
    str
        The model: of those that do not surely miss a hard requirement with the rows that the loop can collect, or of
        both where they do, the one that misses least. So what the better misses for sure both do.
    dict
        For each requirement ``looked`` (measured on the look), ``here``, ``have``, ``affordable``, ``asymptote`` and
        ``rows``. Empty where the rows are too few for a curve, or have one class.
    """
    look = look.capped(sampling.seed)
    if len(look.train) < MIN_TRAIN or (look.schema["classes"] and len(np.unique(look.target(look.train))) < 2):
        return "", {}
    found = {name: _reached(name, look, bounds, supply, share, sampling) for name in MODELS}

    def missed(name: str) -> tuple[bool, float]:
        items = judged(bounds, found[name])
        value, low, _ = worst(shortfall(item.bound, item.have) for item in items.values())
        return low > 0, value

    best = min(found, key=missed)
    return best, found[best]


def judged(bounds: Mapping[str, Requirement], found: Mapping[str, Mapping[str, Any]]) -> dict[str, Reached]:
    """Return what a verdict may be made of: hard requirements whose curve is a ceiling.

    A threshold of the decision trades precision and recall off, and all metrics of decisions where several are
    required; a curve at one threshold tells nothing of what could be reached.
    """
    keys = ("here", "have", "affordable", "rows")
    hard = {name: bound for name, bound in bounds.items() if bound.hard}
    traded = traded_off(hard)
    return {
        name: Reached(hard[name], **{key: item[key] for key in keys})
        for name, item in found.items()
        if name in hard and name not in traded and "here" in item
    }


def _reached(
    name: str, look: Look, bounds: Mapping[str, Requirement], supply: Supply, share: float, sampling: Sampling
) -> dict[str, dict[str, Any]]:
    """Return how far one model comes with each requirement; only what was measured where its curve is not defined."""
    n, level, seed = sampling.n, sampling.level, sampling.seed
    rows, scorers = _curve(MODELS[name][look.task], look, seed)
    looked = bootstrap(scorers[-1][0], list(bounds), n=n // 2, level=level, seed=seed)
    defined = [
        metric
        for metric in bounds
        if all(scorer.score([metric])[metric] == scorer.score([metric])[metric] for part in scorers for scorer in part)
    ]
    laws = extrapolate(scorers, rows, defined, n=n // 2, level=level, seed=seed)
    return {
        metric: {"looked": looked[metric]} | _led(laws[metric], look.task, metric, bounds[metric], supply, share, level)
        if metric in laws
        else {"looked": looked[metric]}
        for metric in bounds
    }


def _curve(candidate: Candidate, look: Look, seed: int) -> tuple[Array, list[list[Scorer]]]:
    """Return the rows of each point of the curve, and the models of that point on the rows that judge."""
    target, blocks = look.target(look.test), look.blocks(look.test)
    codes = look.target(look.train) if look.task == "classification" else None
    train = look.train.assign(**{WEIGHT: 1.0})
    orders = [random_order(len(train), look.blocks(train), seed + draw) for draw in range(2)]
    rows, scorers = list[float](), list[list[Scorer]]()
    for share, times in SHARES:
        parts = [train.iloc[part_of(order, share, codes)] for order in orders[:times]]
        models = [fit(build("simple", candidate, look.schema, look.task, seed), part, look.schema) for part in parts]
        made = [predict(model, look.test, look.schema) for model in models]
        scorers.append([Scorer(look.task, target, found, look.constant, blocks) for found in made])
        rows.append(len(parts[0]))
    return np.asarray(rows, dtype=float), scorers


def _led(
    law: PowerLaw, task: str, metric: str, bound: Requirement, supply: Supply, share: float, level: float
) -> dict[str, Figure]:
    """Return where a curve leads, its rows being those of a window, of which a share is learned from."""
    at: dict[str, Figure] = {}
    for key, rows in (("here", supply.here), ("have", supply.have), ("affordable", supply.affordable)):
        found = reach(law, task, metric, bound, limit=max(1.0, rows * share), level=level)
        at[key] = found["at_limit"]
    needed = {key: None if end is None else max(1.0, end / share) for key, end in found["rows"].items()}
    return at | {"asymptote": found["asymptote"], "rows": needed}
