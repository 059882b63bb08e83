"""``mine``: what is worth a label, within the budget, and what comes back of it; nothing tells people what to say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from flows.cli import main
from flows.flywheel.mining import mine, write
from flows.flywheel.second_look import worst_rows
from flows.people import reviewing
from flows.people.truth import feedback
from flows.predicting import predict
from stages.answering import Policy
from stages.data.labels.log import read_reviewed
from stages.deployment.release import CANDIDATE
from stages.errors import ProjectError
from stages.files import read_json, write_json
from stages.flywheel import budget, pool
from stages.params import WEIGHT, Candidate, load_params
from stages.production.log import PredictionLog
from stages.production.lots import frontier, lot_of, unit_of
from stages.training.estimators import build, fit
from stages.training.store import save_model
from tests.conftest import bundled_table
from tests.stages.releasing import many_kinds, release

SOURCE = {"key": "id", "time": "day"}
CLASSES = ("benign", "malignant")


def made(folder: Path, rows: pd.DataFrame | None = None, **more: Any) -> Path:
    """Return a release that predicted 60 rows, or these."""
    frame = many_kinds()
    release(folder, frame.iloc[:500], SOURCE, Policy(confidence=0.6), **more)
    new = frame.iloc[500:560] if rows is None else rows
    new.drop(columns="target").to_csv(folder / "new.csv", index=False)
    predict(folder, folder / "new.csv", out=folder / "o.csv")
    frame[["id", "target"]].set_axis(["key", "label"], axis=1).to_csv(folder / "truth.csv", index=False)
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return made(tmp_path)


def filled(project: Path, sheet: pd.DataFrame, name: str = "sheet.csv") -> Path:
    truth = pd.read_csv(project / "truth.csv").set_index("key")["label"]
    sheet.assign(label=truth.loc[sheet["key"]].to_numpy()).to_csv(project / name, index=False)
    return project / name


def test_a_fifth_is_drawn_by_lot_and_the_rest_has_reasons(project: Path) -> None:
    found = mine(project, 20)
    assert [row.drawn for row in found.rows] == ["random"] * 4 + ["chosen"] * 16
    entries = PredictionLog(project).find(pd.read_csv(project / "o.csv")["prediction_id"])
    lots = {name: lot_of(unit_of(entry)) for name, entry in entries.items()}
    assert [row.id for row in found.rows[:4]] == sorted(lots, key=lambda name: lots[name])[:4]
    assert len({row.id for row in found.rows}) == 20
    assert all(row.reasons and row.criteria for row in found.rows)
    assert mine(project, 20) == found
    assert (found.pool, found.wanted, found.cost) == (60, 20, 0.0)
    assert "no run has split the data" in found.sought_in
    left = [row for row in found.rows[4:] if any("left to people" in why for why in row.reasons)]
    unsure = pd.read_csv(project / "o.csv").query("reason == 'unsure'")
    assert {row.key for row in left} <= set(unsure["key"])


def test_a_look_keeps_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["mine", "-C", str(project), "-n", "5"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert "5 of 60 rows without a label" in told
    assert "there is no other model to hold beside the release" in told
    assert not (project / ".loopwright/mined.jsonl").exists()
    with pytest.raises(SystemExit):
        main(["mine", "-C", str(project), "-n", "5", "--json"])
    assert len(json.loads(capsys.readouterr().out)["rows"]) == 5


def test_a_sheet_says_no_answer_and_its_labels_say_how_they_were_drawn(project: Path) -> None:
    found = mine(project, 20)
    write(project, found, project / "sheet.csv", quiet=True)
    sheet = pd.read_csv(project / "sheet.csv", dtype=str, keep_default_na=False)
    assert sheet.columns[:6].tolist() == ["prediction_id", "key", "reason", "drawn", "label", "annotator"]
    assert not sheet["reason"].str.contains("benign|malignant|0\\.").any()
    assert reviewing.take(project, filled(project, sheet), by="ann") == 20
    lines = read_reviewed(project)
    assert [line.drawn for line in lines] == [row.drawn for row in found.rows]
    log, upto = PredictionLog(project), frontier(lines)
    assert upto is not None
    assert upto == lines[3].lot
    assert pool.owed(log, pool.labelled_units(log, lines), upto) == (4, 4)
    again = mine(project, 20)
    assert not {row.id for row in again.rows} & {row.id for row in found.rows}
    assert again.budget["mined"] == 20
    lots = [lot_of(unit_of(entry)) for entry in again.entries[:4]]
    assert min(lots) > upto  # the draw goes on where it stopped


def test_label_studio_gets_the_same_rows(project: Path) -> None:
    found = mine(project, 6)
    write(project, found, project / "tasks.json", form="labelstudio", quiet=True)
    tasks = json.loads((project / "tasks.json").read_text())
    assert [task["data"]["drawn"] for task in tasks] == [row.drawn for row in found.rows]
    choice = [{"type": "choices", "value": {"choices": ["benign"]}}]
    for task in tasks[:2]:
        task["annotations"] = [{"completed_by": 7, "result": choice, "updated_at": "2024-05-01T10:00:00Z"}]
    (project / "tasks.json").write_text(json.dumps(tasks))
    assert reviewing.take(project, project / "tasks.json") == 2
    assert [line.drawn for line in read_reviewed(project)] == ["random", "random"]


@pytest.mark.parametrize(
    ("budgets", "prices", "left"),
    [({"labels": 7}, {}, 7), ({"labels": 900, "money": 25}, {"label": 2}, 12), ({"money": 1}, {"label": 2}, 0)],
)
def test_no_more_is_asked_than_the_charter_pays_for(
    tmp_path: Path, budgets: dict[str, Any], prices: dict[str, Any], left: int
) -> None:
    project = made(tmp_path, planning={"budgets": budgets, "prices": prices})
    assert budget.left(project).labels == left
    assert len(mine(project, 20, paid=False).rows) == 20
    if not left:
        with pytest.raises(ProjectError, match="the budget is spent: it holds no label more"):
            mine(project, 20)
        return
    found = mine(project, 20)
    assert len(found.rows) == left
    assert found.cost == left * prices.get("label", 0)
    write_json(project / "metrics/data.json", {"collected": {"labels": left - 1, "money": 0.0}})
    assert budget.left(project).labels == (1 if not prices else left)


def test_another_model_that_decides_otherwise_is_a_reason(project: Path) -> None:
    frame = pd.read_parquet(project / "data/splits/pilot.parquet").assign(**{WEIGHT: 1.0})
    schema = read_json(project / "data/schema.json")
    other = Candidate(estimator="sklearn.dummy.DummyClassifier", params={"strategy": "constant", "constant": 1})
    save_model(project / "release/model.skops", fit(build("d", other, schema, "classification", 0), frame, schema))
    card = {"features": schema["features"], "classes": schema["classes"], "model": "release/model.skops"}
    write_json(project / CANDIDATE, card)
    found = mine(project, 30)
    assert found.beside == "the candidate in the workspace"
    said = [why for row in found.rows for why in row.reasons if "says" in why]
    assert said
    assert set(said) == {"the candidate in the workspace says malignant and not benign"}
    first = found.rows[len([row for row in found.rows if row.drawn == "random"])]
    assert "disagreement" in first.criteria


def test_copies_are_asked_once(tmp_path: Path) -> None:
    rows = many_kinds().iloc[500:510]
    copies = pd.concat([rows.assign(id=[f"{name}-{number}" for name in rows["id"]]) for number in range(4)])
    project = made(tmp_path, copies, deployment={"flywheel": {"random": 0}})
    found = mine(project, 40)
    assert len(found.rows) <= 10
    assert len({row.key.partition("-")[0] for row in found.rows if row.key}) == len(found.rows)


def test_all_may_be_drawn_at_random(tmp_path: Path) -> None:
    project = made(tmp_path, deployment={"flywheel": {"random": 1, "rows": 8}})
    assert [row.drawn for row in mine(project).rows] == ["random"] * 8
    assert load_params(project).deployment.flywheel.rows == 8


def test_private_columns_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = made(tmp_path, planning={"security": {"private": ["born", "day", "id"]}})
    write(project, mine(project, 5), project / "sheet.csv", quiet=True)
    assert not {"born", "day", "id", "key"} & set(pd.read_csv(project / "sheet.csv"))
    main_arguments = ["mine", "-C", str(project), "-n", "5", "--json"]
    with pytest.raises(SystemExit):
        main(main_arguments)
    assert {row["key"] for row in json.loads(capsys.readouterr().out)["rows"]} == {None}


def test_nothing_to_mine_is_said(tmp_path: Path, project: Path) -> None:
    feedback(project, project / "truth.csv", ignore_unknown=True)
    with pytest.raises(ProjectError, match="no row of production waits for a label"):
        mine(project)
    with pytest.raises(ProjectError, match="-n: 0 rows are none"):
        mine(project, 0)


def test_the_worst_labels_come_first_for_a_second_look(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["mine", "-C", str(project), "--labelled"])
    assert ended.value.code == 2
    assert "no predicted row has a label" in capsys.readouterr().err
    out, truth = pd.read_csv(project / "o.csv"), pd.read_csv(project / "truth.csv").set_index("key")["label"]
    sure = out[out["confidence"] > 0.9].iloc[0]
    flipped = CLASSES[1 - CLASSES.index(truth[sure["key"]])]
    truth[sure["key"]] = flipped  # a label that is wrong
    truth.rename("label").rename_axis("key").reset_index().to_csv(project / "truth.csv", index=False)
    feedback(project, project / "truth.csv", ignore_unknown=True)
    table = worst_rows(project)
    assert len(table) == 60
    assert table["loss"].is_monotonic_decreasing
    assert sure["key"] in table["key"].head(5).tolist()
    with pytest.raises(SystemExit):
        main(["mine", "-C", str(project), "--labelled", "-n", "5", "--out", str(project / "look.csv")])
    assert "their label is wrong, or they are truly hard" in capsys.readouterr().out
    sheet = pd.read_csv(project / "look.csv", dtype=str, keep_default_na=False)
    assert len(sheet) == 5
    assert set(sheet["label"]) == {""}
    assert not {"prediction", "confidence", "loss"} & set(sheet)


def test_a_damaged_list_of_what_was_asked_is_said(project: Path) -> None:
    (project / ".loopwright/mined.jsonl").write_text('{"at": 1}\n')
    with pytest.raises(ProjectError, match=r"mined\.jsonl line 1: damaged"):
        feedback(project, project / "truth.csv", ignore_unknown=True)
    assert read_reviewed(project) == []


def test_of_values_nobody_is_unsure_and_another_model_and_strange_rows_speak(tmp_path: Path) -> None:
    frame = bundled_table("diabetes", spoilt=False)
    release(tmp_path, frame.iloc[:400])
    new = frame.iloc[400:440].drop(columns="target")
    new.to_csv(tmp_path / "new.csv", index=False)
    predict(tmp_path, tmp_path / "new.csv", out=tmp_path / "o.csv")
    alone = mine(tmp_path, 20)
    assert {name for row in alone.rows for name in row.criteria} <= {"drawn at random", "unlike"}
    rows, schema = pd.read_parquet(tmp_path / "data/splits/pilot.parquet"), read_json(tmp_path / "data/schema.json")
    mean = Candidate(estimator="sklearn.dummy.DummyRegressor")
    other = fit(build("m", mean, schema, "regression", 0), rows.assign(**{WEIGHT: 1.0}), schema)
    save_model(tmp_path / "release/model.skops", other)
    card = {"features": schema["features"], "classes": None, "model": "release/model.skops"}
    write_json(tmp_path / CANDIDATE, card)
    found = mine(tmp_path, 20)
    assert len(found.rows) == 20
    assert all("disagreement" in row.criteria for row in found.rows[4:])
    ids = pd.read_csv(tmp_path / "o.csv")["prediction_id"].head(3)
    pd.DataFrame({"prediction_id": ids, "label": [1e4, 150, 150]}).to_csv(tmp_path / "truth.csv", index=False)
    assert feedback(tmp_path, tmp_path / "truth.csv").wrong is None
    assert worst_rows(tmp_path)["id"].iloc[0] == ids[0]
