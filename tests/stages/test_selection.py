"""One number to optimise, the others as thresholds; the Pareto frontier."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.metric_names import larger_is_better
from stages.params import Requirement
from stages.training.selection import frontier, missed, select

TASK = "classification"
# Full Stack Deep Learning 2021, lecture 5: three models, and the one to take depends on how metrics are combined.
LECTURE = {
    name: dict(zip(("precision", "recall", "average_precision"), row, strict=True))
    for name, row in {"1": (0.9, 0.5, 0.7), "2": (0.8, 0.7, 0.6), "3": (0.7, 0.9, 0.6)}.items()
}
METRICS = ["roc_auc", "log_loss", "size_mb"]
FIGURES = st.none() | st.sampled_from([0.1, 0.2, 0.3, 0.4])
CANDIDATES = st.dictionaries(
    st.sampled_from("abcdef"), st.fixed_dictionaries(dict.fromkeys(METRICS, FIGURES)), min_size=1
)
Scores = dict[str, dict[str, float | None]]


@pytest.mark.parametrize(
    ("requirements", "optimise", "chosen"),
    [
        ({}, "average_precision", "1"),
        ({"recall": 0.6}, "precision", "2"),
        ({"recall": 0.8}, "precision", "3"),
        ({"precision": 0.75}, "recall", "2"),
        ({}, "recall", "3"),
        ({"recall": 0.95}, "precision", "1"),
    ],
)
def test_the_lecture(requirements: dict[str, float], optimise: str, chosen: str) -> None:
    bounds = {name: Requirement(at_least=value, at_most=None) for name, value in requirements.items()}
    assert select(LECTURE, bounds, optimise, TASK) == chosen


def test_nobody_in_the_lecture_is_dominated() -> None:
    assert frontier(LECTURE, ["precision", "recall"], TASK) == ["1", "2", "3"]
    assert frontier(LECTURE, ["average_precision"], TASK) == ["1"]


def test_the_first_of_equals_is_taken() -> None:
    scores: Scores = {"simple": {"log_loss": 0.3}, "large": {"log_loss": 0.3}}
    assert select(scores, {}, "log_loss", TASK) == "simple"


def at_least_as_good(one: Any, two: Any) -> bool:
    def signed(value: float | None, name: str) -> float:
        return -1e9 if value is None else value if larger_is_better(TASK, name) else -value

    return all(signed(one[name], name) >= signed(two[name], name) for name in METRICS)


@settings(deadline=None)
@given(CANDIDATES)
def test_the_frontier_is_those_nobody_dominates(scores: Scores) -> None:
    kept = frontier(scores, METRICS, TASK)
    assert kept
    assert kept == [name for name in scores if name in kept]

    def dominates(one: str, two: str) -> bool:
        return at_least_as_good(scores[one], scores[two]) and scores[one] != scores[two]

    for name in scores:
        by = [other for other in scores if dominates(other, name)]
        assert (name in kept) == (not by)
        assert name in kept or any(other in kept for other in by)


@settings(deadline=None)
@given(CANDIDATES, st.sampled_from([0.1, 0.25, 0.4]), st.sampled_from(["roc_auc", "log_loss"]))
def test_the_chosen_meets_the_requirements_if_any_does(scores: Scores, bound: float, optimise: str) -> None:
    bounds = {
        "roc_auc": Requirement(at_least=bound, at_most=None),
        "size_mb": Requirement(at_least=None, at_most=bound),
    }
    chosen = select(scores, bounds, optimise, TASK)
    fit = [name for name in scores if not missed(scores[name], bounds)]
    assert chosen in (fit or scores)
    best = frontier({name: scores[name] for name in fit or scores}, [optimise], TASK)
    assert chosen in best


def test_what_is_unknown_is_missed() -> None:
    bounds = {"roc_auc": Requirement(at_least=0.5, at_most=None), "size_mb": Requirement(at_least=None, at_most=1.0)}
    assert missed({"roc_auc": None}, bounds) == ["roc_auc", "size_mb"]
    assert missed({"roc_auc": float("nan"), "size_mb": 1.0}, bounds) == ["roc_auc"]
    assert missed({"roc_auc": 0.5, "size_mb": 1.0}, bounds) == []
