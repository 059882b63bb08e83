"""Laws of impact x feasibility: ranges hold whatever the unknown turns out to be, and say which order is sure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.priority.drivers import AXES, BEST, BY_NAME, DRIVERS, WORST, Driver, grade, of_axis
from flows.priority.evidence import Evidence
from flows.priority.schema import Answer, Candidates
from flows.priority.scoring import Judged, Span, judge, reply
from flows.priority.settling import POSSIBLE, not_apart, settling

NAMES = [driver.name for driver in DRIVERS]
ANSWERS = st.one_of(
    st.just("unknown"),
    st.integers(1, 5),
    st.tuples(st.integers(1, 5), st.integers(1, 5)).map(sorted),
)
WEIGHTS = st.dictionaries(st.sampled_from(["data", "accuracy", "hard", "friction", "ethics"]), st.integers(1, 9))


def project(answers: dict[str, Any], name: str = "A") -> dict[str, Any]:
    found: dict[str, Any] = {"name": name}
    for axis in AXES:
        found[axis] = {driver.name: answers[driver.name] for driver in of_axis(axis) if driver.name in answers}
    return found


def judged(*projects: dict[str, Any], **more: Any) -> list[Judged]:
    return judge(Candidates.model_validate({"projects": projects, **more}), Path())


SOME = st.dictionaries(st.sampled_from(NAMES), ANSWERS)
SEVERAL = st.lists(SOME, min_size=2, max_size=4).map(
    lambda found: [project(answers, f"P{at}") for at, answers in enumerate(found)]
)


def inside(inner: Span, outer: Span) -> bool:
    return outer.low - 1e-9 <= inner.low <= inner.value <= inner.high <= outer.high + 1e-9


def spans(one: Judged) -> list[Span]:
    return [*(one.axes[axis] for axis in AXES), one.priority]


@given(SOME, WEIGHTS)
def test_a_range_holds_its_estimate_and_stays_on_the_scale(answers: dict[str, Any], weights: dict[str, int]) -> None:
    (one,) = judged(project(answers), weights=weights)
    for axis in AXES:
        assert inside(one.axes[axis], Span(WORST, 3, BEST))
        assert sum(one.weights[driver.name] for driver in of_axis(axis)) == pytest.approx(1)
    assert 0 <= one.priority.low <= one.priority.value <= one.priority.high <= 1


@given(SOME, WEIGHTS, st.sampled_from(NAMES), st.sampled_from(POSSIBLE))
def test_an_answer_to_the_unknown_narrows_and_never_leaves_the_range(
    answers: dict[str, Any], weights: dict[str, int], driver: str, value: float
) -> None:
    open_, closed = ({**answers, driver: given} for given in ("unknown", value))
    (before,), (after,) = (judged(project(found), weights=weights) for found in (open_, closed))
    for wide, narrow in zip(spans(before), spans(after), strict=True):
        assert wide.low - 1e-9 <= narrow.low <= narrow.high <= wide.high + 1e-9
    assert spans(before.answered(driver, value)) == spans(after)


@given(SOME, st.sampled_from(NAMES), st.sampled_from(POSSIBLE), st.sampled_from(POSSIBLE))
def test_a_better_answer_never_makes_a_project_worse(
    answers: dict[str, Any], driver: str, one: float, other: float
) -> None:
    worse, better = (judged(project({**answers, driver: value}))[0] for value in sorted((one, other)))
    for low, high in zip(spans(worse), spans(better), strict=True):
        assert (low.low, low.value, low.high) <= (high.low + 1e-9, high.value + 1e-9, high.high + 1e-9)


@settings(max_examples=30)
@given(SEVERAL, st.randoms(use_true_random=False))
def test_the_order_in_the_file_does_not_matter(projects: list[dict[str, Any]], random: Any) -> None:
    shuffled = [*projects]
    random.shuffle(shuffled)
    assert judged(*projects) == judged(*shuffled)
    assert settling(judged(*projects)) == settling(judged(*shuffled))


@settings(max_examples=50)
@given(SEVERAL, st.data())
def test_what_is_told_apart_keeps_its_order_whatever_is_found_out(projects: list[dict[str, Any]], data: Any) -> None:
    ranked = judged(*projects)
    open_pairs = {frozenset(pair) for pair in not_apart(ranked)}
    found = {one.name: _found_out(one, data) for one in ranked}
    for at, one in enumerate(ranked):
        for other in ranked[at + 1 :]:
            if frozenset((one.name, other.name)) not in open_pairs and not other.vetoes:
                assert found[one.name].priority.value > found[other.name].priority.value


@given(SEVERAL)
def test_some_answers_reverse_what_cannot_be_told_apart(projects: list[dict[str, Any]]) -> None:
    ranked = judged(*projects)
    by_name = {one.name: one for one in ranked}
    for first, second in not_apart(ranked):
        worst, best = _all_at(by_name[first], "low"), _all_at(by_name[second], "high")
        assert worst.priority.value <= best.priority.value + 1e-9


@settings(max_examples=30)
@given(SEVERAL)
def test_finding_out_never_opens_a_question(projects: list[dict[str, Any]]) -> None:
    found = settling(judged(*projects))
    assert all(item.settles >= 0 and item.narrows >= -1e-9 and 0 <= item.leads <= 1 for item in found)
    assert found == sorted(found, key=lambda item: (-item.settles, -item.leads, -item.narrows))


def test_the_answer_that_decides_is_asked_for_first() -> None:
    known = dict.fromkeys(NAMES, 4)
    ranked = judged(
        project({**known, "ethics": "unknown", "published_work": "unknown"}, "Open"), project({**known}, "Known")
    )
    assert not_apart(ranked) == [("Known", "Open")]
    assert settling(ranked)[0].driver == "ethics"
    assert judged(project({**known, "ethics": 1}))[0].verdict == "not at all: it ought not to be done"


def test_a_project_that_is_known_all_over_is_told_apart_and_asks_for_nothing() -> None:
    ranked = judged(project(dict.fromkeys(NAMES, 4), "Good"), project(dict.fromkeys(NAMES, 2), "Bad"))
    assert [one.verdict for one in ranked] == ["do it", "leave it"]
    assert not_apart(ranked) == []
    assert settling(ranked) == []


def test_a_vetoed_project_comes_last_however_good_it_is() -> None:
    best = {**dict.fromkeys(NAMES, 5), "data_security": 1}
    ranked = judged(project(best, "Vetoed"), project(dict.fromkeys(NAMES, 1.5), "Poor"))
    assert [one.name for one in ranked] == ["Poor", "Vetoed"]
    assert ranked[1].priority == Span(0, 0, 0)
    assert ranked[1].axes["impact"].value == BEST


def test_weights_count_groups_and_drivers_in_them() -> None:
    answers = {**dict.fromkeys(NAMES, 1), **{driver.name: 5 for driver in DRIVERS if driver.group == "data"}}
    (even,), (heavy,) = judged(project(answers)), judged(project(answers), weights={"data": 3})
    assert even.axes["feasibility"].value == pytest.approx(2)
    assert heavy.axes["feasibility"].value == pytest.approx(3)
    (alone,) = judged(project({"friction": 5}), weights={"cheap_prediction": 0, "others_do": 0})
    assert alone.axes["impact"] == Span(3, 4, 5)


@given(st.sampled_from([d for d in DRIVERS if d.levels]), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_a_worse_figure_never_is_a_better_answer(driver: Driver, one: float, other: float) -> None:
    assert driver.levels is not None
    up = driver.levels[0] < driver.levels[-1]
    better, worse = sorted((one, other), reverse=not up)
    assert WORST <= grade(driver.levels, worse) <= grade(driver.levels, better) <= BEST


LEVELS = BY_NAME["data_amount"].levels


@pytest.mark.parametrize(
    ("found", "answer", "span", "by", "at_odds"),
    [
        ((1.5, 0.9, 3.0), Answer(), Span(3, 4, 5), "measured", False),
        ((1.5, 0.9, 3.0), Answer(4, 4, given=True), Span(3, 4, 5), "measured", False),
        ((1.5, 0.9, 3.0), Answer(1, 2, given=True), Span(3, 4, 5), "measured", True),
        ((1.0, 1.5, 3.0), Answer(), Span(3, 4, 4), "measured", False),  # a bootstrap's ends may miss the estimate
        ((1.5, 0.5, 99.0), Answer(2, 2, given=True), Span(2, 2, 2), "a person", False),
        ((1.5, 0.5, 99.0), Answer(), Span(1, 3, 5), "nobody", False),
        ((1.5, None, None), Answer(2, 4, given=True), Span(2, 3, 4), "a person", False),
    ],
)
def test_what_is_measured_counts_unless_it_cannot_tell(
    found: tuple[float, float | None, float | None], answer: Answer, span: Span, by: str, at_odds: bool
) -> None:
    made = reply(BY_NAME["data_amount"], answer, Evidence("says", "there", *found), LEVELS)
    assert (made.span, made.by, bool(made.contradiction)) == (span, by, at_odds)
    assert made.answer == answer
    assert made.evidence is not None


def _found_out(one: Judged, data: Any) -> Judged:
    for name, item in one.replies.items():
        if item.open:
            value = data.draw(st.floats(item.span.low, item.span.high))
            one = one.answered(name, value)
    return one


def _all_at(one: Judged, end: str) -> Judged:
    for name, item in one.replies.items():
        one = one.answered(name, getattr(item.span, end))
    return one
