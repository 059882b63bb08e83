"""What a row brings when it is taken for a class, as columns: of the source, or of a table that is joined by the key.

They are known afterwards, so they are no features. The splits hold them beside the rows, named ``outcome.COLUMN``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.data.sources.columns import Place, as_text, to_number
from stages.data.sources.reading import read_table
from stages.errors import DataError, ParamsError
from stages.params import PARAMS_FILE
from stages.planning.outcome import PREFIX, Array, value_of

FOLDER = "labels/"
WHERE = f"{PARAMS_FILE}: planning.outcome"
WHY = "planning.outcome: what a decision brings"
Outcome = Mapping[str, Any]


def without_brought(schema: dict[str, Any], outcome: Outcome | None) -> dict[str, Any]:
    """Return the schema without the source's columns of the outcome: a model would learn from what comes afterwards.

    Raises
    ------
    ParamsError
        If one is no column of numbers of the data, or no feature is left.
    """
    if outcome is None or not outcome["columns"] or outcome["table"] is not None:
        return schema
    named = list(dict.fromkeys(outcome["columns"].values()))
    for name in named:
        if schema["features"].get(name) != "number":
            why = schema["dropped"].get(name)
            kind = (
                "holds text" if name in schema["features"] else f"is left out: {why}" if why else "is not in the data"
            )
            raise ParamsError(
                f"column {name!r} {kind}",
                where=f"{WHERE}.columns",
                expected="columns of numbers of the source, among data.collect.features where that is set; or a table",
                todo="correct it",
            )
    features = {name: kind for name, kind in schema["features"].items() if name not in named}
    if not features:
        raise ParamsError("are the only features", where=f"{WHERE}.columns", expected="others", todo="bring them")
    unused = [name for name in schema["unused_groups"] if name not in named]
    return schema | {
        "features": features,
        "unused_groups": unused,
        "dropped": schema["dropped"] | dict.fromkeys(named, WHY),
    }


def with_brought(
    parts: dict[str, pd.DataFrame], outcome: Outcome | None, schema: dict[str, Any], project: Path
) -> dict[str, pd.DataFrame]:
    """Return the splits with the columns ``outcome.COLUMN``, a value in every row.

    Raises
    ------
    ParamsError
        If a class has no column, a column is of no class, or no key is named for the table.
    DataError
        If the table or one of its cells cannot be used, or a row has no value; the message names row or key.
    """
    if outcome is None or not outcome["columns"]:
        return parts
    _check_classes(outcome["columns"], schema["classes"])
    named = list(dict.fromkeys(outcome["columns"].values()))
    if outcome["table"] is None:
        return {part: rows.assign(**_own(rows, named, part, schema)) for part, rows in parts.items()}
    key = schema.get("key")
    if not key:
        raise ParamsError(
            "is joined to the rows by a key, and no column is named",
            where=f"{WHERE}.table",
            expected="data.source.key, a column that is different in every row",
            todo="name one",
        )
    table = _read(project, str(outcome["table"]), str(key), named)
    return {part: rows.assign(**_joined(rows, table, part, str(key))) for part, rows in parts.items()}


def brought_in_production(
    project: Path,
    charter: Mapping[str, Any],
    schema: Mapping[str, Any],
    rows: pd.DataFrame,
    target: Array,
    prediction: Array,
) -> tuple[Array | None, str]:
    """Return what each row of production brings by a prediction, (n,), or why that is not known.

    All rows or none: those whose outcome is known already are not any rows. Neither where the charter has no measure.

    Raises
    ------
    LoopwrightError
        If the table cannot be used, or a function of the user's fails.
    """
    wanted = charter.get("outcome") or {}
    if wanted.get("columns"):
        rows = as_far_as_known(rows, wanted, schema, project)
    values = value_of(project, charter, schema, rows, target, prediction)
    unknown = 0 if values is None else int(np.isnan(values).sum())
    if not unknown:
        return values, ""
    where = wanted["table"] or "the columns of planning.outcome.columns"
    return None, f"what a decision brings is not known for {unknown} of {len(rows)} rows ({where})"


def as_far_as_known(rows: pd.DataFrame, outcome: Outcome, schema: Mapping[str, Any], project: Path) -> pd.DataFrame:
    """Return rows with the columns ``outcome.COLUMN``: theirs, else by key out of the table, else missing values."""
    named, key = list(dict.fromkeys(outcome["columns"].values())), schema.get("key")
    columns = [PREFIX + name for name in named]
    found = rows.assign(**{name: np.nan for name in columns if name not in rows})
    if outcome["table"] is None or key not in rows or not found[columns].isna().to_numpy().any():
        return found
    table = _read(project, str(outcome["table"]), str(key), named).reindex(rows[key].astype("str"))
    joined = pd.DataFrame(table.to_numpy(), index=found.index, columns=[PREFIX + str(name) for name in table])
    return found.assign(**{name: found[name].fillna(joined[name]) for name in columns})


def _check_classes(columns: Mapping[str, str], classes: list[Any] | None) -> None:
    known = [str(label) for label in classes or []]
    open_, strange = ([n for n in one if n not in other] for one, other in ((known, columns), (list(columns), known)))
    if open_ or strange:
        raise ParamsError(
            f"{strange[0]!r} is no class" if strange else f"class {open_[0]!r} has no column",
            where=f"{WHERE}.columns",
            expected=f"a column for each of {', '.join(known)}",
            todo="correct it",
        )


def _own(rows: pd.DataFrame, named: list[str], part: str, schema: dict[str, Any]) -> dict[str, pd.Series[Any]]:
    for name in named:
        empty = rows[name].isna()
        if empty.any():
            key, first = schema.get("key"), int(empty.to_numpy().argmax())
            row = f"the row with {key} {rows[key].iloc[first]!r}" if key else f"row {first + 1}"
            raise DataError(
                f"is empty in {int(empty.sum())} rows of {part}, first in {row}",
                where=f"{WHERE}.columns: column {name!r}",
                expected="what the decision brings, in every row",
                todo="fill it in, or take those rows out of the source",
            )
    return {PREFIX + name: rows[name].astype("float64") for name in named}


def _joined(rows: pd.DataFrame, table: pd.DataFrame, part: str, key: str) -> dict[str, pd.Series[Any]]:
    found = table.reindex(rows[key].astype("str"))
    absent = ~rows[key].astype("str").isin(table.index)
    if absent.any():
        first, others = rows[key][absent].iloc[0], int(absent.sum()) - 1
        raise DataError(
            f"has no row for {key} {first!r}" + (f" and {others} others" if others else "") + f" of {part}",
            where=str(table.attrs["shown"]),
            expected="a row for each key of the data",
            todo="bring them, or take those rows out of the source",
        )
    return {PREFIX + str(name): pd.Series(found[name].to_numpy(), index=rows.index) for name in found}


def _read(project: Path, path: str, key: str, named: list[str]) -> pd.DataFrame:
    """Return the table's columns by key, all numbers."""
    if Path(path).parts[:1] != ("labels",) or ".." in Path(path).parts:
        raise ParamsError(
            f"{path!r} lies elsewhere",
            where=f"{WHERE}.table",
            expected=f"a file under {FOLDER}, which DVC watches",
            todo="move it",
        )
    frame, lines = read_table(project / path, path)
    absent = [name for name in (key, *named) if name not in frame.columns]
    if absent:
        raise DataError(
            f"has no column {', '.join(map(repr, absent))}",
            where=path,
            expected=f"the columns {', '.join((key, *named))}",
            todo="rename its columns, or correct planning.outcome.columns",
        )
    place, keys = Place(path, lines), as_text(frame[key])
    for bad, what in ((keys.isna(), "is empty"), (keys.duplicated(), "appears more than once")):
        if bad.any():
            raise place.error(key, what, "a key of its own in every row", "correct it", bad)
    columns = {}
    for name in named:
        number = to_number(frame[name], name, place)
        if number is None or number.isna().any():
            what, empty = ("holds text", None) if number is None else ("is empty", number.isna())
            raise place.error(name, what, "what the decision brings, a number in every row", "correct it", empty)
        columns[name] = number.to_numpy()
    found = pd.DataFrame(columns, index=pd.Index(keys.astype("str"), name=key))
    found.attrs["shown"] = path
    return found
