"""The flights' year lived by ``loopwright watch``, beside keeping the first release, and learning again every month.

``python -m benchmarks.year [--project DIR] [--evidently PYTHON]``. A copy of this repository knows nothing from March
on; it runs, and then watches month by month until December: each month is answered by the release in force before its
labels are seen, and an alarm sends the loop back. The others answer the same months, from the loop's first release on:
that release for ever; its candidate fitted again every month on all that is known by then; and the same on Evidently's
default verdict, where a Python that has it is named. DIR keeps the lived year, or is one that was lived before.
"""

from __future__ import annotations

import argparse
import datetime as dt
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
from sklearn.base import clone

from flows.record import read_record
from flows.watching.kept import kept
from flows.watching.looks import Look, read_looks
from stages.data.sources import open_source
from stages.deployment.release_log import RELEASE, Release, read_log
from stages.params import WEIGHT, load_params
from stages.planning.outcome import by_prices
from stages.production.direct import inner
from stages.production.released import Released, load_released
from stages.production.watch.reference import Reference, read_reference
from stages.production.watch.seen import labelled
from stages.training.estimators import fit, predict
from stages.training.metrics import Array, row_losses

ROOT = Path(__file__).parents[1]
KNOWN, LAST = "2013-03-01", "2013-12-31"
# Minutes of a passenger's time: a needless warning, and a late flight that nobody warned of.
NEEDLESS, MISSED = 10.0, 30.0
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
Predict = Callable[[pd.DataFrame], Array]


class Year:
    """A project that has lived its year, and the months after its first release."""

    def __init__(self, project: Path) -> None:
        self.project, self.params = project, load_params(project)
        self.looks = [look for look in read_looks(project) if look.release is not None]
        if not self.looks:
            raise SystemExit(f"error: {project}: nothing was released in this year, so there is nothing to compare")

    @cached_property
    def releases(self) -> dict[str, Release]:
        """Every release by the first twelve digits of its hash, in their order."""
        return {line.sha256[:12]: line for line in read_log(self.project) if line.kind == RELEASE}

    @cached_property
    def first(self) -> Reference:
        """The first release, and what it was judged on."""
        line = next(iter(self.releases.values()))
        return read_reference(kept(self.project, line), load_released(self.project, line))

    def month(self, look: Look) -> pd.DataFrame:
        """Return the labelled rows of the days of a look."""
        days = dt.date.fromisoformat(look.start), dt.date.fromisoformat(look.end)
        raw = open_source(self.project, self.params).between(*days).raw
        rows, _ = labelled(self.first.released, raw, self.first.work.schema)
        return rows[rows[self.target].notna()].reset_index(drop=True)

    @cached_property
    def months(self) -> list[pd.DataFrame]:
        """The labelled rows of each look."""
        return [self.month(look) for look in self.looks]

    @property
    def target(self) -> str:
        """The name of the target."""
        return str(self.first.work.schema["target"])

    @cached_property
    def known(self) -> pd.DataFrame:
        """What was known when the first release was made: its window and its pilot."""
        return pd.concat([self.first.learned, self.first.judged], ignore_index=True)

    def again(self, months: int) -> Predict:
        """Return the first release's candidate, fitted on what was known then and so many months since."""
        if not months:
            return self.first.released.predict
        features, schema = self.first.released.features, self.first.work.schema
        rows = pd.concat([self.known, *self.months[:months]], ignore_index=True)[[*features, self.target]]
        used = schema | {"features": features}
        model = fit(clone(inner(self.first.released.model)), rows.assign(**{WEIGHT: 1.0}), used)
        return lambda unseen: predict(model, unseen, used)


@dataclass
class Lived:
    """What a policy's months came to: losses and outcomes of rows, and the months after which it learned again."""

    losses: list[Array] = field(default_factory=list)
    values: list[Array] = field(default_factory=list)
    learned: list[str] = field(default_factory=list)
    labels: int = 0

    def answer(self, year: Year, rows: pd.DataFrame, model: Predict) -> None:
        """Add a month that a model answered."""
        target, found = rows[year.target].to_numpy(dtype=float), model(rows)
        self.losses.append(row_losses("classification", target, found))
        self.values.append(by_prices(NEEDLESS, MISSED)(rows, target, found))


def by_the_loop(year: Year) -> Lived:
    """Let the release in force answer each month, as it did."""
    lived, opened = Lived(labels=len(year.known) + sum(look.labelled for look in year.looks)), dict[str, Released]()
    for look, rows in zip(year.looks, year.months, strict=True):
        name = str(look.release)
        opened.setdefault(name, load_released(year.project, year.releases[name]))
        lived.answer(year, rows, opened[name].predict)
    made = {line.iteration: line for line in year.releases.values()}
    began = {look.entered: look for look in year.looks if look.entered is not None}
    for item in read_record(year.project):
        if item.iteration in made and item.iteration > year.first.released.iteration:
            look = began[max(number for number in began if number <= item.iteration)]
            lived.learned.append(look.start[:7])
    return lived


def live(year: Year, learns: Callable[[int, int], bool]) -> Lived:
    """Go through the months; ``learns(learned, passed)`` says whether to learn again when so many have passed."""
    lived, learned = Lived(labels=len(year.known)), 0
    for passed, (look, rows) in enumerate(zip(year.looks, year.months, strict=True), start=1):
        lived.answer(year, rows, year.again(learned))
        if passed < len(year.looks) and learns(learned, passed):
            lived.labels += sum(len(part) for part in year.months[learned:passed])
            lived.learned.append(look.start[:7])
            learned = passed
    return lived


def by_evidently(year: Year, python: Path) -> Callable[[int, int], bool]:
    """Return the policy to learn again on Evidently's default verdict on the inputs."""

    def learns(learned: int, passed: int) -> bool:
        features = list(year.first.released.features)
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / f"{side}.parquet" for side in ("before", "after")]
            before = pd.concat([year.known, *year.months[:learned]], ignore_index=True)
            for path, rows in zip(paths, (before, year.months[passed - 1]), strict=True):
                rows[features].to_parquet(path)
            done = subprocess.run(
                [str(python), "-c", EVIDENTLY, *map(str, paths)], capture_output=True, text=True, check=False
            )
        if done.returncode:
            raise SystemExit(f"error: Evidently by {python}: {done.stderr.strip().splitlines()[-1]}")
        return bool(json.loads(done.stdout.splitlines()[-1]))

    return learns


def table(found: dict[str, Lived]) -> str:
    """Return what the policies came to as Markdown."""
    head = "| policy | mean log loss | beside monthly | minutes lost a flight | labels | learned again after |"
    lines, base = [head, "|---|---|---|---|---|---|"], np.concatenate(found["monthly"].losses).mean()
    for name, lived in found.items():
        loss, value = np.concatenate(lived.losses).mean(), -np.concatenate(lived.values).mean()
        after = f"{len(lived.learned)}: {', '.join(lived.learned)}" if lived.learned else "0"
        beside = f"{100 * (loss / base - 1):+.2f}%"
        lines.append(f"| {name} | {loss:.4f} | {beside} | {value:.3f} | {lived.labels:,} | {after} |")
    return "\n".join(lines)


def lived_year(project: Path) -> Year:
    """Return the year of a project; one that is not there yet is made, and lives it now."""
    if not (project / "params.yaml").exists():
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(project)], check=True)
        path = project / "params.yaml"
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("    pilot_days:", f'    until: "{KNOWN}"\n    pilot_days:', 1), encoding="utf-8")
        for words in (["run"], ["watch", "--until", LAST]):
            command = [sys.executable, "-m", "flows.cli", *words, "-C", str(project)]
            subprocess.run(command, check=True, cwd=project, stdout=sys.stderr)
    return Year(project)


def main(arguments: Sequence[str] | None = None) -> None:
    """Live the year by every policy, and print what each came to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.year", description=__doc__)
    parser.add_argument("--project", type=Path, metavar="DIR", help="where the year is lived (default: for this once)")
    parser.add_argument("--evidently", type=Path, metavar="PYTHON", help="a Python that has Evidently installed")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        year = lived_year((options.project or Path(folder) / "flights").resolve())
        found: dict[str, Any] = {
            "never": live(year, lambda learned, passed: False),
            "monthly": live(year, lambda learned, passed: True),
        }
        if options.evidently:
            policies = by_evidently(year, options.evidently)
            found["any drift alarm (Evidently's default)"] = live(year, policies)
        found["loopwright watch"] = by_the_loop(year)
    print(f"{year.looks[0].start} to {year.looks[-1].end}, {sum(map(len, year.months)):,} flights")
    print(table(found))


if __name__ == "__main__":
    main()
