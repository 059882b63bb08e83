"""The record: what is appended is read again; a torn last line was never there, any other damage is named."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.record import RECORD_FILE, Iteration, append, read_record
from flows.running import why_ran
from flows.words import remarks
from stages.errors import ProjectError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def iteration(number: int, **changed: Any) -> Iteration:
    values: dict[str, Any] = {
        **{"iteration": number, "run": "r1", "stage": "data", "because": "start", "by": "loop", "patch": {"a.b": [1]}},
        **{"data_version": None, "metrics": {"x": {"y": 0.1}}, "signals": [{"name": "s"}], "move": {"to": "training"}},
        **{"steps": [], "seconds": 1.5, "rows": None, "labels": 3, "experiment": f"e{number}", "code": "c"},
        **{"params_before": "p", "params_after": "q", "started": "now", "ended": "then"},
    }
    return Iteration(**values | changed)


def fill(project: Path, n: int = 3) -> Path:
    for number in range(1, n + 1):
        append(project, iteration(number))
    return project / RECORD_FILE


def test_a_new_project_has_no_record(tmp_path: Path) -> None:
    assert read_record(tmp_path) == []


def test_what_is_appended_is_read(tmp_path: Path) -> None:
    path = fill(tmp_path)
    assert read_record(tmp_path) == [iteration(1), iteration(2), iteration(3)]
    assert [json.loads(line)["iteration"] for line in path.read_text(encoding="utf-8").splitlines()] == [1, 2, 3]


@settings(deadline=None)
@given(st.text(), st.dictionaries(st.text(), JSON, max_size=3))
def test_any_content_survives(tmp_path_factory: pytest.TempPathFactory, because: str, patch: dict[str, Any]) -> None:
    project = tmp_path_factory.mktemp("record")
    wanted = [iteration(1, because=because, patch=patch), iteration(2, metrics=patch)]
    for item in wanted:
        append(project, item)
    assert read_record(project) == wanted


def test_a_release_says_what_it_stands_beside() -> None:
    def found(name: str, fires: bool | None) -> dict[str, Any]:
        return {"name": name, "fires": fires, "says": f"{name} of it", "evidence": {}}

    worked = {"steps": [{"name": "gate"}]}
    earlier = iteration(1, stage="training", signals=[found("label_noise", True)], **worked)
    later = iteration(2, stage="training", signals=[found("label_noise", None), found("curve_falling", True)], **worked)
    pilot = iteration(3, stage="deployment", signals=[found("label_shift", True), found("shift", False)], **worked)
    assert remarks([earlier, pilot]) == ["label_noise: label_noise of it", "label_shift: label_shift of it"]
    assert remarks([earlier, later, pilot]) == ["label_shift: label_shift of it"]
    answered = iteration(4, stage="deployment", signals=[found("answer", True)])
    assert remarks([earlier, later, pilot, answered]) == ["label_shift: label_shift of it"]
    wish = {"metric": "recall", "value": 0.61, "side": "at_least", "bound": 0.7}
    missing = pilot.signals[0] | {"name": "pilot_fails", "fires": False, "evidence": {"wishes_missed": [wish]}}
    wishing = pilot.model_copy(update={"signals": [missing]})
    assert remarks([wishing]) == ["soft requirement missed: recall 0.61, wanted at least 0.7"]


def test_earlier_lines_are_never_changed(tmp_path: Path) -> None:
    path = fill(tmp_path)
    before = path.read_bytes()
    append(tmp_path, iteration(4))
    assert path.read_bytes().startswith(before)


def test_a_torn_last_line_is_left_out_and_cut_off(tmp_path: Path) -> None:
    path = fill(tmp_path)
    whole = path.read_bytes()
    start = whole.rstrip(b"\n").rfind(b"\n") + 1
    for length in (start + 1, start + 30, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert read_record(tmp_path) == [iteration(1), iteration(2)]
        append(tmp_path, iteration(3))
        assert path.read_bytes() == whole


def test_a_torn_first_line_is_an_empty_record(tmp_path: Path) -> None:
    path = fill(tmp_path, 1)
    os.truncate(path, 20)
    assert read_record(tmp_path) == []
    append(tmp_path, iteration(1))
    assert read_record(tmp_path) == [iteration(1)]


@pytest.mark.parametrize("damage", [b"nonsense", b"", b"{}", b'{"iteration": 2', b"\xff\xfe", b"null"])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_damaged_line_is_named(tmp_path: Path, damage: bytes, number: int) -> None:
    path = fill(tmp_path)
    lines = path.read_bytes().splitlines()
    lines[number - 1] = damage
    path.write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises(ProjectError, match=rf"record\.jsonl line {number}: damaged"):
        read_record(tmp_path)


def test_unknown_keys_are_damage(tmp_path: Path) -> None:
    path = fill(tmp_path, 1)
    path.write_text(json.dumps(iteration(1).model_dump() | {"more": 1}) + "\n", encoding="utf-8")
    with pytest.raises(ProjectError, match="line 1"):
        read_record(tmp_path)


def test_figures_that_are_no_json_are_not_written(tmp_path: Path) -> None:
    path = fill(tmp_path, 1)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        append(tmp_path, iteration(2, seconds=float("nan")))
    assert path.read_bytes() == before


def test_a_restore_says_of_each_step_why_it_ran() -> None:
    now, again = why_ran(["label", "train", "evaluate"], {"collect", "label"})
    assert now == "run now, because the loop had not reached them then: train, evaluate"
    assert again.startswith("run again, because what they read was added to since (labels/)")
    assert again.endswith(": label")
    assert why_ran([], {"label"}) == []
