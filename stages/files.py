"""Reading and writing a project's files. Every write is atomic: a reader sees the old file or the new one."""

from __future__ import annotations

import errno
import json
import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.errors import ProjectError

if TYPE_CHECKING:
    import pandas as pd

SIGNIFICANT_DIGITS = 10
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
OF_THE_PLACE = FULL | {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EIO,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` and move it over ``path`` when the block succeeds.

    Raises
    ------
    ProjectError
        If it is a folder, or it cannot be written: its folder is closed, the disk is full or broken.
    """
    if path.is_dir():
        raise ProjectError("is a folder", where=str(path), expected="a file to write", todo="name a file in it")
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o644)
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
        temporary = None
    except OSError as error:
        if error.errno not in OF_THE_PLACE:
            raise
        raise _unwritable(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> ProjectError:
    if error.errno in (errno.EACCES, errno.EPERM):
        return ProjectError(
            "cannot be written", where=str(path), expected="a writable folder", todo="check its owner and mode"
        )
    todo = "make room, and do it again" if error.errno in FULL else "check its folder and disk"
    why = os.strerror(error.errno or 0)
    return ProjectError(f"cannot be written ({why}); it stays as it was", where=str(path), todo=todo)


def write_text(path: Path, text: str) -> None:
    """Replace ``path`` by ``text`` atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def append_line(path: Path, text: str) -> None:
    """Append a line to a log and flush it to the disk; a last line that a kill cut off is taken away first.

    Raises
    ------
    ProjectError
        If it cannot be written, as in `replacing`; of a line that was cut off nothing is read.
    """
    try:
        path.parent.mkdir(exist_ok=True)
        with path.open("ab+") as file:
            file.seek(0)
            whole = file.read().rfind(b"\n") + 1
            file.truncate(whole)
            file.write(f"{text}\n".encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in OF_THE_PLACE:
            raise
        raise _unwritable(path, error) from error


def whole_lines(path: Path) -> list[bytes]:
    """Return the lines of a log, none where there is no file; a last line that a kill cut off is left out."""
    if not path.exists():
        return []
    *lines, _torn = path.read_bytes().split(b"\n")
    return lines


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as stable JSON: sorted keys, floats to ten significant digits, NaN as null.

    Ten digits, because sums in another order (more cores) differ in the last bits and would change the hash.
    """
    write_text(path, json.dumps(_stable(value), indent=1, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Return the content of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_parquet(path: Path, frame: pd.DataFrame) -> None:
    """Write ``frame`` as Parquet without its index; the same frame gives the same bytes."""
    with replacing(path) as temporary:
        frame.to_parquet(temporary, index=False, compression="zstd")


def read_parquet(path: Path) -> pd.DataFrame:
    """Return the frame stored in a Parquet file."""
    import pandas as pd

    return pd.read_parquet(path)


def _stable(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _stable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_stable(item) for item in value]
    if hasattr(value, "item") and not isinstance(value, str | bytes):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}") if math.isfinite(value) else None
    return value
