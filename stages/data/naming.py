"""Columns that the params name and later stages read: one that is not there is told before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stages.errors import ParamsError
from stages.params import PARAMS_FILE


def refuse_unknown(named: dict[str, Sequence[str]], schema: dict[str, Any]) -> None:
    """Refuse names that are no column of the source; one that is merely not collected now may be again.

    Parameters
    ----------
    named : dict of str to sequence of str
        Key of the params -> the columns it names.
    schema : dict
        As the collect step wrote it.

    Raises
    ------
    ParamsError
        Naming the key and the first such column.
    """
    roles = {schema.get(role) for role in ("target", "time", "group", "key", "label_source")}
    known = {*schema["features"], *schema.get("dropped", ()), *roles}
    known |= {name for group in schema.get("feature_groups", {}).values() for name in group}
    for key, names in named.items():
        absent = [name for name in names if name not in known]
        if absent:
            raise ParamsError(
                f"{absent[0]!r} is no column of the data",
                where=f"{PARAMS_FILE}: {key}",
                expected="some of " + ", ".join(sorted(map(str, known - {None}))),
                todo="correct it, or bring the column",
            )
