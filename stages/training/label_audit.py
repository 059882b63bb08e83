"""What asking again showed: whether the suspects were wrong at all, and whether asking further can help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scipy.stats import beta

LEVEL, MIN_ASKED = 0.95, 20
MOST = 0.5


def overruled(rounds: Sequence[dict[str, Any]]) -> str:
    """Return why the estimate is wrong: surely less than half of the suspects asked again got another label.

    The most suspect rows of a table with wrong labels are mostly wrong. Empty when that is not so.
    """
    answered, changed = (sum(item[key] for item in rounds) for key in ("answered", "changed"))
    if answered < MIN_ASKED or _high(changed, answered) >= MOST:
        return ""
    return f"of {answered} suspect labels that were asked again {changed} changed: the rows are hard, the labels stand"


def irreducible(rounds: Sequence[dict[str, Any]], rate: float | None, rows: int, limit: float) -> str:
    """Return why asking further does not help; empty when it may.

    Either those who were asked contradict each other more than the limit on noise allows, or the last round corrected
    labels and the estimate fell by less than half of them.

    Parameters
    ----------
    rounds : sequence of dict
        ``metrics/labels.json``: ``relabelled``.
    rate : float or None
        The noise estimated now.
    rows : int
        How many rows it was estimated on.
    limit : float
        ``training.diagnosis.max_label_noise``.
    """
    shared, disputed = (sum(item[key] for item in rounds) for key in ("shared", "disputed"))
    if shared >= MIN_ASKED and 1 - _high(shared - disputed, shared) > limit:
        return f"on {disputed} of {shared} rows those who labelled them again contradict each other"
    last = rounds[-1] if rounds else None
    if last is None or rate is None or last["answered"] < MIN_ASKED:
        return ""
    fall = last["noise"] - rate
    if fall < last["changed"] / rows / 2:
        return f"{last['changed']} labels were corrected, and the estimate went from {last['noise']:.1%} to {rate:.1%}"
    return ""


def _high(hits: int, trials: int) -> float:
    """Return the upper end of a proportion's interval (Clopper & Pearson 1934)."""
    return float(beta.ppf((1 + LEVEL) / 2, hits + 1, trials - hits)) if hits < trials else 1.0
