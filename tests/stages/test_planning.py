"""The charter refuses plans that contradict themselves; the feasibility check says when a rule is enough."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.errors import ParamsError
from stages.files import read_json, write_json
from stages.metric_names import FAILURES, OFFLINE
from stages.planning import charter, feasibility
from stages.planning.rule import Rule
from stages.signals import Signal, read_signals


def project(folder: Path, requirements: dict[str, Any], task: str = "classification", **planning: Any) -> Path:
    random = np.random.default_rng(0)
    kind = random.choice(list("abcd"), 600)
    truth = np.isin(kind, ["a", "b"]) ^ (random.random(600) < 0.05)
    frame = pd.DataFrame({"noise": random.normal(size=600), "kind": kind})
    frame["y"] = truth.astype(int) if task == "classification" else truth * 10 + random.normal(size=600)
    return planned(folder, frame, "y", requirements, task, **planning)


def planned(
    folder: Path, frame: pd.DataFrame, target: str, requirements: dict[str, Any], task: str, **planning: Any
) -> Path:
    """Write a project around a table, with one candidate that no one looks at."""
    frame.to_csv(folder / "t.csv", index=False)
    kind_of = {"classification": "Classifier", "regression": "Regressor"}
    optimise = "log_loss" if task == "classification" else "rmse"
    plan = {"goal": "test", "task": task, "optimise": optimise, "requirements": requirements, **planning}
    params = {
        "planning": plan,
        "data": {"source": {"kind": "table", "path": "t.csv", "target": target}},
        "training": {"candidates": {"a": {"estimator": f"sklearn.dummy.Dummy{kind_of[task]}"}}, "use": ["a"]},
    }
    write_json(folder / "params.yaml", params)  # JSON is YAML
    return folder


def judged(folder: Path) -> Signal:
    charter.run(folder)
    feasibility.run(folder)
    return read_signals(folder / "signals/planning.json")["rule_suffices"]


def test_the_charter_is_the_planning_section(tmp_path: Path) -> None:
    charter.run(project(tmp_path, {"roc_auc": {"at_least": 0.7, "why": "asked"}, "size_mb": {"at_most": 5}}))
    found = read_json(tmp_path / "charter/charter.json")
    assert found["requirements"] == {
        "roc_auc": {"at_least": 0.7, "why": "asked"},
        "size_mb": {"at_most": 5.0},
    }
    assert (found["task"], found["optimise"], found["budgets"]["loops"]) == ("classification", "log_loss", 12)


@pytest.mark.parametrize(
    ("requirements", "planning", "message"),
    [
        ({}, {}, "planning.requirements: is empty"),
        ({"roc_auc": {"at_most": 0.7}}, {}, "requirements.roc_auc: at_most asks for a bad roc_auc; expected at_least"),
        ({"log_loss": {"at_least": 0.7}}, {}, "log_loss: at_least asks for a bad log_loss"),
        ({"roc_auc": {"at_least": 1.2}}, {}, "1.2 cannot be reached"),
        ({"log_loss": {"at_most": -0.1}}, {}, "-0.1 cannot be reached"),
        ({"failure_bound": {"at_most": 1.0}}, {}, "1 holds whatever fails"),
        ({"roc_auc": {"at_least": 0.7}}, {"goal": " "}, "planning.goal: is empty"),
        ({"roc_auc": {"at_least": 0.7, "hard": False}}, {}, "planning.requirements: are all soft"),
        (
            {"roc_auc": {"at_least": 0.7}},
            {"prices": {"false_positive": 1}},
            "planning.prices.false_negative: is open, and the other wrong decision has a price",
        ),
        (
            {"roc_auc": {"at_least": 0.7}},
            {"prices": {"false_positive": 0, "false_negative": 0}},
            "planning.prices: say that no wrong decision costs anything",
        ),
        (
            {"roc_auc": {"at_least": 0.7}},
            {"beat": {"paper": {"metric": "rmse", "value": 3}}},
            "planning.beat.paper.metric: unknown metric 'rmse'",
        ),
        (
            {"roc_auc": {"at_least": 0.7}},
            {"beat": {"human": {"metric": "roc_auc", "value": 0.9}}},
            "beat.human: the name of a baseline that is measured",
        ),
    ],
)
def test_a_plan_that_contradicts_itself_is_refused(
    tmp_path: Path, requirements: dict[str, Any], planning: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParamsError, match=message.replace(".", r"\.")):
        charter.run(project(tmp_path, requirements, **planning))


def test_a_rule_that_is_enough_fires(tmp_path: Path) -> None:
    signal = judged(project(tmp_path, {"roc_auc": {"at_least": 0.8}, "latency_p99_ms": {"at_most": 10}}))
    assert signal.fires is True
    assert signal.evidence["rule"] == ["kind"], "the best single column is found"
    assert set(signal.evidence["requirements"]) == {"roc_auc"}, "latency is no offline metric"
    found = read_json(tmp_path / "metrics/feasibility.json")
    assert found["constant"]["roc_auc"]["value"] == 0.5
    assert found["rule"]["roc_auc"]["low"] < found["rule"]["roc_auc"]["value"] < found["rule"]["roc_auc"]["high"]


@pytest.mark.parametrize(
    ("requirements", "planning", "fires"),
    [
        ({"roc_auc": {"at_least": 0.8}, "log_loss": {"at_most": 0.01}}, {}, False),
        ({"roc_auc": {"at_least": 0.8}}, {"rule": ["noise"]}, False),
        ({"roc_auc": {"at_least": 0.95}}, {}, None),
        ({"size_mb": {"at_most": 10}}, {}, None),
        ({"log_loss_skill": {"at_least": 0.3}, "accuracy": {"at_least": 0.8}}, {"rule": ["kind"]}, True),
    ],
)
def test_when_a_rule_suffices(
    tmp_path: Path, requirements: dict[str, Any], planning: dict[str, Any], fires: bool | None
) -> None:
    assert judged(project(tmp_path, requirements, **planning)).fires is fires


def test_every_offline_metric_can_be_required(tmp_path: Path) -> None:
    for task, names in OFFLINE.items():
        most = {name: 0.5 if name in FAILURES else 50 for name in names}
        bounds = {name: {"at_least": 0.01} if larger else {"at_most": most[name]} for name, larger in names.items()}
        signal = judged(project(tmp_path, bounds, task=task, answering={"tolerance": 5.0}))
        assert set(signal.evidence["requirements"]) == set(names)
        assert signal.fires is True


def test_the_same_again(tmp_path: Path) -> None:
    project(tmp_path, {"roc_auc": {"at_least": 0.8}})
    judged(tmp_path)
    first = (tmp_path / "signals/planning.json").read_bytes()
    judged(tmp_path)
    assert first == (tmp_path / "signals/planning.json").read_bytes()


def test_a_rule_on_no_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"unknown column 'kid'.*noise, kind"):
        judged(project(tmp_path, {"roc_auc": {"at_least": 0.8}}, rule=["kid"]))


def test_a_rule_predicts_shrunken_means() -> None:
    frame = pd.DataFrame({"kind": ["a"] * 30 + ["b"] * 10, "x": np.arange(40.0)})
    y = pd.Series([1] * 30 + [0] * 10)
    rule = Rule(["kind"], 2).fit(frame, y)
    unseen = pd.DataFrame({"kind": ["a", "b", "c", None]})
    assert rule.predict(unseen)[:, 1] == pytest.approx([37.5 / 40, 7.5 / 20, 0.75, 0.75])
    binned = Rule(["x"], None).fit(frame, y.astype("float64"))
    assert len(binned.means) == 11
    assert binned.predict(pd.DataFrame({"x": [0.0, 39.0]})) == pytest.approx([(4 + 7.5) / 14, 7.5 / 14])
