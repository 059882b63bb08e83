"""``python -m benchmarks.routing``: run the trials, print where the loop went.

The seeds and severities that rules are developed with are disjoint from those that are reported.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

# Side by side, each trial on one core.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks.routing.faults import FAULTS
from benchmarks.routing.lifecycle import Outcome, Trial, run
from benchmarks.routing.report import report
from benchmarks.routing.tables import TABLES


@dataclass(frozen=True)
class Plan:
    """Which severities and seeds: those for developing rules, or those for the report."""

    severities: tuple[float, ...]
    seeds: int
    first_seed: int
    clean_seeds: int


PLANS = {
    "develop": Plan(severities=(0.3, 0.6, 0.9), seeds=1, first_seed=0, clean_seeds=4),
    "report": Plan(severities=(0.4, 0.7, 1.0), seeds=1, first_seed=4000, clean_seeds=15),
}


def trials(plan: Plan, faults: list[str], tables: list[str]) -> Iterator[Trial]:
    """Yield every trial of a plan."""
    for name in faults:
        for table in FAULTS[name].tables:
            if table not in tables:
                continue
            count = plan.clean_seeds if name == "none" else plan.seeds
            for seed in range(plan.first_seed, plan.first_seed + count):
                for severity in (0.0,) if name == "none" else plan.severities:
                    yield Trial(table, name, severity, seed)


def read(path: Path) -> list[Outcome]:
    """Return the outcomes that a file of an earlier run holds."""
    if not path.exists():
        return []
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    plural = ("expected", "fired")
    return [
        Outcome(**line | {"trial": Trial(**line["trial"])} | {key: tuple(line[key]) for key in plural})
        for line in lines
    ]


def append(path: Path, outcome: Outcome) -> None:
    """Add an outcome to the file."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(outcome)) + "\n")


def main() -> None:
    """Run what is not in the file yet, then print the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.routing", description=__doc__)
    parser.add_argument("--plan", choices=PLANS, default="report")
    parser.add_argument("--fault", action="append", choices=FAULTS, help="only this one; may be repeated")
    parser.add_argument("--table", action="append", choices=TABLES, help="only this one; may be repeated")
    parser.add_argument("--severity", action="append", type=float, help="only this one; may be repeated")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, help="JSON lines of outcomes; a run that is cut off goes on from it")
    parser.add_argument("--verbose", action="store_true", help="tell what every wrong trial said")
    options = parser.parse_args()
    planned = list(trials(PLANS[options.plan], options.fault or list(FAULTS), options.table or list(TABLES)))
    if options.severity:
        planned = [trial for trial in planned if trial.severity in options.severity]
    found = {outcome.trial: outcome for outcome in (read(options.out) if options.out else [])}
    left = [trial for trial in planned if trial not in found]
    for number, outcome in enumerate(outcomes(left, options.jobs), start=1):
        found[outcome.trial] = outcome
        if options.out:
            append(options.out, outcome)
        tell(f"{number}/{len(left)} {outcome.trial}", outcome if options.verbose else None)
    print(report([found[trial] for trial in planned]))


def outcomes(left: list[Trial], jobs: int) -> Iterator[Outcome]:
    """Run trials side by side, and yield each as it ends."""
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        for future in as_completed([pool.submit(run, trial) for trial in left]):
            yield future.result()


def tell(progress: str, outcome: Outcome | None) -> None:
    """Show how far it is, and what a wrong trial said."""
    print(f"\r{progress}", end="\033[K", file=sys.stderr, flush=True)
    if outcome is not None and not outcome.right:
        print(
            f"\n  {outcome.stage}: {outcome.row} instead of {' or '.join(outcome.expected)}: {outcome.says}",
            file=sys.stderr,
        )
        print(f"  fired: {', '.join(outcome.fired) or 'nothing'}", file=sys.stderr)


if __name__ == "__main__":
    main()
