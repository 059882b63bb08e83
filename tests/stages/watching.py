"""A release and its production, on real rows: flights of June and July, dealt to days by chance, so nothing moves."""

from __future__ import annotations

import datetime as dt
import tempfile
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.context import Context
from stages.data.cutting import By, cut
from stages.data.sources import open_source
from stages.data.split import labelled
from stages.files import read_json, read_parquet, write_json, write_parquet
from stages.params import WEIGHT, load_params
from stages.planning import charter
from stages.production.released import Released, load_released
from stages.production.watch.reference import Reference, read_reference
from stages.production.watch.seen import Seen
from stages.training.estimators import build, fit
from tests.stages.releasing import BOOSTING, params_of, release_project

FIRST, WINDOW_DAYS, PILOT_DAYS, A_DAY = dt.date(2024, 1, 1), 60, 28, 100
START = FIRST + dt.timedelta(days=WINDOW_DAYS + PILOT_DAYS)
END = START + dt.timedelta(days=28)
SUITE = {
    "name": "suite",
    "expectations": [
        {
            "type": "expect_column_values_to_be_between",
            "kwargs": {"column": "wind_speed", "min_value": 0, "max_value": 100},
        }
    ],
}


@dataclass(frozen=True)
class Watched:
    """A project with a release.

    Attributes
    ----------
    project : Path
        Its folder, which is also that of the files the release is held against.
    reference : Reference
        The release.
    pool : DataFrame
        Rows that no release has seen, the classes as codes, in random order, their days not dealt yet.
    """

    project: Path
    reference: Reference
    pool: pd.DataFrame

    def rows(self, count: int, seed: int, days: int = 28) -> pd.DataFrame:
        """Return some rows of the pool, none twice, dealt to days by chance and in the order of days."""
        random = np.random.default_rng(seed)
        rows = self.pool.iloc[random.permutation(len(self.pool))[:count]]
        return dealt(rows, START, days, random)


def dealt(rows: pd.DataFrame, start: dt.date, days: int, random: np.random.Generator) -> pd.DataFrame:
    """Give rows days, by chance."""
    day = pd.Timestamp(start, tz="UTC") + pd.to_timedelta(np.sort(random.integers(0, days, len(rows))), unit="D")
    return rows.assign(day=day.as_unit("us")).reset_index(drop=True)


@cache
def watched() -> Watched:
    """Return a release of a small boosting of 6,000 flights, judged on 2,800 others."""
    from tests.stages.signal_cases.shift import FEATURES, flights

    rows = flights()[[*FEATURES, "late"]].rename(columns={"late": "target"})
    learned, judged = WINDOW_DAYS * A_DAY, PILOT_DAYS * A_DAY
    days = np.repeat(np.arange(WINDOW_DAYS + PILOT_DAYS), A_DAY)
    known = rows.head(learned + judged)
    known = known.assign(day=(pd.Timestamp(FIRST) + pd.to_timedelta(days, unit="D")).strftime("%Y-%m-%d"))
    kept = tempfile.TemporaryDirectory(prefix="watched-")
    project = Path(kept.name)
    watched.folder = kept  # type: ignore[attr-defined]  # lives as long as what is cached
    planning: dict[str, Any] = {"requirements": {"roc_auc": {"at_least": 0.6}}, "optimise": "log_loss"}
    release_table(
        project,
        known.assign(target=known["target"].map({0: "no", 1: "yes"})),
        planning=planning,
        data={"collect": {"end": str(FIRST + dt.timedelta(days=WINDOW_DAYS)), "pilot_days": PILOT_DAYS}},
    )
    reference = read_reference(project, load_released(project))
    pool = rows.iloc[learned + judged :].assign(target=lambda frame: frame["target"].astype("float64"))
    return Watched(project, reference, pool.reset_index(drop=True))


def release_table(folder: Path, frame: pd.DataFrame, source: dict[str, Any] | None = None, **more: Any) -> Path:
    """Release a model of a table with a column ``day``, and leave what it is held against as a run would."""
    frame.to_csv(folder / "t.csv", index=False)
    write_json(folder / "params.yaml", params_of(frame, {"time": "day", **(source or {})}, **more))
    write_json(folder / "expectations/suite.json", SUITE if "wind_speed" in frame else {**SUITE, "expectations": []})
    release_project(folder)
    judge_by(folder)
    return folder


def judge_by(folder: Path) -> None:
    """Write the charter and the splits of a released project."""
    params, schema = load_params(folder), read_json(folder / "data/schema.json")
    charter.run(folder)
    write_json(folder / "models/chosen.json", {"name": "a"})
    window = labelled(open_source(folder, params).collect(params.data.collect, params.seed).window, schema, "it")
    parts = cut(window, [0.7, 0.15, 0.15], By(schema["time"], schema["group"], None), params.seed)
    for name, part in zip(("train", "valid", "test"), parts, strict=True):
        write_parquet(folder / f"data/splits/{name}.parquet", part.assign(**{WEIGHT: 1.0}))


@cache
def without_hour() -> Released:
    """Return a release of the same rows that does not know the hour of the day."""
    now = watched()
    work = Context(now.project)
    features = {name: kind for name, kind in now.reference.released.features.items() if name != "hour"}
    schema = {**work.schema, "features": features}
    rows = read_parquet(now.project / "data/splits/train.parquet")
    model = fit(build("a", BOOSTING, schema, "classification", 0), rows, schema)
    return replace(now.reference.released, model=model, features=features, sha256="e" * 64)


def seen(frame: pd.DataFrame, start: dt.date = START, end: dt.date = END, unknown: int = 0) -> Seen:
    """Return labelled rows as those of a look."""
    return Seen(start, end, frame.drop(columns="target"), frame, unknown)
