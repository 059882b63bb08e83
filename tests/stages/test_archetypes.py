"""What each archetype brings to a charter, and the rule that software 2.0 takes the place of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows import patching
from flows.init import init
from flows.plan import show
from stages.context import Context
from stages.data import collect, label, split, validate
from stages.data.replaced import without_present
from stages.deployment import examine, gate, pilot, refit
from stages.deployment.replacing import no_better_than_rule
from stages.errors import DataError, ParamsError
from stages.files import read_json, write_json
from stages.params import ARCHETYPES, AUTONOMOUS, HUMAN, SOFTWARE, Planning, check_params, read_params
from stages.params.archetypes import FAILURES_AT_MOST, defaults
from stages.planning import charter
from stages.planning.charter import check_plan
from stages.planning.present import present
from stages.signals import read_signals
from stages.training import baselines, choose, evaluate, fit
from stages.training.abstaining import NOBODY
from tests.conftest import ROOT, bundled_table

FITTING = (baselines, fit, choose, evaluate)
SCHEMA: dict[str, Any] = {"target": "y", "classes": ["no", "yes"], "features": {"x": "number", "says": "category"}}
SCHEMA |= {"dropped": {"name": "has too many values"}}


def planned(**changed: Any) -> Planning:
    values = patching.patched(read_params(ROOT), {f"planning.{k.replace('__', '.')}": v for k, v in changed.items()})
    return check_params(values).planning


@given(
    archetype=st.sampled_from(sorted(ARCHETYPES)),
    own=st.dictionaries(st.sampled_from(["roc_auc", "failure_rate", "failure_bound"]), st.floats(0.01, 0.5)),
    max_error=st.none() | st.floats(0.01, 0.5),
)
def test_what_acts_alone_is_always_bounded_and_a_charters_own_bound_stands(
    archetype: str, own: dict[str, float], max_error: float | None
) -> None:
    added = defaults(archetype, own, max_error)
    assert not set(added) & set(own)
    assert archetype != AUTONOMOUS or "failure_bound" in {*added, *own}
    assert max_error is None or {*added, *own} & {"failure_rate", "failure_bound"}
    assert all(item["asked_by"] and item["why"] for item in added.values())


def test_a_charter_as_before_is_held_to_what_it_says() -> None:
    planning = planned()
    assert planning.archetype == HUMAN and planning.required == planning.requirements and not planning.guarded
    alone = planned(archetype=AUTONOMOUS)
    assert alone.required["failure_bound"].at_most == FAILURES_AT_MOST and alone.guarded
    assert not planned(archetype=AUTONOMOUS, answering={"guardrails": False}).guarded


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"answering": {"max_error": 0.1}, "task": "regression"}, r"answering\.max_error: is of a regression"),
        ({"archetype": AUTONOMOUS, "task": "regression"}, r"answering\.tolerance: .*by the archetype autonomous"),
        ({"prices": {"review": 1.0}}, r"prices\.review: is set, and wrong decisions have no price"),
    ],
)
def test_what_contradicts_itself_is_refused(changed: dict[str, Any], message: str) -> None:
    regression = {"requirements": {"rmse_skill": {"at_least": 0.1}}, "optimise": "rmse"}
    with pytest.raises(ParamsError, match=message):
        check_plan(planned(**changed, **(regression if "task" in changed else {})))


def test_the_plan_shows_what_its_archetype_asks_and_adds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    said = {}
    for archetype in ARCHETYPES:
        patching.apply(tmp_path, {"planning.archetype": archetype})
        show(tmp_path)
        said[archetype] = capsys.readouterr().out
    assert "the archetype autonomous adds failure_bound at most 0.05" in said[AUTONOMOUS]
    assert "planning.replaces" in said[SOFTWARE] and "planning.replaces" not in said[HUMAN]
    assert "planning.answering.max_error" in said[HUMAN] and "adds" not in said[HUMAN]


def rows(says: list[Any], target: list[int]) -> pd.DataFrame:
    return pd.DataFrame({"x": np.arange(len(says), dtype=float), "says": says, "y": target})


def test_a_column_says_classes_and_is_worth_what_it_was_right_in() -> None:
    learned = rows(["yes"] * 50 + ["no"] * 50, [1] * 40 + [0] * 10 + [0] * 45 + [1] * 5)
    found = present(Path(), "says", SCHEMA, learned, rows(["yes", "no", None], [1, 0, 0]))
    assert found is not None
    assert found.says.tolist() == [[0.0, 1.0], [1.0, 0.0], [0.55, 0.45]]
    assert found.chance[:, 1] == pytest.approx([(40 + 4.5) / 60, (5 + 4.5) / 60, (5 + 4.5) / 60])
    assert present(Path(), "", SCHEMA, learned, learned) is None
    with pytest.raises(DataError, match=r"replaces: 'maybe' is none of the classes"):
        present(Path(), "says", SCHEMA, learned, rows(["maybe"], [0]))


def test_it_is_never_a_feature() -> None:
    schema = without_present(SCHEMA, "says")
    assert list(schema["features"]) == ["x"] and schema["dropped"]["says"].startswith("planning.replaces")
    assert without_present(SCHEMA, "rules:now") is SCHEMA
    with pytest.raises(ParamsError, match=r"column 'name' is left out: has too many values"):
        without_present(SCHEMA, "name")
    with pytest.raises(ParamsError, match=r"column 'other' is not in the data"):
        without_present(SCHEMA, "other")


def test_a_function_says_classes_or_probabilities_of_rows_without_the_target(tmp_path: Path) -> None:
    (tmp_path / "present_rules.py").write_text(
        "import numpy as np\n\ndef classes(rows):\n    assert 'y' not in rows\n"
        "    return np.where(rows['x'] > 1, 'yes', 'no')\n\n"
        "def chances(rows):\n    return np.tile([0.3, 0.7], (len(rows), 1))\n\n"
        "def short(rows):\n    return [1]\n\ndef fails(rows):\n    return rows['z']\n"
    )
    table = rows(["no"] * 4, [0, 0, 1, 1])
    said = present(tmp_path, "present_rules:classes", SCHEMA, table, table)
    assert said is not None and said.says[:, 1].tolist() == [0, 0, 1, 1] and said.chance[3, 1] < 1
    chances = present(tmp_path, "present_rules:chances", SCHEMA, table, table)
    assert chances is not None and chances.chance is chances.says
    for name, message in (("short", r"returned shape \(1,\)"), ("fails", "raised KeyError: 'z'")):
        with pytest.raises(ParamsError, match=message):
            present(tmp_path, f"present_rules:{name}", SCHEMA, table, table)


@pytest.mark.parametrize(
    ("low", "high", "fires", "unsure"),
    [(0.1, 0.3, False, True), (-0.1, 0.3, True, True), (-0.3, 0.0, True, False), (None, None, None, True)],
)
def test_only_what_is_surely_better_takes_its_place(
    low: float | None, high: float | None, fires: bool | None, unsure: bool
) -> None:
    middle = None if low is None or high is None else (low + high) / 2
    signal = no_better_than_rule({"value": middle, "low": low, "high": high}, rule="present", by="log_loss", unit="")
    assert signal.fires is fires and signal.evidence["unsure"] is unsure


def test_a_project_of_each_archetype_on_one_table(tmp_path: Path) -> None:
    """One project of breast cancer, its charter changed: guardrails and bound, abstention, and a rule to replace."""
    table = bundled_table("breast_cancer")
    table["flag"] = np.where(table["mean_perimeter"] > table["mean_perimeter"].median(), "malignant", "benign")
    table.to_csv(tmp_path / "table.csv", index=False)
    project = init(tmp_path / "project", tmp_path / "table.csv", "target")
    use = {"training.bootstrap.n": 60, "training.use": ["logistic"], "planning.replaces": "flag"}
    asked = {"planning.archetype": SOFTWARE, "planning.requirements": {"log_loss_skill": {"at_least": 0.05}}}
    patching.apply(project, use | asked)
    for step in (charter, collect, validate, label, split, *FITTING, refit):
        step.run(project)
    for name, nothing in (("behaviour", []), ("slices", []), ("serving", {})):  # none of it is asked for here
        write_json(project / "release" / f"{name}.json", nothing)
    assert "flag" not in read_json(project / "data" / "schema.json")["features"]

    def judged(*steps: Any, **changed: Any) -> tuple[Any, Any]:
        patching.apply(project, {f"planning.{key}": value for key, value in changed.items()})
        for step in (charter, *steps, pilot, examine, gate):
            step.run(project)
        return read_signals(project / "signals" / "deployment.json"), read_json(project / "release" / "candidate.json")

    signals, card = judged()
    assert signals["no_better_than_rule"].fires is False and signals["no_better_than_rule"].value > 0.1
    assert card["meets"] is True and card["policy"]["confidence"] == 0
    present_ = read_json(project / "metrics" / "baselines.json")["present"]["log_loss"]["value"]
    assert present_ < read_json(project / "metrics" / "baselines.json")["constant"]["log_loss"]["value"]
    (project / "present_oracle.py").write_text(
        "import pandas as pd\n\ndef says(rows):\n"
        f"    table = pd.read_csv({str(tmp_path / 'table.csv')!r})\n"
        "    known = table.drop_duplicates('mean_perimeter').set_index('mean_perimeter')['target']\n"
        "    return rows['mean_perimeter'].map(known)\n"
    )
    signals, card = judged(replaces="present_oracle:says")
    assert signals["no_better_than_rule"].fires is True and card["meets"] is False
    signals, card = judged(*FITTING, archetype=AUTONOMOUS, replaces="flag")
    assert "no_better_than_rule" not in signals
    assert set(card["policy"]["guardrails"]) == set(card["features"])
    assert card["seen"] == card["policy"]["guardrails"]
    bound = next(item for item in card["requirements"] if item["metric"] == "failure_bound")
    assert bound["bound"] == FAILURES_AT_MOST and bound["value"] > 0.02
    evaluation = read_json(project / "metrics" / "evaluation.json")
    assert evaluation["answering"]["failure_bound"]["max_error"] == FAILURES_AT_MOST
    signals, card = judged(
        *FITTING, archetype=HUMAN, answering={"max_error": 0.05}, decision={"threshold": 0.5}
    )  # from another threshold on it could answer every row
    assert 0 < Context(project).confidence == card["policy"]["confidence"] < 1
    assert set(card["left_to_people"]) <= {"unsure"} and not card["policy"]["guardrails"]
    assert set(card["seen"]) == set(card["features"])
    rate = next(item for item in card["requirements"] if item["metric"] == "failure_rate")
    assert rate["bound"] == 0.05 and rate["where"] == "pilot" and rate["value"] is not None
    patching.apply(project, {"planning.answering": {"max_error": 0.01}})
    for step in (charter, *FITTING):
        step.run(project)
    assert Context(project).confidence == NOBODY
    assert "takes 299 rows without one" in read_json(project / "metrics" / "evaluation.json")["nothing_answered"]
