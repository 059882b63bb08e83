"""Which days are looked at, the log of looks, and where an alarm of production sends the loop."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows import patching
from flows.decide import FORWARD, Move, decide
from flows.entry import goes_back
from flows.show import Show
from flows.situation import OF_PRODUCTION, Situation, distance_of
from flows.transitions import RELEASED, STAGES, STOP, TABLE
from flows.watching.looks import FILE, Look, append, read_looks
from flows.watching.telling import tell
from flows.watching.watch import _standing as standing_of
from flows.watching.windows import DAY, DAYS, Every, next_end
from stages.errors import ProjectError
from stages.params import check_params
from stages.signals import Signal
from tests.flows.test_decide import LOOKED, VALUES

PATCH = {"data.collect.until": "2013-06-01", "data.collect.end": "2013-05-04"}
TAKES_IN = ("production_data", "production_shift", "production_worse", "production_stale", "production_risk")


@given(st.dates(dt.date(1999, 1, 1), dt.date(2100, 1, 1)), st.sampled_from(["day", "week", "month"]))
def test_a_window_ends_on_the_first_boundary_that_leaves_half_a_length(start: dt.date, every: Every) -> None:
    end = next_end(start, every)
    length = (end - start).days
    assert length >= max(1, DAYS[every] / 2)
    assert every == "day" or (end.weekday() == 0 if every == "week" else end.day == 1)
    assert length <= {"day": 1, "week": 10, "month": 45}[every]
    assert next_end(end, every) > end
    if length > 1:  # the day before is no boundary, or too near
        before = end - DAY
        assert (before.weekday() != 0 if every == "week" else before.day != 1) or length - 1 < DAYS[every] / 2


def a_look(number: int = 1, **changed: Any) -> Look:
    values: dict[str, Any] = {
        "number": number,
        "at": "2013-06-01T00:00:00+00:00",
        "release": "0123456789ab",
        "iteration": 4,
        "start": "2013-05-01",
        "end": "2013-06-01",
        "rows": 100,
        "signals": [Signal(name="production_data", fires=False).model_dump()],
        "seconds": 0.5,
    }
    return Look.model_validate(values | changed)


def test_a_look_that_a_kill_cut_off_was_never_one(tmp_path: Path) -> None:
    assert read_looks(tmp_path) == []
    append(tmp_path, a_look(1))
    append(tmp_path, a_look(2, alarm="production_worse", told="collect"))
    path = tmp_path / FILE
    whole = path.read_bytes()
    for cut in (1, 40, len(whole.splitlines()[1]) - 1):
        path.write_bytes(whole + whole.splitlines()[1][:cut])
        assert [look.number for look in read_looks(tmp_path)] == [1, 2]
    append(tmp_path, a_look(3))
    assert [look.number for look in read_looks(tmp_path)] == [1, 2, 3]
    path.write_bytes(b'{"number": 1}\n' + whole)
    with pytest.raises(ProjectError, match=r"looks\.jsonl line 1: damaged"):
        read_looks(tmp_path)


def test_the_log_is_looked_at_from_where_its_last_look_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert standing_of(tmp_path, "log").of_log == (0, 0)
    append(tmp_path, a_look(1, origin="log", after=900, judged=40))
    append(tmp_path, a_look(2, origin="log", after=120, judged=40, notes=["the log is another one"]))
    append(tmp_path, a_look(3))
    assert standing_of(tmp_path, "log").of_log == (120, 40)  # and not from the larger number of the log before
    tell(read_looks(tmp_path)[1], Show())
    assert "the log is another one" in capsys.readouterr().out


def looked(fires: dict[str, bool | None], patch: dict[str, Any] | None = None, **params: Any) -> Situation:
    """What a look gives `decide`: these signals, and nothing of a new model."""
    ways: dict[str, Any] = {"take_production": PATCH if patch is None else patch}
    ways |= {"rows": 50_000, "pilot_rows": 8_000, "production_rows": 8_000, "chosen": "boosting"}
    signals = {name: Signal(name=name, value=1.0, fires=told, says=name, evidence=ways) for name, told in fires.items()}
    values = patching.patched(VALUES, params)
    return Situation("deployment", signals, check_params(values), values)


@pytest.mark.parametrize("name", [*TAKES_IN, "nothing_released"])
def test_an_alarm_takes_production_in(name: str) -> None:
    move = decide(looked({"production_data": False, name: True}))
    assert (move.to, move.row, move.patch) == ("data", name, PATCH)
    assert goes_back(move.model_dump())


@pytest.mark.parametrize("name", [*TAKES_IN, "nothing_released"])
@pytest.mark.parametrize("why", ["nothing new", "already so", "too dear"])
def test_an_alarm_with_nothing_to_change_stops(name: str, why: str) -> None:
    changes: dict[str, dict[str, Any]] = {"already so": PATCH, "too dear": {"planning.budgets.labels": 60_000}}
    params = changes.get(why, {})
    move = decide(looked({name: True}, {} if why == "nothing new" else None, **params))
    assert (move.to, move.row, move.patch) == (STOP, "nothing_left", {})
    assert {"row": name, "refused": "nothing left to change"} in move.considered


@pytest.mark.parametrize("name", ["release_regressed", "production_estimated", "production_volume"])
def test_what_no_model_cures_stops(name: str) -> None:
    move = decide(looked({"production_data": False, name: True}))
    assert (move.to, move.row, move.patch) == (STOP, name, {})


def test_the_release_before_comes_before_a_new_one_and_a_model_before_a_word() -> None:
    every: dict[str, bool | None] = dict.fromkeys([*TAKES_IN, "production_estimated", "release_regressed"], True)
    assert decide(looked(every)).row == "release_regressed"
    every["release_regressed"] = None
    assert decide(looked(every)).row == "production_data"
    assert decide(looked({"production_worse": True, "production_estimated": True})).row == "production_worse"
    stopped = decide(looked({"production_worse": True, "production_estimated": True}, {}))
    assert (stopped.to, stopped.row) == (STOP, "production_estimated")


ASKS: dict[str, Any] = {"planning.unattended": "ask"}


def test_a_poor_outcome_in_production_asks_about_the_requirements() -> None:
    move = decide(looked({"production_data": False, "outcome_low": True}, **ASKS))
    assert (move.to, move.row) == ("waiting", "world_not_good_enough")


VERDICTS = st.sampled_from([True, False, None])


@given(st.dictionaries(st.sampled_from([*LOOKED, "outcome_low", "production_inputs"]), VERDICTS, min_size=1))
def test_a_look_never_opens_the_gate_to_a_release(fires: dict[str, bool | None]) -> None:
    """Whatever production tells: nothing is released by it, and a way back changes something."""
    now = looked(fires)
    move: Move = decide(now)
    assert move.to != RELEASED
    assert move.row != FORWARD
    assert move == decide(now)
    fired = {name for name, told in fires.items() if told}
    assert move.row in {row.name for row in TABLE if fired >= set(row.signals)} | {"nothing_left"}
    assert bool(move.patch) == (move.to in STAGES)


def test_a_look_is_no_step_towards_a_release() -> None:
    """It judges no new model, so the rule of no progress does not count it."""
    for name in OF_PRODUCTION:
        assert distance_of("deployment", {name: Signal(name=name, fires=True)}) is None
