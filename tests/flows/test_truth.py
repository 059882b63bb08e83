"""``feedback`` and ``review import`` by key: late labels come in whole, once, and say how they were come by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from flows.cli import main
from flows.people import reviewing
from flows.people.truth import feedback
from flows.predicting import predict
from stages.answering import Policy
from stages.data.labels.log import read_reviewed
from stages.errors import DataError
from stages.production.log import PredictionLog
from stages.production.lots import lot_of, remember, unit_of
from tests.stages.releasing import many_kinds, release

SOURCE = {"key": "id", "time": "day"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A release, 60 rows that it predicted, and what they turned out to be."""
    frame = many_kinds()
    release(tmp_path, frame.iloc[:500], SOURCE, Policy(confidence=0.8))
    new = frame.iloc[500:560]
    new.drop(columns="target").to_csv(tmp_path / "new.csv", index=False)
    predict(tmp_path, tmp_path / "new.csv", out=tmp_path / "o.csv")
    new[["id", "target"]].set_axis(["key", "label"], axis=1).to_csv(tmp_path / "truth.csv", index=False)
    return tmp_path


def write(project: Path, name: str = "t.csv", **columns: Any) -> Path:
    frame = pd.DataFrame(columns)
    path = project / name
    frame.to_parquet(path) if name.endswith("parquet") else frame.to_csv(path, index=False)
    return path


def test_a_table_by_key_comes_in_once_and_tells_the_errors(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["feedback", "-C", str(project), str(project / "truth.csv"), "--complete"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    lines, out = read_reviewed(project), pd.read_csv(project / "o.csv")
    truth = pd.read_csv(project / "truth.csv").set_index("key")["label"]
    answers = out[out["answered"]]
    wrong = int((answers["prediction"].to_numpy() != truth.loc[answers["key"]].to_numpy()).sum())
    assert "took in 60 labels; 0 were known already" in told
    assert f"of {len(answers)} answers {wrong} were wrong" in told
    assert {line.drawn for line in lines} == {"complete"}
    assert {line.by for line in lines} == {"truth"}
    assert {line.reason for line in lines} == {"", "unsure"}  # answered ones too
    assert [line.id for line in lines] == out["prediction_id"].tolist()
    entries = PredictionLog(project).find(line.id for line in lines)
    assert [line.lot for line in lines] == [lot_of(unit_of(entries[line.id])) for line in lines]
    assert reviewing.waiting(project) == []
    again = feedback(project, project / "truth.csv", complete=True)
    assert (again.new, again.known) == (0, 60)
    assert len(read_reviewed(project)) == 60


def test_parquet_names_people_times_and_ids(project: Path) -> None:
    ids = pd.read_csv(project / "o.csv")["prediction_id"].tolist()[:3]
    at = pd.Series([pd.Timestamp("2024-05-01"), pd.Timestamp("2024-05-02"), pd.NaT]).dt.tz_localize("Europe/Berlin")
    path = write(
        project, "t.parquet", prediction_id=ids, key=["p500", None, None], label=["benign", None, "malignant"],
        by=["ann", "bob", None], at=at,
    )  # fmt: skip
    assert feedback(project, path, by="lab").new == 2
    first, second = read_reviewed(project)
    assert (first.id, first.by, first.at) == (ids[0], "ann", "2024-04-30T22:00:00+00:00")
    assert (second.id, second.by, second.drawn) == (ids[2], "lab", "")


def test_whole_numbers_beside_missing_ones_are_read_as_they_are_written(tmp_path: Path) -> None:
    frame = many_kinds().assign(id=range(569), target=lambda rows: (rows["target"] == "benign").astype(int))
    release(tmp_path, frame.iloc[:500], SOURCE, Policy(confidence=0.8))
    frame.iloc[500:560].drop(columns="target").to_csv(tmp_path / "new.csv", index=False)
    predict(tmp_path, tmp_path / "new.csv", out=tmp_path / "o.csv")
    path = write(tmp_path, "t.parquet", key=[500.0, None, 502.0], label=[1.0, None, 0.0])
    assert feedback(tmp_path, path).new == 2
    assert [(line.key, line.label) for line in read_reviewed(tmp_path)] == [("500", "1"), ("502", "0")]


def test_a_key_means_its_last_prediction_until_the_label_was_known(project: Path) -> None:
    log = PredictionLog(project)
    before = log.find(pd.read_csv(project / "o.csv")["prediction_id"].iloc[:1].tolist())
    (entry,) = before.values()
    early, late = "2024-01-01T00:00:00.000+00:00", "2024-03-01T00:00:00.000+00:00"
    with log.writing() as writer:
        for name, at in (("a" * 24, early), ("b" * 24, late)):
            content = {"id": name, "content": name, "key": "k", "at": at}
            writer.add([{key: value for key, value in entry.items() if key != "number"} | content])
    path = write(project, key=["k", "k"], label=["benign", "malignant"], by=["x", "y"], at=["2024-02-01", ""])
    assert feedback(project, path).new == 2
    assert [line.id for line in read_reviewed(project)] == ["a" * 24, "b" * 24]
    with pytest.raises(DataError, match="row 2: no prediction has the key 'k'"):
        feedback(project, write(project, key=["k"], label=["benign"], at=["2023-02-01"]))


def test_a_key_never_means_what_a_shadow_said_of_its_row(project: Path) -> None:
    log, out = PredictionLog(project), pd.read_csv(project / "o.csv")
    with log.writing() as writer:
        for number, entry in enumerate(log.find(out["prediction_id"]).values()):
            told = {name: value for name, value in entry.items() if name != "number"}
            writer.add([told | {"id": f"{number:024d}", "role": "shadow"}])
    assert feedback(project, project / "truth.csv").new == 60
    assert [line.id for line in read_reviewed(project)] == out["prediction_id"].tolist()


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"key": ["p500", "none"], "label": ["benign", "benign"]}, "t.csv row 3: no prediction has the key 'none'"),
        (
            {"key": ["p500", "p501"], "label": ["benign", "bening"]},
            "row 3: the label 'bening' is unknown",
        ),
        ({"prediction_id": ["f00"], "label": ["benign"]}, "row 2: no row has the prediction_id 'f00'"),
        ({"key": ["p500", ""], "label": ["benign", "benign"]}, "row 3: has a label and names no row"),
        ({"key": ["p500", "p500"], "label": ["benign", "malignant"]}, "row 3: truth gives .* two labels"),
        ({"key": ["p500"], "label": [""]}, "t.csv: holds no label"),
        ({"id": ["p500"], "label": ["benign"]}, "has the columns id, label; expected label, and prediction_id or key"),
        ({"key": ["p500"], "label": ["benign"], "at": ["soon"]}, "row 2 column 'at': 'soon' is no time"),
        ({"key": ["p500"], "label": ["benign"], "at": ["2999-01-01"]}, "row 2 column 'at': '2999-01-01' has not come"),
    ],
)
def test_a_half_bad_table_takes_nothing_in(project: Path, columns: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=says):
        feedback(project, write(project, **columns))
    assert read_reviewed(project) == []


def test_rows_that_were_never_predicted_may_be_left_out(project: Path) -> None:
    path = write(
        project, key=["p500", "none", None], prediction_id=[None, None, "f00"], label=["benign", "odd", "benign"]
    )
    taken = feedback(project, path, ignore_unknown=True)
    assert (taken.new, taken.unknown) == (1, 2)
    with pytest.raises(DataError, match="holds no label of a row that was predicted"):
        feedback(project, write(project, key=["none"], label=["benign"]), ignore_unknown=True)


def test_a_sheet_may_name_its_rows_by_key(project: Path) -> None:
    assert reviewing.take(project, project / "truth.csv", by="ann") == 60
    assert reviewing.take(project, project / "truth.csv", by="ann") == 0
    assert [line.key for line in read_reviewed(project)] == pd.read_csv(project / "truth.csv")["key"].tolist()
    with pytest.raises(DataError, match=r"t\.csv row 2: no prediction has the key 'none'"):
        reviewing.take(project, write(project, key=["none"], label=["benign"]), by="ann")


def test_how_a_row_was_drawn_is_told_by_the_list_and_not_by_the_sheet(project: Path) -> None:
    ids = pd.read_csv(project / "o.csv")["prediction_id"].iloc[:3].tolist()
    entries = PredictionLog(project).find(ids)
    one, two, three = (unit_of(entries[name]) for name in ids)
    remember(project, "2024-05-01T00:00:00+00:00", [one], [two])
    remember(project, "2024-05-02T00:00:00+00:00", [], [one])  # once drawn at random stays so
    path = write(project, key=["p500", "p501", "p502"], label=["benign"] * 3, drawn=["chosen", "random", "random"])
    reviewing.take(project, path, by="ann")
    assert [line.drawn for line in read_reviewed(project)] == ["random", "chosen", ""]
    assert three not in json.dumps((project / ".loopwright/mined.jsonl").read_text())
