"""Params patches: comments and order are kept, twice is once, and a bad patch writes nothing."""

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flows.patching import apply, changes_anything, params_hash, patched
from stages.errors import ParamsError
from stages.params import load_params, read_params

ROOT = Path(__file__).parents[2]
KEYS = st.lists(st.sampled_from("abcd"), min_size=1, max_size=3).map(".".join)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abcd"), inner)
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    return tmp_path


def text(project: Path) -> str:
    return (project / "params.yaml").read_text(encoding="utf-8")


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("abcd"), VALUES), st.dictionaries(KEYS, VALUES, max_size=3))
def test_twice_is_once(values: dict[str, Any], patch: dict[str, Any]) -> None:
    try:
        once = patched(values, patch)
    except ParamsError as error:
        assert "is not inside a section" in str(error)
        return
    # Keys that lead into each other overwrite each other in turn.
    nested = any(two.startswith(f"{one}.") for one in patch for two in patch)
    if not nested:
        assert not changes_anything(once, patch)
        assert patched(once, patch) == once
    assert changes_anything(values, patch) == (once != values)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("abcd"), VALUES), st.dictionaries(KEYS, VALUES, max_size=3))
@example({}, {"a": {}, "a.b": 1})
def test_what_is_patched_is_a_copy(values: dict[str, Any], patch: dict[str, Any]) -> None:
    before = repr(values), repr(patch)
    with suppress(ParamsError):
        patched(values, patch)
    assert (repr(values), repr(patch)) == before


def test_a_patch_of_nothing_changes_nothing() -> None:
    assert not changes_anything({"a": 1}, {})
    assert not changes_anything({"a": {"b": [1]}}, {"a.b": [1]})
    assert changes_anything({"a": {"b": [1]}}, {"a.b": [1, 2]})


def test_only_the_patched_lines_change(project: Path) -> None:
    apply(project, {})  # once in ruamel's own layout
    before = text(project).splitlines()
    apply(project, {"data.collect.end": "2013-03-01", "planning.progress.patience": 3})
    after = text(project).splitlines()
    assert [(old.strip(), new.strip()) for old, new in zip(before, after, strict=True) if old != new] == [
        ("progress: {patience: 4, min_gain: 0.001}", "progress: {patience: 3, min_gain: 0.001}"),
        ('end: "2013-02-01"', 'end: "2013-03-01"'),
    ]
    params = load_params(project)
    assert str(params.data.collect.end) == "2013-03-01"
    assert params.planning.progress.patience == 3


def test_lists_keep_their_style_and_the_comments_around_them(project: Path) -> None:
    """The loop replaces these three lists when it goes back."""
    old = text(project)
    old = old.replace("  use: [boosting]\n", "  use: [boosting]  # rungs\n  # after the rungs\n")
    block = "    features:\n      - schedule\n      - weather\n      - plane  # last\n  # after the features\n"
    old = old.replace("    features: [schedule, weather, plane]\n", block)
    (project / "params.yaml").write_text(old, encoding="utf-8")
    features = ["schedule", "weather", "plane", "recent"]
    slices = [{"column": "origin", "value": "EWR", "weight": 2.0}]
    apply(project, {"training.use": ["boosting", "logistic"], "data.collect.features": features})
    apply(project, {"data.hard_slices": slices})
    apply(project, {"data.hard_slices": slices * 2})
    new = text(project)
    for comment in ("# rungs", "# after the rungs", "# after the features"):
        assert comment in new
    assert "  use: [boosting, logistic] # rungs\n" in new
    assert "\n\ntraining:\n" in new


PATCHES: list[dict[str, Any]] = [
    {"data.collect.end": "2013-03-01"},
    {"data.validate.on_fail": "quarantine", "data.validate.max_quarantine": 0.07},
    {"data.hard_slices": [{"column": "origin", "value": "EWR", "weight": 2.0}]},
    {"data.collect.features": ["schedule"]},
    {"planning.requirements.roc_auc.at_least": 0.655},
    {"deployment.slices": {"columns": [], "min_rows": 7, "max_excess": 1.0}},
    {"planning.goal": "Quotes ' \" and: colons # survive,\nlines too."},
]


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: next(iter(patch)))
def test_what_is_written_is_what_was_meant(project: Path, patch: dict[str, Any]) -> None:
    values = read_params(project)
    meant, hashed = patched(values, patch), params_hash(project, patch)
    assert hashed != params_hash(project)
    apply(project, patch)
    assert read_params(project) == meant
    assert params_hash(project) == hashed
    once = text(project)
    apply(project, patch)
    assert text(project) == once
    assert list(read_params(project)) == list(values)
    assert once.startswith("# The project:")


@pytest.mark.parametrize(
    ("patch", "named"),
    [
        ({"data.collect.rows": 0}, "data.collect.rows"),
        ({"data.colect": 1}, "data.colect"),
        ({"seed.x": 1}, "seed.x: x is not inside a section"),
        ({"seed.x.y": 1}, "seed.x.y: x is not inside a section"),
        ({"training.use": ["nobody"]}, "training"),
        ({"seed": 1, "planning.optimise": "nonsense"}, "planning.optimise"),
        ({"data.collect.start": "2014-01-01"}, "data.collect"),
    ],
)
def test_a_bad_patch_writes_nothing(project: Path, patch: dict[str, Any], named: str) -> None:
    before = (project / "params.yaml").read_bytes()
    with pytest.raises(ParamsError, match=named):
        apply(project, patch)
    assert (project / "params.yaml").read_bytes() == before
    assert [path.name for path in project.iterdir()] == ["params.yaml"]


def test_comments_do_not_count_in_the_hash(project: Path) -> None:
    before = params_hash(project)
    (project / "params.yaml").write_text("# another comment\n" + text(project), encoding="utf-8")
    assert params_hash(project) == before
