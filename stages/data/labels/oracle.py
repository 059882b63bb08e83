"""An oracle: a callable of the project that labels rows, such as an annotation service. Asked once about a row."""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from stages.data.labels.reading import Coder
from stages.errors import DataError, LoopwrightError, ParamsError

PAID = ".loopwright/oracle.jsonl"
WHERE = "params.yaml: data.labels.oracle"


def ask(project: Path, path: str, rows: pd.DataFrame, key: str, coder: Coder) -> pd.Series[Any]:
    """Return the oracle's label (code or number) of each row, by key.

    What it said before is kept in ``.loopwright/oracle.jsonl``, so that nothing is asked, or paid, twice.

    Raises
    ------
    ParamsError
        If the path leads to no callable.
    DataError
        If it raises, or does not return one known label a row.
    """
    known = {item["key"]: item["label"] for item in _paid(project) if item["oracle"] == path}
    new = rows[~rows[key].isin(list(known))].reset_index(drop=True)
    if len(new):
        labels = _call(project, path, new, coder)
        said = dict(zip(new[key].tolist(), labels, strict=True))
        _keep(project, [{"oracle": path, "key": name, "label": label} for name, label in said.items()])
        known |= said
    return pd.Series({name: coder.code(known[name]) for name in rows[key]}, dtype="float64")


def _call(project: Path, path: str, rows: pd.DataFrame, coder: Coder) -> list[str]:
    function = _import(project, path)
    try:
        labels = [str(label) for label in function(rows.copy())]
    except LoopwrightError:
        raise
    except Exception as error:  # whatever it does
        raise DataError(f"{path} raised {type(error).__name__}: {error}", where=WHERE, todo="mend it") from error
    if len(labels) != len(rows):
        raise DataError(f"{path} returned {len(labels)} labels for {len(rows)} rows", where=WHERE, todo="mend it")
    bad = next((label for label in labels if coder.code(label) is None), None)
    if bad is not None:
        raise DataError(f"{path} returned {bad!r}", where=WHERE, expected=coder.expected, todo="mend it")
    return labels


def _import(project: Path, path: str) -> Any:
    module, _, name = path.rpartition(":") if ":" in path else path.rpartition(".")
    if str(project) not in sys.path:
        sys.path.insert(0, str(project))
    importlib.invalidate_caches()
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ParamsError(
            f"{path!r} cannot be imported: {error}", where=WHERE, expected="package.module:function", todo="correct it"
        ) from None
    if not callable(found):
        raise ParamsError(f"{path!r} is a {type(found).__name__}", where=WHERE, expected="a callable")
    return found


def _paid(project: Path) -> list[dict[str, str]]:
    path = project / PAID
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]


def _keep(project: Path, said: list[dict[str, str]]) -> None:
    path = project / PAID
    path.parent.mkdir(exist_ok=True)
    with path.open("ab+") as file:
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
        file.write("".join(json.dumps(item) + "\n" for item in said).encode())
        file.flush()
        os.fsync(file.fileno())
