"""Rows that people reviewed: read from their log, placed where nothing leaks, and never among those that judge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.context import Context
from stages.data import label, split
from stages.data.labels.log import Reviewed, append_reviewed, read_reviewed
from stages.data.sources.scoping import described
from stages.errors import DataError, LoopwrightError, ProjectError
from stages.files import read_json, read_parquet, write_json, write_parquet
from stages.params import WEIGHT, Within, load_params
from stages.production.log import PredictionLog
from stages.signals import read_signals
from tests.conftest import full_disk
from tests.stages.releasing import params_of

CLASSES = ["no", "yes"]


def reviewed(name: str, said: str = "yes", by: str = "ann", **more: Any) -> Reviewed:
    made: dict[str, Any] = {"id": name, "key": None, "time": None, "group": None, "label": said, "by": by}
    made |= {"at": "2024-05-01T00:00:00+00:00", "file": f"f {name} {by}", "release": "r", "predicted": "no"}
    made |= {"reason": "unsure", "row": {"a": 0.25, "b": "x"}, "withheld": []}
    return Reviewed(**made | more)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """What validate leaves behind: 100 rows of the window, a day each, and 20 of the pilot."""
    random = np.random.default_rng(0)
    whole = pd.DataFrame(
        {
            "a": random.random(120),
            "b": random.choice(["x", "y"], 120),
            "id": [f"s{n:03d}" for n in range(120)],
            "day": pd.date_range("2024-01-01", periods=120, tz="UTC", unit="us"),
            "place": [f"g{n // 10:02d}" for n in range(120)],
            "target": random.choice(CLASSES, 120),
        }
    )
    schema: dict[str, Any] = {"target": "target", "time": None, "group": None, "key": None, "classes": CLASSES}
    schema |= {"features": {"a": "number", "b": "category"}, "more": {}, "more_rows": 0, "include_pilot": {}}
    part = {"failing": 0, "rows": 100, "quarantined": 0}
    changed = {"name": "schema_changed", "says": ""}
    write_json(tmp_path / "data/schema.json", schema | {"window": {"rows": 100}, "pilot": {"rows": 20}})
    found = {"window": part, "pilot": part, "expectations": [], "schema_changed": changed}
    write_json(tmp_path / "data/validation.json", found)
    write_parquet(tmp_path / "data/valid_window.parquet", whole.iloc[:100])
    write_parquet(tmp_path / "data/valid_pilot.parquet", whole.iloc[100:].reset_index(drop=True))
    counted(tmp_path, 0)
    return tmp_path


def counted(project: Path, count: int, **more: Any) -> None:
    frame = pd.DataFrame({"target": CLASSES})
    write_json(project / "params.yaml", params_of(frame, {}, data={"labels": {"reviewed": count}}, **more))


def roles(project: Path, **names: Any) -> None:
    path = project / "data/schema.json"
    write_json(path, read_json(path) | names)


def run(project: Path, *lines: Reviewed, count: int | None = None) -> dict[str, pd.DataFrame]:
    """Take labels in, run the two steps, and return the splits."""
    append_reviewed(project, lines)
    if count is None:
        count = len(read_reviewed(project))
    values = read_json(project / "params.yaml")
    values["data"]["labels"]["reviewed"] = count
    write_json(project / "params.yaml", values)
    label.run(project)
    split.run(project)
    return {path.stem: read_parquet(path) for path in sorted((project / "data/splits").glob("*.parquet"))}


def places(found: dict[str, pd.DataFrame]) -> dict[str, str]:
    return dict(zip(found["reviewed"]["review.id"], found["reviewed"]["review.place"], strict=True))


def test_they_are_trained_on_and_judge_nothing(project: Path) -> None:
    before = run(project)
    assert "reviewed" not in before
    found = run(project, reviewed("p1"), reviewed("p2", "no", row={"a": None, "b": None}))
    for name in ("valid", "test", "pilot"):
        pd.testing.assert_frame_equal(found[name], before[name])
    train = found["train"]
    pd.testing.assert_frame_equal(train.iloc[:-2], before["train"])
    assert train["target"].iloc[-2:].tolist() == [1, 0]
    assert train["a"].iloc[-2] == 0.25
    assert train[["a", "b"]].iloc[-1].isna().all()
    assert train[WEIGHT].iloc[-2:].tolist() == [1.0, 1.0]
    told = found["reviewed"].set_index("review.id").loc["p1"]
    assert (told["review.by"], told["review.release"], told["review.predicted"]) == ("ann", "r", "no")
    metrics = read_json(project / "metrics/data.json")
    assert metrics["reviewed"] == {"train": 2}
    assert metrics["collected"]["labels"] == 120
    assert read_json(project / "metrics/labels.json")["reviewed"] == {"labels": 2, "rows": 2}
    few = read_signals(project / "signals/data.json")["labels_too_few"]
    assert "62 labelled training rows, " in few.says
    assert "2 of them reviewed by people" in few.says


def test_labels_come_in_whole_or_not_at_all(tmp_path: Path) -> None:
    append_reviewed(tmp_path, [reviewed("p1")])
    with full_disk(1000), pytest.raises(ProjectError, match=r"reviewed\.jsonl: cannot be written \(File too large\)"):
        append_reviewed(tmp_path, [reviewed(f"q{number}") for number in range(9)])
    assert [one.id for one in read_reviewed(tmp_path)] == ["p1"]
    append_reviewed(tmp_path, [reviewed("p2")])
    assert [one.id for one in read_reviewed(tmp_path)] == ["p1", "p2"]


def test_the_same_number_of_labels_gives_the_same_rows(project: Path) -> None:
    first = run(project, reviewed("p1"), reviewed("p2"))
    run(project, reviewed("p3", row={"a": 0.5, "b": "y"}))
    again = run(project, count=2)
    assert first.keys() == again.keys()
    for name in first:
        pd.testing.assert_frame_equal(first[name], again[name])
    with pytest.raises(
        DataError, match=r"reviewed\.jsonl: holds 3 answers; expected 4, as data\.labels\.reviewed says"
    ):
        run(project, count=4)


def test_a_later_label_of_one_person_replaces_the_earlier(project: Path) -> None:
    found = run(project, reviewed("p1", "yes"), reviewed("p1", "no"))
    assert found["train"]["target"].iloc[-1] == 0
    assert len(found["reviewed"]) == 1


def test_labels_of_another_row_under_the_same_key_are_no_votes_on_it(project: Path) -> None:
    """The row as it is now has one vote, however many were given on what stood there before."""
    roles(project, key="id")
    lines = [reviewed(f"old {by}", "no", by, key="k") for by in ("ann", "bob", "cy")]
    found = run(project, *lines, reviewed("now", "yes", "dan", key="k", row={"a": 0.5, "b": "y"}))
    assert places(found) == {"old cy": "known", "now": "train"}
    assert found["train"][["id", "a", "target"]].iloc[-1].tolist() == ["k", 0.5, 1]
    more = [reviewed(f"again {by}", "no", by, key="k", row={"a": 0.5, "b": "y"}) for by in ("ann", "bob")]
    found = run(project, *more)  # by other releases, of the row as it is now
    assert places(found) == {"old cy": "known", "again bob": "train"}
    assert found["train"]["target"].iloc[-1] == 0


def test_a_row_of_the_source_or_a_copy_is_not_learned_from_twice(project: Path) -> None:
    pilot = read_parquet(project / "data/valid_pilot.parquet").iloc[3]
    copy = {"a": float(pilot["a"]), "b": str(pilot["b"])}
    found = run(project, reviewed("p1", row=copy), reviewed("p2"), reviewed("p3"))
    assert places(found) == {"p1": "known", "p2": "known", "p3": "train"}
    roles(project, key="id")
    lines = [reviewed("k1", key="s007"), reviewed("k2", key="s110"), reviewed("k3", key="new", row=copy)]
    found = run(project, *lines)
    assert places(found) | {"k1": "known", "k2": "known", "k3": "train"} == places(found)
    assert found["train"]["id"].iloc[-2:].tolist() == ["p3", "new"]


def test_with_copies_dropped_no_key_brings_a_row_that_judges_into_training(project: Path) -> None:
    values = read_json(project / "params.yaml")
    values["data"]["split"] = {"copies": "drop"}
    write_json(project / "params.yaml", values)
    roles(project, key="id")
    parts = run(project)
    lines = [
        reviewed(name, key=f"resent {name}", row={"a": float(part["a"].iloc[1]), "b": str(part["b"].iloc[1])})
        for name, part in parts.items()
    ]
    found = run(project, *lines, reviewed("new", key="new", row={"a": 0.123456, "b": "x"}))
    assert places(found) == {"pilot": "known", "test": "known", "train": "train", "valid": "known", "new": "train"}
    for name in ("valid", "test", "pilot"):
        assert found["train"].merge(found[name], on=["a", "b"]).empty


@pytest.mark.parametrize("order", [1, -1])
def test_a_row_with_and_without_its_key_is_one(project: Path, order: int) -> None:
    roles(project, key="id")
    lines = [reviewed("with", key="new"), reviewed("without")][::order]
    assert places(run(project, *lines)) == {"with": "train", "without": "known"}


def test_where_data_go_by_time_they_wait_for_their_time(project: Path) -> None:
    """Before the validation rows to train on; beside them for the release alone; after the window not at all."""
    roles(project, time="day")
    at = {
        "early": "2024-02-10",
        "beside": "2024-03-20",
        "test": "2024-04-09",
        "pilot": "2024-04-15",
        "old": "2023-12-31",
    }
    lines = [
        reviewed(name, time=f"{day}T00:00:00+00:00", row={"a": n / 99, "b": "x"})
        for n, (name, day) in enumerate(at.items())
    ]
    found = run(project, *lines, reviewed("never", row={"a": 0.77, "b": "y"}))
    assert places(found) == {
        **{"early": "train", "beside": "release", "test": "release"},
        **{"pilot": "outside", "old": "outside", "never": "no_time"},
    }
    assert found["train"]["day"].max() < found["valid"]["day"].min()
    assert found["train"]["day"].dtype == found["valid"]["day"].dtype
    work = Context(project)
    assert len(work.learned()) == len(work.window()) + 2
    assert work.learned()["day"].max() < found["pilot"]["day"].min()
    assert work.learned()["target"].dtype == work.window()["target"].dtype


def test_a_group_is_not_torn_apart(project: Path) -> None:
    roles(project, group="place")
    parts = run(project)
    groups = {name: parts[name]["place"].iloc[0] for name in ("train", "valid", "test", "pilot")}
    lines = [reviewed(name, group=group, row={"a": n / 99, "b": "x"}) for n, (name, group) in enumerate(groups.items())]
    found = run(project, *lines, reviewed("new", group="h"), reviewed("none", row={"a": 0.9, "b": "y"}))
    assert places(found) == {
        **{"train": "train", "valid": "release", "test": "release", "pilot": "outside"},
        **{"new": "train", "none": "no_group"},
    }
    for name in ("valid", "test", "pilot"):
        assert not set(found["train"]["place"]) & set(found[name]["place"])


def test_what_the_data_now_cannot_take_waits(project: Path) -> None:
    roles(project, scope=described([Within(column="site", values=["north"])], {"site": "category"}, 90, 10))
    north = {"a": 0.1, "b": "x", "site": "north"}
    found = run(
        project,
        reviewed("in", row=north),
        reviewed("out", row={**north, "site": "south"}),
        reviewed("unknown", row={"a": 0.1, "b": "x"}),
        reviewed("class", "perhaps", row=north),
        reviewed("short", row={"a": 0.1, "site": "north"}),
        reviewed("text", row={**north, "a": "wide"}),
    )
    assert places(found) == {
        **{"in": "train", "out": "out_of_scope", "unknown": "out_of_scope"},
        **{"class": "unknown_label", "short": "unfit", "text": "unfit"},
    }


def test_private_cells_stand_in_the_log_of_predictions_alone(project: Path) -> None:
    line = reviewed("p1", row={"b": "x"}, withheld=["a"])
    with pytest.raises(LoopwrightError, match="does not hold prediction p1, whose private columns"):
        run(project, line)
    kept = {
        "id": "p1",
        "content": "c",
        "at": "",
        "release": "r",
        "iteration": 4,
        "source": "f",
        "key": None,
        "time": None,
    }
    kept |= {
        "group": None,
        "prediction": "no",
        "probabilities": None,
        "confidence": 0.5,
        "answered": False,
        "reason": "",
    }
    with PredictionLog(project).writing() as writer:
        writer.add([kept | {"row": json.dumps({"a": 0.125, "b": "x"})}])
        more = {"key": "secret", "time": "2024-01-02T00:00:00+00:00", "group": "g00"}
        writer.add([kept | more | {"id": "p2", "row": json.dumps({"a": 0.375, "b": "x"})}])
    assert run(project)["train"]["a"].iloc[-1] == 0.125
    roles(project, key="id", time="day", group="place")
    train = run(project, reviewed("p2", row={"a": 0.375, "b": "x"}, withheld_roles=["key", "time", "group"]))["train"]
    assert train[["id", "place", "a"]].iloc[-1].tolist() == ["secret", "g00", 0.375]
    assert train["day"].iloc[-1] == pd.Timestamp("2024-01-02", tz="UTC")


def test_hard_slices_weigh_them_too(project: Path) -> None:
    values = read_json(project / "params.yaml")
    values["data"]["hard_slices"] = [{"column": "b", "value": "x", "weight": 3.0}]
    write_json(project / "params.yaml", values)
    found = run(project, reviewed("p1"), reviewed("p2", row={"a": 0.3, "b": "y"}))
    assert found["train"][WEIGHT].iloc[-2:].tolist() == [3.0, 1.0]
    assert load_params(project).data.labels.reviewed == 2


def test_rows_drawn_at_random_judge_and_nothing_learns_from_them_or_their_copies(project: Path) -> None:
    roles(project, key="id")
    drawn: dict[str, Any] = {"drawn": "random", "lot": 0.2}
    found = run(
        project,
        reviewed("p1", key="k1", row={"a": 0.1, "b": "x"}, lot=0.9),
        reviewed("p2", key="k2", row={"a": 0.2, "b": "x"}, **drawn),
        reviewed(
            "p3", key="k3", row={"a": 0.3, "b": "x"}, lot=0.1, reason="unsure"
        ),  # of the sample, whoever labelled it
        reviewed("p4", key="s001", **drawn),  # the source has it by now, so it is trained on
        reviewed("p5", key=None, row={"a": 0.2, "b": "x"}, lot=0.8),  # a copy of one that judges
        reviewed("p6", key="k6", row={"a": 0.2}, **drawn),
    )
    expected = {"p1": "train", "p2": "judges", "p3": "judges", "p4": "known", "p5": "known", "p6": "unfit"}
    assert places(found) == expected
    assert found["train"]["id"].tolist()[-1] == "k1"
    told = found["reviewed"].set_index("review.id")
    assert told.loc["p2", "review.drawn"] == "random"
    assert read_json(project / "metrics/data.json")["reviewed"] == {"judges": 2, "known": 2, "train": 1, "unfit": 1}


def test_rows_that_judge_need_no_place_in_time(project: Path) -> None:
    roles(project, time="day")
    drawn: dict[str, Any] = {"drawn": "random", "lot": 0.2}
    later = reviewed("p1", time="2031-01-01T00:00:00+00:00", **drawn)
    found = run(project, later, reviewed("p2", row={"a": 0.5, "b": "x"}, **drawn))
    assert places(found) == {"p1": "judges", "p2": "judges"}


def test_the_more_is_drawn_the_more_rows_judge_and_an_older_count_brings_them_back(project: Path) -> None:
    lines = [reviewed("p1", lot=0.3), reviewed("p2", row={"a": 0.5, "b": "x"}, lot=0.4, drawn="random")]
    assert places(run(project, *lines)) == {"p1": "judges", "p2": "judges"}
    assert places(run(project, count=1)) == {"p1": "train"}
