"""What `loopwright prioritise` prints and draws."""

from __future__ import annotations

import json
import math
import re
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest

from flows.cli import main
from flows.priority.drivers import DRIVERS
from flows.priority.picture import LEFT, PLOT, RADIUS, TOP, draw, places
from flows.priority.template import template
from tests.conftest import ROOT
from tests.flows.priority.test_scoring import judged, project

EXAMPLE = str(ROOT / "examples" / "candidates.yaml")
SVG = "{http://www.w3.org/2000/svg}"


def tell(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["prioritise", *arguments])
    assert ended.value.code == code
    return capsys.readouterr().out if code == 0 else capsys.readouterr().err


def test_the_example_is_told_with_reasons_unknowns_and_what_to_find_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    said = tell(capsys, EXAMPLE, "--svg", str(tmp_path / "drawn.svg"))
    for words in ("cannot be told apart yet", "find out first", "not at all: it ought not to be done", "may end it"):
        assert words in said
    assert re.search(r"against +.*cost_of_wrong 1: a passenger who would have made it is left behind", said)
    ElementTree.parse(tmp_path / "drawn.svg")


def test_json_holds_every_driver_and_the_same_ranking(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(tell(capsys, EXAMPLE, "--json"))
    assert [item["rank"] for item in found["projects"]] == [1, 2, 3, 4, 5, 6]
    names = {item["name"] for item in found["projects"]}
    for item in found["projects"]:
        assert set(item["drivers"]) == {driver.name for driver in DRIVERS}
        assert item["priority"]["low"] <= item["priority"]["value"] <= item["priority"]["high"]
    assert all(set(pair) <= names for pair in found["not_apart"])
    assert {item["project"] for item in found["find_out"]} <= names
    assert found["projects"][-1]["vetoes"] == ["it ought not to be done"]


def test_the_template_is_printed_and_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert tell(capsys, "--template") == template()
    assert "--template" in tell(capsys, code=2)
    assert "not found" in tell(capsys, "none.yaml", code=2)
    assert "is a folder" in tell(capsys, EXAMPLE, "--svg", str(ROOT), code=2)


def test_numbers_of_the_picture_never_cover_each_other() -> None:
    many = judged(*(project({"friction": 5}, f"Same {at}") for at in range(40)))
    for one, other in combinations(places(many), 2):
        assert math.dist(one, other) >= 2 * RADIUS
    best = judged(*(project(dict.fromkeys([d.name for d in DRIVERS], 5), f"Best {at}") for at in range(20)))
    for x, y in places(best)[1:]:
        assert LEFT < x - RADIUS < x + RADIUS < LEFT + PLOT
        assert TOP < y - RADIUS < y + RADIUS < TOP + PLOT


def test_the_picture_is_read_aloud_and_escapes_names() -> None:
    drawn = draw(judged(project({"friction": 4}, "<b> & [x]")))
    tree = ElementTree.fromstring(drawn)
    title, told = (tree.find(f"{SVG}{name}") for name in ("title", "desc"))
    assert title is not None
    assert told is not None
    assert told.text == "1: <b> & [x], impact 3.25 (1.75 … 4.75), feasibility 3 (1 … 5), cannot tell."
    assert tree.get("aria-labelledby") == f"{title.get('id')} {told.get('id')}"
