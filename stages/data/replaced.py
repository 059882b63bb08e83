"""The column that holds what the software says now, ``planning.replaces``: no feature, or it would be repeated."""

from __future__ import annotations

from typing import Any

from stages.errors import ParamsError
from stages.params import PARAMS_FILE

WHERE = f"{PARAMS_FILE}: planning.replaces"
WHY = "planning.replaces: what the software says now"


def is_column(replaces: str) -> bool:
    """Tell whether it is the name of a column."""
    return bool(replaces) and ":" not in replaces


def without_present(schema: dict[str, Any], replaces: str) -> dict[str, Any]:
    """Return the schema without the column that holds what the software says now.

    Raises
    ------
    ParamsError
        If it is no column of the data that can be read.
    """
    if not is_column(replaces):
        return schema
    if replaces not in schema["features"]:
        why = schema["dropped"].get(replaces)
        raise ParamsError(
            f"column {replaces!r} {'is left out: ' + why if why else 'is not in the data'}",
            where=WHERE,
            expected="one of " + ", ".join(schema["features"]) + "; or package.module:function",
            todo="correct it",
        )
    features = {name: kind for name, kind in schema["features"].items() if name != replaces}
    if not features:
        raise ParamsError("is the only feature", where=WHERE, expected="others beside it", todo="bring them")
    return schema | {"features": features, "dropped": schema["dropped"] | {replaces: WHY}}
