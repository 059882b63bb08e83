"""Releases: the log alone tells what is in force, whatever was killed or damaged between; what is wrong is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.releases.rollback import rollback
from flows.releases.telling import states, tell_releases
from stages.deployment import release
from stages.deployment.release import Candidate, current, missed, publish, released_model
from stages.deployment.release_log import LOG, POINTER, RELEASE, Release, in_force, mend_if_any, read_log
from stages.errors import DataError, ParamsError, ProjectError
from stages.files import read_json

MISSING = {"metric": "roc_auc", "side": "at_least", "bound": 0.7, "value": 0.6, "met": False}


def candidate(project: Path, model: bytes, iteration: int = 4, *, meets: bool = True) -> Candidate:
    path = project / "release" / "model.skops"
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(model)
    card = {"model": "release/model.skops", "meets": meets, "requirements": [] if meets else [MISSING]}
    return Candidate(path, card, "pilot", iteration, f"lw-{iteration:03d}", "data", "params", "code")


def put(project: Path, model: bytes, iteration: int = 4, **options: Any) -> Release:
    return publish(project, candidate(project, model, iteration), **options)


def back(project: Path, **options: Any) -> Release:
    return rollback(project, because="worse", by="Ann", **options)


def files(project: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for path in (project / "releases").rglob("*")
        if path.suffix != ".lock" and path.is_file() and path.name != ".lock"
    }


def iterations(project: Path) -> list[int]:
    return [line.iteration for line in in_force(read_log(project))]


def test_releasing_twice_changes_nothing(tmp_path: Path) -> None:
    assert current(tmp_path) is None
    line = put(tmp_path, b"one")
    before = files(tmp_path)
    inode = (tmp_path / line.path).stat().st_ino
    assert sorted(Path(name).name for name in before) == ["card-004.json", "current.json", "log.jsonl", "model.skops"]
    assert put(tmp_path, b"one") == line
    assert files(tmp_path) == before
    assert (tmp_path / line.path).stat().st_ino == inode
    assert current(tmp_path) == line.as_dict()


def test_the_pointer_holds_what_it_is_made_from_and_who_released_it(tmp_path: Path) -> None:
    pointer = put(tmp_path, b"one", by="Ann", because="it holds").as_dict()
    assert read_json(tmp_path / POINTER) == pointer
    assert (pointer["by"], pointer["because"], pointer["data"], pointer["params"]) == (
        "Ann",
        "it holds",
        "data",
        "params",
    )
    assert pointer["sha256"] == hashlib.sha256(b"one").hexdigest()
    assert {"python", "scikit-learn"} <= set(release.versions())


def test_a_new_release_leaves_the_old_one_in_place(tmp_path: Path) -> None:
    old, new = put(tmp_path, b"one"), put(tmp_path, b"two", 8)
    assert current(tmp_path) == new.as_dict()
    assert (tmp_path / old.path).read_bytes() == b"one"


def test_what_misses_the_charter_is_released_only_when_that_is_said(tmp_path: Path) -> None:
    put(tmp_path, b"one")
    poor = candidate(tmp_path, b"two", 8, meets=False)
    with pytest.raises(ProjectError, match=r"iteration 8: does not meet the charter: roc_auc"):
        publish(tmp_path, poor)
    assert iterations(tmp_path) == [4]
    assert publish(tmp_path, poor, by="Ann", although_missed=True).missed == ["roc_auc"]
    assert missed({"meets": False, "tests": {"failed": 2}}) == ["2 of the model's tests"]
    assert missed({"meets": False}) == ["the pilot, though every requirement is met"]


def test_rolling_back_twice_goes_two_releases_back(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        put(tmp_path, b"%d" % number, number)
    assert back(tmp_path).iteration == 2
    assert back(tmp_path).iteration == 1
    with pytest.raises(ProjectError, match="no earlier release"):
        back(tmp_path)
    assert (current(tmp_path) or {})["iteration"] == 1
    put(tmp_path, b"4", 4)
    put(tmp_path, b"2", 2)
    assert iterations(tmp_path) == [1, 4, 2]
    with pytest.raises(ProjectError, match=r"no release of iteration 3 lies before.*expected one of 4, 1"):
        back(tmp_path, to=3)
    assert back(tmp_path, to=1).because == "worse"
    told = [state for line, state in zip(read_log(tmp_path), states(tmp_path, read_log(tmp_path)), strict=True)]
    assert told == [["in force"], ["rolled back"], ["rolled back"], [], [], ["rolled back"], ["rolled back"], []]


@pytest.mark.parametrize("damage", ["{bad", "[1]", "{}", '{"iteration": "x", "path": "", "sha256": ""}', '""', None])
def test_a_rollback_needs_neither_the_pointer_nor_the_present_model(tmp_path: Path, damage: str | None) -> None:
    old, new = put(tmp_path, b"one"), put(tmp_path, b"two", 8)
    (tmp_path / new.path).write_bytes(b"Two")
    with pytest.raises(ProjectError, match=r"not what was released.*loopwright rollback"):
        current(tmp_path)
    shutil.rmtree((tmp_path / new.path).parent)
    if damage is None:
        (tmp_path / POINTER).unlink()
    else:
        (tmp_path / POINTER).write_text(damage)
        with pytest.raises(ProjectError, match=r"current\.json: is damaged.*loopwright rollback"):
            current(tmp_path)
    assert back(tmp_path).sha256 == old.sha256
    assert (current(tmp_path) or {})["iteration"] == 4


def test_a_rollback_to_a_damaged_model_is_refused_and_the_pointer_stays(tmp_path: Path) -> None:
    put(tmp_path, b"zero", 2)
    old, new = put(tmp_path, b"one"), put(tmp_path, b"two", 8)
    (tmp_path / old.path).write_bytes(b"One")
    before = files(tmp_path)
    with pytest.raises(ProjectError, match=r"not what was released.*rollback --to 2, or loopwright release 4"):
        back(tmp_path)
    assert files(tmp_path) == before
    assert current(tmp_path) == new.as_dict()
    assert back(tmp_path, to=2).iteration == 2


def test_a_tampered_release_is_refused_and_mended_by_releasing_again(tmp_path: Path) -> None:
    line = put(tmp_path, b"one")
    (tmp_path / line.path).write_bytes(b"One")
    with pytest.raises(ProjectError, match=r"not what was released.*loopwright release 4"):
        released_model(tmp_path)
    put(tmp_path, b"one")
    assert current(tmp_path) == line.as_dict()
    with pytest.raises(DataError, match="is no model"):
        released_model(tmp_path)


def test_a_run_does_not_release_again_what_a_person_rolled_back_meanwhile(tmp_path: Path) -> None:
    put(tmp_path, b"one", once=True)
    put(tmp_path, b"two", 8, once=True)
    back(tmp_path)
    put(tmp_path, b"two", 8, once=True)
    assert iterations(tmp_path) == [4]
    put(tmp_path, b"two", 8, by="Ann")
    assert iterations(tmp_path) == [4, 8]


def test_a_reason_is_needed_and_something_to_go_back_to(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="nothing is released"):
        back(tmp_path)
    put(tmp_path, b"one")
    with pytest.raises(ParamsError, match="the reason is empty"):
        rollback(tmp_path, because=" ", by="Ann")


@pytest.mark.parametrize("undo", [False, True])
def test_a_kill_at_any_byte_of_the_log_leaves_the_old_release_or_the_new_one(
    tmp_path: Path, undo: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "now", lambda: "2026-01-01T00:00:00+00:00")
    monkeypatch.setattr("flows.releases.rollback.now", lambda: "2026-01-01T00:00:00+00:00")
    put(tmp_path, b"one")
    put(tmp_path, b"two", 8)

    def act() -> Release:
        return back(tmp_path) if undo else put(tmp_path, b"three", 9)

    log, pointer = tmp_path / LOG, tmp_path / POINTER
    before, old = log.read_bytes(), pointer.read_bytes()
    act()
    whole, new = log.read_bytes(), pointer.read_bytes()
    for length in range(len(before), len(whole) + 1):
        log.write_bytes(whole[:length])
        pointer.write_bytes(old)
        mend_if_any(tmp_path)
        assert pointer.read_bytes() == (new if length == len(whole) else old)
        if length < len(whole) and length % 40 == 0:  # a fsync each
            act()
            assert log.read_bytes() == whole
            assert pointer.read_bytes() == new


@pytest.mark.parametrize("damage", ["nonsense", "{}", "[]", "null", '{"kind": "release"}', "rollback", "iteration"])
@pytest.mark.parametrize("number", [1, 2])
def test_a_damaged_line_is_named(tmp_path: Path, damage: str, number: int) -> None:
    put(tmp_path, b"one")
    put(tmp_path, b"two", 8)
    lines = (tmp_path / LOG).read_text().splitlines()
    wrong = {"rollback": {"kind": "else"}, "iteration": {"iteration": "4"}}.get(damage)
    lines[number - 1] = damage if wrong is None else json.dumps({**json.loads(lines[number - 1]), **wrong})
    (tmp_path / LOG).write_text("\n".join(lines) + "\n")
    with pytest.raises(ProjectError, match=rf"log\.jsonl line {number}: damaged"):
        read_log(tmp_path)


def test_a_rollback_to_nothing_is_damage(tmp_path: Path) -> None:
    line = put(tmp_path, b"one")
    with pytest.raises(ProjectError, match=r"line 2: damaged: a rollback to release 7"):
        in_force([line, replace(line, kind="rollback", number=7)])


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(1, 4)),
        st.tuples(st.just("back"), st.none() | st.integers(1, 4)),
        st.tuples(st.just("spoil"), st.sampled_from(["pointer", "model", "tail"])),
    ),
    max_size=12,
)


@settings(max_examples=25)
@given(ACTIONS)
def test_any_sequence_leaves_the_pointer_at_what_the_log_says(
    tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[str, Any]]
) -> None:
    project = tmp_path_factory.mktemp("releases")
    stack: list[int] = []
    for kind, value in actions:
        if kind == "put":
            put(project, b"%d" % value, value)
            stack += [] if stack[-1:] == [value] else [value]
        elif kind == "back":
            targets = [at for at, number in enumerate(stack[:-1]) if value in (None, number)]
            if targets and _whole(project, stack[targets[-1]]):
                back(project, to=value)
                del stack[targets[-1] + 1 :]
            else:
                with pytest.raises(ProjectError):
                    back(project, to=value)
        elif stack:
            _spoil(project, value)
        if kind != "spoil" and stack:
            lines = read_log(project)
            assert [line.iteration for line in in_force(lines)] == stack
            assert read_json(project / POINTER) == lines[-1].as_dict()
            assert lines[-1].iteration == stack[-1]


def _whole(project: Path, number: int) -> bool:
    (line, *_) = [line for line in read_log(project) if line.iteration == number]
    return (project / line.path).read_bytes() == b"%d" % number


def _spoil(project: Path, what: str) -> None:
    if what == "pointer":
        (project / POINTER).write_text("{")
    elif what == "model":
        (project / read_log(project)[-1].path).write_bytes(b"spoilt")
    else:
        with (project / LOG).open("a") as file:
            file.write('{"kind": "rel')


def test_releases_are_listed_with_what_is_to_be_mended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tell_releases(tmp_path)
    assert "nothing is released yet" in capsys.readouterr().out
    put(tmp_path, b"one")
    publish(tmp_path, candidate(tmp_path, b"two", 8, meets=False), by="Ann", because="urgent", although_missed=True)
    (tmp_path / read_log(tmp_path)[-1].path).unlink()
    (tmp_path / POINTER).write_text("{")
    tell_releases(tmp_path)
    told = " ".join(capsys.readouterr().out.split())
    for wanted in ("damaged", "loopwright release 8", "current.json is damaged", "the next run, release or rollback"):
        assert wanted in told
    tell_releases(tmp_path, as_json=True)
    first, second = json.loads(capsys.readouterr().out)
    assert (first["kind"], first["state"]) == (RELEASE, ["earlier"])
    assert (second["state"], second["missed"], second["by"]) == (["in force", "damaged"], ["roc_auc"], "Ann")
