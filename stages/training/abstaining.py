"""From which confidence on a row is answered, so that no more of the answers are wrong than is allowed.

Selective classification with guaranteed risk (Geifman & El-Yaniv 2017): the lowest confidence at which the upper bound
of the error among the answered rows is within the limit.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable
from dataclasses import replace
from itertools import takewhile
from typing import Any

import numpy as np
import pandas as pd

from stages.answering import ANSWERED, Policy, confidence, limits, reasons
from stages.context import Context
from stages.metric_names import OF_ANSWERS
from stages.training.failures import failure_bound, rows_without_failure
from stages.training.metrics import Array, Figure, Flags, Scorer, bootstrap

NOBODY = 2.0  # a confidence that no row has
POINTS, STEPS, MOST_STARTS = 200, 100, 5
HOPELESS = 0.5


def policy_of(work: Context, learned: pd.DataFrame, threshold: float = 0.5, least: float = 0.0) -> Policy:
    """Return what a model that learned from some rows answers; the scope is that of the window.

    Parameters
    ----------
    work : Context
        The project.
    learned : DataFrame
        The rows; guardrails are their limits.
    threshold, least : float
        Of the decision, and the confidence below which a row is not answered.
    """
    prices = {key: work.charter["prices"].get(key) for key in ("false_positive", "false_negative", "review")}
    by_cost = work.n_classes == 2 and work.max_error is None and None not in prices.values()
    return Policy(
        threshold=threshold,
        confidence=least,
        guardrails=limits(learned, work.schema["features"]) if work.guarded else {},
        scope=list((work.schema.get("scope") or {}).get("conditions", [])),
        prices=prices if by_cost else {},
    )


def told_of(work: Context) -> list[str]:
    """Return the metrics of answers that are told where not every row is answered, required or not."""
    priced = work.charter["prices"].get("review") is not None
    if work.max_error is None and not work.guarded and not priced:
        return []
    countable = work.task == "classification" or work.failing.tolerance is not None
    return sorted(OF_ANSWERS) if countable else ["coverage"]


def answered(rows: pd.DataFrame, prediction: Array, policy: Policy) -> Flags:
    """Tell which rows are answered, (n,); rows of the project's own splits are within its scope."""
    return np.asarray(reasons(rows, prediction, replace(policy, scope=[])) == ANSWERED)


def left_to_people(rows: pd.DataFrame, prediction: Array, policy: Policy) -> dict[str, int]:
    """Return how many rows are not answered, by the reason."""
    found, counts = np.unique(reasons(rows, prediction, replace(policy, scope=[])), return_counts=True)
    return {str(why): int(count) for why, count in zip(found, counts, strict=True) if why != ANSWERED}


def least_confidence(scorer: Scorer, most: float) -> float:
    """Return the lowest confidence at which surely no more than a share of the answers is wrong; `NOBODY` without one.

    Parameters
    ----------
    scorer : Scorer
        Of classes, with the threshold of its decisions; rows that it does not answer stay unanswered.
    most : float
        The share.

    Notes
    -----
    Learn then Test (Angelopoulos et al. 2021): confidences are tried from high to low, each by the bound at the full
    level, and the last before the first that fails is taken (fixed sequence testing). The order is set by confidences
    alone, so no look costs anything. It starts where so few rows are answered that none may be wrong, which takes more
    of them where they hang together; and, as one wrong
    answer would end it there, again at twice as many, at four times as many and so on, which share the doubt.
    """
    certain = confidence(scorer.prediction, scorer.threshold)
    found, counts = np.unique(certain[scorer.answers], return_counts=True)
    answers = np.cumsum(counts[::-1])[::-1]  # by answering from each confidence on
    # Halfway to the next value, so that no rounding of a prediction takes an answer away; 0 answers all.
    cuts = np.r_[0.0, (found[1:] + found[:-1]) / 2]
    even, none = np.ones(len(certain)), np.zeros(len(certain), dtype=bool)

    def holds(at: int, wrong: Flags, sure: float) -> bool:
        kept = scorer.answers & (certain >= cuts[at])
        return failure_bound(wrong, kept, even, scorer.blocks, sure) <= most

    def fewest(sure: float) -> int:
        """Return how many answers show it if none is wrong; more than there are where even all do not."""
        few = bisect.bisect_left(range(len(found)), True, key=lambda at: not holds(at, none, sure))
        return int(answers[few - 1]) if few else len(certain) + 1

    starts, level = _starts(int(answers[0]) if len(found) else 0, fewest, scorer.failing.level)
    if not starts:
        return NOBODY
    first = [int(np.flatnonzero(answers >= rows)[-1]) for rows in starts]
    tried = sorted({*first, *np.linspace(0, first[0], STEPS).round().astype(int).tolist()}, reverse=True)
    kept = {at: holds(at, scorer.wrong, level) for at in tried}
    ends = [list(takewhile(lambda at: kept[at], (at for at in tried if at <= start))) for start in first]
    taken = [end[-1] for end in ends if end]
    return float(cuts[min(taken)]) if taken else NOBODY


def _starts(rows: int, fewest: Callable[[float], int], level: float) -> tuple[list[int], float]:
    """Return at how many answers to start, as often as doublings of the least number fit, and the level of each."""
    found, each = list[int](), level
    for times in range(1, MOST_STARTS + 1):
        shared = 1 - (1 - level) / times
        starts = [fewest(shared) * 2**doubled for doubled in range(times)]
        if starts[-1] > rows:
            break
        found, each = starts, shared
    return found, each


def abstaining(scorer: Scorer, most: float | None) -> tuple[float, Scorer]:
    """Return the confidence from which on rows are answered, 0 where no share of errors is set, and the scorer so."""
    if most is None:
        return 0.0, scorer
    least = least_confidence(scorer, most)
    return least, only(scorer, least)


def only(scorer: Scorer, least: float) -> Scorer:
    """Return the scorer with no answer below a confidence."""
    return replace(scorer, answered=scorer.answers & (confidence(scorer.prediction, scorer.threshold) >= least))


def risk_coverage(scorer: Scorer) -> pd.DataFrame:
    """Return how many of the answers are wrong by how many rows are answered (El-Yaniv & Wiener 2010).

    Columns: ``confidence``, ``coverage``, ``error`` and ``bound``, its one-sided upper bound, each for itself. Of a
    regression, where nobody is unsure, the one point there is.
    """
    columns = ["confidence", "coverage", "error", "bound"]
    if scorer.task == "regression":
        return pd.DataFrame([[0.0, scorer.score(["coverage"])["coverage"], None, None]], columns=columns)
    found = np.unique(np.r_[0.0, confidence(scorer.prediction, scorer.threshold)[scorer.answers]])
    at = np.unique(np.linspace(0, len(found) - 1, POINTS).round().astype(int))
    scores = [(least, only(scorer, least).score(["coverage", "failure_rate", "failure_bound"])) for least in found[at]]
    return pd.DataFrame([[least, *score.values()] for least, score in scores][::-1], columns=columns)


def at_errors(scorer: Scorer, errors: dict[str, float], **sampling: Any) -> dict[str, dict[str, Any]]:
    """Return what would be answered at each of some shares of wrong answers: what less autonomy costs.

    Parameters
    ----------
    scorer : Scorer
        Of classes.
    errors : dict of str to float
        By the requirement that asks for it.
    **sampling
        ``n``, ``level`` and ``seed`` of the bootstrap.

    Returns
    -------
    dict
        For each ``max_error``, ``confidence`` and the figure ``coverage``; where nothing is answered also ``least``,
        the same at the least share of wrong answers that lets some be.
    """
    found = dict[str, dict[str, Any]]()
    for name, most in errors.items():
        found[name] = _at_error(scorer, most, **sampling)
        more = reachable(scorer, most) if found[name]["confidence"] >= NOBODY else None
        found[name] |= {} if more is None else {"least": _at_error(scorer, more, **sampling)}
    return found


def _at_error(scorer: Scorer, most: float, **sampling: Any) -> dict[str, Any]:
    """Return what is answered where no more than a share of the answers may be wrong."""
    least, kept = abstaining(scorer, most)
    coverage: Figure = bootstrap(kept, ["coverage"], **sampling)["coverage"]
    return {"max_error": most, "confidence": least, "coverage": coverage}


def reachable(scorer: Scorer, most: float) -> float | None:
    """Return the smallest share of wrong answers, above one that leaves nobody answered, at which some row is."""
    for times in range(1, 25):
        error = _rounded_up(most * 1.25**times)
        if error >= HOPELESS:
            return None
        if least_confidence(scorer, error) < NOBODY:
            return float(error)
    return None


def _rounded_up(value: float) -> float:
    """Return a value in two digits, rounded up."""
    digits = 1 - math.floor(math.log10(value))
    return round(math.ceil(value * 10.0**digits) / 10.0**digits, digits)


def nobody_says(rows: int, most: float, level: float) -> str:
    """Return why nothing is answered, in words."""
    return (
        f"nothing is answered: on {rows} validation rows no confidence surely keeps the wrong answers within {most:g}, "
        f"which takes {rows_without_failure(most, level)} rows without one, and more where rows hang together"
    )
