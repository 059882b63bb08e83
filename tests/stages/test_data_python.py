"""A callable as a source."""

from __future__ import annotations

import sys
import zlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stages.data.sources.table import Table
from stages.errors import LoopwrightError
from stages.params import Collect, PythonSource
from tests.conftest import bundled_table

MODULE = """
import datetime as dt
import pandas as pd
from sklearn.datasets import load_wine

CALLS = []
NUMBER = 7

class Stock:
    @staticmethod
    def load(scale=1.0):
        frame = load_wine(as_frame=True).frame
        return frame.assign(alcohol=frame["alcohol"] * scale)

def daily(start, end, *, scale=1.0, as_of=None):
    CALLS.append((start, end, as_of))
    frame = Stock.load(scale)
    frame["day"] = pd.date_range("2024-01-01", periods=len(frame), freq="D")
    return frame[(frame["day"] >= str(start)) & (frame["day"] < str(end))]

def fails(): raise ValueError("the shop\\nis closed")

def returns(what):
    return {"list": [1], "empty": pd.DataFrame(), "twice": pd.DataFrame([[1, 2]], columns=["a", "a"])}[what]
"""


@pytest.fixture
def project(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Path, str]:
    """A project with a module of its own, whose name no other test has imported."""
    name = f"shop_{zlib.crc32(request.node.name.encode()):x}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "wines.py").write_text(MODULE)
    (tmp_path / f"{name}_broken.py").write_text("import json\njson.nothing\n")
    return tmp_path, name


def source(project: tuple[Path, str], call: str, **keys: Any) -> Table:
    folder, name = project
    settings = {"kind": "python", "call": call.format(name=name), "target": "target", **keys}
    return Table(folder, PythonSource.model_validate(settings), "classification")


def test_a_callable_brings_the_rows(project: tuple[Path, str]) -> None:
    found = source(project, "{name}.wines:Stock.load", **{"with": {"scale": 2}}).collect(Collect(), seed=0)
    wine = bundled_table("wine", spoilt=False)
    both = pd.concat([found.window, found.pilot])
    assert sorted(both["alcohol"]) == pytest.approx(sorted(wine["alcohol"] * 2))
    assert found.schema["classes"] == [0, 1, 2]
    with pytest.raises(LoopwrightError, match="returned a Bunch; expected a pandas DataFrame"):
        source(project, "sklearn.datasets.load_wine").load([])


def test_days_and_state_are_passed_to_parameters_of_these_names(project: tuple[Path, str]) -> None:
    table = source(project, "{name}.wines.daily", time="day", **{"with": {"scale": 3}})
    asked = {"start": "2024-01-01", "end": "2024-04-01", "pilot_days": 14, "as_of": "first"}
    found = table.collect(Collect.model_validate(asked), seed=0)
    assert (len(found.window), len(found.pilot)) == (91, 14)
    assert found.schema["more"] == {"data.collect.end": "2024-05-01"}
    assert found.schema["include_pilot"] == {"data.collect.end": "2024-04-15"}
    start, end, as_of = sys.modules[f"{project[1]}.wines"].CALLS[-1]
    assert (str(start), str(end), as_of) == ("2024-01-01", "2024-05-15", "first")
    with pytest.raises(LoopwrightError, match=r"data\.source\.call uses start, and data\.collect\.start is empty"):
        table.collect(Collect.model_validate({"end": "2024-04-01", "as_of": "x"}), seed=0)


@pytest.mark.parametrize(
    ("call", "arguments", "message"),
    [
        ("nowhere.at_all:load", {}, r"data\.source\.call: nowhere\.at_all cannot be imported: ModuleNotFoundError"),
        ("{name}_broken:load", {}, r"cannot be imported: AttributeError: .*_broken\.py line 2"),
        ("{name}.wines:load", {}, "has no 'load'"),
        ("{name}.wines:NUMBER", {}, "is a int; expected a callable"),
        ("load", {}, "'load' is no import path; expected package.module:function"),
        ("{name}.wines:fails", {}, r"raised ValueError: the shop is closed \(wines\.py line \d+\)"),
        ("{name}.wines:fails", {"many": 1}, "cannot be called so: got an unexpected keyword argument 'many'"),
        ("{name}.wines:daily", {"start": "2024-01-01"}, "uses end, and data.collect.end is empty"),
        ("{name}.wines:returns", {"what": "list"}, "returned a list; expected a pandas DataFrame"),
        ("{name}.wines:returns", {"what": "empty"}, "returns: no row; expected rows"),
        ("{name}.wines:returns", {"what": "twice"}, "column 'a' appears more than once"),
    ],
)
def test_what_is_wrong_is_said(project: tuple[Path, str], call: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(LoopwrightError, match=message) as caught:
        source(project, call, **{"with": arguments}).load([])
    assert "\n" not in str(caught.value)


def test_cells_of_any_kind_are_read(tmp_path: Path) -> None:
    (tmp_path / "kinds_of_cells.py").write_text(
        "import pandas as pd, decimal, datetime as dt\n"
        "def load():\n"
        "    n = 60\n"
        "    return pd.DataFrame({\n"
        "        'price': [decimal.Decimal('1.5'), None] * 30,\n"
        "        'kind': pd.Categorical(['a', 'b', None] * 20),\n"
        "        'code': pd.Categorical([1, 2] * 30),\n"
        "        'lasts': pd.to_timedelta([1, None] * 30, unit='min'),\n"
        "        'day': [dt.date(2024, 1, 1 + i % 28) for i in range(n)],\n"
        "        'here': pd.array([True, None] * 30, dtype='boolean'),\n"
        "        'count': pd.array([3, None] * 30, dtype='Int64'),\n"
        "        7: [{'a': 1}] * n, 'target': ['x', 'y'] * 30}, index=range(5, 5 + n))\n"
    )
    settings = PythonSource.model_validate(
        {"kind": "python", "call": "kinds_of_cells:load", "target": "target", "time": "day"}
    )
    frame, schema = Table(tmp_path, settings, "classification").load([])
    kinds = dict.fromkeys(["price", "code", "lasts", "here", "count"], "number") | {"kind": "category"}
    assert schema["features"] == kinds
    assert schema["dropped"] == {"7": "holds objects of type dict"}
    assert frame["price"].dropna().unique().tolist() == [float(Decimal("1.5"))]
    assert frame["lasts"].dropna().unique().tolist() == [60.0]
    assert str(frame["day"].dtype) == "datetime64[us, UTC]"
    assert frame["kind"].isna().sum() == 20
