"""The classes of a project before or after its first run, for the words of questions about them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stages.errors import LoopwrightError
from stages.files import read_json
from stages.params import Params, TableSource

MOST_BYTES = 50_000_000  # of a table that is read for the words of a question; nobody waits longer for them


def classes_of(project: Path, params: Params) -> Sequence[object]:
    """Return the classes of the target in their order, () where there are none, or nobody knows them yet.

    They stand in ``data/schema.json`` after a run, if that was of the same target; before, a table is read as its
    source reads it. A query or a callable is not asked for them.
    """
    if params.planning.task != "classification":
        return ()
    settings = params.data.source
    try:
        schema = read_json(project / "data/schema.json") if (project / "data/schema.json").is_file() else {}
        if schema.get("classes") and getattr(settings, "target", schema["target"]) == schema["target"]:
            return tuple(schema["classes"])
        if isinstance(settings, TableSource) and _bytes(project / settings.path) <= MOST_BYTES:
            from stages.data.sources import open_source

            return tuple(open_source(project, params).first_look(params.data.collect, params.seed)[1]["classes"] or ())
    except (LoopwrightError, OSError, ValueError):
        pass  # the run will say what is wrong with the data; the questions do without
    return ()


def _bytes(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(item.stat().st_size for item in path.rglob("*") if item.is_file())
