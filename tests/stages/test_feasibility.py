"""Whether a plan is worth trying: on real tables, and by the laws of its verdict."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.files import read_json
from stages.params import Requirement
from stages.planning import charter, feasibility
from stages.planning.success import beside, figures_to_beat, to_ask_for
from stages.planning.verdict import Reached, Supply, Verdict, verdict
from stages.signals import Signal, read_signals
from tests.conftest import ROOT, bundled_table, twins
from tests.stages.test_planning import planned

Figure = dict[str, float | None]
EXACT: tuple[str, ...] = ("value", "low", "high")


def project(folder: Path, name: str, requirements: dict[str, Any], **planning: Any) -> Path:
    task = "regression" if name == "diabetes" else "classification"
    return planned(folder, bundled_table(name, spoilt=False), "target", requirements, task, **planning)


def judged(folder: Path) -> Signal:
    charter.run(folder)
    feasibility.run(folder)
    return read_signals(folder / "signals/planning.json")["feasibility"]


@pytest.mark.parametrize(
    ("table", "requirements", "planning", "verdict_", "fires"),
    [
        ("breast_cancer", {"log_loss_skill": {"at_least": 0.7}}, {}, "go", False),
        ("diabetes", {"rmse_skill": {"at_least": 0.2}}, {}, "go", False),
        ("diabetes", {"rmse_skill": {"at_least": 0.35}}, {}, "go", None),
        ("diabetes", {"r2": {"at_least": 0.95}}, {}, "change_requirement", True),
        ("diabetes", {"r2": {"at_least": 0.95}}, {"budgets": {"labels": 300}}, "change_requirement", True),
        ("breast_cancer", {"log_loss": {"at_most": 0.01}}, {}, "collect_first", True),
        ("breast_cancer", {"log_loss": {"at_most": 0.5}}, {"if_rule_suffices": "stop"}, "do_not", True),
        (
            "breast_cancer",
            {"log_loss": {"at_most": 0.01}},
            {"prices": {"label": 5}, "budgets": {"money": 2200}},
            "do_not",
            True,
        ),
        ("breast_cancer", {"precision": {"at_least": 1}, "recall": {"at_least": 1}}, {}, "go", None),
        ("breast_cancer", {"size_mb": {"at_most": 1}}, {}, "go", None),
        (
            "breast_cancer",
            {"roc_auc": {"at_least": 0.9}, "log_loss": {"at_most": 0, "hard": False}},
            {"if_rule_suffices": "stop"},
            "do_not",
            True,
        ),
    ],
)
def test_the_verdict_on_real_tables(
    tmp_path: Path,
    table: str,
    requirements: dict[str, Any],
    planning: dict[str, Any],
    verdict_: str,
    fires: bool | None,
) -> None:
    signal = judged(project(tmp_path, table, requirements, **planning))
    assert (signal.evidence["verdict"], signal.fires) == (verdict_, fires), signal.says
    told = read_json(tmp_path / "metrics/feasibility.json")
    assert set(told) == {"constant", "rule", "feasibility"}
    assert told["feasibility"]["verdict"] == verdict_
    offline = {name for name in requirements if name != "size_mb"}
    assert set(signal.evidence["requirements"]) == offline, "soft ones are told too"


def test_where_a_rule_suffices_and_the_charter_goes_on_more_is_asked_for(tmp_path: Path) -> None:
    bounds = {"log_loss": {"at_most": 0.5}}
    signal = judged(project(tmp_path, "breast_cancer", bounds))
    assert (signal.evidence["verdict"], signal.fires) == ("ask_for_more", True)
    assert signal.says.startswith("go, and ask for more: the rule on")
    assert (
        "the requirements ask for little: set them to what you need (a simple model reaches log_loss 0." in signal.says
    )
    assert "do not" not in signal.says
    plan = {"if_rule_suffices": "continue", "archetype": "software_2.0", "replaces": "rules:decide"}
    assert to_ask_for(plan).endswith("present, the rule that works by now (planning.replaces: rules:decide)")
    assert "empty, so the rule baseline" in to_ask_for(plan | {"replaces": ""})
    assert to_ask_for(plan | {"if_rule_suffices": "stop"}) == ""


def test_a_changed_requirement_is_named_with_what_is_reached(tmp_path: Path) -> None:
    people = {"metric": "r2", "value": 0.7, "kind": "human"}
    signal = judged(project(tmp_path, "diabetes", {"r2": {"at_least": 0.95}}, beat={"doctors": people}))
    (key, value), *others = signal.evidence["change"].items()
    assert (key, others) == ("planning.requirements.r2.at_least", [])
    assert 0.3 < value < 0.6
    assert "a stronger one, or other features, may do better" in signal.says
    assert "people miss what is required: doctors, r2 0.7" in signal.says
    assert "open: planning.users is empty: who uses the predictions" in signal.says
    assert "planning.goal" not in signal.says


def test_what_rows_cost_is_told(tmp_path: Path) -> None:
    signal = judged(project(tmp_path, "diabetes", {"rmse_skill": {"at_least": 0.2}}, prices={"row": 1, "label": 4}))
    rows, cost = (signal.evidence[key] for key in ("rows_needed", "cost"))
    assert cost == {key: pytest.approx(5 * (end + 88)) for key, end in rows.items()}, "the pilot's too"
    assert rows["low"] <= rows["value"] <= rows["high"] < 354
    assert "which with the pilot's cost" in signal.says


def test_a_requirement_that_a_constant_meets_is_open(tmp_path: Path) -> None:
    bounds = {"roc_auc": {"at_least": 0.5}, "log_loss_skill": {"at_least": 0.9}}
    signal = judged(project(tmp_path, "breast_cancer", bounds, users="all", decides="much"))
    assert signal.evidence["open"] == ["planning.requirements.roc_auc: the constant meets at least 0.5 already"]


def test_too_few_rows_tell_nothing(tmp_path: Path) -> None:
    project(tmp_path, "breast_cancer", {"roc_auc": {"at_least": 0.99}})
    lines = (tmp_path / "t.csv").read_text().splitlines(keepends=True)
    (tmp_path / "t.csv").write_text("".join(lines[:60]))
    signal = judged(tmp_path)
    assert (signal.evidence["verdict"], signal.fires, signal.value) == ("go", None, None)


def test_of_many_classes_the_linear_model_alone_is_asked(tmp_path: Path) -> None:
    project(tmp_path, "breast_cancer", {"log_loss_skill": {"at_least": 0.5}})
    frame = bundled_table("breast_cancer", spoilt=False)
    deciles = pd.qcut(frame["mean_radius"], 12, labels=[f"d{number}" for number in range(12)])
    frame.assign(target=deciles).to_csv(tmp_path / "t.csv", index=False)
    signal = judged(tmp_path)
    assert signal.evidence["model"] == "linear"
    assert signal.evidence["requirements"]["log_loss_skill"]["looked"]["low"] > 0.4


def test_the_flights_are_worth_trying(tmp_path: Path) -> None:
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    values = (tmp_path / "params.yaml").read_text(encoding="utf-8")
    assert "budgets: {loops: 12, minutes: 30, labels: 400000" in values
    signal = judged(tmp_path)
    assert signal.evidence["verdict"] == "go"
    assert signal.fires is not True
    assert signal.evidence["rows"] == {"here": 26398, "have": 400_000, "affordable": 400_000}, "the source has more"
    found = signal.evidence["requirements"]["roc_auc"]
    assert found["looked"]["low"] < found["looked"]["value"] < found["looked"]["high"] < found["have"]["high"]


IN_A_PROCESS = """
import sys
from pathlib import Path
from tests.stages.test_feasibility import judged, project
folder = Path(sys.argv[1])
folder.mkdir()
judged(project(folder, "breast_cancer", {"log_loss": {"at_most": 0.05}}))
print((folder / "signals/planning.json").read_text(), (folder / "metrics/feasibility.json").read_text())
"""


def test_one_core_and_many_find_the_same(tmp_path: Path) -> None:
    one, two = twins(IN_A_PROCESS, tmp_path, [{"OMP_NUM_THREADS": count} for count in "12"])
    assert one
    assert one == two


def ends(low: float = 0.0, high: float = 1.0) -> st.SearchStrategy[Figure]:
    three = st.lists(st.floats(low, high), min_size=3, max_size=3).map(sorted)
    return three.map(lambda found: {"low": found[0], "value": found[1], "high": found[2]})


@st.composite
def needed(draw: st.DrawFn) -> Figure:
    """Rows, of which the higher ends may be no number."""
    found, known = draw(ends(1, 1e7)), draw(st.integers(0, 3))
    return {key: found[key] if at < known else None for at, key in enumerate(("low", "value", "high"))}


@st.composite
def cases(draw: st.DrawFn) -> tuple[dict[str, Reached], Supply]:
    here = draw(st.integers(1, 100_000))
    supply = Supply(
        here=here,
        source=draw(st.sampled_from([float(here), math.inf])),
        labels=draw(st.integers(1, 1_000_000)),
        money=draw(st.none() | st.floats(1, 1e6)),
        price=draw(st.sampled_from([0.0, 0.1, 5.0])),
        pilot=draw(st.integers(0, 1000)),
    )
    side = st.sampled_from(["at_least", "at_most"])
    reached = {}
    for name in draw(st.lists(st.sampled_from(["a", "b", "c"]), unique=True)):
        bound = Requirement.model_validate({draw(side): draw(st.floats(0, 1))})
        figures = {key: draw(ends()) for key in ("here", "have", "affordable")}
        if supply.have == supply.affordable:
            figures["affordable"] = figures["have"]
        reached[name] = Reached(bound, rows=draw(needed()), **figures)
    return reached, supply


@given(cases(), st.sampled_from(["", "the rule on a meets every requirement"]), st.sampled_from(["", "ask for more"]))
def test_a_verdict_is_whole(case: tuple[dict[str, Reached], Supply], rule: str, go_on: str) -> None:
    reached, supply = case
    found = verdict(reached, supply, rule=rule, go_on=go_on)
    signal = found.signal({})
    assert found.says
    assert Signal.model_validate_json(signal.model_dump_json()) == signal
    json.dumps(signal.evidence, allow_nan=False)
    assert (signal.fires is True) == (found.name != "go"), "the signal fires unless the verdict is to go"
    assert bool(found.change) == (found.name == "change_requirement")
    if rule:
        assert found.name == ("ask_for_more" if go_on else "do_not")
        assert rule in found.says and go_on in found.says
    elif found.name == "collect_first":
        assert supply.source < supply.affordable, "more can be had than the source has"
    elif found.name == "do_not":
        assert supply.money is not None
        least = found.cost["low"]
        assert least is not None
        assert least > supply.money
    for key, value in found.change.items():
        _, _, name, side = key.split(".")
        bound = reached[name].bound
        assert side == bound.side
        assert value == reached[name].have["value"]


@given(cases())
def test_more_money_never_makes_a_plan_too_dear(case: tuple[dict[str, Reached], Supply]) -> None:
    reached, supply = case
    rich = replace(supply, money=None)
    assert verdict(reached, rich).name != "do_not"


def test_what_no_number_of_rows_meets_is_said_so() -> None:
    missed: Figure = {"value": 0.5, "low": 0.4, "high": 0.6}
    wide: Figure = {"value": 0.8, "low": 0.4, "high": 1.0}
    bound = Requirement(at_least=0.9)

    def found(rows: list[float | None], affordable: Figure) -> Verdict:
        reached = Reached(bound, missed, missed, affordable, dict(zip(EXACT, rows, strict=True)))
        return verdict({"r2": reached}, Supply(here=100, source=100, labels=1000, price=2.0))

    open_end = found([500.0, 200.0, None], wide)
    assert open_end.name == "collect_first"
    assert "500 rows are needed (200 … no number), which with the pilot's cost 1,000 (400 … unknown)" in open_end.says
    unlikely = found([None, 200.0, None], wide)
    assert (
        "at least 200 rows are needed, which with the pilot's cost 400 at least, and by the estimate" in unlikely.says
    )
    assert found([None, None, None], missed).name == "change_requirement"


def test_people_who_meet_what_is_required_are_no_ceiling() -> None:
    item = {"metric": "accuracy", "value": 0.9, "kind": "human", "source": ""}
    plan = {"beat": {"they": item}, "requirements": {"accuracy": {"at_least": 0.8}}}
    assert figures_to_beat(plan)["they"]["meets_requirement"] is True
    assert beside([], figures_to_beat(plan)) == []
    assert beside(["x"], figures_to_beat(plan | {"requirements": {}})) == ["open: x"]
