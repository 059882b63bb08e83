"""A user's own callable by import path: in the project's folder, or in the environment."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stages.errors import DataError, ParamsError

EXPECTED = "package.module:function"


def import_callable(project: Path, path: str, where: str) -> Callable[..., Any]:
    """Import ``package.module:function`` or ``package.module.function``.

    Parameters
    ----------
    project : Path
        Put on the import path.
    path : str
        The import path.
    where : str
        The params key that names it, for the message.

    Raises
    ------
    ParamsError
        If it is no import path.
    DataError
        If it cannot be imported, or is no callable.
    """
    module, _, name = path.rpartition(":") if ":" in path else path.rpartition(".")
    if not module or not name:
        raise ParamsError(f"{path!r} is no import path", where=where, expected=EXPECTED, todo="correct it")
    if str(project) not in sys.path:
        sys.path.insert(0, str(project))
    importlib.invalidate_caches()
    try:
        found: Any = importlib.import_module(module)
    except Exception as error:  # whatever the module does while it is imported
        raise DataError(
            f"{module} cannot be imported: {told(error)}",
            where=where,
            expected=f"{EXPECTED} in the project or in the environment",
            todo="correct the path, or mend the module",
        ) from error
    for part in name.split("."):
        if not hasattr(found, part):
            raise DataError(f"{module} has no {name!r}", where=where, expected=EXPECTED, todo="correct it")
        found = getattr(found, part)
    if not callable(found):
        kind = type(found).__name__
        raise DataError(f"{path} is a {kind}", where=where, expected="a callable", todo="name a function")
    return found  # type: ignore[no-any-return]


def told(error: BaseException) -> str:
    """Return an error in a line: its type, its text, and the line of the user's code it is from."""
    first = " ".join(str(error).split())
    ours = Path(__file__).parent
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if ours not in Path(frame.filename).parents]
    frames = [frame for frame in frames if "importlib" not in frame.filename]
    at = f" ({Path(frames[-1].filename).name} line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {first}{at}" if first else f"{type(error).__name__}{at}"
