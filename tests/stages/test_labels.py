"""The label step: annotators, delayed truth, people and an oracle, on real files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.data import label
from stages.data.labels.applying import with_labels
from stages.data.labels.consensus import alpha, consensus, counts_of
from stages.data.labels.log import Answer, Asked, append_answers, read_answers, write_queue
from stages.data.labels.reading import Coder
from stages.data.labels.signals import annotator_unreliable, annotators_disagree
from stages.errors import DataError, LoopwrightError, ParamsError, ProjectError
from stages.files import read_json, read_parquet, write_json, write_parquet
from stages.signals import read_signals
from tests.conftest import bundled_table
from tests.stages.signal_cases.labels import answers as annotators

CLASSES = ["benign", "malignant"]


@pytest.fixture
def cancers() -> pd.DataFrame:
    frame = bundled_table("breast_cancer", spoilt=False)[["mean_radius", "mean_texture", "target"]]
    return frame.assign(id=[f"p{n:03d}" for n in range(len(frame))])


def project(folder: Path, frame: pd.DataFrame, labels: dict[str, Any], *, classes: Any = CLASSES) -> Path:
    """Lay down what the label step reads: the first 400 rows are the window, the rest the pilot."""
    source = {"kind": "table", "path": "t.csv", "target": "target", "key": "id"}
    task = "regression" if classes is None else "classification"
    metric = "rmse" if classes is None else "log_loss"
    params = {
        "planning": {"goal": "test", "task": task, "optimise": metric, "requirements": {metric: {"at_most": 1.0}}},
        "data": {"source": source, "labels": labels},
        "training": {"candidates": {"a": {"estimator": "sklearn.dummy.DummyClassifier"}}, "use": ["a"]},
    }
    write_json(folder / "params.yaml", params)
    write_json(folder / "data/schema.json", {"target": "target", "key": "id", "classes": classes})
    write_parquet(folder / "data/valid_window.parquet", frame.iloc[:400].reset_index(drop=True))
    write_parquet(folder / "data/valid_pilot.parquet", frame.iloc[400:].reset_index(drop=True))
    (folder / "labels").mkdir(exist_ok=True)
    return folder


def final(folder: Path, part: str = "window") -> pd.Series[Any]:
    frame = read_parquet(folder / f"data/valid_{part}.parquet")
    schema = read_json(folder / "data/schema.json")
    done = with_labels(frame, read_parquet(folder / "data/labels.parquet"), part, schema)
    return done.set_index("id")["target"]


def answer(key: str, said: str, by: str = "ann", at: str = "2024-01-01T00:00:00+00:00") -> Answer:
    return Answer(key=key, label=said, by=by, at=at, file="f")


def test_without_labels_from_elsewhere_nothing_is_read(tmp_path: Path, cancers: pd.DataFrame) -> None:
    project(tmp_path, cancers, {})
    (tmp_path / "data/valid_window.parquet").write_text("no table")
    label.run(tmp_path)
    assert read_parquet(tmp_path / "data/labels.parquet").empty
    assert read_signals(tmp_path / "data/label_signals.json") == {}
    assert with_labels(cancers, read_parquet(tmp_path / "data/labels.parquet"), "window", {}) is cancers


def test_labels_need_a_key(tmp_path: Path, cancers: pd.DataFrame) -> None:
    project(tmp_path, cancers, {"ask_missing": True})
    write_json(tmp_path / "data/schema.json", {"target": "target", "key": None, "classes": CLASSES})
    with pytest.raises(ParamsError, match=r"data\.source\.key"):
        label.run(tmp_path)


def test_annotators_come_to_a_consensus_and_the_bad_one_is_named(tmp_path: Path, cancers: pd.DataFrame) -> None:
    codes = cancers["target"].map({name: code for code, name in enumerate(CLASSES)}).to_numpy()
    random = np.random.default_rng(0)
    said = {
        name: np.where(random.random(len(codes)) < wrong, 1 - codes, codes)
        for name, wrong in {"ann": 0.05, "bob": 0.08, "cy": 0.06, "dud": 0.45}.items()
    }
    rows = [
        {"id": key, "annotator": name, "label": CLASSES[given[n]]}
        for n, key in enumerate(cancers["id"])
        for name, given in said.items()
        if random.random() < 0.8
    ]
    spoilt = cancers.assign(target=cancers["target"].where(random.random(len(codes)) > 0.3, None))
    project(tmp_path, spoilt, {"annotations": "labels/given.csv"})
    pd.DataFrame(rows).to_csv(tmp_path / "labels/given.csv", index=False)
    label.run(tmp_path)
    found = final(tmp_path)
    assert found.notna().all()
    assert (found.to_numpy() == cancers["target"].iloc[:400].to_numpy()).mean() > 0.94
    signals = read_signals(tmp_path / "data/label_signals.json")
    assert signals["annotator_unreliable"].fires is True
    assert signals["annotator_unreliable"].evidence["unreliable"] == ["dud"]
    assert signals["annotators_disagree"].fires is True  # one in four answers is a coin's
    human = read_parquet(tmp_path / "data/human.parquet")
    assert 0.7 < (human["answer"] == human["others"]).mean() < 0.9


def test_good_annotators_are_left_in_peace() -> None:
    given = annotators([0.03, 0.05, 0.06, 0.04], 300, 1)
    assert annotator_unreliable(given, 2, 0.1).fires is False
    assert annotators_disagree(given, 2, 0.667, 0).fires is False
    two = given[given["annotator"].isin(["a0", "a1"])]
    assert annotator_unreliable(two, 2, 0.1).fires is None  # of two, nobody knows who is wrong


def test_few_items_accuse_none_of_equally_good_annotators() -> None:
    """The Dawid-Skene consensus of few items follows those whom chance favours, and agrees with them again."""
    fires = [annotator_unreliable(annotators([0.2] * 5, 40, seed), 2, 0.1).fires for seed in range(10)]
    assert True not in fires


def test_one_bad_annotator_among_few_items_is_named() -> None:
    found = annotator_unreliable(annotators([0.5, 0.1, 0.1, 0.1, 0.1], 60, 0), 2, 0.1)
    assert found.fires is True
    assert found.evidence["unreliable"] == ["a0"]


def test_alpha_is_the_librarys() -> None:
    from crowdkit.metrics.data import alpha_krippendorff

    given = annotators([0.1, 0.2, 0.3], 60, 2).sample(frac=0.8, random_state=0)
    theirs = alpha_krippendorff(given.rename(columns={"item": "task", "annotator": "worker"}))
    assert alpha(counts_of(given, 2)) == pytest.approx(theirs)


def test_an_item_with_one_answer_keeps_it_and_numbers_take_the_median() -> None:
    given = annotators([0.05, 0.05, 0.05], 40, 0)
    single = pd.DataFrame({"item": ["lone"], "annotator": ["a2"], "label": [1.0]})
    assert consensus(pd.concat([given, single], ignore_index=True), 2).labels["lone"] == 1.0
    numbers = pd.DataFrame(
        {"item": ["x"] * 3 + ["y"], "annotator": ["a", "b", "c", "a"], "label": [1.0, 2.0, 9.0, 4.0]}
    )
    found = consensus(numbers, None)
    assert found.labels.to_dict() == {"x": 2.0, "y": 4.0}
    np.testing.assert_array_equal(found.others, [5.5, 5.0, 1.5, np.nan])


def test_without_crowd_kit_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "crowdkit.aggregation", None)
    with pytest.raises(ProjectError, match=r"pip install 'loopwright\[annotators\]'"):
        consensus(annotators([0.1, 0.1], 10, 0), 2)


def test_truth_comes_late_and_only_what_was_known_counts(tmp_path: Path, cancers: pd.DataFrame) -> None:
    table = pd.DataFrame(
        {
            "id": ["p000", "p000", "p001", "p002", "p401"],
            "label": ["benign", "malignant", "benign", "malignant", "benign"],
            "known_at": ["2024-01-01", "2024-02-01", "2024-03-01T12:00:00Z", "2024-05-01", "2024-01-05"],
        }
    )
    unknown = cancers.assign(target=cancers["target"].mask(cancers["id"].isin(["p000", "p001", "p002"])))
    project(tmp_path, unknown, {"truth": "labels/truth.csv", "known_by": "2024-05-01"})
    table.to_csv(tmp_path / "labels/truth.csv", index=False)
    label.run(tmp_path)
    found = final(tmp_path)
    assert found.loc[["p000", "p001"]].tolist() == ["malignant", "benign"]
    assert found.isna().sum() == 1
    assert final(tmp_path, "pilot")["p401"] == "benign"
    assert read_json(tmp_path / "metrics/labels.json")["window"] == {"rows": 400, "unlabelled": 1}
    assert read_signals(tmp_path / "data/label_signals.json")["labels_pending"].fires is False
    project(tmp_path, unknown, {"truth": "labels/truth.csv", "known_by": "2024-05-02", "ask_missing": True})
    label.run(tmp_path)
    assert final(tmp_path).notna().all()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("id,annotator,label\np000,ann,\n", "row 2 column 'label': is empty"),
        ("id,annotator,label\np000,ann,benign\np001,ann,bening\n", "row 3 column 'label': label 'bening' is unknown"),
        ("id,who,label\np000,ann,benign\n", "has no column 'annotator'"),
    ],
)
def test_a_bad_file_of_annotations_names_the_row(
    tmp_path: Path, cancers: pd.DataFrame, content: str, says: str
) -> None:
    project(tmp_path, cancers, {"annotations": "labels/given.csv"})
    (tmp_path / "labels/given.csv").write_text(content)
    with pytest.raises(DataError, match=says):
        label.run(tmp_path)
    project(tmp_path, cancers, {"annotations": "given.csv"})
    with pytest.raises(ParamsError, match="a file under labels/"):
        label.run(tmp_path)


def test_answers_replace_what_was_asked_again_and_the_rest_is_pending(tmp_path: Path, cancers: pd.DataFrame) -> None:
    asked = [Asked(key=f"p{n:03d}", why="suspect", iteration=3, noise=0.2) for n in range(5)]
    project(tmp_path, cancers, {"queued": 4, "answers": 4})
    write_queue(tmp_path, asked)
    other = {"benign": "malignant", "malignant": "benign"}
    was = cancers.set_index("id")["target"]
    given = [answer("p001", was["p001"]), answer("p000", was["p000"]), answer("p000", other[was["p000"]])]
    append_answers(tmp_path, [*given, answer("p002", other[was["p002"]]), answer("p003", was["p003"])])
    label.run(tmp_path)
    found = final(tmp_path)
    assert found["p000"] == other[was["p000"]]  # her second answer replaced her first
    assert found["p001"] == was["p001"]
    signal = read_signals(tmp_path / "data/label_signals.json")["labels_pending"]
    assert (signal.value, signal.fires, signal.evidence["why"]) == (1.0, True, {"suspect": 1})
    pending = read_parquet(tmp_path / "data/pending.parquet")
    assert pending["key"].tolist() == ["p003"]
    assert "row.target" not in pending.columns
    rounds = read_json(tmp_path / "metrics/labels.json")["relabelled"]
    expected = {"iteration": 3, "noise": 0.2, "asked": 4, "answered": 3, "changed": 2, "shared": 0, "disputed": 0}
    assert rounds == [expected]


def test_several_people_on_one_row_come_to_a_consensus(tmp_path: Path, cancers: pd.DataFrame) -> None:
    was = cancers.set_index("id")["target"]
    other = {"benign": "malignant", "malignant": "benign"}
    keys = [f"p{n:03d}" for n in range(40)]
    given = [answer(key, other[was[key]] if by == "wag" else was[key], by) for key in keys for by in ("a", "b", "wag")]
    write_queue(project(tmp_path, cancers, {"queued": 40, "answers": 120}), [])
    write_queue(tmp_path, [Asked(key=key, why="suspect", iteration=1, noise=0.1) for key in keys])
    append_answers(tmp_path, given)
    label.run(tmp_path)
    assert (final(tmp_path)[keys] == was[keys]).all()
    (found,) = read_json(tmp_path / "metrics/labels.json")["relabelled"]
    assert (found["shared"], found["disputed"], found["changed"]) == (40, 40, 0)


def test_fewer_answers_than_params_count_is_an_error(tmp_path: Path, cancers: pd.DataFrame) -> None:
    project(tmp_path, cancers, {"answers": 2})
    append_answers(tmp_path, [answer("p000", "benign")])
    with pytest.raises(DataError, match="holds 1 answers"):
        label.run(tmp_path)


def test_an_answer_cut_off_by_a_kill_is_left_out_and_the_next_one_kept(tmp_path: Path) -> None:
    append_answers(tmp_path, [answer("a", "x")])
    with (tmp_path / "labels/answers.jsonl").open("a") as file:
        file.write('{"key": "b", "lab')
    assert [one.key for one in read_answers(tmp_path)] == ["a"]
    append_answers(tmp_path, [answer("c", "y")])
    assert [one.key for one in read_answers(tmp_path)] == ["a", "c"]


ORACLE = """import pandas as pd
def ask(rows):
    assert "target" not in rows.columns
    with open("asked.txt", "a") as file:
        file.write(" ".join(rows["id"]) + "\\n")
    return ["malignant"] * len(rows)
def short(rows):
    return []
def odd(rows):
    return ["perhaps"] * len(rows)
def broken(rows):
    raise RuntimeError("no service")
"""


def test_an_oracle_is_asked_once_about_a_row(
    tmp_path: Path, cancers: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    missing = cancers.assign(target=cancers["target"].mask(cancers["id"] == "p007"))
    project(tmp_path, missing, {"queued": 2, "ask_missing": True, "oracle": "an_oracle.ask"})
    (tmp_path / "an_oracle.py").write_text(ORACLE)
    write_queue(tmp_path, [Asked(key=key, why="suspect", iteration=1, noise=0.1) for key in ("p003", "p001", "p009")])
    for queued in (2, 3):
        project(tmp_path, missing, {"queued": queued, "ask_missing": True, "oracle": "an_oracle.ask"})
        label.run(tmp_path)
        assert read_signals(tmp_path / "data/label_signals.json")["labels_pending"].value == 0
    assert (final(tmp_path)[["p001", "p003", "p007", "p009"]] == "malignant").all()
    assert (tmp_path / "asked.txt").read_text().split("\n")[:2] == ["p001 p003 p007", "p009"]
    assert read_json(tmp_path / "metrics/labels.json")["oracle"] == 4
    for name, says in (("short", "0 labels for"), ("odd", "'perhaps'"), ("broken", "no service"), ("gone", "imported")):
        project(tmp_path, missing, {"ask_missing": True, "oracle": f"an_oracle.{name}"})
        with pytest.raises(LoopwrightError, match=says):
            label.run(tmp_path)


def test_labels_are_read_as_the_classes_are_written() -> None:
    numbers = Coder([0, 1, 2])
    assert [numbers.code(text) for text in ("1", "1.0", " 2", "3", "x")] == [1.0, 1.0, 2.0, None, None]
    assert [Coder(None).code(text) for text in ("1.5", "nan", "x")] == [1.5, None, None]
    assert Coder(["no", "yes"]).code("yes") == 1.0


def test_numbers_are_relabelled_too(tmp_path: Path) -> None:
    frame = bundled_table("diabetes", spoilt=False)[["age", "target"]]
    frame = frame.assign(id=[f"d{n}" for n in range(len(frame))])
    project(tmp_path, frame, {"annotations": "labels/given.csv"}, classes=None)
    pd.DataFrame({"id": ["d3"] * 3, "annotator": ["a", "b", "c"], "label": [10, 20, 60]}).to_csv(
        tmp_path / "labels/given.csv", index=False
    )
    label.run(tmp_path)
    assert final(tmp_path)["d3"] == 20.0
    assert len(read_parquet(tmp_path / "data/human.parquet")) == 3
