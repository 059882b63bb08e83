"""Decision thresholds, trade-offs between requirements and their picture, formulas of the domain."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from flows import patching
from flows.init import init
from stages.context import Context
from stages.data import collect, label, split, validate
from stages.deployment import refit
from stages.errors import DataError, ParamsError
from stages.files import read_json
from stages.metric_names import DECIDED
from stages.params import Requirement
from stages.planning import charter
from stages.signals import read_signals
from stages.training import baselines, checks, choose, decompose, diagnose, evaluate, fit, label_quality, learning_curve
from stages.training.estimators import features_of
from stages.training.frontier_picture import draw
from stages.training.metrics import Scorer
from stages.training.selection import by_metric
from stages.training.store import load_model
from stages.training.thresholds import best_threshold, sweep
from tests.conftest import bundled_table

NAMES = [*sorted(DECIDED), "roc_auc", "log_loss"]
TASK = "classification"
TRAINING = (baselines, fit, choose, evaluate, checks, learning_curve, decompose, label_quality, diagnose)


def scorer(seed: int, threshold: float = 0.5) -> Scorer:
    random = np.random.default_rng(seed)
    chance = random.random(300).round(2)
    target = (random.random(300) < chance).astype(float)
    return Scorer(TASK, target, np.column_stack([1 - chance, chance]), np.asarray([0.5, 0.5]), threshold=threshold)


@pytest.mark.parametrize("seed", range(3))
def test_the_sweep_agrees_with_the_metrics(seed: int) -> None:
    options = sweep(scorer(seed), scorer(seed).score(NAMES))
    assert next(iter(options)) == 0.5 and len(options) > 40
    for threshold, scores in options.items():
        assert scores == pytest.approx(scorer(seed, threshold).score(NAMES))


def test_a_half_stays_where_no_threshold_is_better() -> None:
    options = sweep(scorer(0), scorer(0).score(NAMES))
    assert best_threshold(options, {"roc_auc": Requirement(at_least=0.6)}, by_metric("log_loss", TASK)) == 0.5
    high = {"recall": Requirement(at_least=0.95)}
    chosen = best_threshold(options, high, by_metric("precision", TASK))
    assert chosen < 0.4
    meeting = [s for s in options.values() if (s["recall"] or 0) >= 0.95]
    assert options[chosen]["precision"] == max(s["precision"] or 0 for s in meeting)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Diabetes, above the median or below: a hard table, whose precision and recall are at odds."""
    folder = tmp_path_factory.mktemp("odds")
    frame = bundled_table("diabetes")
    frame["target"] = np.where(frame["target"] > frame["target"].median(), "high", "low")
    frame.to_csv(folder / "table.csv", index=False)
    made = init(folder / "project", folder / "table.csv", "target")
    patching.apply(made, {"training.bootstrap.n": 50, "training.use": [*Context(made).params.training.candidates][:1]})
    for step in (charter, collect, validate, label, split):
        step.run(made)
    return made


def trained(project: Path, **planning: Any) -> Any:
    patching.apply(project, {f"planning.{key.replace('__', '.')}": value for key, value in planning.items()})
    charter.run(project)
    for step in TRAINING:
        step.run(project)
    return read_signals(project / "signals" / "training.json")


def test_a_charter_on_recall_gets_a_model_that_keeps_it(project: Path) -> None:
    wanted = {"recall": {"at_least": 0.9}}
    signals = trained(project, requirements=wanted, optimise="precision")
    assert signals["requirements_missed"].fires is False
    assert signals["requirements_trade_off"].fires is False
    work = Context(project)
    assert work.threshold < 0.5
    assert read_json(project / "metrics" / "evaluation.json")["valid"]["recall"]["value"] >= 0.9
    refit.run(project)
    released = load_model(project / work.release_model)
    rows = features_of(work.split("valid"), work.schema)
    assert (released.predict(rows) == (released.predict_proba(rows)[:, 1] > work.threshold)).all()
    fixed = trained(project, decision={"threshold": 0.5})
    assert fixed["requirements_missed"].fires is True


def test_requirements_at_odds_are_a_trade_off_of_one_model(project: Path) -> None:
    both = {"recall": {"at_least": 0.9}, "precision": {"at_least": 0.9}}
    signals = trained(project, requirements=both, optimise="f1", decision={"threshold": "auto"})
    assert signals["requirements_missed"].fires is True
    signal = signals["requirements_trade_off"]
    assert signal.fires is True
    assert 0 < signal.value < 0.5
    picture = ElementTree.parse(project / signal.evidence["plot"]).getroot()
    assert picture.tag.endswith("svg")
    assert len(picture.findall("{*}circle")) == 1 and len(picture.findall("{*}path")) == 1


def test_a_formula_of_the_projects_own_chooses(project: Path) -> None:
    (project / "domain.py").write_text(
        "def gain(metrics):\n    return 5 * metrics['recall'] + metrics['precision']\n\n"
        "def broken(metrics):\n    return metrics['profit']\n"
    )
    easy = {"roc_auc": {"at_least": 0.5}}
    trained(project, requirements=easy, optimise="log_loss", combine={"by": "formula", "call": "domain:gain"})
    by_gain = Context(project).threshold
    trained(project, combine={"by": "weighted_mean", "weights": {"precision": 1.0}})
    assert by_gain < Context(project).threshold
    with pytest.raises(ParamsError, match=r"call: domain:broken raised KeyError: 'profit' \(domain.py line 5\)"):
        trained(project, combine={"by": "formula", "call": "domain:broken"})
    with pytest.raises(DataError, match=r"combine\.call: domain has no 'nothing'"):
        trained(project, combine={"by": "formula", "call": "domain:nothing"})
    with pytest.raises(ParamsError, match=r"planning\.combine: weighted_mean needs weights"):
        trained(project, combine={"by": "weighted_mean"})
    with pytest.raises(ParamsError, match=r"planning\.combine\.weights: unknown metric 'profit'"):
        trained(project, combine={"by": "weighted_mean", "weights": {"profit": 1.0}})
    patching.apply(project, {"planning.combine": {"by": "threshold"}})


def test_what_is_chosen_goes_by_the_candidates_in_use_and_not_by_when_they_came(project: Path) -> None:
    written = [project / "plots" / "frontier.svg", project / "models" / "selection.json"]
    used = [*Context(project).params.training.candidates][:2]
    patching.apply(project, {"training.use": used})
    charter.run(project)
    fit.run(project)
    found = []
    for order in (used, used[::-1]):
        patching.apply(project, {"training.use": order})
        choose.run(project)
        found.append([path.read_bytes() for path in written])
    assert found[0] == found[1] and found[0][0].count(b"<circle") == 2


def test_the_picture_draws_what_there_is() -> None:
    points: dict[str, Any] = {"a & b": {"roc_auc": 0.7, "size_mb": 2.0}, "c": {"roc_auc": None, "size_mb": 1.0}}
    bounds = {"size_mb": Requirement(at_most=1.5)}
    root = ElementTree.fromstring(draw(points, {}, bounds, "a & b", TASK))
    assert len(root.findall("{*}circle")) == 1
    alone = draw({"one": {"mae": 3.0}}, {}, {"mae": Requirement(at_most=2.0)}, "one", "regression")
    assert "a & b" not in alone and ElementTree.fromstring(alone) is not None
