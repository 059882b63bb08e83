"""Which rows a model answers by itself, and why it leaves the others to a person.

Abstention is the reject option of Chow (1970): below some confidence a row is not answered. Guardrails and scope leave
out rows that are not like those it learned from, however sure it is of them (Full Stack Deep Learning 2021, lecture 5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.params import Within
from stages.scope import within

__all__ = ["Policy", "confidence", "limits", "reasons", "within"]

Texts = NDArray[np.str_]
WIDER = 1e-9  # what a file rounds an end to is within this share of it
ANSWERED, OUT_OF_SCOPE, UNSEEN, OUT_OF_RANGE, UNSURE = "", "out_of_scope", "unseen_value", "out_of_range", "unsure"


@dataclass(frozen=True)
class Policy:
    """What a released model answers.

    Attributes
    ----------
    threshold : float
        Of two classes, the probability above which a row is taken for the second.
    confidence : float
        The probability of the decided class below which a row is not answered; 0 answers all.
    guardrails : dict
        Feature -> ``{"values": [...]}`` or ``{"low": ..., "high": ...}``; see `limits`. Empty: none.
    scope : list of dict
        Conditions as in ``data.collect.scope``.
    prices : dict
        Of two classes, ``false_positive``, ``false_negative`` and ``review``: a row is answered only where its decision
        is expected to cost no more than a person (Chow 1970). Empty: by confidence alone.
    """

    threshold: float = 0.5
    confidence: float = 0.0
    guardrails: dict[str, dict[str, Any]] = field(default_factory=dict)
    scope: list[dict[str, Any]] = field(default_factory=list)
    prices: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return it as it stands in the release card under ``policy``."""
        return asdict(self)


def reasons(rows: pd.DataFrame, prediction: NDArray[np.float64], policy: Policy) -> Texts:
    """Return why each row is not answered, (n,): the first reason that holds; empty where it is answered.

    Parameters
    ----------
    rows : DataFrame of n rows
        Features, and the columns of the scope.
    prediction : array of shape (n, n_classes) or (n,)
        Probabilities, or values; of values nobody is unsure.
    policy : Policy
        What is answered.
    """
    found = np.full(len(rows), ANSWERED, dtype="<U16")
    if prediction.ndim == 2:
        found[confidence(prediction, policy.threshold) < policy.confidence] = UNSURE
        if policy.prices:
            found[expected_cost(prediction, policy.threshold, policy.prices) > policy.prices["review"]] = UNSURE
    for name, limit in policy.guardrails.items():
        missing = rows[name].isna().to_numpy()
        if "values" in limit:
            found[~missing & ~rows[name].astype("str").isin(limit["values"]).to_numpy()] = UNSEEN
        else:
            number = rows[name].to_numpy(dtype="float64")
            found[~missing & ((number < limit["low"]) | (number > limit["high"]))] = OUT_OF_RANGE
    found[~within(rows, [Within(**item) for item in policy.scope])] = OUT_OF_SCOPE
    return found


def confidence(prediction: NDArray[np.float64], threshold: float = 0.5) -> NDArray[np.float64]:
    """Return the probability of the class that each row is taken for, (n,)."""
    if prediction.shape[1] == 2:
        second = prediction[:, 1]
        return np.where(second > threshold, second, 1 - second)
    return np.asarray(prediction.max(axis=1))


def expected_cost(
    prediction: NDArray[np.float64], threshold: float, prices: Mapping[str, float]
) -> NDArray[np.float64]:
    """Return what deciding each row of two classes is expected to cost, (n,), its probabilities being true."""
    second = prediction[:, 1]
    taken = (1 - second) * prices["false_positive"]
    return np.where(second > threshold, taken, second * prices["false_negative"])


def limits(rows: pd.DataFrame, features: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the guardrails: the categories, and the smallest and largest number, of each feature of some rows."""
    found: dict[str, dict[str, Any]] = {}
    for name, kind in features.items():
        known = rows[name].dropna()
        if kind == "category":
            found[name] = {"values": sorted(known.astype("str").unique().tolist())}
        elif len(known):
            low, high = float(known.min()), float(known.max())
            found[name] = {"low": low - WIDER * abs(low), "high": high + WIDER * abs(high)}
    return found
