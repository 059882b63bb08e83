"""The log that a server holds open: it outlives the database's restarts, and what is written twice counts once."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from stages.errors import DataError
from stages.files import write_json
from stages.production.log import PredictionLog
from stages.production.standing import StandingLog
from tests.stages.releasing import many_kinds, params_of
from tests.stages.test_prediction_log import entry


def test_a_connection_that_broke_is_made_anew(postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREDICTIONS", postgres)
    write_json(tmp_path / "params.yaml", params_of(many_kinds(), {}, deployment={"log": {"url_env": "PREDICTIONS"}}))
    engine = create_engine(postgres.replace("postgresql", "postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    log = StandingLog(tmp_path, wait=1)
    with engine.connect() as connection:
        connection.execute(text("drop table if exists predictions"))
        log.add([entry("a")])
        ended = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'tester'"
        connection.execute(text(ended + " and pid <> pg_backend_pid()"))
        log.add([entry("a"), entry("b")])
    assert PredictionLog(tmp_path).counts() == {"unsure": 2}
    log.close()


def test_what_cannot_be_written_is_said_and_can_be_tried_again(tmp_path: Path) -> None:
    write_json(tmp_path / "params.yaml", params_of(many_kinds(), {}))
    log = StandingLog(tmp_path, wait=0.1)
    log.check()
    other = PredictionLog(tmp_path)
    with other.writing() as writer:
        writer.add([entry("a")])
        with pytest.raises(DataError, match="database is locked"):
            log.add([entry("b")])
    log.add([entry("b")])
    assert other.counts() == {"unsure": 2}
    log.close()
