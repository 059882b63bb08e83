"""How far two simple models come on growing parts of the first look, and where their curves lead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
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
from stages.training.failures import PLAIN, Failing
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
MANY_CLASSES = 10  # boosting grows a tree for each in every round: of more, the linear model alone is asked
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
    failing : Failing
        What a failure is.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    schema: dict[str, Any]
    task: str
    constant: Array
    failing: Failing = PLAIN

    def capped(self, seed: int) -> Look:
        """Return the look with no more rows than the time allows, chosen by the seed."""
        cells = max(1, len(self.schema["features"])) * max(1, len(self.schema["classes"] or []) - 1)
        most = min(MOST_ROWS, max(LEAST_ROWS, MOST_CELLS // cells))
        train, test = (rows.iloc[some(len(rows), most, seed)] for rows in (self.train, self.test))
        return replace(self, train=train.reset_index(drop=True), test=test.reset_index(drop=True))

    def target(self, rows: pd.DataFrame) -> Array:
        """Return the target of some rows: codes, or values."""
        return np.asarray(rows[self.schema["target"]], dtype="float64")

    def blocks(self, rows: pd.DataFrame) -> Blocks | None:
        """Return which of some rows hang together."""
        return renumbered(blocks_of(rows, self.schema), np.arange(len(rows)))


@dataclass(frozen=True)
class Plan:
    """What is asked of the simple models.

    Attributes
    ----------
    bounds : mapping of str to Requirement
        The offline requirements, soft ones too.
    supply : Supply
        The rows there are and those that may be had.
    share : float
        The share of a window that is learned from; a curve is one of those rows.
    sampling : Sampling
        Of the bootstrap.
    """

    bounds: Mapping[str, Requirement]
    supply: Supply
    share: float
    sampling: Sampling

    @property
    def hard(self) -> dict[str, Requirement]:
        """The requirements without which there is no release."""
        return {name: bound for name, bound in self.bounds.items() if bound.hard}


def simple_models(look: Look, plan: Plan) -> tuple[str, dict[str, dict[str, Any]]]:
    """Return the better of the simple models, and how far it comes with each requirement.

    Returns
    -------
    str
        The model: of those that do not surely miss a hard requirement the one that misses least, of all where all do.
        So what the better misses for sure, none reaches.
    dict
        For each requirement ``looked`` (measured on the look), ``here``, ``have``, ``affordable``, ``asymptote`` and
        ``rows``. Empty where the rows are too few for a curve, or have one class.
    """
    look = look.capped(plan.sampling.seed)
    if len(look.train) < MIN_TRAIN or (look.schema["classes"] and len(np.unique(look.target(look.train))) < 2):
        return "", {}
    asked = ["linear"] if len(look.schema["classes"] or []) > MANY_CLASSES else list(MODELS)
    found = {name: _reached(MODELS[name][look.task], look, plan) for name in asked}

    def missed(name: str) -> tuple[bool, bool, float]:
        items = judged(plan, found[name]).values()
        at_most = worst(shortfall(item.bound, item.affordable) for item in items)
        value, low, _ = worst(shortfall(item.bound, item.have) for item in items)
        return at_most[1] > 0, low > 0, value

    best = min(found, key=missed)
    return best, found[best]


def judged(plan: Plan, found: Mapping[str, Mapping[str, Any]]) -> dict[str, Reached]:
    """Return what a verdict may be made of: hard requirements whose curve is a ceiling.

    A threshold of the decision trades precision and recall off, and all metrics of decisions where several are
    required; a curve at one threshold tells nothing of what could be reached.
    """
    keys = ("here", "have", "affordable", "rows")
    hard = plan.hard
    traded = traded_off(hard)
    return {
        name: Reached(hard[name], **{key: item[key] for key in keys})
        for name, item in found.items()
        if name in hard and name not in traded and "here" in item
    }


def _reached(candidate: Candidate, look: Look, plan: Plan) -> dict[str, dict[str, Any]]:
    """Return how far one model comes with each requirement; only what was measured where its curve is not defined."""
    level, seed, names = plan.sampling.level, plan.sampling.seed, list(plan.bounds)
    draws: dict[str, Any] = {"n": plan.sampling.n // 2, "level": level, "seed": seed}
    rows, points = _curve(candidate, look, seed)
    looked = bootstrap(points[-1][0], names, **draws)
    scores = [scorer.score(names) for point in points for scorer in point]
    defined = [name for name in names if np.isfinite([score[name] for score in scores]).all()]
    laws = extrapolate(points, rows, defined, **draws)
    return {
        name: {"looked": looked[name]} | (_led(laws[name], look.task, name, plan) if name in laws else {})
        for name in names
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
        scorers.append(
            [Scorer(look.task, target, found, look.constant, blocks, failing=look.failing) for found in made]
        )
        rows.append(len(parts[0]))
    return np.asarray(rows, dtype=float), scorers


def _led(law: PowerLaw, task: str, metric: str, plan: Plan) -> dict[str, Figure]:
    """Return where a curve leads, its rows being those of a window, of which a share is learned from."""
    supply, found = plan.supply, dict[str, Figure]()
    for key, rows in (("here", supply.here), ("have", supply.have), ("affordable", supply.affordable)):
        limit = max(1.0, rows * plan.share)
        led = reach(law, task, metric, plan.bounds[metric], limit=limit, level=plan.sampling.level)
        found[key] = led["at_limit"]
    needed = {key: None if end is None else max(1.0, end / plan.share) for key, end in led["rows"].items()}
    return found | {"asymptote": led["asymptote"], "rows": needed}
