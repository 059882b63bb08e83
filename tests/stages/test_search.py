"""The search is a function of params and data: seeded, resumable to the last digit, and blind to validation rows."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flows import patching
from flows.decide import decide
from stages.context import Context
from stages.data.sources.nycflights13 import Flights
from stages.errors import ParamsError
from stages.files import read_json, write_json, write_parquet
from stages.params import WEIGHT, Candidate, Collect, check_params
from stages.training import search, tuning
from stages.training.candidates import best_iterations, candidate_of, fitted
from stages.training.estimators import check_candidates
from stages.training.tuning import Found, Problem, tune
from tests.flows.test_decide import VALUES, situation
from tests.stages.signal_cases.training import drawn

BOOSTING = "sklearn.ensemble.HistGradientBoosting"
SPACE: dict[str, Any] = {
    "learning_rate": {"low": 0.01, "high": 0.5, "log": True},
    "max_leaf_nodes": {"low": 2, "high": 16},
    "l2_regularization": {"choices": [0.0, 1.0, 10.0]},
}


def candidate(kind: str = "Classifier", **more: Any) -> Candidate:
    settings = {"estimator": BOOSTING + kind, "params": {"max_iter": 10, "learning_rate": 0.001}, "search": SPACE}
    return Candidate.model_validate(settings | more)


def problem(name: str = "breast_cancer", optimise: str = "log_loss") -> Problem:
    frame, schema, _ = drawn(name, 240, 0)
    return Problem(frame, schema, "regression" if name == "diabetes" else "classification", optimise, 0)


@cache
def flights() -> Problem:
    window = Collect.model_validate({"start": "2013-01-01", "end": "2013-01-22", "features": ["schedule"]})
    found = Flights().collect(window, 0)
    frame = found.window.dropna(subset="late").astype({"late": int}).assign(**{WEIGHT: 1.0}).iloc[::10]
    return Problem(frame.reset_index(drop=True), found.schema, "classification", "log_loss", 0)


@pytest.mark.parametrize(("name", "optimise"), [("breast_cancer", "log_loss"), ("wine", "roc_auc"), ("diabetes", "r2")])
def test_it_finds_what_was_badly_set(name: str, optimise: str, tmp_path: Path) -> None:
    found = tune(
        candidate("Regressor" if name == "diabetes" else "Classifier"), problem(name, optimise), 8, tmp_path / "m"
    )
    assert (found.trials, found.cut_short) == (8, False)
    assert 0 < found.pruned < 8
    better = found.value < found.declared if optimise == "log_loss" else found.value > found.declared
    assert better
    assert found.params["learning_rate"] > 0.01


def test_what_is_declared_stays_when_nothing_beats_it(tmp_path: Path) -> None:
    worse = {"learning_rate": {"low": 1e-6, "high": 1e-5}}
    found = tune(candidate(params={"max_iter": 10}, search=worse), problem(), 3, tmp_path / "m")
    assert found.params == {}
    assert found.value == found.declared


class Killed(BaseException):
    pass


@pytest.mark.parametrize("after", [4, 9])
def test_a_killed_search_ends_as_one_that_was_not(after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def searched(memory: str, trials: int = 8) -> Found:
        return tune(candidate(), problem(), trials, tmp_path / memory)

    whole = searched("whole")
    fits = iter(range(100))

    def fitted_till_killed(*arguments: Any) -> Any:
        if next(fits) == after:  # in the midst of a trial
            raise Killed
        return fitted(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(tuning, "fitted", fitted_till_killed)
        with pytest.raises(Killed):
            searched("killed")
    assert 0 < len(json.loads((tmp_path / "killed").read_text())) < 8
    assert searched("killed") == whole
    assert (tmp_path / "killed").read_bytes() == (tmp_path / "whole").read_bytes()
    # Searching on is the same search: more trials follow those that were made.
    assert searched("more", 5).trials == 5
    assert searched("more") == whole
    # Fewer than are remembered are as if the others had not been.
    assert searched("whole", 5) == searched("fresh", 5)


def test_a_deadline_cuts_it_short_and_says_so(tmp_path: Path) -> None:
    found = tune(candidate(), problem(), 8, tmp_path / "m", deadline=0.0)
    assert (found.trials, found.cut_short, found.params) == (0, True, {})


def test_later_days_judge_what_earlier_days_taught() -> None:
    asked = flights()
    time = asked.train["scheduled"]
    rungs = asked.rungs()
    assert [len(part) for part, _ in rungs] == sorted({len(part) for part, _ in rungs})
    for part, held in rungs:
        assert time.iloc[part].max() < time.iloc[held].min()
        assert np.array_equal(held, rungs[0][1])
    assert 0.2 < len(rungs[0][1]) / len(time) < 0.3


def test_folds_keep_groups_whole() -> None:
    asked = problem()
    group = np.arange(240) // 10
    grouped = Problem(asked.train.assign(who=group), asked.schema | {"group": "who"}, asked.task, asked.optimise, 0)
    rungs = grouped.rungs()
    assert len(rungs) == 3
    for part, held in rungs:
        assert set(group[part]) & set(group[held]) == set()


def test_the_step_is_free_without_a_space_and_others_use_what_it_found(tmp_path: Path) -> None:
    asked = problem()
    write_parquet(tmp_path / "data" / "splits" / "train.parquet", asked.train)
    write_json(tmp_path / "data" / "schema.json", asked.schema)
    write_json(tmp_path / "charter" / "charter.json", {"task": asked.task, "optimise": asked.optimise})
    declared = candidate().model_dump(mode="json", exclude_none=True)
    plain = {key: value for key, value in declared.items() if key != "search"}
    ladder = {"plain": plain, "searched": declared, "idle": declared}
    use = {"training.candidates": ladder, "training.use": ["plain"], "training.search.trials": 4}
    write_json(tmp_path / "params.yaml", patching.patched(VALUES, use))
    search.run(tmp_path)
    assert read_json(tmp_path / "models" / "search.json") == {}
    write_json(tmp_path / "params.yaml", patching.patched(VALUES, use | {"training.use": ["plain", "searched"]}))
    search.run(tmp_path)
    found = read_json(tmp_path / "models" / "search.json")
    assert set(found) == {"searched"}
    assert found["searched"]["trials"] == 4
    assert read_json(tmp_path / "reports" / "search.json")["cut_short"] == []
    work = Context(tmp_path)
    assert candidate_of(work, "plain").params == {"max_iter": 10, "learning_rate": 0.001}
    assert candidate_of(work, "searched").params == {"max_iter": 10, **found["searched"]["params"]}
    before = (tmp_path / "models" / "search.json").read_bytes()
    for memory in (tmp_path / ".loopwright" / "search").iterdir():
        memory.unlink()
    search.run(tmp_path)
    assert (tmp_path / "models" / "search.json").read_bytes() == before


@pytest.mark.parametrize(
    ("space", "says"),
    [
        ({"learning_rat": {"low": 0.1, "high": 0.2}}, "has no parameter 'learning_rat'"),
        ({"learning_rate": {"low": -1.0, "high": 0.2}}, "learning_rate"),
        ({"loss": {"choices": ["log_loss", "square"]}}, "loss"),
    ],
)
def test_a_space_that_the_estimator_does_not_take_is_refused_at_the_start(space: dict[str, Any], says: str) -> None:
    with pytest.raises(ParamsError, match=says):
        check_candidates({"mine": candidate(search=space)}, "classification")


@pytest.mark.parametrize("span", [{}, {"low": 1}, {"low": 2, "high": 1}, {"low": 0, "high": 1, "log": True}])
def test_a_space_that_is_none_is_refused(span: dict[str, Any]) -> None:
    with pytest.raises(ParamsError, match=r"training\.candidates\.boosting\.search\.learning_rate"):
        check_params(patching.patched(VALUES, {"training.candidates.boosting.search.learning_rate": span}))


def test_iterations_are_chosen_on_later_rows_and_all_rows_are_fitted() -> None:
    asked = flights()
    eager = candidate(params={"max_iter": 60, "learning_rate": 0.5}, search={}, stop_early=True)
    options: Any = (asked.schema, asked.task, 0, "one")
    found = best_iterations(eager, asked.train, *options)
    assert 1 <= found["max_iter"] < 30
    assert found == best_iterations(eager, asked.train, *options)
    model = fitted(eager, asked.train, asked.schema, asked.task, 0)
    assert model.named_steps["model"].n_iter_ == found["max_iter"]
    # What comes last decides: with other labels there, the number is another one.
    spoilt = asked.train.copy()
    spoilt.loc[spoilt.index[-len(spoilt) // 5 :], "late"] = 1 - spoilt["late"].iloc[-len(spoilt) // 5 :]
    assert best_iterations(eager, spoilt, *options) != found


@pytest.mark.parametrize(
    ("estimator", "key"),
    [("sklearn.ensemble.GradientBoostingRegressor", "n_estimators"), (f"{BOOSTING}Regressor", "max_iter")],
)
def test_any_boosting_can_stop_early(estimator: str, key: str) -> None:
    asked = problem("diabetes", "r2")
    eager = Candidate(estimator=estimator, params={key: 80, "learning_rate": 0.3}, stop_early=True)
    assert best_iterations(eager, asked.train, asked.schema, asked.task, 0, "one")[key] < 40


def test_what_does_not_boost_cannot_stop_early() -> None:
    forest = Candidate(estimator="sklearn.ensemble.RandomForestClassifier", stop_early=True)
    with pytest.raises(ParamsError, match=r"training\.candidates\.mine\.stop_early: .* cannot be stopped early"):
        check_candidates({"mine": forest}, "classification")


def test_the_loop_searches_on_before_it_asks_for_features() -> None:
    spent = {"training.use": list(VALUES["training"]["candidates"])}
    space = {"training.candidates.boosting.search": SPACE}
    for trials, asked in ((20, 40), (60, 80), (0, 20)):
        now = situation(
            "training", fires=("requirements_missed",), patch=spent | space | {"training.search.trials": trials}
        )
        move = decide(now)
        assert (move.row, move.to, move.patch) == ("search_candidates", "training", {"training.search.trials": asked})
    for over in (spent, spent | space | {"training.search.trials": 80}):
        assert decide(situation("training", fires=("requirements_missed",), patch=over)).row == "features_too_weak"
    left = space | {"training.use": ["boosting"]}
    assert decide(situation("training", fires=("requirements_missed",), patch=left)).row == "next_candidate"


def test_a_frame_of_the_search_has_no_column_of_its_own() -> None:
    asked = flights()
    assert "__at__" not in asked.train
    assert isinstance(asked.train, pd.DataFrame)
