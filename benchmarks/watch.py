"""False alarms of a year of looks, and how soon a real fault is told: ``python -m benchmarks.watch``.

Real rows (flights of June and July that the release has not seen), dealt to days by chance; each day has a rate of
late flights of its own, so that its rows hang together. What was learned from, the pilot and twelve months of looks are
drawn anew in each run. The charter asks for exactly what the release reaches, which is the hardest case there is, and
the release before knows less. From ``--after`` looks on a share of the outcomes is turned round.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pandas as pd

from stages.params import Requirement, load_params
from stages.production.watch import performance, quality
from stages.production.watch.levels import figures
from stages.production.watch.measuring import ALARMS, Looking, Past
from stages.signals import Signal
from tests.stages.watching import seen, watched, without_hour

DAYS, LEARNED, UNEVEN = 28, 60, 0.3
TOLD = ("production_inputs",)


@dataclass(frozen=True)
class World:
    """How many rows come a day, and from which look on which share of the outcomes is turned round; see `run`."""

    a_day: int = 50
    looks: int = 12
    turned: float = 0.0
    after: int = 4
    quick: bool = False


def run(seed: int, world: World) -> dict[str, int]:
    """Return each signal that alarmed in a run, with its first look, from 1.

    ``quick`` leaves out what reads the columns of rows (the data and the shift), which costs nine tenths of a look.
    """
    random = np.random.default_rng(seed)
    found: dict[str, int] = {}
    for number, fired in enumerate(_looks(random, world), start=1):
        for name in fired:
            found.setdefault(name, number)
    return found


def _looks(random: np.random.Generator, world: World) -> Iterator[list[str]]:
    now, params = watched(), load_params(watched().project)
    start = dt.date(2024, 1, 1)
    learned = days_of(start, LEARNED, world.a_day, random)
    judged = days_of(start + dt.timedelta(days=LEARNED), DAYS, world.a_day, random)
    reference = replace(now.reference)
    reference.__dict__.update(learned=learned, judged=judged)
    reference.work.__dict__["requirements"] = {"roc_auc": Requirement(at_least=reached())}
    begin, losses = start + dt.timedelta(days=LEARNED + DAYS), list[float]()
    for number in range(1, world.looks + 1):
        end = begin + dt.timedelta(days=DAYS)
        rows = days_of(begin, DAYS, world.a_day, random)
        if number > world.after:
            wrong = random.random(len(rows)) < world.turned
            rows = rows.assign(target=rows["target"].where(~wrong, 1 - rows["target"]))
        looking = Looking(now.project, params, reference, Past(number, losses, None))
        if world.quick:
            signals, later = _by_losses(looking, rows, begin, end)
        else:
            found = looking.measure(seen(rows, begin, end))  # not whether more rows pay: here they do
            signals, later = list[Signal | None](found.signals), found.losses
        signals.append(performance.release_regressed(reference, without_hour(), rows, **looking.sampling))
        losses = [*losses, *later]
        yield [signal.name for signal in signals if signal is not None and signal.fires and signal.name not in TOLD]
        begin = end


def _by_losses(
    looking: Looking, rows: pd.DataFrame, begin: dt.date, end: dt.date
) -> tuple[list[Signal | None], list[float]]:
    """Return what a look tells by predictions and labels alone, and by counting rows."""
    reference, limits = looking.reference, looking.limits
    scorer, constant = reference.scorer(rows), reference.usual_constant_loss
    wanted = reference.work.requirements
    usual, losses = performance.advantage(reference.usual), performance.advantage(scorer)
    later, alpha = [*looking.past.losses, *losses], looking.settings.alpha / ALARMS
    expected = performance.estimated(reference, rows, **looking.sampling)
    mean = float(reference.usual.losses.mean())
    found = figures(scorer, list(wanted), **looking.sampling)
    most = looking.settings.max_volume_change
    return [
        quality.production_volume(reference, seen(rows, begin, end), most, level=looking.level),
        performance.production_worse(found, wanted, len(rows)),
        performance.production_estimated(expected, mean, constant, limits, reference.loss),
        performance.production_risk(usual, later, constant, limits, alpha),
    ], losses


def days_of(start: dt.date, days: int, a_day: int, random: np.random.Generator) -> pd.DataFrame:
    """Draw days of rows, about as many each, of which each has a rate of its own."""
    pool = watched().pool
    by_class = [np.flatnonzero(pool["target"] == code) for code in (0, 1)]
    rate = len(by_class[1]) / len(pool)
    odds = rate / (1 - rate) * np.exp(random.normal(0, UNEVEN, days))
    counts = random.poisson(a_day, days)
    late = random.binomial(counts, odds / (1 + odds))
    picked = [
        np.concatenate([random.choice(by_class[0], all_ - some), random.choice(by_class[1], some)])
        for all_, some in zip(counts, late, strict=True)
    ]
    day = pd.Timestamp(start, tz="UTC") + pd.to_timedelta(np.repeat(np.arange(days), counts), unit="D")
    return pool.iloc[np.concatenate(picked)].assign(day=day.as_unit("us")).reset_index(drop=True)


@cache
def reached() -> float:
    """Return the ROC AUC that the release has on all rows there are."""
    rows = watched().pool.assign(day=pd.Timestamp("2024-01-01", tz="UTC"))
    return watched().reference.scorer(rows).score(["roc_auc"])["roc_auc"]


def main() -> None:
    """Print the share of runs with an alarm, and by what, without and with a fault."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watch", description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--rows", type=int, default=50, help="a day")
    parser.add_argument("--turned", type=float, nargs="*", default=[0.0, 0.1, 0.2], help="shares of outcomes")
    parser.add_argument("--after", type=int, default=4, help="looks before the fault")
    parser.add_argument("--looks", type=int, default=12)
    parser.add_argument("--quick", action="store_true", help="without the signals that read the columns of rows")
    options = parser.parse_args()
    print("| outcomes turned | runs | any alarm before | any alarm | looks until it, median | by what, first |")
    print("|---|---|---|---|---|---|", flush=True)
    for turned in options.turned:
        runs = list[dict[str, int]]()
        for seed in range(options.runs):
            runs.append(run(seed, World(options.rows, options.looks, turned, options.after, options.quick)))
            print(f"{turned:.0%} {seed}: {runs[-1] or 'quiet'}", file=sys.stderr, flush=True)
        first = [min(found.values()) for found in runs if found]
        early = sum(at <= options.after for at in first)
        soon = [at - options.after for at in first if at > options.after]
        names = Counter(name for found in runs for name, at in found.items() if at == min(found.values()))
        told = ", ".join(f"{name} {count}" for name, count in names.most_common())
        middle = f"{np.median(soon):g}" if soon else ""
        print(f"| {turned:.0%} | {len(runs)} | {early} | {len(first)} | {middle} | {told} |", flush=True)


if __name__ == "__main__":
    main()
