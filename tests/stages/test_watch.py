"""A look at production: how sure it has to be, what it reads, and what it says of rows and labels."""

from __future__ import annotations

import datetime as dt
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from benchmarks.watch import World, run
from flows.people.truth import feedback
from flows.predicting import predict
from stages.data.brought import WHY as BROUGHT
from stages.data.sources import open_source
from stages.deployment.release_log import read_log
from stages.files import read_json, write_json
from stages.params import Outcome, Requirement, Shift, check_params, load_params
from stages.production.latency import MS
from stages.production.log import PREDICTIONS, PredictionLog
from stages.production.released import load_released
from stages.production.watch import performance, quality
from stages.production.watch.levels import by_draws, figures, level_of, share_figure
from stages.production.watch.look import Asked, look, nothing_released, taking_in
from stages.production.watch.measuring import ALARMS, Looking, Past
from stages.production.watch.seen import labelled
from stages.production.watch.speed import production_latency
from stages.training.metrics import Figure
from tests.stages.releasing import many_kinds, params_of
from tests.stages.watching import PILOT_DAYS, START, release_table, seen, watched, without_hour

FIRST = Past(1, [], None)


@given(
    st.floats(1e-4, 0.5),
    st.integers(1, 20),
    st.lists(st.integers(1, 400), unique=True, max_size=60),
)
def test_all_looks_and_signals_together_spend_no_more_than_alpha(alpha: float, signals: int, looks: list[int]) -> None:
    """A signal fires on one side, so half of what an interval leaves out is its chance of a false alarm."""
    levels = {look: level_of(alpha, look, signals) for look in looks}
    assert all(0 < level < 1 for level in levels.values())
    assert sum(signals * (1 - level) / 2 for level in levels.values()) <= alpha * (1 + 1e-9)
    assert list(dict(sorted(levels.items())).values()) == sorted(levels.values())


def test_an_interval_at_a_high_level_holds_the_one_at_a_lower() -> None:
    reference = watched().reference
    scorer = reference.scorer(watched().rows(1000, 0))
    names = ["roc_auc", "log_loss"]
    wide, narrow = (figures(scorer, names, level=level, seed=0) for level in (0.9999, 0.95))
    for name in names:
        assert wide[name]["value"] == narrow[name]["value"] == scorer.score([name])[name]
        ends = [found[name][end] for found in (wide, narrow) for end in ("low", "high")]
        assert None not in ends
        low, high, inner_low, inner_high = (float(end or 0.0) for end in ends)
        assert low < inner_low < inner_high < high
    assert figures(scorer, names, level=0.95, seed=0) == narrow
    few = figures(reference.scorer(watched().rows(20, 0)), names, level=0.95, seed=0)
    assert all(found["low"] is None and found["value"] is not None for found in few.values())


def test_a_statistic_that_is_often_undefined_has_no_interval() -> None:
    def rarely(weight: Any) -> list[float]:
        return [1.0 if weight[0] == 1 and weight[1] == 1 else float("nan"), float(weight.mean())]

    one, other = by_draws(rarely, 100, None, level=0.95, seed=0)
    assert (one["value"], one["low"]) == (1.0, None)
    assert other["low"] is not None
    assert share_figure(0, 0, 0.95) == {"value": None, "low": None, "high": None}
    assert share_figure(0, 50, 0.95)["low"] == 0.0


def params(**changed: Any) -> Any:
    values = params_of(many_kinds(), {"time": "day"}, **changed)
    return check_params(values)


DAYS = st.dates(dt.date(2020, 1, 1), dt.date(2030, 1, 1))


@given(DAYS, st.integers(1, 400), st.integers(1, 60), st.integers(1, 90), st.integers(0, 200), st.booleans())
def test_production_is_taken_in_only_so_that_the_window_grows(
    start: dt.date, length: int, pilot: int, looked: int, late: int, by_days: bool
) -> None:
    """The patch is one that the params take, of days whose labels are known, and never less than the release knew."""
    day = dt.timedelta(days=1)
    end = start + length * day
    since = end + pilot * day
    collect = {"start": str(start), "end": str(end), "pilot_days": pilot} if by_days else {}
    now = params(data={"collect": collect}, deployment={"watch": {"label_days": late}})
    patch = taking_in(now, since, since + looked * day)
    assert bool(patch) == (looked > late)
    if not patch:
        return
    until = dt.date.fromisoformat(patch["data.collect.until"])
    assert since < until == since + (looked - late) * day
    assert ("data.collect.end" in patch) == by_days
    if by_days:
        assert end < dt.date.fromisoformat(patch["data.collect.end"]) == until - pilot * day
        params(data={"collect": collect | {key.rpartition(".")[2]: value for key, value in patch.items()}})


def test_a_window_that_slides_keeps_its_length() -> None:
    collect = {"start": "2024-01-01", "end": "2024-03-01", "pilot_days": 28}
    now = params(data={"collect": collect}, deployment={"watch": {"window": "slides"}})
    patch = taking_in(now, dt.date(2024, 3, 29), dt.date(2024, 5, 1))
    assert patch == {
        "data.collect.until": "2024-05-01",
        "data.collect.end": "2024-04-03",
        "data.collect.start": "2024-02-03",
    }


def test_a_window_that_would_not_grow_takes_nothing_in() -> None:
    """The pilot was shorter than it should be: what has come since would only fill it up."""
    collect = {"start": "2024-01-01", "end": "2024-03-01", "pilot_days": 60}
    now = params(data={"collect": collect})
    assert taking_in(now, dt.date(2024, 3, 15), dt.date(2024, 4, 1)) == {}
    assert taking_in(now, dt.date(2024, 3, 15), dt.date(2024, 5, 1))["data.collect.end"] == "2024-03-02"


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of a table with every kind of column, three rows a day; its rows end in July."""
    data = {"collect": {"start": "2024-01-01", "end": "2024-04-01", "pilot_days": 28}}
    return release_table(tmp_path_factory.mktemp("clinic"), many_kinds(), {"key": "id"}, data=data)


def asked(project: Path, start: str, end: str, since: str = "2024-04-29", **changed: Any) -> Asked:
    first, last, known = (dt.date.fromisoformat(day) for day in (start, end, since))
    return replace(Asked(first, last, known, read_log(project)[-1], project, FIRST), **changed)


def changed(clinic: Path, to: Path, frame: pd.DataFrame | None = None, **watch: Any) -> Path:
    """Return a copy of the project with another table, or other settings of its looks."""
    project = Path(shutil.copytree(clinic, to / "clinic"))
    if frame is not None:
        frame.to_csv(project / "t.csv", index=False)
    values = read_json(project / "params.yaml")
    write_json(project / "params.yaml", {**values, "deployment": {"watch": watch}})
    return project


def told(found: dict[str, Any]) -> dict[str, Any]:
    return {signal["name"]: signal for signal in found["signals"]}


def test_a_look_reads_answers_logs_and_measures(clinic: Path) -> None:
    found = look(clinic, asked(clinic, "2024-04-29", "2024-06-01"))
    assert (found["ready"], found["rows"], found["labelled"]) == (True, 99, 99)
    assert {"production_data", "production_volume", "production_worse", "production_shift"} <= told(found).keys()
    assert not [name for name, signal in told(found).items() if signal["fires"]]
    assert found["figures"]["log_loss"]["low"] < found["figures"]["log_loss"]["value"]
    assert len(found["losses"]) == 33
    ways = told(found)["production_data"]["evidence"]
    assert ways["take_production"] == {"data.collect.until": "2024-06-01", "data.collect.end": "2024-05-04"}
    assert ways["production_rows"] == 99
    asked_for = [select(PREDICTIONS).where(PREDICTIONS.c.source == "watch 2024-04-29 to 2024-06-01")]
    assert len(PredictionLog(clinic).fetch(asked_for)) == 99
    again = look(clinic, asked(clinic, "2024-04-29", "2024-06-01"))
    assert again["signals"] == found["signals"]
    assert len(PredictionLog(clinic).fetch(asked_for)) == 99
    assert PredictionLog(clinic).since(0, read_log(clinic)[-1].sha256[:12]) == []  # nobody was given these


def test_who_asks_about_a_row_that_was_watched_is_given_an_answer(clinic: Path, tmp_path: Path) -> None:
    clinic = changed(clinic, tmp_path)
    look(clinic, asked(clinic, "2024-04-29", "2024-06-01"))
    rows = many_kinds().query("'2024-04-29' <= day < '2024-06-01'")
    rows.drop(columns="target").to_csv(clinic / "watch me.csv", index=False)
    predict(clinic, clinic / "watch me.csv", out=clinic / "o.csv")
    log, ids = PredictionLog(clinic), pd.read_csv(clinic / "o.csv")["prediction_id"]
    assert log.find(ids).keys() == set(ids)
    assert len(log.since(0, read_log(clinic)[-1].sha256[:12])) == len(rows) == log.counts()[""]
    rows[["id", "target"]].set_axis(["key", "label"], axis=1).to_csv(clinic / "truth.csv", index=False)
    look(clinic, asked(clinic, "2024-04-29", "2024-06-10"))  # and after that it watches them again
    assert feedback(clinic, clinic / "truth.csv").new == len(rows)


def test_a_window_that_is_not_whole_is_waited_for(clinic: Path) -> None:
    assert look(clinic, asked(clinic, "2024-06-01", "2024-08-01")) == {"ready": False, "after": "2024-07-09"}
    assert look(clinic, asked(clinic, "2024-09-01", "2024-10-01"))["ready"] is False


def test_labels_that_come_late_are_waited_for(clinic: Path, tmp_path: Path) -> None:
    """Of the youngest rows no label is looked at, and those of the window before are judged in their place."""
    clinic = changed(clinic, tmp_path, label_days=40)
    first = look(clinic, asked(clinic, "2024-04-29", "2024-06-01"))
    assert (first["rows"], first["labelled"]) == (99, 0)
    assert {"production_estimated", "production_inputs"} <= told(first).keys()
    assert "production_worse" not in told(first)
    assert told(first)["production_data"]["evidence"]["take_production"] == {}
    second = look(clinic, asked(clinic, "2024-06-01", "2024-07-01"))
    assert (second["rows"], second["labelled"]) == (90, 3 * 23)  # 29 April to 22 May
    assert {"production_estimated", "production_worse"} <= told(second).keys()


def test_rows_that_the_release_cannot_take_in_are_an_alarm(clinic: Path, tmp_path: Path) -> None:
    frame = many_kinds()
    frame.loc[frame["day"] >= "2024-05-01", "mean_radius"] = np.nan
    broken = frame.astype({"mean_radius": "object"})
    broken.loc[broken["day"] == "2024-05-03", "mean_radius"] = "wide"
    clinic = changed(clinic, tmp_path, broken)
    found = look(clinic, asked(clinic, "2024-04-29", "2024-06-01"))
    frame.drop(columns="mean_texture").to_csv(clinic / "t.csv", index=False)
    gone = look(clinic, asked(clinic, "2024-04-29", "2024-06-01"))
    (signal,) = found["signals"]
    assert (signal["name"], signal["fires"]) == ("production_data", True)
    assert "99 rows cannot be answered: t.csv row " in signal["says"]
    assert "column 'mean_radius'" in signal["says"]
    assert "'wide'" in signal["says"]
    assert "expected a number" in signal["says"]
    assert signal["evidence"]["take_production"]["data.collect.until"] == "2024-06-01"
    (signal,) = gone["signals"]
    assert "has no column 'mean_texture'" in signal["says"]


def test_a_window_without_any_row_is_an_alarm_once_later_rows_have_come(clinic: Path, tmp_path: Path) -> None:
    frame = many_kinds()
    clinic = changed(clinic, tmp_path, frame[~frame["day"].between("2024-04-20", "2024-06-10")])
    found = look(clinic, asked(clinic, "2024-04-29", "2024-06-01"))
    (signal,) = found["signals"]
    assert (found["rows"], signal["name"], signal["fires"]) == (0, "production_volume", True)
    assert "0.0 rows a day, 3.0 when the release was made" in signal["says"]


def test_what_comes_while_nothing_is_released_is_told(clinic: Path) -> None:
    found = look(clinic, asked(clinic, "2024-04-29", "2024-06-01", release=None, folder=None))
    (signal,) = found["signals"]
    assert (signal["name"], signal["value"], signal["fires"]) == ("nothing_released", 99.0, True)
    assert nothing_released(0).fires is False


def test_labels_are_read_as_the_release_knows_them(clinic: Path) -> None:
    released, schema = load_released(clinic), read_json(clinic / "data/schema.json")
    raw = open_source(clinic, load_params(clinic)).between(dt.date(2024, 4, 29), dt.date(2024, 6, 1)).raw
    rows, unknown = labelled(released, raw, schema)
    assert (len(rows), unknown) == (99, 0)
    assert (rows["target"] == (raw.frame["target"] == "malignant")).all()
    cells = raw.frame["target"].where(raw.frame.index > 4, "bening")
    cells = cells.where(raw.frame.index < 90, "")
    rows, unknown = labelled(released, replace(raw, frame=raw.frame.assign(target=cells)), schema)
    assert unknown == 5
    assert rows["target"].isna().sum() == 5 + 9
    rows, unknown = labelled(released, replace(raw, frame=raw.frame.drop(columns="target")), schema)
    assert rows["target"].isna().all()
    assert unknown == 0


def test_what_decisions_bring_is_read_beside_labels_and_else_said_not_to_be_known(clinic: Path) -> None:
    released = load_released(clinic)
    schema = {**read_json(clinic / "data/schema.json"), "dropped": {"if_left": BROUGHT, "if_done": BROUGHT}}
    raw = open_source(clinic, load_params(clinic)).between(dt.date(2024, 4, 29), dt.date(2024, 6, 1)).raw
    raw = replace(raw, frame=raw.frame.assign(if_left="0", if_done=["2", *["1"] * 98]))
    rows, _ = labelled(released, raw, schema)
    assert rows["outcome.if_done"].tolist() == [2.0, *[1.0] * 98]
    work = type(watched().reference.work)(watched().project)
    columns = Outcome(columns={"no": "if_left", "yes": "if_done"}, at_least=2.0).model_dump()
    work.__dict__["charter"] = {**work.charter, "outcome": columns}
    looking = Looking(watched().project, load_params(work.project), replace(watched().reference, work=work), FIRST)
    production = watched().rows(400, 0)
    found = looking.measure(seen(production))
    assert (found.outcome, len(found.notes), "outcome_low" in str(found.signals)) == (None, 1, False)
    known = looking.measure(seen(production.assign(**{"outcome.if_left": 0.0, "outcome.if_done": 1.0})))
    assert (known.notes, [one.fires for one in known.signals if one.name == "outcome_low"]) == ([], [True])


def data_signal(rows: pd.DataFrame, unknown: int = 0) -> Any:
    now = watched()
    settings = load_params(now.project)
    return quality.production_data(now.project, now.reference, seen(rows, unknown=unknown), settings, level=0.99)


def test_another_unit_and_unknown_labels_are_alarms_of_the_data() -> None:
    rows = watched().rows(1500, 0)
    assert data_signal(rows).fires is False
    scaled = data_signal(rows.assign(distance=rows["distance"] * 1.609344))
    assert (scaled.fires, "distance" in scaled.says) == (True, True)
    unknown = data_signal(rows, unknown=200)
    assert (unknown.fires, "200 labels are unknown to the release" in unknown.says) == (True, True)
    assert data_signal(rows, unknown=60).fires is not True


def test_a_few_days_tell_no_volume_and_the_log_has_none() -> None:
    now = watched()
    few = seen(now.rows(300, 0, days=4), START, START + dt.timedelta(days=4))
    signal = quality.production_volume(now.reference, few, 0.5, level=0.95)
    assert signal is not None
    assert (signal.fires, "too few days to tell" in signal.says) == (None, True)
    log = replace(seen(now.rows(300, 0)), daily=False)
    assert quality.production_volume(now.reference, log, 0.5, level=0.95) is None
    many = quality.production_volume(now.reference, seen(now.rows(8000, 0)), 0.5, level=0.95)
    assert many is not None
    assert (many.fires, round(many.value or 0.0, 1)) == (True, 1.9)


def test_a_requirement_is_missed_by_the_whole_interval_and_named() -> None:
    bounds = {"roc_auc": Requirement(at_least=0.7), "log_loss": Requirement(at_most=0.5)}

    def told(low: float, high: float) -> Any:
        found: dict[str, Figure] = {"roc_auc": {"value": (low + high) / 2, "low": low, "high": high}}
        found["log_loss"] = {"value": 0.4, "low": 0.3, "high": 0.45}
        return performance.production_worse(found, bounds, 100)

    assert [told(*ends).fires for ends in ((0.6, 0.69), (0.6, 0.75), (0.7, 0.8))] == [True, None, False]
    missed = told(0.6, 0.69)
    assert missed.evidence["missed_in_production"] == ["roc_auc"]
    assert "surely missed: roc_auc 0.645, required at least 0.7 (100 rows with labels)" in missed.says
    assert performance.production_worse({}, {}, 100).fires is False
    assert performance.production_worse({}, bounds, 0).fires is None


def test_many_requirements_share_the_error_of_a_look() -> None:
    now = watched()
    rows = now.rows(1000, 0)
    one = Looking(now.project, load_params(now.project), now.reference, FIRST)
    wanted = {name: Requirement(at_least=0.1) for name in ("roc_auc", "accuracy", "recall")}
    reference = replace(now.reference, work=type(now.reference.work)(now.project))
    reference.work.__dict__["requirements"] = wanted
    many = Looking(now.project, load_params(now.project), reference, FIRST)
    found = [looking.measure(seen(rows)).figures["roc_auc"] for looking in (one, many)]
    widths = [float(figure["high"] or 0) - float(figure["low"] or 0) for figure in found]
    assert widths[1] > widths[0]


def test_answers_between_the_bound_and_the_next_time_counted_are_no_alarm() -> None:
    """A bound of 80 ms lies between 70 and 100: what took 71 is counted as up to 100."""

    def told(bound: float, minutes: int = 60, **counts: int) -> Any:
        buckets = [counts.get(f"up_to_{end}", 0) for end in (*MS, "more")]
        rows = [
            {"minute": f"10:{minute:02d}", "count": sum(buckets), "errors": 0, "buckets": buckets}
            for minute in range(minutes)
        ]
        return production_latency(rows, {"latency_p50_ms": Requirement(at_most=bound)}, level=0.95)

    assert told(80.0, up_to_100=20).fires is False
    assert told(70.0, up_to_100=20).fires is True
    assert told(80.0, up_to_150=20).fires is True
    assert told(80.0, minutes=4, up_to_150=20).fires is None
    assert told(80.0, minutes=20, up_to_150=1).fires is None
    assert told(20_000.0, up_to_more=20).fires is None
    assert production_latency([], {"latency_p50_ms": Requirement(at_most=1.0)}, level=0.95) is None
    assert production_latency([{}], {"accuracy": Requirement(at_least=1.0)}, level=0.95) is None


def test_an_advantage_that_is_lost_little_by_little_is_told_by_all_looks_together() -> None:
    """By no single month: the release loses a little more of what the constant does than it did."""
    random = np.random.default_rng(0)
    usual = list(random.normal(-0.11, 0.04, PILOT_DAYS))
    later = random.normal(-0.03, 0.04, 12 * 28)
    fires = [
        performance.production_risk(usual, list(later[: 28 * months]), 0.57, Shift(), 0.05 / ALARMS).fires
        for months in range(1, 13)
    ]
    assert fires[0] is None
    assert fires[5] is True
    assert fires == sorted(fires, key=lambda told: told is True)  # never taken back
    same = random.normal(-0.11, 0.04, 12 * 28)
    assert performance.production_risk(usual, list(same), 0.57, Shift(), 0.05 / ALARMS).fires is False


def test_a_release_with_other_columns_or_classes_is_no_comparison() -> None:
    rows, reference, earlier = watched().rows(500, 0), watched().reference, without_hour()
    sampling: dict[str, Any] = {"level": 0.95, "seed": 0}
    assert performance.release_regressed(reference, earlier, rows, **sampling) is not None
    other = replace(earlier, features={**earlier.features, "gone": "number"})
    assert performance.release_regressed(reference, other, rows, **sampling) is None
    assert performance.release_regressed(reference, replace(earlier, classes=["no"]), rows, **sampling) is None


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_a_year_without_change_seldom_alarms_by_the_advantage(seed: int) -> None:
    """Days are the units: 28 of the pilot, and 336 of a year of looks."""
    random = np.random.default_rng(seed)
    usual, later = random.normal(-0.1, 0.05, 28), random.normal(-0.1, 0.05, 336)
    assert performance.production_risk(list(usual), list(later), 0.6, Shift(), 0.05 / ALARMS).fires is not True


def test_a_year_of_looks_without_a_change_is_quiet_and_a_fault_is_told() -> None:
    """A quick share of `benchmarks/watch.py`, which has the figures of docs/watch.md: real rows, days as blocks."""
    assert run(1, World(a_day=30, looks=12, quick=True)) == {}
    assert run(1, World(a_day=30, looks=1)) == {}
    found = run(2, World(a_day=30, looks=2, turned=0.6, after=1))
    assert set(found.values()) == {2}
    assert {"production_worse", "production_shift"} & found.keys()
