"""The flights' year, month by month: learn again never, every month, on a drift alarm, or when the loop's signals fire.

``python -m benchmarks.year [--evidently PYTHON]``. A month is predicted before its outcomes are known; then a policy
may buy labels and learn again. All policies learn in the same way: the ladder of ``params.yaml`` on the first 60% of
what was bought, the choice on the next 20%, a refit on all of it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from stages.data.blocks import blocks_of
from stages.data.cutting import By, cut
from stages.data.sources.nycflights13 import Flights
from stages.data.split import labelled
from stages.params import WEIGHT, Candidate, Collect, Params, load_params
from stages.shift.measure import Task, measure
from stages.shift.sides import Sides, draw
from stages.shift.verdicts import shift
from stages.training.estimators import build, fit, predict
from stages.training.metrics import row_losses

ROOT = Path(__file__).parents[1]
FIRST, LAST = 2, 12
SAMPLE = 2000
# Evidently's own default: drift in at least half of the columns.
EVIDENTLY = """
import json, sys
import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset
before, after = (pd.read_parquet(path) for path in sys.argv[1:3])
found = Report([DataDriftPreset()]).run(after, before).dict()
drifted = next(m for m in found["metrics"] if m["metric_name"].startswith("DriftedColumnsCount"))
print(json.dumps(drifted["value"]["share"] >= 0.5))
"""


class Year:
    """The months of 2013, and what is learned from those up to each; a model is fitted once for all policies."""

    def __init__(self, params: Params) -> None:
        self.params = params
        self._fitted: dict[int, Fitted] = {}

    @cached_property
    def _collected(self) -> tuple[pd.DataFrame, dict[str, Any]]:
        collect = Collect.model_validate({"start": "2013-01-01", "end": "2013-12-01", "pilot_days": 31})
        window, pilot, schema = Flights().collect(collect, self.params.seed)
        return labelled(pd.concat([window, pilot], ignore_index=True), schema, "the year"), schema

    @property
    def schema(self) -> dict[str, Any]:
        """The schema of the flights, every feature group in use."""
        return self._collected[1]

    @cached_property
    def months(self) -> dict[int, pd.DataFrame]:
        """The rows of each month."""
        rows = self._collected[0].assign(**{WEIGHT: 1.0})
        return {int(month): part.reset_index(drop=True) for month, part in rows.groupby(rows["scheduled"].dt.month)}

    def through(self, month: int) -> pd.DataFrame:
        """Return the rows of the months up to this one."""
        return pd.concat([self.months[number] for number in range(1, month + 1)], ignore_index=True)

    def fitted(self, month: int) -> Fitted:
        """Return what is learned from the months up to this one."""
        if month not in self._fitted:
            self._fitted[month] = learn(self.through(month), self.schema, self.params)
        return self._fitted[month]


@dataclass(frozen=True)
class Fitted:
    """What was learned: the model in service, the one that was chosen on rows it had not seen, and those rows."""

    service: Pipeline
    chosen: Pipeline
    held: pd.DataFrame
    name: str


def learn(window: pd.DataFrame, schema: dict[str, Any], params: Params) -> Fitted:
    """Fit the ladder, choose by the loss on later rows, and refit on all."""
    train, valid, test = cut(window, [0.6, 0.2, 0.2], By(schema["time"]), params.seed)
    ladder = params.training.candidates

    def fitted(candidate: Candidate, name: str, rows: pd.DataFrame) -> Pipeline:
        return fit(build(name, candidate, schema, "classification", params.seed), rows, schema)

    models = {name: fitted(candidate, name, train) for name, candidate in ladder.items()}
    best = min(models, key=lambda name: float(losses(models[name], valid, schema).mean()))
    held = pd.concat([valid, test], ignore_index=True)
    return Fitted(fitted(ladder[best], best, window), models[best], held, best)


def losses(model: Pipeline, rows: pd.DataFrame, schema: dict[str, Any]) -> Any:
    """Return each row's log loss, (n,)."""
    target = rows[schema["target"]].to_numpy(dtype=float)
    return row_losses("classification", target, predict(model, rows, schema))


# (year, last month learned from, month that has just passed) -> whether to learn again, and labels bought to tell.
Policy = Callable[[Year, int, int], tuple[bool, int]]


def never(year: Year, learned: int, passed: int) -> tuple[bool, int]:
    """Keep the first model."""
    return False, 0


def monthly(year: Year, learned: int, passed: int) -> tuple[bool, int]:
    """Learn again every month."""
    return True, 0


def by_evidently(python: Path) -> Policy:
    """Return the policy to learn again on Evidently's default verdict on the inputs."""

    def policy(year: Year, learned: int, passed: int) -> tuple[bool, int]:
        features = list(year.schema["features"])
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / f"{side}.parquet" for side in ("before", "after")]
            for path, rows in zip(paths, (year.through(learned), year.months[passed]), strict=True):
                rows[features].to_parquet(path)
            command = [str(python), "-c", EVIDENTLY, *map(str, paths)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"error: Evidently by {python}: {done.stderr.strip().splitlines()[-1]}")
        return bool(json.loads(done.stdout.splitlines()[-1])), 0

    return policy


def by_signals(year: Year, learned: int, passed: int) -> tuple[bool, int]:
    """Buy a sample of the month's labels, and learn again when the signal `shift` fires on it."""
    month, fitted, schema, params = year.months[passed], year.fitted(learned), year.schema, year.params
    sample = month.iloc[draw(len(month), SAMPLE, params.seed)].reset_index(drop=True)
    task = Task(
        "classification", schema["target"], schema["classes"], lambda rows: predict(fitted.chosen, rows, schema)
    )

    def beside(rows: pd.DataFrame) -> Sides:
        return Sides(rows, sample, schema["features"], (blocks_of(rows, schema), blocks_of(sample, schema)))

    level = params.training.bootstrap.level
    found = measure(beside(year.through(learned)), beside(fitted.held), task, level=level, seed=params.seed)
    signal = shift(found, params.deployment.shift)
    print(f"  month {passed}: {signal.says}", file=sys.stderr)
    return signal.fires is True, len(sample)


@dataclass
class Lived:
    """What a policy's year cost."""

    rows: list[Any] = field(default_factory=list)
    labels: int = 0
    retrained: list[int] = field(default_factory=list)

    @property
    def loss(self) -> float:
        """Mean log loss over the rows of all months, nats."""
        return float(np.concatenate(self.rows).mean())


def live(year: Year, policy: Policy) -> Lived:
    """Go through the months; labels of months that are learned from are all bought, a sample of them counts once."""
    learned, lived, sampled = 1, Lived(labels=len(year.months[1])), dict[int, int]()
    for month in range(FIRST, LAST + 1):
        lived.rows.append(losses(year.fitted(learned).service, year.months[month], year.schema))
        if month == LAST:
            break
        again, sampled[month] = policy(year, learned, month)
        lived.labels += sampled[month]
        if again:
            bought = range(learned + 1, month + 1)
            lived.labels += sum(len(year.months[number]) - sampled.get(number, 0) for number in bought)
            lived.retrained.append(month)
            learned = month
    return lived


def table(found: dict[str, Lived]) -> str:
    """Return what the policies cost as Markdown."""
    lines = ["| policy | mean log loss | beside monthly | labels | retrained after month |", "|---|---|---|---|---|"]
    base = found["monthly"].loss
    for name, lived in found.items():
        after = f"{len(lived.retrained)}: {', '.join(map(str, lived.retrained))}" if lived.retrained else "0"
        change = f"{100 * (lived.loss / base - 1):+.2f}%"
        lines.append(f"| {name} | {lived.loss:.4f} | {change} | {lived.labels:,} | {after} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Live the year by every policy, and print what each cost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.year", description=__doc__)
    parser.add_argument("--evidently", type=Path, metavar="PYTHON", help="a Python that has Evidently installed")
    options = parser.parse_args(arguments)
    year = Year(load_params(ROOT))
    policies: dict[str, Policy] = {"never": never, "monthly": monthly}
    if options.evidently:
        policies["any drift alarm (Evidently's default)"] = by_evidently(options.evidently)
    policies["the loop's signals"] = by_signals
    found = {}
    for name, policy in policies.items():
        print(name, file=sys.stderr)
        found[name] = live(year, policy)
    print(table(found))


if __name__ == "__main__":
    main()
