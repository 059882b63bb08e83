"""The signals of labels in the data stage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from stages.data.labels.consensus import MIN_ITEMS, alpha, annotator_table, consensus, counts_of, majority_of_others
from stages.signals import Signal

LEVEL, DRAWS = 0.95, 200


def labels_pending(pending: int, limit: int, *, answers: int = 0, why: dict[str, int] | None = None) -> Signal:
    """Fire when more labels are awaited than the run may go on without.

    Parameters
    ----------
    pending : int
        Rows that were asked for and have no answer.
    limit : int
        ``data.labels.max_pending``.
    answers : int
        How many answers of ``labels/answers.jsonl`` were taken in.
    why : dict, optional
        How many of them for which reason: suspect, or without a label.
    """
    told = ", ".join(f"{count} {reason}" for reason, count in (why or {}).items() if count)
    return Signal.measured(
        "labels_pending",
        float(pending),
        threshold=float(limit),
        direction="above",
        unit="labels",
        says=f"{pending} labels are awaited" + (f" ({told})" if told else ""),
        evidence={"pending": pending, "answers": answers, "why": why or {}},
    )


def annotators_disagree(answers: pd.DataFrame, n_classes: int, limit: float, seed: int) -> Signal:
    """Fire when Krippendorff's alpha is below a limit; its interval is a bootstrap over whole items.

    Parameters
    ----------
    answers : DataFrame
        ``item``, ``annotator``, ``label`` (class code), one row an answer.
    n_classes : int
        How many classes there are.
    limit : float
        ``data.labels.min_agreement``.
    seed : int
        Seed of the bootstrap.
    """
    counts = counts_of(answers, n_classes)
    evidence = {"items": len(counts), "annotators": int(answers["annotator"].nunique())}
    if len(counts) < MIN_ITEMS:
        says = f"only {len(counts)} items have several answers, too few to tell how far annotators agree"
        return Signal(
            name="annotators_disagree", threshold=limit, direction="below", says=says, evidence=evidence, unit="alpha"
        )
    random = np.random.default_rng(seed)
    weights = random.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=DRAWS).astype(float)
    value = alpha(counts)
    draws = np.array([alpha(counts, weight) for weight in weights])
    low, high = np.nanquantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Signal.measured(
        "annotators_disagree",
        value,
        min(float(low), value),
        max(float(high), value),
        threshold=limit,
        direction="below",
        unit="alpha",
        says=f"Krippendorff's alpha of {evidence['annotators']} annotators on {len(counts)} items is {value:.3f}",
        evidence=evidence,
    )


def annotator_unreliable(answers: pd.DataFrame, n_classes: int, limit: float) -> Signal:
    """Fire when one annotator is right more seldom than the others by more than a limit, and name who.

    Each is held against the Dawid-Skene consensus of the others, and against their plain majority. The value is the
    largest gap between the accuracy of the rest and one's own, in the order of the lower ends; the interval is
    Newcombe's (1998) for a difference of proportions, at a level corrected for the number of annotators (Bonferroni).
    It takes the truth for known, which a consensus of few items is not: one that chance made follow some annotators
    weighs them more, and agrees with them again. So the more cautious of the two gaps counts.

    Parameters
    ----------
    answers : DataFrame
        ``item``, ``annotator``, ``label`` (class code), one row an answer.
    n_classes : int
        How many classes there are.
    limit : float
        ``data.labels.max_annotator_gap``.
    """
    table = annotator_table(answers, consensus(answers, n_classes).others, n_classes)
    plain = annotator_table(answers, majority_of_others(answers, n_classes), n_classes)
    enough = set.intersection(*({i["annotator"] for i in one if i["compared"] >= MIN_ITEMS} for one in (table, plain)))
    judged = [item for item in table if item["annotator"] in enough]
    shown = [{key: item[key] for key in ("annotator", "answers", "compared", "right")} for item in table]
    if len(judged) < 3:
        says = (
            f"{len(judged)} annotators share {MIN_ITEMS} items or more with others; it takes three to tell who is wrong"
        )
        return Signal(name="annotator_unreliable", threshold=limit, says=says, evidence={"annotators": shown})
    z = NormalDist().inv_cdf(1 - (1 - LEVEL) / (2 * len(judged)))
    weighed, counted = (_gaps([item for item in one if item["annotator"] in enough], z) for one in (table, plain))
    gaps = [
        (item, *min((gap[item["annotator"]] for gap in (weighed, counted)), key=lambda gap: gap[1])) for item in judged
    ]
    worst, value, low, high = max(gaps, key=lambda gap: gap[2])
    named = [item["annotator"] for item, _, below, _ in gaps if below > limit]
    accuracy = worst["right"] / worst["compared"]
    return Signal.measured(
        "annotator_unreliable",
        value,
        low,
        high,
        threshold=limit,
        direction="above",
        unit="of the answers",
        says=f"{worst['annotator']} is right on {accuracy:.1%} of {worst['compared']} items, "
        f"{value:.1%} less than the other {len(judged) - 1}",
        evidence={"unreliable": named, "worst": worst, "annotators": shown},
    )


def _gaps(judged: list[dict[str, Any]], z: float) -> dict[str, tuple[float, float, float]]:
    """Return by annotator how much less often he is right than the rest, and the interval of it."""
    right, compared = (sum(item[key] for item in judged) for key in ("right", "compared"))
    return {
        item["annotator"]: newcombe(
            (right - item["right"], compared - item["compared"]), (item["right"], item["compared"]), z
        )
        for item in judged
    }


def newcombe(one: tuple[int, int], two: tuple[int, int], z: float) -> tuple[float, float, float]:
    """Return the difference of two proportions (hits, trials) and its interval (Newcombe 1998, method 10)."""
    (p, p_low, p_high), (q, q_low, q_high) = (wilson(*pair, z) for pair in (one, two))
    low = p - q - math.hypot(p - p_low, q_high - q)
    high = p - q + math.hypot(p_high - p, q - q_low)
    return p - q, low, high


def wilson(hits: int, trials: int, z: float) -> tuple[float, float, float]:
    """Return a proportion with its interval (Wilson 1927)."""
    share, square = hits / trials, z * z
    middle = (share + square / (2 * trials)) / (1 + square / trials)
    half = z / (1 + square / trials) * math.sqrt(share * (1 - share) / trials + square / (4 * trials**2))
    return share, min(share, middle - half), max(share, middle + half)


def reasons(why: Sequence[Any]) -> dict[str, int]:
    """Return how often each reason is there, in the order of the alphabet."""
    return {str(name): int(count) for name, count in sorted(pd.Series(list(why), dtype="str").value_counts().items())}
