"""Windows of real rows, as they are and shifted in known ways, written as files that every tool reads."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingClassifier

from stages.data.sources.nycflights13 import GROUPS, Flights
from stages.params import Collect

OUTCOME, PREDICTION = "outcome", "prediction"
Random = np.random.Generator


@dataclass(frozen=True)
class Table:
    """Real rows in random order with a model's predictions of rows it has not seen; 20 columns.

    ``before`` and ``after`` are how many rows a pair of windows has.
    """

    name: str
    rows: pd.DataFrame
    kinds: dict[str, str]
    before: int
    after: int

    @property
    def numbers(self) -> list[str]:
        """The numeric inputs."""
        return [n for n, kind in self.kinds.items() if kind == "number" and n != PREDICTION]

    @property
    def categories(self) -> list[str]:
        """The inputs that are categories."""
        return [n for n, kind in self.kinds.items() if kind == "category" and n != OUTCOME]


def flights() -> Table:
    """Return the flights of the year with schedule, weather and plane: 18 inputs, outcome and prediction."""
    kinds = {name: kind for group in ("schedule", "weather", "plane") for name, kind in GROUPS[group].items()}
    del kinds["wind_gust"]  # missing in four of five rows
    window = {"start": dt.date(2013, 1, 1), "end": dt.date(2013, 12, 1), "pilot_days": 7, "features": list(kinds)}
    frame = Flights().collect(Collect.model_validate(window), 0).window.dropna(subset=["late"])
    return _with_predictions("flights", frame[list(kinds)], frame["late"].astype(int), kinds, 20_000, (3000, 1500))


def digits() -> Table:
    """Return the digits: the 18 pixels that vary most, and whether the digit is 5 or more."""
    loaded = load_digits(as_frame=True)
    names = loaded.data.std().nlargest(18).index
    kinds = dict.fromkeys(map(str, names), "number")
    return _with_predictions("digits", loaded.data[names], (loaded.target >= 5).astype(int), kinds, 500, (700, 350))


def _with_predictions(
    name: str, inputs: pd.DataFrame, outcome: pd.Series[Any], kinds: dict[str, str], learn: int, sizes: tuple[int, int]
) -> Table:
    order = np.random.default_rng(0).permutation(len(inputs))
    inputs, target = inputs.iloc[order].reset_index(drop=True), outcome.to_numpy()[order]
    coded = pd.DataFrame({n: inputs[n] if k == "number" else pd.factorize(inputs[n])[0] for n, k in kinds.items()})
    model = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=15, random_state=0)
    model.fit(coded.head(learn), target[:learn])
    rows = inputs.assign(**{PREDICTION: model.predict_proba(coded)[:, 1], OUTCOME: target})
    rows = rows.iloc[learn:].reset_index(drop=True)
    return Table(name, rows, {**kinds, PREDICTION: "number", OUTCOME: "category"}, *sizes)


def none(table: Table, rest: pd.DataFrame, severity: float, random: Random) -> pd.DataFrame:
    """Change nothing."""
    return rest.head(table.after)


def one_mean(table: Table, rest: pd.DataFrame, severity: float, random: Random) -> pd.DataFrame:
    """Move one number by some standard deviations."""
    after, name = rest.head(table.after), random.choice(table.numbers)
    return after.assign(**{name: after[name] + severity * table.rows[name].std()})


def many_means(table: Table, rest: pd.DataFrame, severity: float, random: Random) -> pd.DataFrame:
    """Move every number by some standard deviations, up or down."""
    after = rest.head(table.after)
    signs = random.choice([-1.0, 1.0], len(table.numbers))
    moved = {n: after[n] + s * severity * table.rows[n].std() for n, s in zip(table.numbers, signs, strict=True)}
    return after.assign(**moved)


def spread(table: Table, rest: pd.DataFrame, severity: float, random: Random) -> pd.DataFrame:
    """Widen one number about its mean."""
    after, name = rest.head(table.after), random.choice(table.numbers)
    mean = table.rows[name].mean()
    return after.assign(**{name: mean + (1 + severity) * (after[name] - mean)})


def missing(table: Table, rest: pd.DataFrame, severity: float, random: Random) -> pd.DataFrame:
    """Lose one number in a share of the rows."""
    after, name = rest.head(table.after), random.choice(table.numbers)
    return after.assign(**{name: after[name].mask(random.random(len(after)) < severity)})


def new_category(table: Table, rest: pd.DataFrame, severity: float, random: Random) -> pd.DataFrame:
    """Give a share of the rows a category that was not there before."""
    after, name = rest.head(table.after), random.choice(table.categories)
    return after.assign(**{name: after[name].mask(random.random(len(after)) < severity, "new")})


def pairing(table: Table, rest: pd.DataFrame, severity: float, random: Random) -> pd.DataFrame:
    """Exchange three inputs among a share of the rows: each keeps its distribution, and fits the others no more."""
    after = rest.head(table.after).copy()
    for name in random.choice(table.numbers, 3, replace=False):
        rows = np.flatnonzero(random.random(len(after)) < severity)
        after[name] = after[name].to_numpy()[_exchanged(len(after), rows, random)]
    return after


def drawn_by_inputs(table: Table, rest: pd.DataFrame, severity: float, random: Random) -> pd.DataFrame:
    """Draw rows by a random direction of the inputs; outcomes at equal inputs stay."""
    values = rest[table.numbers].fillna(table.rows[table.numbers].median())
    values = (values - table.rows[table.numbers].mean()) / table.rows[table.numbers].std()
    direction = random.normal(size=len(table.numbers))
    along = values.to_numpy() @ (direction / np.linalg.norm(direction))
    return _drawn(rest, np.exp(severity * np.clip(along, -4, 4)), table, random)


def labels(table: Table, rest: pd.DataFrame, severity: float, random: Random) -> pd.DataFrame:
    """Draw rows by their outcome; what rows of an outcome look like stays."""
    return _drawn(rest, 1 + severity * (rest[OUTCOME] == 1).to_numpy(), table, random)


def concept(table: Table, rest: pd.DataFrame, severity: float, random: Random) -> pd.DataFrame:
    """Exchange the outcomes among a share of the rows: rate and inputs stay, but not what they have to do."""
    after = rest.head(table.after)
    rows = np.flatnonzero(random.random(len(after)) < severity)
    return after.assign(**{OUTCOME: after[OUTCOME].to_numpy()[_exchanged(len(after), rows, random)]})


def _drawn(rest: pd.DataFrame, weight: Any, table: Table, random: Random) -> pd.DataFrame:
    """Draw rows by weight, none of them twice (Efraimidis & Spirakis 2006)."""
    return rest.iloc[np.argsort(random.exponential(size=len(rest)) / weight)[: table.after]]


def _exchanged(rows: int, among: Any, random: Random) -> Any:
    order = np.arange(rows)
    order[among] = random.permutation(among)
    return order


SHIFTS: dict[str, tuple[Callable[..., pd.DataFrame], tuple[float, ...]]] = {
    "one mean": (one_mean, (0.1, 0.2, 0.4)),
    "many means": (many_means, (0.03, 0.06, 0.12)),
    "spread": (spread, (0.1, 0.2, 0.4)),
    "missing": (missing, (0.01, 0.03, 0.1)),
    "new category": (new_category, (0.003, 0.01, 0.03)),
    "pairing": (pairing, (0.2, 0.4, 0.8)),
    "drawn by inputs": (drawn_by_inputs, (0.1, 0.2, 0.4)),
    "labels": (labels, (0.2, 0.5, 1.0)),
    "concept": (concept, (0.2, 0.4, 0.8)),
}


def write(
    folder: Path, tables: list[Table], calibrate: int, clean: int, seeds: int, first: int = 0
) -> list[dict[str, Any]]:
    """Write all windows and ``cases.json``, with seeds from ``first`` on; return the cases.

    The clean windows that calibrate the thresholds, those that measure the false alarms, and the shifted ones have
    seeds of their own.
    """
    plan = [(t, none, "none", 0.0, seed, "calibrate") for t in tables for seed in range(calibrate)]
    plan += [(t, none, "none", 0.0, 10_000 + seed, "report") for t in tables for seed in range(clean)]
    plan += [
        (table, change, kind, severity, 20_000 + seed, "report")
        for table in tables
        for kind, (change, severities) in SHIFTS.items()
        if kind != "new category" or table.categories
        for severity in severities
        for seed in range(seeds)
    ]
    cases = []
    for number, (table, change, kind, severity, seed, part) in enumerate(plan):
        random = np.random.default_rng(first + seed)
        order = random.permutation(len(table.rows))[: 8 * table.before]
        before, rest = table.rows.iloc[order[: table.before]], table.rows.iloc[order[table.before :]]
        after = change(table, rest, severity, random)
        for side, frame in (("before", before), ("after", after)):
            frame.reset_index(drop=True).to_parquet(folder / f"{number}-{side}.parquet")
        case = {"id": str(number), "table": table.name, "kind": kind, "severity": severity, "part": part}
        cases.append(case | {"kinds": table.kinds})
    (folder / "cases.json").write_text(json.dumps(cases), encoding="utf-8")
    return cases


def write_large(folder: Path, table: Table, rows: int) -> None:
    """Write two tables of that many rows, drawn again from the real ones."""
    random = np.random.default_rng(0)
    for side in ("before", "after"):
        frame = table.rows.iloc[random.integers(0, len(table.rows), rows)].reset_index(drop=True)
        frame.to_parquet(folder / f"{side}.parquet")
    (folder / "kinds.json").write_text(json.dumps(table.kinds), encoding="utf-8")
