"""A released model is replaced for a reason that the rows give: better, surely, or the charter asks for it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flows import patching
from flows.decide import decide, gate_open
from flows.init import init
from flows.situation import Situation
from flows.transitions import RELEASED, STOP
from stages.context import Context
from stages.data import collect, label, split, validate
from stages.deployment import behaviour, champion, examine, flips, gate, pilot, refit, serving, slices
from stages.deployment.champion import Beside, champion_stays, compare
from stages.deployment.enough import Size
from stages.deployment.release import of_workspace, publish
from stages.errors import ProjectError
from stages.files import read_json, read_parquet, write_json, write_parquet
from stages.params import Champion, load_params, read_params
from stages.planning import charter
from stages.signals import Signal, read_signals
from stages.training import choose, evaluate, fit
from stages.training.comparison import paired_gain
from stages.training.metrics import Scorer
from stages.training.parsimony import simplest_as_good
from stages.training.sampling import Sampling
from tests.conftest import bundled_table
from tests.flows.test_decide import situation

LOGISTIC = {"estimator": "sklearn.linear_model.LogisticRegression", "params": {"max_iter": 1000}}
STRONG = {"estimator": "sklearn.linear_model.LogisticRegression", "params": {"max_iter": 1000, "C": 0.1}}
STUMP = {"estimator": "sklearn.tree.DecisionTreeClassifier", "params": {"max_depth": 1}}
NO_CLOCK = {"planning.requirements": {"log_loss_skill": {"at_least": 0.3}, "roc_auc": {"at_least": 0.6}}}


def scorer(prediction: Any, target: Any, blocks: Any = None) -> Scorer:
    return Scorer("classification", target, np.c_[1 - prediction, prediction], np.array([0.5, 0.5]), blocks)


def test_a_paired_gain_is_narrower_than_two_figures_apart() -> None:
    random = np.random.default_rng(0)
    target = random.integers(0, 2, 500).astype(float)
    hard = random.random(500)
    one = np.clip(np.where(target == 1, 1 - hard, hard) * 0.8 + 0.1, 0.01, 0.99)
    other = np.clip(one + 0.02 * np.where(target == 1, -1, 1), 0.01, 0.99)
    gain = paired_gain(scorer(one, target), scorer(other, target), "log_loss", n=200, level=0.95, seed=0)
    assert gain["low"] is not None and gain["high"] is not None
    assert 0 < gain["low"] < (gain["value"] or 0) < gain["high"]
    spread = 2 * 1.96 * scorer(one, target).losses.std() / 500**0.5
    assert gain["high"] - gain["low"] < spread / 3
    turned = paired_gain(scorer(other, target), scorer(one, target), "log_loss", n=200, level=0.95, seed=0)
    assert turned["value"] == pytest.approx(-(gain["value"] or 0))


def test_the_simplest_that_is_not_surely_worse_is_taken() -> None:
    random = np.random.default_rng(0)
    target = random.integers(0, 2, 600).astype(float)
    good = np.clip(0.5 + 0.3 * (target - 0.5) + 0.1 * random.normal(size=600), 0.01, 0.99)
    scorers = {
        "plain": scorer(np.full(600, 0.5), target),
        "as good": scorer(np.clip(good + 0.03 * random.normal(size=600), 0.01, 0.99), target),
        "best": scorer(good, target),
    }
    options = (scorers, "log_loss")
    chosen, gains = simplest_as_good("best", ["plain", "as good"], *options, 0.02, Sampling())
    assert (chosen, set(gains)) == ("as good", {"plain", "as good"})
    assert simplest_as_good("best", ["plain"], *options, 0.0, Sampling())[0] == "best"
    assert simplest_as_good("best", ["plain"], *options, 0.5, Sampling())[0] == "plain"
    few = np.repeat(np.arange(3), 200)  # three days do not tell
    dated = {name: Scorer(s.task, s.target, s.prediction, s.constant, few) for name, s in scorers.items()}
    assert simplest_as_good("best", ["plain"], dated, "log_loss", 0.0, Sampling())[0] == "plain"


BETTER, WORSE = {"value": 0.1, "low": 0.05, "high": 0.15}, {"value": -0.1, "low": -0.15, "high": -0.05}
UNSURE: dict[str, float | None] = {"value": 0.1, "low": -0.05, "high": 0.25}


@pytest.mark.parametrize(
    ("gain", "missed", "replace", "stays"),
    [
        (BETTER, [], "surely_better", False),
        (UNSURE, [], "surely_better", True),
        (WORSE, [], "surely_better", True),
        (WORSE, ["roc_auc"], "surely_better", False),
        (UNSURE, [], "unless_worse", False),
        (WORSE, [], "unless_worse", True),
        (WORSE, [], "always", False),
        (None, [], "surely_better", None),
        ({"value": 0.1, "low": None, "high": None}, [], "surely_better", None),
    ],
)
def test_what_replaces_a_released_model(gain: Any, missed: list[str], replace: Any, stays: bool | None) -> None:
    signal = champion_stays(gain, missed, "log_loss", Champion(replace=replace))
    assert signal.fires is stays
    assert signal.threshold == 0.0


CLOSE = {"value": -0.005, "low": -0.02, "high": 0.01}


@pytest.mark.parametrize(
    ("gain", "advantage", "reasons", "asked_for", "stays"),
    [
        (CLOSE, 0.3, ("smaller",), ["smaller"], False),  # a tenth of 0.3 may be lost
        (CLOSE, 0.3, (), ["smaller"], True),  # and there has to be a reason,
        (CLOSE, 0.3, (), [], False),  # unless none is asked for
        (CLOSE, 0.1, ("smaller",), ["smaller"], True),  # 0.01 may be lost, and is not ruled out
        (CLOSE, -0.1, ("smaller",), ["smaller"], True),  # of no advantage nothing may be lost
        (BETTER, None, ("newer",), ["newer"], False),
        (BETTER, 0.3, (), ["newer"], False),  # surely better is a reason
        (WORSE, 0.3, ("newer",), ["newer"], True),
    ],
)
def test_a_model_that_is_not_inferior_replaces_for_a_reason(
    gain: Any, advantage: float | None, reasons: tuple[str, ...], asked_for: Any, stays: bool
) -> None:
    settings = Champion(replace="not_inferior", reasons=asked_for)
    size = Size(100, 100, blocks=False)
    signal = champion_stays(gain, [], "log_loss", settings, beside=Beside(advantage, reasons, size))
    assert signal.fires is stays
    assert signal.threshold == pytest.approx(-0.1 * max(0.0, advantage or 0.0))
    told = (gain["low"] or 0) > (signal.threshold or 0)
    assert ("needed" in signal.says or "no number of rows" in signal.says) is (not told and gain is not WORSE)
    assert (
        champion_stays(gain, ["roc_auc"], "log_loss", settings, beside=Beside(advantage, reasons, size)).fires is False
    )


def test_how_many_rows_would_tell_which_is_better() -> None:
    size = Size(100, 100, blocks=False)
    signal = champion_stays(UNSURE, [], "log_loss", Champion(), beside=Beside(size=size))
    assert signal.fires is True
    assert signal.says.endswith("; the pilot has 100 rows, about 480 are needed to tell")


def test_a_champion_that_stays_ends_the_run_and_one_that_cannot_be_compared_does_not() -> None:
    stays = situation("deployment", fires=("champion_stays",))
    assert not gate_open(stays)
    assert (decide(stays).row, decide(stays).to) == ("champion_stays", STOP)
    unknown = {**stays.signals, "champion_stays": champion_stays(None, [], "log_loss", Champion())}
    assert decide(type(stays)(stays.stage, unknown, stays.params, stays.values)).to == RELEASED


Make = Callable[..., Path]


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose logistic regression is released."""
    folder = tmp_path_factory.mktemp("champion")
    bundled_table("breast_cancer").to_csv(folder / "table.csv", index=False)
    project = init(folder / "project", folder / "table.csv", "target")
    patching.apply(project, {"training.bootstrap.n": 50, **NO_CLOCK} | ladder(one=LOGISTIC))
    for step in (charter, collect, validate, label, split):
        step.run(project)
    for step in (fit, choose, refit, serving):  # latency takes a while, and is measured this once
        step.run(project)
    deployed(project)
    publish(project, of_workspace(project, iteration=4, experiment="lw-004"))
    return project


def ladder(**candidates: Any) -> dict[str, Any]:
    return {"training.candidates": candidates, "training.use": list(candidates)}


def deployed(project: Path) -> None:
    for step in (fit, choose, evaluate, refit, behaviour, slices, pilot, examine, gate):
        step.run(project)


@pytest.fixture
def project(released: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(released, tmp_path / "project"))


def test_the_same_model_is_not_compared_with_itself(project: Path) -> None:
    assert compare(project, 9) is None


def test_a_model_that_is_no_better_does_not_replace_the_released_one(project: Path) -> None:
    patching.apply(project, ladder(two=STUMP))
    deployed(project)
    signal = compare(project, 9)
    assert signal is not None
    assert signal.fires is True
    assert (signal.value or 0) < 0
    again = compare(project, 9)
    assert again == signal
    beside = signal.evidence["shadow"]
    apart = beside["apart"]
    assert apart["rows"] == sum(apart[key] for key in ("released_right", "new_right", "both_right", "neither_right"))
    assert apart["released_right"] > apart["new_right"] and apart["loss"]["released"] < apart["loss"]["new"]
    assert beside["metrics"]["log_loss"]["released"] < beside["metrics"]["log_loss"]["new"]
    assert all(part["apart"] <= part["rows"] for part in beside["slices"])
    patching.apply(project, {"deployment.champion.replace": "not_inferior"})
    strict = compare(project, 9)
    assert strict is not None and strict.fires is True  # a stump loses more than a tenth of what is saved
    assert strict.threshold is not None and strict.threshold < 0
    patching.apply(project, {"deployment.champion.replace": "surely_better"})
    assert compare(project, 9) == signal
    flipped = flips.compare(project, 9)
    assert flipped is not None
    assert (flipped.evidence["negative"], flipped.evidence["positive"]) == (
        *(apart[key] for key in ("released_right", "new_right")),
    )
    rows = pd.read_csv(project / "reports" / "flips.csv")
    assert flipped.evidence["negative"] == (rows["flip"] == "negative").sum() > 0
    lost = rows[rows["flip"] == "negative"]
    assert (lost["released_says"] == lost["target"]).all() and (lost["new_says"] != lost["target"]).all()
    assert (lost["released_probability"] - lost["new_probability"]).is_monotonic_decreasing
    assert flipped.fires is False  # no limit is set
    patching.apply(project, {"deployment.champion.max_negative_flips": 0.0})
    flipped = flips.compare(project, 9)
    assert flipped is not None and flipped.fires is True
    # Killed between the release and the record: the same answer, though by now the model is the released one.
    publish(project, of_workspace(project, iteration=9, experiment="lw-009"))
    assert compare(project, 9) == signal
    assert compare(project, 10) is None
    assert (flips.compare(project, 9), flips.compare(project, 10)) == (flipped, None)


def test_a_requirement_that_only_the_new_model_meets_decides(project: Path) -> None:
    pointer = read_json(project / "releases" / "current.json")
    patching.apply(project, ladder(two=STRONG))
    deployed(project)
    work = Context(project)
    size = (project / pointer["path"]).stat().st_size / 1e6
    bounds = {**work.charter["requirements"], "size_mb": {"at_most": size / 2}}
    write_json(project / "charter" / "charter.json", {**work.charter, "requirements": bounds})
    signal = compare(project, 9)
    assert signal is not None
    assert signal.fires is False
    assert signal.evidence["missed_by_champion"] == ["size_mb"]


def test_rows_the_released_model_may_have_learned_from_prove_nothing(project: Path) -> None:
    patching.apply(project, ladder(two=STUMP))
    deployed(project)
    path = project / "data" / "splits" / "pilot.parquet"
    rows = read_parquet(path)
    write_parquet(path, rows.head(80))
    signal = compare(project, 9)
    assert signal is not None
    assert signal.fires is None
    assert "may have learned from rows of this pilot" in signal.says
    write_parquet(path, rows.drop(columns="mean_radius"))
    found = compare(project, 9)
    assert isinstance(found, Signal)
    assert found.fires is None
    assert "lack its mean_radius" in found.says


@pytest.mark.parametrize("unsure", ["release", "by_source"])
def test_a_pilot_of_one_row_never_releases(project: Path, unsure: str) -> None:
    """Whatever that row shows, and whatever the params say; the model is the one that was released before."""
    patching.apply(project, {"deployment.pilot.unsure": unsure, "deployment.pilot.margin": 1.0})
    path = project / "data" / "splits" / "pilot.parquet"
    write_parquet(path, read_parquet(path).head(1))
    for step in (pilot, examine, gate):
        step.run(project)
    signals = read_signals(project / "signals" / "deployment.json")
    assert (signals["pilot_fails"].fires, signals["pilot_unsure"].fires) == (None, True)
    assert not gate_open(Situation("deployment", signals, load_params(project), read_params(project)))
    assert read_json(project / "release" / "candidate.json")["meets"] is False
    with pytest.raises(ProjectError, match="a pilot that could tell anything"):
        publish(project, of_workspace(project, iteration=9, experiment="lw-009"))


def test_nothing_is_compared_before_a_first_release(project: Path) -> None:
    (project / "releases" / "current.json").unlink()
    assert champion.compare(project, 9) is None


def test_of_two_that_meet_the_charter_the_simpler_is_chosen(project: Path) -> None:
    patching.apply(project, ladder(simple=STRONG, complex=LOGISTIC))
    fit.run(project)
    choose.run(project)
    selection = read_json(project / "models" / "selection.json")
    chosen = read_json(project / "models" / "chosen.json")["name"]
    assert selection["chosen"] == chosen
    if selection["best"] == "complex":
        assert (chosen == "simple") == (selection["gains"]["simple"]["low"] <= 0)
    patching.apply(project, ladder(simple=STUMP, complex=LOGISTIC))
    fit.run(project)
    choose.run(project)
    assert read_json(project / "models" / "chosen.json")["name"] == "complex"
