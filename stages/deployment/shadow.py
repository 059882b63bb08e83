"""Where the released model and the new one answer the same rows of the pilot apart, and who is right there.

On the rows on which they agree nothing changes by a release. Of the others, and of the slices in which most of them
lie, the record keeps how each does: it is there that a release is felt.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.context import Context
from stages.deployment.shares import share
from stages.training.metrics import Scorer, names_of

Flags = NDArray[np.bool_]
APART = 0.5  # values: they differ by more than so many standard deviations of the target
MOST, LEAST = 3, 5  # slices that are named, and rows apart that one needs to be


def shadow(work: Context, pilot: pd.DataFrame, released: Scorer, new: Scorer, metric: str) -> dict[str, Any]:
    """Return the two side by side, as the record keeps it.

    Parameters
    ----------
    work : Context
        The project.
    pilot : DataFrame
        The rows.
    released, new : Scorer
        The predictions of both on them.
    metric : str
        The charter's metric.

    Returns
    -------
    dict
        ``rows``; ``metrics``: what both reach, by metric; ``apart``: how many rows they answer apart, their ``share``
        with an interval, how often each is right there and what each loses on average; ``slices``: where the share is
        largest.
    """
    spread = None if work.task == "classification" else float(work.target(work.split("train")).std())
    apart, were, are = _compared(released, new, spread)
    names = list(dict.fromkeys([metric, *names_of(work.charter)]))
    scores = {"released": released.score(names), "new": new.score(names)}
    return {
        "rows": len(pilot),
        "metrics": {n: {who: _finite(found[n]) for who, found in scores.items()} for n in names},
        "apart": _sides(apart, were, are, released, new)
        | {"share": share(apart, work.blocks(pilot), work.params.training.bootstrap.level)},
        "slices": _slices(work, pilot, apart, were, are),
    }


def _compared(released: Scorer, new: Scorer, spread: float | None) -> tuple[Flags, Flags, Flags]:
    """Return on which rows the two answer apart, and which of them each has right.

    A value is right when it is off by no more than the target's standard deviation, as in the list of flips.
    """
    if spread is None:
        return released.labels != new.labels, released.labels == released.codes, new.labels == new.codes
    apart = np.abs(released.prediction - new.prediction) > APART * spread
    right = (np.abs(scorer.prediction - scorer.target) <= spread for scorer in (released, new))
    were, are = right
    return apart, were, are


def _sides(apart: Flags, were: Flags, are: Flags, released: Scorer, new: Scorer) -> dict[str, Any]:
    count = int(apart.sum())
    losses = {"released": released.losses, "new": new.losses}
    return {
        "rows": count,
        "released_right": int((apart & were & ~are).sum()),
        "new_right": int((apart & are & ~were).sum()),
        "both_right": int((apart & were & are).sum()),
        "neither_right": int((apart & ~were & ~are).sum()),
        "loss": {who: _finite(loss[apart].mean()) if count else None for who, loss in losses.items()},
    }


def _slices(work: Context, pilot: pd.DataFrame, apart: Flags, were: Flags, are: Flags) -> list[dict[str, Any]]:
    """Return the slices in which the largest share of rows is answered apart; of private columns none is named."""
    found: list[dict[str, Any]] = []
    private = set(work.charter["security"]["private"])
    for column in work.params.deployment.slices.columns:
        if column not in pilot or column in private:
            continue
        for value, rows in pilot.groupby(column, observed=True).indices.items():
            here = apart[rows]
            if here.sum() >= LEAST:
                counts = {"rows": len(rows), "apart": int(here.sum())}
                counts |= {"released_right": int((here & were[rows] & ~are[rows]).sum())}
                counts |= {"new_right": int((here & are[rows] & ~were[rows]).sum())}
                plain = value.item() if isinstance(value, np.generic) else value
                found.append({"column": column, "value": plain, **counts})
    return sorted(found, key=lambda item: (-item["apart"] / item["rows"], item["column"], str(item["value"])))[:MOST]


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
