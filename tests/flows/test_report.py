"""The page: nothing of the user's own texts becomes markup, pictures hold for any figures, mistakes are one line.

Finished projects are told in tests/end_to_end/test_tables.py.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.record import Iteration, append
from flows.report.charts import Mark, Panel, Row, over_iterations, rows_with_intervals, strip
from flows.report.costs import paid
from flows.report.curves import learning_curve
from flows.report.facts import gather
from flows.report.page import TEMPLATES, write_report
from flows.report.past import Archive, changed_params
from flows.report.svg import scale_of, spaced
from stages.errors import ProjectError
from tests.conftest import Cli
from tests.flows.test_record import iteration
from tests.page import Page

HOSTILE = """<script>alert("x")</script> & "'><img src=x onerror=alert(1)> {{ 7 * 7 }} ]]> </style>\x00\x1b[31m"""
SHOWN = """<script>alert("x")</script> & "'><img src=x onerror=alert(1)> {{ 7 * 7 }} ]]> </style>[31m"""
FIGURE = st.floats(-1e12, 1e12)
PARAMS = """
seed: 1
planning:
  goal: {goal}
  task: classification
  optimise: log_loss
  requirements:
    roc_auc: {{at_least: 0.7, why: {goal}}}
data: {{source: {{kind: table, path: t.csv, target: {goal}}}}}
training:
  candidates: {{a: {{estimator: sklearn.linear_model.LogisticRegression}}}}
  use: [a]
"""


def figure(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.1, "high": value + 0.1}


def signal(name: str, value: float, says: str, **evidence: Any) -> dict[str, Any]:
    ends = {**figure(value), "threshold": 0.0, "direction": "above", "unit": says, "fires": True}
    return {"name": name, **ends, "says": says, "evidence": evidence}


def record(project: Path, words: str) -> list[Iteration]:
    """Write a project whose record holds these words wherever a user's own may stand; nothing else is kept of it."""
    quoted = "'" + words.replace("'", "''").replace("\x00", "").replace("\x1b", "") + "'"
    (project / "params.yaml").write_text(PARAMS.format(goal=quoted), encoding="utf-8")
    missed = {"metric": "roc_auc", **figure(0.6), "bound": 0.7, "side": "at_least"}
    parts = {part: figure(0.2) for part in ("irreducible", "bias", "variance", "selection")}
    training = [
        signal("requirements_missed", 0.1, words, missed=[missed], met=[], chosen=words),
        signal("overfitting", 0.2, words, decomposition={**parts, "best": words}),
        signal("curve_falling", 0.02, words, rows_needed=figure(90.0), rows_of_curve=[10, 20]),
    ]
    slices = [{"column": words, "value": words, "rows": 9, "excess": 0.2, "low": 0.1, "high": 0.3}]
    moved = [{"feature": words, "effect": figure(0.4), "missing": None, "new": 0.0, "p_effect": 0.01}]
    deployment = [
        signal("pilot_fails", 0.1, words, missed=[missed], met=[]),
        signal("shift", 0.1, words, drop={"total": figure(0.1)}),
        signal("covariate_shift", 0.8, words, features=moved, moved=[words], auc=figure(0.8)),
        signal("hard_slices", 0.2, words, slices=slices),
    ]
    scores = {"roc_auc": figure(0.6), "log_loss": figure(0.5)}
    candidates = {words: {"size_mb": 0.1, "threshold": 0.5, "valid": {"roc_auc": 0.6, "log_loss": 0.5}}}
    metrics = {"evaluation": {"valid": scores}, "baselines": {"constant": scores}, "candidates": candidates}
    step = [{"name": words, "how": "ran", "seconds": 1.0}]
    common = {
        "because": words,
        "patch": {"data.collect.rows": 9},
        "steps": step,
        "started": "2026-01-06T10:00:00+00:00",
    }
    common |= {"ended": "2026-01-06T10:00:09+00:00", "experiment": words, "code": words}
    empty: dict[str, Any] = {"signals": [], "metrics": {}}
    on = {"row": "gate_passed", "reason": words, "patch": {}, "proposal": {}, "considered": []}
    lines = [
        iteration(1, **common, stage="data", move={**on, "to": "training"}, rows=40, labels=30, money=3.0, **empty),
        iteration(2, **common, stage="training", signals=training, metrics=metrics, move={**on, "to": "deployment"}),
        iteration(
            3,
            **{**common, "by": "person"},
            stage="deployment",
            signals=deployment,
            metrics={"pilot": {"model": scores, "constant": scores}},
            move={**on, "to": "stopped", "row": "pilot_unreached", "proposal": {"seed": words}},
        ),
    ]
    for line in lines:
        append(project, line)
    return lines


def test_texts_of_the_user_never_become_markup(tmp_path: Path) -> None:
    record(tmp_path, HOSTILE)
    page = Page(write_report(tmp_path).read_text(encoding="utf-8"))
    assert page.says.count(SHOWN) > 15
    assert not re.search("[\x00-\x08\x0b-\x1f]", page.text)
    assert "49" not in page.says.split()


def test_the_same_record_gives_the_same_bytes(tmp_path: Path) -> None:
    record(tmp_path, "fine")
    first = write_report(tmp_path).read_bytes()
    assert write_report(tmp_path, out=tmp_path / "again.html").read_bytes() == first


def test_a_stop_is_told_with_what_is_missed_and_what_it_cost(tmp_path: Path) -> None:
    record(tmp_path, "fine")
    page = Page(write_report(tmp_path).read_text(encoding="utf-8"))
    assert (
        "Stopped. The pilot fails, and everything the loop may change was tried (iteration 3, Tue 6 Jan 2026"
        in page.says
    )
    assert "roc_auc ≥ 0.7" in page.says
    assert "✕ missed 0.6 (0.5 … 0.7)" in page.says
    assert "loopwright restore 2" in page.says
    assert "card" not in page.ids
    assert "no longer in DVC's cache" in page.says
    assert page.headings[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(page.headings))


def test_what_is_held_already_is_not_paid_again(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(PARAMS.format(goal="x"))
    for number, labels in enumerate([30, 20, 45], start=1):
        append(tmp_path, iteration(number, rows=labels, labels=labels, money=2.0 * labels, run=f"r{number}"))
    everything = paid(gather(tmp_path, Archive(tmp_path)))
    assert [everything[n].labels for n in (1, 2, 3)] == [30, 0, 15]
    assert [everything[n].money for n in (1, 2, 3)] == [60.0, 0.0, 30.0]
    last = gather(tmp_path, Archive(tmp_path), "r3")
    assert last.numbers == [3]
    assert paid(last)[3].labels == 15


def test_what_is_no_project_and_what_never_ran_are_one_line(embedded: Cli, tmp_path: Path) -> None:
    for todo in ("loopwright init", "loopwright run"):
        done = embedded(tmp_path, "report", check=False)
        assert done.returncode == 2
        assert done.stderr.startswith("error:")
        assert todo in done.stderr
        assert not (tmp_path / "report.html").exists()
        (tmp_path / "params.yaml").write_text(PARAMS.format(goal="x"))
    append(tmp_path, iteration(1))
    with pytest.raises(ProjectError, match=r"no run 'r9'.*one of r1"):
        write_report(tmp_path, run="r9")


def test_a_folder_is_no_file_to_write(tmp_path: Path) -> None:
    record(tmp_path, "fine")
    with pytest.raises(ProjectError, match="is a folder"):
        write_report(tmp_path, out=tmp_path)


@settings(max_examples=40)
@given(st.lists(st.tuples(FIGURE, FIGURE, FIGURE), min_size=1, max_size=8), st.text())
def test_any_figures_give_a_drawing(figures: list[tuple[float, float, float]], words: str) -> None:
    words = re.sub(r"[^\x20-\ud7ff]", "", words)
    marks = [Mark(k, "valid", *found) for k, found in enumerate(figures)]
    panel = Panel(words, marks, {words: [(0, figures[0][0])]}, [(0, figures[0][1])], words, percent=True)
    drawn = [over_iterations(panel, range(len(marks)))]
    drawn.append(rows_with_intervals([Row(words, *found) for found in figures], words, [0.1], words))
    points = [{"rows": 10.0 * (k + 1), "train_loss": a, "valid_loss": b} for k, (a, b, _) in enumerate(figures)]
    drawn.append(learning_curve(points, [], None, words))
    for drawing in drawn:
        places = [
            float(number)
            for part in fromstring(str(drawing)).iter()
            for key in ("x", "y", "cx", "cy", "x1", "x2", "y1", "y2")
            if (number := part.get(key))
        ]
        assert all(-1 <= place <= max(drawing.width, drawing.height) + 1 for place in places)


@given(FIGURE, FIGURE)
def test_ticks_are_few_round_and_within(one: float, other: float) -> None:
    scale = scale_of([one, other], 0, 100)
    ticks = scale.ticks(5)
    assert 2 <= len(ticks) <= 12
    assert all(-1e-6 <= scale(tick) <= 100 + 1e-6 for tick in ticks)


@given(st.lists(st.floats(0, 100), max_size=6))
def test_labels_are_apart_and_in_order(places: list[float]) -> None:
    moved = spaced(places, 10, 0, 100)
    order = sorted(range(len(places)), key=lambda k: places[k])
    assert all(moved[b] - moved[a] >= 10 - 1e-9 for a, b in pairwise(order))


def test_a_figure_without_value_or_bound_has_no_strip() -> None:
    assert strip({"value": None}, 1.0, "good above") is None
    assert strip({"value": 1.0}, None, "good above") is None
    assert "bad" in str(strip({"value": 1.0, "low": 0.5, "high": 1.5}, 2.0, "good above"))
    assert "bad" not in str(strip({"value": 1.0, "low": 0.5, "high": 1.5}, 0.2, "good above"))


def test_a_persons_edit_is_told_key_by_key() -> None:
    before = {"a": {"b": 1, "c": [1]}, "d": 2}
    assert changed_params(before, {"a": {"b": 1, "c": [1, 2]}}) == [("a.c", [1], [1, 2]), ("d", 2, None)]
    assert changed_params(None, before) == []


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_letters_stand_out_from_their_ground(scheme: int) -> None:
    """Contrast of 4.5 to 1 (WCAG 2.2, 1.4.3); 3 to 1 for what is drawn (1.4.11)."""
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    colors = dict(re.findall(r"--([\w-]+): (#\w{6});", style.split(":root {")[1 + scheme]))
    grounds = {"ink": ["tint", "good-tint", "back-tint"], "back": ["back-tint"], "good": ["good-tint"]}
    for letters in ("ink", "muted", "model", "back", "good"):
        for ground in ("paper", "code", *grounds.get(letters, [])):
            assert contrast(colors[letters], colors[ground]) >= 4.5, (letters, ground)
    for drawn in ("model", "pilot", "base", "line", "back"):
        assert contrast(colors[drawn], colors["paper"]) >= 3, drawn


def contrast(one: str, other: str) -> float:
    """Return WCAG's contrast ratio of two colours."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(color: str) -> float:
    parts = [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
