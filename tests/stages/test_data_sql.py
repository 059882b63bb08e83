"""A query as a source, on a real SQLite file and a real PostgreSQL server."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from stages.data.sources.table import Table
from stages.errors import DataError, LoopwrightError, ParamsError
from stages.params import Collect, SqlSource, check_params, read_params
from tests.conftest import ROOT, bundled_table

DAYS = pd.date_range("2024-01-01", "2024-04-30", freq="D")
BY_DAYS = "select * from visits where day >= :start and day < :end"


def visits() -> pd.DataFrame:
    """Four months of the cancer table, five rows a day but none in the last week of March, in no order."""
    frame = bundled_table("breast_cancer", spoilt=False)[["mean_radius", "mean_texture", "target"]]
    frame = pd.concat([frame, frame.head(40)], ignore_index=True).iloc[: 5 * len(DAYS)]
    frame["day"] = np.repeat(DAYS, 5)[: len(frame)]
    frame = frame[~frame["day"].between("2024-03-25", "2024-03-31")]
    return frame.sample(frac=1, random_state=0).reset_index(drop=True)


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a database with the visits."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('sqlite') / 'clinic.db'}"
    else:
        url = request.getfixturevalue("postgres")
    engine = sa.create_engine(url)
    kinds = {"day": sa.Date(), "mean_radius": sa.Numeric(8, 4)}
    visits().assign(day=lambda f: f["day"].dt.date).to_sql("visits", engine, index=False, dtype=kinds)
    engine.dispose()
    return url


def source(monkeypatch: pytest.MonkeyPatch, url: str, query: str, **keys: Any) -> Table:
    monkeypatch.setenv("CLINIC_URL", url)
    settings = {"kind": "sql", "url_env": "CLINIC_URL", "query": query, "target": "target", **keys}
    return Table(Path("nowhere"), SqlSource.model_validate(settings), "classification")


def test_windows_go_by_days_and_move_on(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = source(monkeypatch, database, BY_DAYS, time="day")
    asked = {"start": "2024-01-01", "end": "2024-02-01", "pilot_days": 28}
    found = table.collect(Collect.model_validate(asked), seed=0)
    assert (len(found.window), len(found.pilot)) == (31 * 5, 28 * 5)
    assert str(found.window["day"].max())[:10] == "2024-01-31"
    assert str(found.pilot["day"].min())[:10] == "2024-02-01"
    assert found.schema["window"] == {"start": "2024-01-01", "end": "2024-02-01", "rows": 155}
    assert found.schema["more"] == {"data.collect.end": "2024-03-01"}
    assert found.schema["more_rows"] == 29 * 5
    assert found.schema["include_pilot"] == {"data.collect.end": "2024-02-29"}
    assert found.schema["features"] == {"mean_radius": "number", "mean_texture": "number"}
    more = table.collect(Collect.model_validate(asked | {"end": "2024-03-01"}), seed=0)
    assert len(more.window) == len(found.window) + found.schema["more_rows"]
    pd.testing.assert_frame_equal(more.window.head(len(found.window)), found.window)
    last = table.collect(Collect.model_validate(asked | {"end": "2024-04-10", "pilot_days": 30}), seed=0)
    assert (last.schema["more"], last.schema["more_rows"], last.schema["include_pilot"]) == ({}, 0, {})
    assert last.schema["pilot"]["end"] == "2024-05-01"
    look, _ = table.first_look(Collect.model_validate(asked), seed=0)
    pd.testing.assert_frame_equal(look, found.window)


def test_the_same_whatever_order_the_database_gives(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Collect.model_validate({"start": "2024-01-01", "end": "2024-03-01"})
    one = source(monkeypatch, database, BY_DAYS, time="day").collect(asked, seed=3)
    other = source(monkeypatch, database, BY_DAYS + " order by mean_texture desc", time="day").collect(asked, seed=3)
    pd.testing.assert_frame_equal(one.window, other.window)
    pd.testing.assert_frame_equal(one.pilot, other.pilot)
    every = "select mean_radius, mean_texture, target from visits"
    shares = [source(monkeypatch, database, q).collect(Collect(), seed=3) for q in (every, every + " order by 2")]
    pd.testing.assert_frame_equal(shares[0].pilot, shares[1].pilot)


def test_rows_limit_the_query_and_the_state_is_passed(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    query = "select * from visits where day < :as_of order by mean_texture, mean_radius limit :rows"
    table = source(monkeypatch, database, query)
    few = table.collect(Collect.model_validate({"rows": 80, "as_of": "2024-03-01"}), seed=0)
    assert (len(few.window), len(few.pilot)) == (80, 20)
    assert few.schema["more"] == {"data.collect.rows": 160}
    everything = table.collect(Collect.model_validate({"rows": 8000, "as_of": "2024-03-01"}), seed=0)
    assert len(everything.window) + len(everything.pilot) == 60 * 5
    assert everything.schema["more"] == {}
    for missing in ({"rows": 8}, {"as_of": "2024-03-01"}):
        with pytest.raises(ParamsError, match=r"uses (rows|as_of), and data\.collect\.(rows|as_of) is empty"):
            table.collect(Collect.model_validate(missing), seed=0)


TYPED: list[tuple[str, str, Any, list[float]]] = [
    ("price", "numeric(10, 2)", Decimal("12.50"), [12.5]),
    ("paid", "boolean", True, [1.0]),
    ("born", "date", dt.date(1970, 1, 11), [10.0]),
    ("seen", "timestamptz", dt.datetime(1970, 1, 2, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))), [1.0]),
    ("local", "timestamp", dt.datetime(1970, 1, 1, 12), [0.5]),
    ("opens", "time", dt.time(1, 0, 30), [3630.0]),
    ("lasts", "interval", dt.timedelta(minutes=2), [120.0]),
    ("n", "bigint", 7, [7.0]),
    ("share", "double precision", 0.25, [0.25]),
]


def test_postgresql_types_are_read_as_meant(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = ", ".join(f"{name} {kind}" for name, kind, _, _ in TYPED)
    engine = sa.create_engine(postgres.replace("postgresql", "postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(
            sa.text(f"create table typed ({columns}, photo bytea, tags text[], who uuid, name text, target text)")
        )
        names = ", ".join(f":{name}" for name, *_ in TYPED)
        insert = sa.text(f"insert into typed values ({names}, :photo, :tags, :who, :name, :target)")
        for i in range(30):
            values = {name: value for name, _, value, _ in TYPED}
            other = {"photo": b"\x00", "tags": ["a"], "who": uuid.UUID(int=i % 3), "name": "ab"[i % 2]}
            connection.execute(insert, values | other | {"target": "xy"[i % 2]})
        nothing = dict.fromkeys([name for name, *_ in TYPED] + ["photo", "tags", "who", "name"])
        connection.execute(insert, nothing | {"target": "x"})
    engine.dispose()
    frame, schema = source(monkeypatch, postgres, "select * from typed").load([])
    for name, _, _, expected in TYPED:
        assert schema["features"][name] == "number", name
        assert frame[name].dropna().unique().tolist() == expected, name
        assert frame[name].isna().sum() == 1, name
    assert {schema["features"][name] for name in ("who", "name")} == {"category"}
    assert schema["dropped"] == {"photo": "holds bytes", "tags": "holds objects of type list"}
    assert frame["who"].nunique() == 3
    with pytest.raises(DataError, match="column 'photo': holds bytes; expected text, numbers or dates as target"):
        source(monkeypatch, postgres, "select * from typed", target="photo").load([])


BAD: dict[str, tuple[str, dict[str, Any], str]] = {
    "no table": ("select * from nothing", {}, r"data\.source\.query: the database refuses the query: .*nothing"),
    "no row": ("select * from visits where mean_radius < 0", {}, "the query's result: no row"),
    "no select": ("delete from visits", {}, "returns no table"),
    "twice": ("select a.*, b.* from visits a, visits b where 1 = 0", {}, "appears more than once"),
    "unknown": ("select * from visits where mean_radius > :least", {}, "unknown parameter :least"),
    "unordered": ("select * from visits limit :rows", {}, "limits its rows and does not order them"),
    "target": ("select * from visits", {"target": "Target"}, "has no column 'Target'; .*did you mean 'target'"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_with_a_query_is_said(database: str, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    query, keys, message = BAD[case]
    with pytest.raises(LoopwrightError, match=message):
        source(monkeypatch, database, query, **keys).collect(Collect(), seed=0)
    assert len(source(monkeypatch, database, "select * from visits").load([])[0]) == len(visits()), "nothing is changed"


def test_no_password_is_told(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = postgres.replace("s3cret", "wr0ng")
    with pytest.raises(DataError, match="environment variable CLINIC_URL: cannot be reached: ") as caught:
        source(monkeypatch, wrong, "select 1").load([])
    assert "wr0ng" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:secret@db/shop",
        "mysql+pymysql://me:s/e@db/shop",
        "postgresql://me@db/shop?password=x",
        "postgresql://db/shop?sslmode=require&PASSWORD=x",
    ],
)
def test_a_password_in_the_params_is_refused(url: str) -> None:
    values = read_params(ROOT)
    values["data"]["source"] = {"kind": "sql", "url": url, "query": "select 1", "target": "y"}
    with pytest.raises(ParamsError, match=r"params\.yaml: data\.source: url holds a password") as caught:
        check_params(values)
    assert "secret" not in str(caught.value)
    for fine in ("sqlite:///data/raw/shop.db", "postgresql://me@db:5432/shop", "postgresql:///shop?host=/tmp"):
        values["data"]["source"]["url"] = fine
        check_params(values)
    values["data"]["source"]["url_env"] = "SHOP_URL"
    with pytest.raises(ParamsError, match="exactly one of url and url_env"):
        check_params(values)


def test_where_the_database_is_must_be_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_URL", raising=False)
    keys = {"kind": "sql", "query": "select 1", "target": "y"}
    for given, message in [
        ({"url": "sqlite:///shop.db"}, r"data\.source\.url: shop\.db is not found"),
        ({"url_env": "NO_URL"}, r"environment variable NO_URL: is not set; .*export NO_URL="),
        ({"url": "nonsense"}, "is no URL"),
        ({"url": "nosuch://db/shop"}, "there is no driver for nosuch"),
    ]:
        table = Table(tmp_path, SqlSource.model_validate(keys | given), "classification")
        with pytest.raises(DataError, match=message):
            table.load([])
    assert not (tmp_path / "shop.db").exists()


def test_a_relative_sqlite_file_is_the_projects(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'own.db'}")
    bundled_table("wine", spoilt=False).to_sql("wine", engine, index=False)
    engine.dispose()
    settings = {"kind": "sql", "url": "sqlite:///own.db", "query": "select * from wine", "target": "target"}
    found = Table(tmp_path, SqlSource.model_validate(settings), "classification").collect(Collect(), seed=0)
    assert len(found.window) + len(found.pilot) == 178
