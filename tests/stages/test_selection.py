"""One number to optimise, the others as thresholds; the Pareto frontier."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.errors import ParamsError
from stages.metric_names import larger_is_better
from stages.params import Requirement
from stages.requirements import shortfall
from stages.training.selection import by_formula, by_metric, by_weighted_mean, frontier, missed, select

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
        ({"recall": 0.95}, "precision", "3"),  # nobody reaches it: the nearest
    ],
)
def test_the_lecture(requirements: dict[str, float], optimise: str, chosen: str) -> None:
    bounds = {name: Requirement(at_least=value, at_most=None) for name, value in requirements.items()}
    assert select(LECTURE, bounds, by_metric(optimise, TASK)) == chosen


def test_the_lecture_combined_in_three_ways() -> None:
    """The mean picks model 3, recall thresholded at 0.6 picks model 2, average precision picks model 1."""
    mean = by_weighted_mean(dict.fromkeys(("precision", "recall", "average_precision"), 1.0), TASK)
    assert [round(mean(scores), 3) for scores in LECTURE.values()] == [0.7, 0.7, 0.733]
    assert select(LECTURE, {}, mean) == "3"
    thresholded = {"recall": Requirement(at_least=0.6, at_most=None)}
    assert select(LECTURE, thresholded, by_metric("precision", TASK)) == "2"
    assert select(LECTURE, {}, by_metric("average_precision", TASK)) == "1"


def test_a_wish_decides_among_what_meets_the_requirements_and_not_before() -> None:
    wish, need = {"recall": Requirement(at_least=0.6)}, {"precision": Requirement(at_least=0.75)}
    assert select(LECTURE, need, by_metric("average_precision", TASK)) == "1"
    assert select(LECTURE, need, by_metric("average_precision", TASK), wish) == "2"
    assert select(LECTURE, {"precision": Requirement(at_least=0.85)}, by_metric("recall", TASK), wish) == "1"


def test_a_mean_knows_which_way_is_better_and_a_threshold_still_holds() -> None:
    scores = {"a": {"log_loss": 0.3, "recall": 0.7}, "b": {"log_loss": 0.5, "recall": 0.8}}
    mean = by_weighted_mean({"log_loss": 1, "recall": 1}, TASK)
    assert mean(scores["a"]) == pytest.approx(0.2)
    assert select(scores, {}, mean) == "a"
    assert select(scores, {"recall": Requirement(at_least=0.75, at_most=None)}, mean) == "b"


def test_a_formula_of_the_domain_decides_and_says_what_is_wrong_with_it() -> None:
    def profit(metrics: dict[str, float | None]) -> float:
        return 10 * (metrics["recall"] or 0) - 2 / (metrics["precision"] or 1)

    assert select(LECTURE, {}, by_formula(profit, "my.profit")) == "3"
    with pytest.raises(ParamsError, match=r"planning\.combine\.call: my\.profit raised KeyError: 'cost'.*precision"):
        select(LECTURE, {}, by_formula(lambda metrics: metrics["cost"] or 0.0, "my.profit"))
    for wrong in (float("nan"), None, "much"):
        with pytest.raises(ParamsError, match=r"returned .* expected a finite number"):
            select(LECTURE, {}, by_formula(lambda metrics, w=wrong: w, "my.profit"))  # type: ignore[misc]


def test_nobody_in_the_lecture_is_dominated() -> None:
    assert frontier(LECTURE, ["precision", "recall"], TASK) == ["1", "2", "3"]
    assert frontier(LECTURE, ["average_precision"], TASK) == ["1"]


def test_the_first_of_equals_is_taken() -> None:
    scores: Scores = {"simple": {"log_loss": 0.3}, "large": {"log_loss": 0.3}}
    assert select(scores, {}, by_metric("log_loss", TASK)) == "simple"


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
    chosen = select(scores, bounds, by_metric(optimise, TASK))
    fit = [name for name in scores if not missed(scores[name], bounds)]
    if fit:
        assert chosen in frontier({name: scores[name] for name in fit}, [optimise], TASK)
    else:
        assert len(missed(scores[chosen], bounds)) >= 1
        short = {name: violation(scores[name], bounds) for name in scores}
        assert short[chosen] == min(short.values())


def violation(scores: dict[str, float | None], bounds: dict[str, Requirement]) -> float:
    return sum(max(0.0, shortfall(bound, {"value": scores[name]})[0]) for name, bound in bounds.items())


def test_what_is_unknown_is_missed() -> None:
    bounds = {"roc_auc": Requirement(at_least=0.5, at_most=None), "size_mb": Requirement(at_least=None, at_most=1.0)}
    assert missed({"roc_auc": None}, bounds) == ["roc_auc", "size_mb"]
    assert missed({"roc_auc": float("nan"), "size_mb": 1.0}, bounds) == ["roc_auc"]
    assert missed({"roc_auc": 0.5, "size_mb": 1.0}, bounds) == []
