"""Collect the window and the pilot from the source."""

from __future__ import annotations

from pathlib import Path

from stages.data.sources import open_source
from stages.files import write_json, write_parquet
from stages.params import load_params
from stages.step import main


def run(project: Path) -> None:
    """Write ``data/window.parquet``, ``data/pilot.parquet`` and ``data/schema.json``."""
    params = load_params(project)
    window, pilot, schema = open_source(project, params).collect(params.data.collect, params.seed)
    write_parquet(project / "data/window.parquet", window)
    write_parquet(project / "data/pilot.parquet", pilot)
    write_json(project / "data/schema.json", schema)


if __name__ == "__main__":
    main(run)
