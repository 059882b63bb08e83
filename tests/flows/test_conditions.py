"""``flywheel`` on two releases, by the real steps of data: who may judge whom, and what labels and models brought."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flows.cli import main
from flows.flywheel.conditions import REPORT, measure, told_of
from flows.flywheel.mining import mine, write
from flows.patching import apply
from flows.people import reviewing
from flows.people.truth import feedback
from flows.predicting import predict
from flows.record import append
from stages.context import Context
from stages.data import label, split
from stages.data.sources import open_source
from stages.deployment.release import of_workspace, publish
from stages.errors import ProjectError
from stages.files import read_json, read_parquet, write_json, write_parquet
from stages.flywheel.growth import sign
from stages.flywheel.hard import slices_of
from stages.flywheel.judging import judging
from stages.flywheel.marginal import production_rows, worth_of
from stages.params import load_params
from stages.planning import charter
from stages.production.released import load_released
from stages.training.candidates import fit_candidate
from stages.training.store import save_model
from tests.flows.test_record import iteration
from tests.stages.releasing import params_of

PRICES = {"label": 2, "false_positive": 1, "false_negative": 1}


def table(rows: int, seed: int = 0) -> pd.DataFrame:
    """Return rows of which two features tell the target, but for a fifth of the rows, where nothing does."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({"id": [f"r{seed}-{number}" for number in range(rows)], "a": random.normal(size=rows)})
    frame = frame.assign(b=random.normal(size=rows), kind=random.choice(list("uvwxy"), rows))
    said = frame["a"] + frame["b"] + random.logistic(0, 0.3, rows) > 0
    toss = random.random(rows) < 0.5
    return frame.assign(target=np.where(np.where(frame["kind"] == "y", toss, said), "yes", "no"))


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """Make a project with splits, a release that learned from 40 rows, and 800 rows that it predicted."""

    def made(**planning: Any) -> Path:
        frame = table(400)
        frame.to_csv(tmp_path / "t.csv", index=False)
        more = {"planning": {"prices": PRICES, **planning}, "data": {"minimum": {"rows": 10}}}
        write_json(tmp_path / "params.yaml", params_of(frame, {"key": "id"}, **more))
        charter.run(tmp_path)
        data_again(tmp_path)
        write_json(tmp_path / "models/chosen.json", {"name": "a", "threshold": 0.5, "confidence": 0.0})
        append(tmp_path, iteration(4, metrics={"labels": {"reviewed": {"labels": 0}}}))
        new = table(800, seed=1)
        new.drop(columns="target").to_csv(tmp_path / "new.csv", index=False)
        new[["id", "target"]].set_axis(["key", "label"], axis=1).to_csv(tmp_path / "truth.csv", index=False)
        release_of(tmp_path, 40, 4)
        predict(tmp_path, tmp_path / "new.csv", out=tmp_path / "o.csv")
        return tmp_path

    return made


def data_again(project: Path) -> None:
    """Run the steps of the data stage, without its checks."""
    params = load_params(project)
    window, pilot, schema = open_source(project, params).collect(params.data.collect, params.seed)
    write_json(project / "data/schema.json", schema)
    write_parquet(project / "data/valid_window.parquet", window)
    write_parquet(project / "data/valid_pilot.parquet", pilot)
    part = {"failing": 0, "rows": len(window), "quarantined": 0}
    changed = {"name": "schema_changed", "says": ""}
    beside = {"expectations": [], "schema_changed": changed}
    write_json(project / "data/validation.json", {"window": part, "pilot": part, **beside})
    label.run(project)
    split.run(project)


def release_of(project: Path, rows: int | None, number: int) -> None:
    """Release the candidate fitted on some of the training rows, or all that is learned."""
    work = Context(project)
    learned = work.learned() if rows is None else work.split("train").head(rows)
    save_model(project / "release/model.skops", fit_candidate(work, "a", learned))
    card = {"model": "release/model.skops", "meets": True, "threshold": 0.5, "window": work.schema["window"]}
    write_json(project / "release/candidate.json", card | {name: work.schema[name] for name in ("features", "classes")})
    publish(project, of_workspace(project, iteration=number))


def learn(project: Path, number: int) -> None:
    """Let the labels that came in count, as a run does, and release what is learned from them."""
    count = len((project / "labels/reviewed.jsonl").read_text().splitlines())
    apply(project, {"data.labels.reviewed": count})
    data_again(project)
    append(project, iteration(number, metrics={"labels": {"reviewed": {"labels": count}}}))
    release_of(project, None, number)


def test_before_any_label_the_pilot_judges(make: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    project = make()
    release_of(project, None, 4)
    found = measure(project)
    assert found == read_json(project / REPORT)
    assert found["labels"]["kind"] == "window"
    assert found["labels"]["labels"] == 100
    pilot = len(read_parquet(project / "data/splits/pilot.parquet"))
    assert found["outcome"]["judged_on"] == f"{pilot} rows of the pilot"
    one, two = found["outcome"]["releases"]
    assert two["metric"]["value"] < one["metric"]["value"]  # a log loss
    (step,) = found["outcome"]["steps"]
    assert step["metric_gain"]["value"] == pytest.approx(one["metric"]["value"] - two["metric"]["value"])
    assert step["outcome_gain"]["value"] == pytest.approx(two["outcome"]["value"] - one["outcome"]["value"])
    with pytest.raises(SystemExit) as ended:
        main(["flywheel", "-C", str(project)])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    for title, _, lines in told_of(found):
        assert title in told
        assert lines[0] in told
    with pytest.raises(SystemExit):
        main(["flywheel", "-C", str(project), "--json"])
    assert json.loads(capsys.readouterr().out) == found


def test_a_complete_table_judges_what_has_not_learned_from_it(make: Callable[..., Path]) -> None:
    project = make()
    feedback(project, project / "truth.csv", complete=True)
    work = Context(project)
    assert judging(work, {0}).says == "800 rows of production of which all of their time were labelled"
    assert judging(work, {800}).where == "pilot"
    before = measure(project)["outcome"]
    assert before["judged_on"].startswith("800 rows of production")
    learn(project, 8)
    found = measure(project)
    assert found["outcome"]["judged_on"].endswith("rows of the pilot")  # the second release has learned from them
    assert found["labels"]["kind"] == "production"
    assert found["labels"]["labels"] == 100
    assert found["labels"]["per_money"]["value"] == pytest.approx(found["labels"]["gain"]["value"] / 200)


def test_many_labels_are_seen_to_help_and_a_few_among_many_are_not(make: Callable[..., Path]) -> None:
    work = Context(make())
    rows = table(2000, seed=7).assign(target=lambda frame: (frame["target"] == "yes").astype(int))
    whole = work.learned()
    last = np.arange(len(whole), dtype=np.intp)
    many, few = worth_of(work, whole, last[-250:], rows), worth_of(work, whole, last[-10:], rows)
    assert sign(many) is True
    assert sign(few) is None
    assert many["value"] is not None
    assert few["value"] is not None
    assert many["value"] > few["value"]
    assert worth_of(work, whole, last[-10:], rows) == few


def test_labels_of_rows_that_were_left_to_people_judge_nothing(make: Callable[..., Path]) -> None:
    project = make()
    feedback(project, project / "truth.csv")
    assert judging(Context(project), {0}).where == "pilot"


def test_the_random_sample_judges_every_release(make: Callable[..., Path]) -> None:
    project = make()
    apply(project, {"deployment.flywheel.random": 0.75, "planning.budgets.labels": 5000})
    truth = pd.read_csv(project / "truth.csv").set_index("key")["label"]
    write(project, mine(project, 200), project / "sheet.csv", quiet=True)
    sheet = pd.read_csv(project / "sheet.csv", dtype=str, keep_default_na=False)
    sheet.assign(label=truth.loc[sheet["key"]].to_numpy()).to_csv(project / "sheet.csv", index=False)
    reviewing.take(project, project / "sheet.csv", by="ann")
    learn(project, 8)
    work = Context(project)
    places = read_json(project / "metrics/data.json")["reviewed"]
    assert places["judges"] >= 150
    assert places["judges"] + places["train"] == 200
    learned = work.learned()
    rows = learned.iloc[production_rows(work, learned)]
    assert len(rows) == places["train"]
    assert set(rows["id"]) <= set(sheet["key"])
    judges = judging(work, {0, 200})
    assert judges.where == "random"
    assert not set(judges.rows["id"]) & set(learned["id"])
    found = measure(project)
    assert found["labels"]["judged_on"] == f"{places['judges']} rows of production drawn at random"
    assert found["sample"] == {"drawn": places["judges"], "labelled": places["judges"]}
    outcome = found["outcome"]
    assert outcome["judged_on"] == found["labels"]["judged_on"]
    assert len(outcome["releases"]) == 2
    released = load_released(project)
    truth_of = released.answer(released.read(raw(project, judges.rows["id"])))
    wrong = (truth_of["suggestion"].astype("str").to_numpy() != truth.loc[judges.rows["id"]].to_numpy()).mean()
    assert outcome["releases"][-1]["outcome"]["value"] == pytest.approx(-wrong)


def raw(project: Path, keys: pd.Series[Any]) -> Any:
    from stages.data.sources.columns import Place
    from stages.data.sources.raw import Raw

    rows = pd.read_csv(project / "new.csv", dtype=str).set_index("id").loc[keys].reset_index()
    return Raw(rows, Place("new.csv", np.arange(2, 2 + len(rows))))


def test_a_slice_where_nothing_can_be_known_is_found_in_production(make: Callable[..., Path]) -> None:
    project = make()
    release_of(project, None, 4)
    feedback(project, project / "truth.csv", complete=True)
    pointer = read_json(project / "releases/current.json")
    card = read_json(project / pointer["card"])
    slices, where = slices_of(Context(project), load_released(project), card, {0})
    assert where.startswith("800 rows of production")
    assert slices[0].confirmed
    assert "kind = y" in slices[0].says
    slices, where = slices_of(Context(project), load_released(project), card, {800})
    assert slices == []
    assert "rows of the pilot are too few, 120 are needed" in where


def test_without_an_outcome_it_is_said_how_to_declare_one(make: Callable[..., Path]) -> None:
    project = make(prices={})
    found = measure(project)["outcome"]
    assert (found["yes"], found["declared"]) == (None, False)
    assert "no outcome is declared; declare what a prediction brings: planning.outcome.call" in found["says"]
    apply(project, {"planning.prices.false_positive": 1, "planning.prices.false_negative": 3})
    assert measure(project)["outcome"]["declared"]  # without a run


def test_before_a_run_there_is_nothing_to_measure(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="there is no chosen model yet; loopwright run"):
        measure(tmp_path)


def test_columns_of_an_outcome_judge_releases_where_they_are_known(make: Callable[..., Path]) -> None:
    project = make(prices={"label": 2})
    keys = [*read_csv(project, "t.csv"), *read_csv(project, "truth.csv")]
    (project / "labels").mkdir(exist_ok=True)
    worth = pd.DataFrame({"id": keys, "left": 0.0, "done": 1.0})
    outcome = {"columns": {"no": "left", "yes": "done"}, "table": "labels/worth.csv"}
    worth.to_csv(project / "labels/worth.csv", index=False)
    apply(project, {"planning.outcome": outcome})
    release_of(project, None, 4)
    found = measure(project)["outcome"]  # declared after the split, and known by the table
    assert [0 < item["outcome"]["value"] < 1 for item in found["releases"]] == [True, True]
    worth.head(10).to_csv(project / "labels/worth.csv", index=False)
    found = measure(project)["outcome"]
    assert [item["outcome"] for item in found["releases"]] == [None, None]
    assert "(labels/worth.csv)" in found["says"]


def read_csv(project: Path, name: str) -> list[str]:
    return list(pd.read_csv(project / name, dtype="str").iloc[:, 0])
