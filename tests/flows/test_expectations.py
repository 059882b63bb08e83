"""``loopwright expectations suggest``, as a user runs it, on a project whose table has changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from flows.expectations import suggest
from stages.data import collect, label, split, validate
from stages.data.profiles import profile_path
from stages.errors import ProjectError
from stages.files import read_json
from stages.signals import read_signals
from tests.conftest import Cli


def test_it_shows_and_writes_and_keeps_what_is_a_persons(
    cli: Cli, make_project: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    project = make_project("wine")
    with pytest.raises(ProjectError, match=r"holds no window yet; .*loopwright run"):
        suggest(project)
    collect.run(project)
    path = project / "expectations/suite.json"
    suite = read_json(path)
    mine = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "hue", "min_value": 0}, "meta": {}}
    suite["expectations"] = [mine, *(item for item in suite["expectations"] if item["kwargs"].get("column") != "hue")]
    path.write_text(json.dumps(suite))
    before = path.read_bytes()
    assert suggest(project)
    said = capsys.readouterr().out
    assert '+ expect_column_to_exist {"column": "hue"}' in said
    assert "+ expect_table_row_count_to_be_between" in said
    assert "1 of a person's own stay" in said
    assert "nothing is written" in said
    assert path.read_bytes() == before
    done = cli(project, "expectations", "suggest", "--write")
    assert "wrote expectations/suite.json and expectations/profile.json" in done.stdout
    assert read_json(path)["expectations"][0] == mine
    assert read_json(project / profile_path("expectations/suite.json"))["rows"] == 142
    again = cli(project, "expectations", "suggest")
    assert "is what this window suggests" in again.stdout
    validate.run(project)
    found = read_json(project / "data/validation.json")["expectations"]
    assert [item for item in found if not item["success"] and item["data"] == "window"] == []


def test_a_table_that_comes_with_another_name_is_mended(make_project: Callable[[str], Path]) -> None:
    project = make_project("breast_cancer")
    raw = project / "data/raw/breast_cancer.csv"
    pd.read_csv(raw).rename(columns={"worst_area": "area_worst"}).to_csv(raw, index=False)
    for step in (collect, validate, label, split):
        step.run(project)
    found = read_signals(project / "signals/data.json")["schema_changed"]
    assert found.fires is True
    assert found.evidence["changes"] == [
        {
            "kind": "renamed",
            "column": "worst_area",
            "now": "area_worst",
            "says": "'worst_area' is called 'area_worst' now (same distribution)",
        }
    ]
