"""What stands beside the release: the log alone tells it, whatever was killed between; what is wrong is refused."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from stages.deployment import canary_log
from stages.deployment.canary_log import (
    CANARY_LOG,
    CANARY_POINTER,
    STOP,
    Canary,
    current_canary,
    ended,
    in_place,
    read_canaries,
    read_pointer,
)
from stages.errors import ProjectError

LINE = Canary(
    kind="start",
    number=1,
    iteration=7,
    share=0.25,
    path="releases/a/model.skops",
    card="releases/a/card-007.json",
    sha256=hashlib.sha256(b"one").hexdigest(),
    experiment="lw-007",
    missed=["log_loss"],
    by="Ann",
    because="to see",
    at="2026-01-01T00:00:00+00:00",
)


def started(project: Path) -> Path:
    model = project / LINE.path
    model.parent.mkdir(parents=True)
    model.write_bytes(b"one")
    canary_log.append(project, LINE)
    return model


def test_what_is_put_there_is_there_until_it_is_taken_away(tmp_path: Path) -> None:
    assert current_canary(tmp_path) is None
    started(tmp_path)
    assert current_canary(tmp_path) == LINE == in_place(read_canaries(tmp_path))
    canary_log.append(tmp_path, ended(LINE, STOP, by="Bob", because="enough", at=LINE.at))
    assert current_canary(tmp_path) is None
    assert [(line.kind, line.by) for line in read_canaries(tmp_path)] == [("start", "Ann"), ("stop", "Bob")]


def test_a_kill_at_any_byte_leaves_what_was_there_or_what_is_new(tmp_path: Path) -> None:
    started(tmp_path)
    log, pointer = tmp_path / CANARY_LOG, tmp_path / CANARY_POINTER
    before, old = log.read_bytes(), pointer.read_bytes()
    canary_log.append(tmp_path, replace(LINE, number=2, share=0.0))
    whole, new = log.read_bytes(), pointer.read_bytes()
    for length in range(len(before), len(whole) + 1):
        log.write_bytes(whole[:length])
        pointer.write_bytes(old)
        canary_log.mend(tmp_path)
        assert pointer.read_bytes() == (new if length == len(whole) else old)


def test_a_model_that_was_changed_is_refused(tmp_path: Path) -> None:
    model = started(tmp_path)
    model.write_bytes(b"another")
    with pytest.raises(ProjectError, match="not what was put beside the release"):
        current_canary(tmp_path)
    model.unlink()
    with pytest.raises(ProjectError, match="is missing"):
        current_canary(tmp_path)


@pytest.mark.parametrize("damage", ["{", "[]", '{"kind": "start"}', {"kind": "else"}, {"share": 1.5}, {"share": "a"}])
def test_a_damaged_pointer_is_named_and_mended_by_the_log(tmp_path: Path, damage: str | dict[str, object]) -> None:
    started(tmp_path)
    text = damage if isinstance(damage, str) else json.dumps(LINE.as_dict() | damage)
    (tmp_path / CANARY_POINTER).write_text(text)
    with pytest.raises(ProjectError, match=r"canary\.json: damaged"):
        current_canary(tmp_path)
    canary_log.mend(tmp_path)
    assert read_pointer(tmp_path) == LINE
    with (tmp_path / CANARY_LOG).open("a") as file:
        file.write(text + "\n")
    with pytest.raises(ProjectError, match=r"canary\.jsonl line 2: damaged"):
        read_canaries(tmp_path)
