"""Several answers to one item: their consensus, how far they agree, and how often each annotator is right.

Classes: Dawid & Skene (1979) by crowd-kit, which weighs each annotator by the errors that the answers themselves show.
Numbers: the median.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.errors import ProjectError

Array = NDArray[np.float64]
MIN_ITEMS = 20  # fewer tell nothing about an annotator


@dataclass(frozen=True)
class Consensus:
    """What the answers say together.

    Attributes
    ----------
    labels : Series
        Code or number by item.
    others : ndarray of shape (n_answers,)
        For each answer the consensus of the other annotators on its item; NaN where there is none.
    """

    labels: pd.Series[Any]
    others: Array


def consensus(answers: pd.DataFrame, n_classes: int | None) -> Consensus:
    """Find the consensus of answers.

    Parameters
    ----------
    answers : DataFrame
        ``item``, ``annotator``, ``label`` (class code, or a number), one row an answer; one annotator once an item.
    n_classes : int or None
        None for numbers.

    Raises
    ------
    ProjectError
        If crowd-kit is needed, as an item has several answers, and is not installed.
    """
    several = bool(answers["item"].duplicated().any())
    if not several:
        return Consensus(answers.set_index("item")["label"], np.full(len(answers), np.nan))
    return _medians(answers) if n_classes is None else _dawid_skene(answers, n_classes)


def _dawid_skene(answers: pd.DataFrame, n_classes: int) -> Consensus:
    try:
        from crowdkit.aggregation import DawidSkene
    except ImportError:
        raise ProjectError(
            "crowd-kit is not installed, and some items have several answers",
            where="data.labels",
            expected="crowd-kit 1.4 or later",
            todo="pip install 'loopwright[annotators]'",
        ) from None
    table = answers.rename(columns={"item": "task", "annotator": "worker"})[["task", "worker", "label"]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # its use of pandas
        model = DawidSkene(n_iter=100).fit(table.astype({"label": int}))
    codes = range(n_classes)
    assert model.probas_ is not None
    assert model.errors_ is not None
    belief = model.probas_.reindex(columns=codes, fill_value=0.0)
    errors = model.errors_.reindex(columns=codes, fill_value=0.0)
    # What an annotator's own answer added to the belief about an item is taken off again. An item with one answer keeps
    # it: the classes' shares and one person's errors are no second opinion.
    own = errors.reindex(pd.MultiIndex.from_arrays([answers["annotator"], answers["label"].astype(int)])).to_numpy()
    each = belief.loc[answers["item"]].to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        rest = np.log(each) - np.log(own)
    rest[np.isnan(rest)] = -np.inf
    count = answers.groupby("item", sort=False)["label"].transform("size").to_numpy()
    known = (count > 1) & np.isfinite(rest).any(axis=1)
    others = np.where(known, np.argmax(rest, axis=1).astype(float), np.nan)
    labels = pd.Series(np.argmax(belief.to_numpy(), axis=1).astype(float), index=belief.index)
    single = answers[count == 1].set_index("item")["label"]
    labels.loc[single.index] = single
    return Consensus(labels, others)


def _medians(answers: pd.DataFrame) -> Consensus:
    labels = answers.groupby("item", sort=False)["label"].median()
    others = np.full(len(answers), np.nan)
    for rows in answers.groupby("item", sort=False).indices.values():
        values = answers["label"].to_numpy()[rows]
        for place, row in enumerate(rows if len(rows) > 1 else ()):
            others[row] = np.median(np.delete(values, place))
    return Consensus(labels, others)


def majority_of_others(answers: pd.DataFrame, n_classes: int) -> Array:
    """Return for each answer what most of the other annotators say of its item; NaN where none leads.

    Plainer than Dawid & Skene, and it knows nothing of who is good: what chance makes of few items cannot feed on
    itself, as it does where an annotator counts less the more seldom he is followed.
    """
    items, label = pd.factorize(answers["item"])[0], answers["label"].to_numpy(dtype=int)
    counts = np.bincount(items * n_classes + label, minlength=(int(items.max()) + 1) * n_classes)
    others = counts.reshape(-1, n_classes)[items]
    others[np.arange(len(label)), label] -= 1
    most = others.max(axis=1)
    alone = (others == most[:, None]).sum(axis=1) == 1
    return np.where((most > 0) & alone, others.argmax(axis=1).astype(float), np.nan)


def counts_of(answers: pd.DataFrame, n_classes: int) -> Array:
    """Return how often each item was given each class, (n_items, n_classes); only items with two answers or more."""
    items = pd.factorize(answers["item"])[0]
    place = items * n_classes + answers["label"].to_numpy(dtype=int)
    counts = np.bincount(place, minlength=(int(items.max()) + 1) * n_classes).reshape(-1, n_classes).astype(float)
    return np.asarray(counts[counts.sum(axis=1) > 1])


def alpha(counts: Array, weight: Array | None = None) -> float:
    """Return Krippendorff's alpha (2004, ch. 11) for classes: 1 is agreement, 0 is chance.

    From the counts of `counts_of`, so that a bootstrap over items is a vector of weights; equal to crowd-kit's, which
    goes through every pair of answers.
    """
    weight = np.ones(len(counts)) if weight is None else weight
    size = counts.sum(axis=1)
    observed = (counts * (size[:, None] - counts)).sum(axis=1) / (size - 1)
    total = weight @ counts
    n = total.sum()
    expected = (total * (n - total)).sum() / (n - 1)
    return float(1 - weight @ observed / expected) if expected > 0 else float("nan")


def annotator_table(answers: pd.DataFrame, others: Array, n_classes: int) -> list[dict[str, Any]]:
    """Return each annotator's answers against the consensus of the others, the least accurate first.

    Each entry: ``annotator``, ``answers``, ``compared`` (answers with a consensus of others), ``right`` of those, and
    ``confusion``, (n_classes, n_classes): rows the others' consensus, columns the annotator's label.
    """
    found = []
    who = answers["annotator"].astype("str").to_numpy()
    for name in sorted(set(who)):
        rows = np.flatnonzero(who == name)
        known = rows[~np.isnan(others[rows])]
        truth, given = others[known].astype(int), answers["label"].to_numpy()[known].astype(int)
        confusion = np.bincount(truth * n_classes + given, minlength=n_classes**2).reshape(n_classes, n_classes)
        found.append(
            {
                "annotator": name,
                "answers": len(rows),
                "compared": len(known),
                "right": int((truth == given).sum()),
                "confusion": confusion.tolist(),
            }
        )
    return sorted(found, key=lambda item: (item["right"] / max(1, item["compared"]), item["annotator"]))
