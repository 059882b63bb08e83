"""Collect the window and the pilot from the source."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from stages.data.brought import without_brought
from stages.data.replaced import without_present
from stages.data.sources import Schema, open_source
from stages.errors import ParamsError
from stages.files import write_json, write_parquet
from stages.params import load_params
from stages.step import main


def run(project: Path) -> None:
    """Write ``data/window.parquet``, ``data/pilot.parquet`` and ``data/schema.json``."""
    params = load_params(project)
    window, pilot, schema = open_source(project, params).collect(params.data.collect, params.seed)
    brings = params.planning.outcome
    schema = without_brought(schema, None if brings is None else brings.model_dump())
    schema = leave_out(without_present(schema, params.planning.replaces), params.data.collect.without)
    refuse_old_rows(schema, params.planning.security.retention_days)
    write_parquet(project / "data/window.parquet", window)
    write_parquet(project / "data/pilot.parquet", pilot)
    write_json(project / "data/schema.json", schema | {"private": params.planning.security.private})


def leave_out(schema: Schema, names: list[str]) -> Schema:
    """Return the schema without some features, for whatever source; their columns stay in the data.

    Raises
    ------
    ParamsError
        If a name is no feature, or none is left.
    """
    unknown = [name for name in names if name not in schema["features"] and name not in known_features(schema)]
    features = {name: kind for name, kind in schema["features"].items() if name not in names}
    if unknown or not features:
        raise ParamsError(
            f"unknown column {unknown[0]!r}" if unknown else "no feature is left",
            where="params.yaml: data.collect.without",
            expected="some of " + ", ".join(schema["features"]),
            todo="edit data.collect.without",
        )
    dropped = schema["dropped"] | dict.fromkeys(names, "listed in data.collect.without")
    unused = [name for name in schema["unused_groups"] if set(schema["feature_groups"].get(name, [name])) - set(names)]
    return schema | {"features": features, "dropped": dropped, "unused_groups": unused}


def refuse_old_rows(schema: Schema, days: int | None) -> None:
    """Refuse a window that begins before what may be kept.

    Raises
    ------
    ParamsError
        If its first row is older than so many days before the pilot's end, or no time says how old rows are.
    """
    if days is None:
        return
    where = "params.yaml: planning.security.retention_days"
    start, end = schema["window"].get("start"), schema["pilot"].get("end")
    if start is None or end is None:
        raise ParamsError(
            "is set, and nothing says how old rows are",
            where=where,
            expected="data.source.time",
            todo="name the column",
        )
    age = pd.Timestamp(end) - pd.Timestamp(start)
    if age > pd.Timedelta(days=days):
        raise ParamsError(
            f"the window begins {start}, {age.days} days before the pilot's end {end}",
            where=where,
            expected=f"no row older than {days} days",
            todo="set data.collect.start later",
        )


def known_features(schema: Schema) -> set[str]:
    """Return the columns that are features in some choice of feature groups."""
    return {name for group in schema["feature_groups"].values() for name in group}


if __name__ == "__main__":
    main(run)
