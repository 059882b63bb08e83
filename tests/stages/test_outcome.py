"""What predictions bring: the example of the docs on real flights, the signals, and the gate."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows import patching
from flows.init import init
from stages.data import collect, label, split, validate
from stages.data.sources.nycflights13 import Flights
from stages.deployment import behaviour, examine, gate, pilot, refit, serving, slices
from stages.deployment.outcome import measure, outcome_flat, outcome_low
from stages.errors import DataError, ParamsError
from stages.files import read_json
from stages.params import Collect
from stages.planning import charter
from stages.planning.outcome import by_prices, checked
from stages.planning.rule import Rule
from stages.signals import read_signals
from stages.training import baselines, choose, evaluate, fit
from stages.training.metrics import Scorer, constant_prediction, repeat
from tests.conftest import ROOT, bundled_table

SAMPLING: dict[str, Any] = {"n": 100, "level": 0.95, "seed": 0}
DATA = (collect, validate, label, split)


def example() -> Any:
    """The function of docs/outcome.md."""
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "outcome.md").read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    return checked(names["minutes_saved"], "domain:minutes_saved")


def test_the_example_of_the_docs_saves_minutes_on_real_flights() -> None:
    """A rule by carrier and hour, learned in January, brings more than warning nobody or everybody in February."""
    window = Collect.model_validate({"start": "2013-01-01", "end": "2013-02-01", "pilot_days": 28})
    before, after, schema = Flights(late_minutes=15, lead_hours=2.0).collect(window, 0)
    before, after = (split.labelled(frame, schema, "the flights") for frame in (before, after))
    name: str = schema["target"]
    seen, later = before[name], after[name]
    y = later.to_numpy(dtype=float)
    rule = Rule(["carrier", "hour"], 2).fit(before, seen).predict(after)
    constant = constant_prediction("classification", seen.to_numpy(dtype=float), 2)
    scorers = {name: Scorer("classification", y, p, constant) for name, p in (("model", rule), ("rule", rule))}
    brings = example()
    values = {"model": brings(after, y, rule), "rule": brings(after, y, repeat(constant, len(y)))}
    found = measure(values, scorers, "log_loss", **SAMPLING)
    everybody = brings(after, y, np.tile([0.0, 1.0], (len(y), 1))).mean()
    assert everybody == pytest.approx(30 * y.mean() - 10 * (1 - y.mean()))
    assert found["gain"]["low"] > 0
    assert found["model"]["value"] > max(everybody, 0.0)
    assert found["model"]["low"] < values["model"].mean() < found["model"]["high"]


def ahead(value: float, half: float) -> dict[str, float | None]:
    return {"value": value, "low": value - half, "high": value + half}


@pytest.mark.parametrize(
    ("gain", "metric_gain", "fires"),
    [
        (ahead(0.0, 0.0), ahead(0.1, 0.05), True),  # exactly nothing is nothing
        (ahead(-1.0, 0.5), ahead(0.1, 0.05), True),
        (ahead(-1.0, 0.5), ahead(-0.1, 0.05), False),  # the metric says the same
        (ahead(-1.0, 0.5), ahead(0.1, 0.2), None),
        (ahead(1.0, 0.5), ahead(0.1, 0.05), False),
        (ahead(1.0, 0.5), ahead(0.1, 0.2), False),
        (ahead(0.0, 0.5), ahead(0.1, 0.05), None),
        ({"value": 1.0, "low": None, "high": None}, ahead(0.1, 0.05), None),
    ],
)
def test_a_metric_misleads_only_when_it_is_surely_ahead_and_the_outcome_surely_not(
    gain: Any, metric_gain: Any, fires: bool | None
) -> None:
    assert outcome_flat(gain, metric_gain, "log_loss", 0.0, "minutes").fires is fires


def test_the_requirements_come_before_the_outcome() -> None:
    assert outcome_low(ahead(1.0, 0.2), 2.0, "", met=True).fires is True
    assert outcome_low(ahead(1.0, 0.2), 2.0, "", met=False).fires is False
    assert outcome_low(ahead(1.9, 0.2), 2.0, "", met=True).fires is None


def test_what_a_function_returns_is_checked_and_its_input_kept() -> None:
    rows, target, prediction = pd.DataFrame({"a": [1, 2]}), np.zeros(2), np.zeros((2, 2))

    def spoils(rows: pd.DataFrame, target: Any, prediction: Any) -> Any:
        rows["a"], target[:], prediction[:] = 0, 9, 9
        return target

    assert checked(spoils, "my:spoils")(rows, target, prediction).tolist() == [9, 9]
    assert rows["a"].tolist() == [1, 2] and not target.any() and not prediction.any()
    for wrong, what in ((lambda *_: 1.0, r"shape \(\)"), (lambda *_: [1.0, np.nan], "not finite")):
        with pytest.raises(ParamsError, match=rf"outcome\.call: my:own returned .*{what}.* expected 2 finite numbers"):
            checked(wrong, "my:own")(rows, target, prediction)
    with pytest.raises(ParamsError, match="my:own raised KeyError: 'cost'"):
        checked(lambda rows, *_: rows["cost"], "my:own")(rows, target, prediction)


def test_a_poor_outcome_shuts_the_gate(tmp_path: Path) -> None:
    bundled_table("breast_cancer").to_csv(tmp_path / "table.csv", index=False)
    project = init(tmp_path / "project", tmp_path / "table.csv", "target")
    (project / "worth.py").write_text(
        "import numpy as np\n\ndef nothing(rows, target, prediction):\n    return np.zeros(len(rows))\n\n"
        "def right(rows, target, prediction):\n    return (prediction.argmax(axis=1) == target) * 10.0\n"
    )
    outcome = {"call": "worth:nothing", "at_least": 5.0, "unit": "EUR"}
    patching.apply(project, {"planning.outcome": outcome, "training.bootstrap.n": 100})
    for step in (charter, *DATA, baselines, fit, choose, evaluate, refit, behaviour, serving, slices, examine):
        step.run(project)

    def judged() -> Any:
        for step in (charter, pilot, gate):
            step.run(project)
        return read_signals(project / "signals" / "deployment.json")

    signals = judged()
    assert signals["pilot_fails"].fires is False
    assert signals["outcome_flat"].fires is True and signals["outcome_low"].fires is True
    assert read_json(project / "release" / "candidate.json")["meets"] is False
    patching.apply(project, {"planning.outcome.call": "worth:right"})
    signals = judged()
    assert signals["outcome_flat"].fires is not True and signals["outcome_low"].fires is False
    assert 8 < signals["outcome_low"].value < 10 and signals["outcome_low"].unit == "EUR a row"
    assert read_json(project / "release" / "candidate.json")["meets"] is True
    patching.apply(project, {"planning.combine": {"by": "outcome"}})
    charter.run(project)
    choose.run(project)
    assert (
        read_json(project / "metrics" / "candidates.json")[read_json(project / "models" / "chosen.json")["name"]][
            "valid"
        ]["outcome"]
        > 8
    )
    patching.apply(project, {"planning.outcome.call": "worth:missing"})
    with pytest.raises(DataError, match=r"planning\.outcome\.call: worth has no 'missing'"):
        charter.run(project)


@given(prices=st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)), seed=st.integers(0, 50))
def test_wrong_decisions_cost_least_where_the_expected_cost_is_least(prices: tuple[float, float], seed: int) -> None:
    """Of probabilities that are true no other threshold expects a smaller cost than the one taken (Elkan 2001)."""
    chance = np.random.default_rng(seed).random(400)
    rows, prediction = pd.DataFrame(index=range(400)), np.c_[1 - chance, chance]
    brings = by_prices(*prices)
    wrong = [brings(rows, np.full(400, code), prediction) for code in (0.0, 1.0)]
    expected = ((1 - chance) * wrong[0] + chance * wrong[1]).mean()
    assert set(np.unique(np.r_[wrong[0], wrong[1]])) <= {0.0, -prices[0], -prices[1]}
    for threshold in np.linspace(0, 1, 21):
        decided = chance > threshold
        other = -np.where(decided, prices[0] * (1 - chance), prices[1] * chance).mean()
        assert expected >= other - 1e-12


def test_wrong_decisions_of_more_than_two_classes_have_no_price() -> None:
    with pytest.raises(ParamsError, match="more than two classes"):
        by_prices(1, 2)(pd.DataFrame(index=range(2)), np.zeros(2), np.ones((2, 3)) / 3)
