"""The log of predictions, in SQLite and PostgreSQL: nothing is lost or counts twice, and the queue is in order."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, Table, insert, text

from stages.errors import DataError
from stages.files import write_json
from stages.flywheel import pool
from stages.flywheel.growth import predictions_by_day
from stages.production.log import FILE, PREDICTIONS, Entry, PredictionLog
from stages.production.lots import lot_of, unit_of
from tests.stages.releasing import many_kinds, params_of


@pytest.fixture(params=["sqlite", "postgresql"])
def log(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PredictionLog:
    settings: dict[str, Any] = {}
    if request.param == "postgresql":
        monkeypatch.setenv("PREDICTIONS", request.getfixturevalue("postgres"))
        settings = {"log": {"url_env": "PREDICTIONS"}}
    write_json(tmp_path / "params.yaml", params_of(many_kinds(), {}, deployment=settings))
    made = PredictionLog(tmp_path)
    if request.param == "postgresql":
        with made.engine.begin() as connection:
            connection.execute(text("drop table if exists predictions"))
    return made


def entry(name: str, **more: Any) -> Entry:
    made = {"id": name, "content": f"c {name}", "at": "2024-05-01T00:00:00.000+00:00", "release": "r", "iteration": 4}
    made |= {"source": "new.csv", "key": None, "time": None, "group": None, "row": '{"a":1.5}', "prediction": "benign"}
    return made | {"probabilities": "[0.6,0.4]", "confidence": 0.6, "answered": False, "reason": "unsure"} | more


def ids(entries: list[Entry]) -> list[str]:
    return [str(item["id"]) for item in entries]


def test_what_is_recorded_again_stays_as_it_was(log: PredictionLog) -> None:
    assert log.waiting() == []
    with log.writing() as writer:
        writer.add([entry("a"), entry("b", answered=True, reason="")])
        assert writer.size() == 2
    with log.writing() as writer:
        writer.add([entry("a", prediction="malignant"), entry("c", reason="unseen_value")])
        assert writer.size() == 3
    assert log.counts() == {"": 1, "unseen_value": 1, "unsure": 1}
    found = log.find(["a", "c", "zz"])
    assert found.keys() == {"a", "c"}
    assert (found["a"]["prediction"], found["a"]["confidence"], found["a"]["answered"]) == ("benign", 0.6, False)
    assert len(log.find([str(number) for number in range(1200)])) == 0


def test_a_mistake_on_the_way_leaves_nothing(log: PredictionLog) -> None:
    def fail() -> None:
        with log.writing() as writer:
            writer.add([entry("a")])
            raise DataError("stop")

    with pytest.raises(DataError, match="stop"):
        fail()
    assert log.counts() == {}


def test_the_oldest_comes_first_and_of_one_batch_the_least_sure(log: PredictionLog) -> None:
    early = "2024-04-01T00:00:00.000+00:00"
    with log.writing() as writer:
        writer.add([entry("sure", confidence=0.7), entry("unsure", confidence=0.51), entry("old", at=early)])
        writer.add([entry("done", answered=True, reason="")])
    assert ids(log.waiting()) == ["old", "unsure", "sure"]


def test_of_a_row_with_a_key_the_last_prediction_counts(log: PredictionLog) -> None:
    with log.writing() as writer:
        writer.add([entry("a1", key="a"), entry("b1", key="b"), entry("n1"), entry("n2")])
        writer.add([entry("a2", key="a", release="s", answered=True, reason=""), entry("b2", key="b", release="s")])
    assert sorted(ids(log.waiting())) == ["b2", "n1", "n2"]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "is not set"),
        ("no url", "is no URL"),
        ("mysql://me@here/db", "mysql is not known here; expected sqlite or postgresql"),
        ("postgresql://me:s3cret@127.0.0.1:1/db", "cannot be used"),
        ("sqlite://", "is a database in memory, which keeps nothing; expected a file"),
        ("sqlite:///:memory:", "keeps nothing"),
        ("sqlite:///file::memory:?cache=shared&uri=true", "keeps nothing"),
        ("sqlite:///file:log?mode=memory&uri=true", "keeps nothing"),
    ],
)
def test_a_database_that_cannot_be_used_is_said_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, says: str
) -> None:
    write_json(tmp_path / "params.yaml", params_of(many_kinds(), {}, deployment={"log": {"url_env": "PREDICTIONS"}}))
    monkeypatch.setenv("PREDICTIONS", url)
    with pytest.raises(DataError, match=says) as told:
        PredictionLog(tmp_path).counts()
    assert "environment variable PREDICTIONS" in str(told.value)
    assert "s3cret" not in str(told.value)


def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    write_json(tmp_path / "params.yaml", params_of(many_kinds(), {}))
    (tmp_path / FILE).parent.mkdir()
    (tmp_path / FILE).write_text("a text of some length that no database begins with" * 9)
    with pytest.raises(DataError, match=r"predictions\.db: the log of predictions cannot be used"):
        PredictionLog(tmp_path).counts()


def test_what_a_shadow_said_was_given_to_nobody(log: PredictionLog) -> None:
    with log.writing() as writer:
        writer.add([entry("a", key="a", role="release"), entry("b", key="b", role="canary")])
        writer.add([entry("s", role="shadow"), entry("t", key="a", role="shadow", answered=True, reason="")])
        writer.add([entry("w", key="b", role="watch"), entry("f", key="f", role="release", source="watch me.csv")])
    assert sorted(ids(log.waiting())) == ["a", "b", "f"]  # and no shadow overtakes an answer
    assert log.counts() == {"unsure": 3}
    assert log.find(["a", "b", "s", "t", "w"]).keys() == {"a", "b"}


def older_log(log: PredictionLog) -> Table:
    """Make the table as it was before it knew roles."""
    older = MetaData()
    made = Table("predictions", older, *(column._copy() for column in PREDICTIONS.columns if column.name != "role"))
    with log.engine.begin() as connection:
        connection.execute(text("drop table if exists predictions"))
        older.create_all(connection)
    return made


def test_a_log_of_an_older_version_goes_on(log: PredictionLog) -> None:
    older = older_log(log)
    with log.engine.begin() as connection:
        connection.execute(insert(older), [dict(entry("old"))])
    assert log.find(["old"])["old"]["role"] == "release"
    with log.writing() as writer:
        writer.add([entry("new", role="canary")])
    with log.engine.begin() as connection:  # as an older version that still runs beside
        connection.execute(insert(older), [dict(entry("older"))])
    assert {name: found["role"] for name, found in log.find(["old", "new", "older"]).items()} == {
        "old": "release",
        "new": "canary",
        "older": "release",
    }
    with log.engine.begin() as connection:
        connection.execute(text("drop table predictions"))


def test_several_may_bring_an_older_log_up_to_date_at_once(log: PredictionLog) -> None:
    older_log(log)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: PredictionLog(log.project).counts(), range(8)))
    assert found == [{}] * 8
    with log.engine.begin() as connection:
        connection.execute(text("drop table predictions"))


def test_rows_are_drawn_by_their_lots_and_counted_by_day(log: PredictionLog) -> None:
    def row(lot: str, key: str | None, **more: Any) -> Entry:
        name = lot.ljust(24, "0")
        return entry(f"f{name[:23]}" if key else name, **{"content": name, "key": key, "reason": "", **more})

    late = {"at": "2024-05-03T00:00:00.000+00:00"}
    with log.writing() as writer:
        writer.add([row("1", "a"), row("2", None), row("3", "b"), row("4", None), row("9", "c", reason="out_of_scope")])
        writer.add([row("5", "s", role="shadow"), row("6", None, role="watch")])  # nobody's use
        writer.add([row("8", "b", id="d" * 24, **late), row("0", None, reason="out_of_scope")])

    def lots(entries: list[Entry]) -> list[str]:
        return [unit_of(item)[0] for item in entries]

    assert lots(pool.to_draw(log, set(), 9)) == ["1", "2", "4", "8"]  # the last word of b counts
    assert lots(pool.to_draw(log, {"1".ljust(24, "0")}, 2)) == ["2", "4"]
    assert lots(pool.newest(log, {"2".ljust(24, "0")}, 9)) == ["8", "4", "1"]
    assert lots(pool.newest(log, set(), 2)) == ["8", "4"]
    assert pool.owed(log, {"2".ljust(24, "0")}, lot_of("4".ljust(24, "0"))) == (3, 1)
    assert pool.owed(log, set(), 1.0) == (4, 0)
    assert predictions_by_day(log) == {dt.date(2024, 5, 1): 6, dt.date(2024, 5, 3): 1}
