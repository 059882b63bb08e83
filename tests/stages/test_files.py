"""Lines of a log on a disk that is full, or in a folder that is closed."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stages.errors import ProjectError
from stages.files import append_line, whole_lines


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """Let the system refuse to write beyond so many bytes, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_line_for_which_there_is_no_room_is_refused_and_never_read(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    append_line(path, "first")
    with no_file_larger_than(20), pytest.raises(ProjectError, match=r"log\.jsonl: cannot be written .*make room"):
        append_line(path, "a line of more than twenty bytes")
    assert whole_lines(path) == [b"first"]
    append_line(path, "second")
    assert whole_lines(path) == [b"first", b"second"]


def test_a_line_that_has_no_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ProjectError, match="cannot be written"):
        append_line(tmp_path / "file" / "log.jsonl", "a line")
