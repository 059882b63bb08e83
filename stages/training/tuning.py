"""Search a candidate's parameters with Optuna: seeded, pruned, and taken up again where a kill cut it off.

Trials are proposed by a tree-structured Parzen estimator (Bergstra et al. 2011) and pruned by asynchronous successive
halving (Li et al. 2020) over growing parts of the data. Only training rows are used: the validation rows have to judge
what is found. Each trial has a sampler of its own, seeded by its number, so that it depends on the trials before it and
on nothing else: a search that was killed ends as one that was not.

Optuna's storages are not used: a kill leaves SQLite and its journal with a trial in flight, which successive halving
would count, and the journal with a lock and perhaps half a line. Finished trials are kept in one file, replaced
atomically.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from stages.data.blocks import blocks_of
from stages.data.cutting import By, cut
from stages.errors import DataError
from stages.files import write_text
from stages.metric_names import larger_is_better
from stages.params import Candidate, Span
from stages.training.candidates import fitted
from stages.training.estimators import predict, with_params
from stages.training.metrics import Array, Scorer, constant_prediction
from stages.training.sampling import Folds, folds, random_order

optuna.logging.set_verbosity(optuna.logging.ERROR)

HELD, SHARES = 0.25, (0.25, 0.5, 1.0)


@dataclass(frozen=True)
class Problem:
    """What is searched on: training rows, what they mean, the metric to optimise, and the seed."""

    train: pd.DataFrame
    schema: dict[str, Any]
    task: str
    optimise: str
    seed: int

    def rungs(self) -> Folds:
        """Return what each step of a trial is fitted on and judged on, rows both.

        With time: a quarter, a half and all of the earlier rows, by whole blocks, judged on the latest quarter.
        Without: three folds one after the other, that keep groups whole; a step is judged on the folds so far.
        """
        schema, blocks = self.schema, blocks_of(self.train, self.schema)
        target = self.train[schema["target"]].to_numpy(dtype="float64")
        if not schema["time"]:
            return folds(target, self.task, blocks, self.seed)  # none with fewer than five groups
        placed = self.train.assign(__at__=np.arange(len(self.train)))
        earlier, held = cut(placed, [1 - HELD, HELD], By(schema["time"], schema["group"]), self.seed)
        order = random_order(len(earlier), blocks_of(earlier, schema), self.seed)
        at, judged = earlier["__at__"].to_numpy(), held["__at__"].to_numpy()
        parts = [at[np.sort(order[: max(2, int(share * len(order)))])] for share in SHARES]
        codes = [np.unique(target[part]) for part in parts]
        whole = [self.task == "regression" or len(seen) == len(codes[-1]) for seen in codes]  # has every class
        return [(part, judged) for part, has_all in zip(parts, whole, strict=True) if has_all]


@dataclass(frozen=True)
class Found:
    """The outcome of one search: parameters (none when nothing beats the declared ones), values, and how it went."""

    params: dict[str, Any]
    value: float
    declared: float
    trials: int
    pruned: int
    cut_short: bool


def tune(candidate: Candidate, problem: Problem, trials: int, memory: Path, deadline: float = float("inf")) -> Found:
    """Search a candidate's space; the declared parameters stay unless a trial does better.

    Parameters
    ----------
    candidate : Candidate
        With a space.
    problem : Problem
        What it is judged by.
    trials : int
        How many trials are made, those remembered included; their number alone decides the outcome.
    memory : Path
        The file of finished trials of this very search; read if it is there, and written after each trial.
    deadline : float
        ``time.monotonic()`` after which no further trial is started; then the outcome says that it was cut short.
    """
    rungs = problem.rungs()
    if not rungs:
        raise DataError(
            "too few groups to search on",
            where=f"data column {problem.schema['group']!r}",
            expected="at least five groups to train on",
            todo="collect more groups, or set training.search.trials: 0",
        )
    sign = -1.0 if larger_is_better(problem.task, problem.optimise) else 1.0
    space = {name: _distribution(span) for name, span in candidate.search.items()}
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2)
    study = optuna.create_study(pruner=pruner)
    study.add_trials(_remembered(memory, space)[:trials])
    while len(study.trials) < trials and time.monotonic() < deadline:
        # TPE draws from its generator as it goes; a fresh one for each trial makes the trial a function of its number.
        study.sampler = optuna.samplers.TPESampler(seed=(problem.seed + 7919 * len(study.trials)) % 2**32)
        trial = study.ask(space)
        state, value = TrialState.COMPLETE, float("nan")
        for step, value in enumerate(_values(with_params(candidate, trial.params), problem, rungs), start=1):
            trial.report(sign * value, step)
            if trial.should_prune() and step < len(rungs):
                state = TrialState.PRUNED
                break
        study.tell(trial, sign * value if state == TrialState.COMPLETE else None, state)
        _remember(memory, study.trials)
    done = study.trials
    *_, declared = _values(candidate, problem, rungs)
    complete = [trial for trial in done if trial.state == TrialState.COMPLETE and trial.value is not None]
    best = min(complete, key=lambda trial: (trial.value, trial.number), default=None)
    better = best is not None and best.value is not None and best.value < sign * declared
    return Found(
        params=dict(best.params) if better and best else {},
        value=sign * best.value if better and best and best.value is not None else declared,
        declared=declared,
        trials=len(done),
        pruned=sum(trial.state == TrialState.PRUNED for trial in done),
        cut_short=len(done) < trials,
    )


def _values(candidate: Candidate, problem: Problem, rungs: Folds) -> Any:
    """Yield the metric after each rung; of folds, that of all the rows predicted so far."""
    train, schema, task = problem.train, problem.schema, problem.task
    target = train[schema["target"]].to_numpy(dtype="float64")
    constant = constant_prediction(task, target, len(schema["classes"] or [0]))
    judged, made = list[Array](), list[Array]()
    for part, held in rungs:
        model = fitted(candidate, train.iloc[part], schema, task, problem.seed)
        if schema["time"]:
            judged, made = [], []
        judged.append(target[held])
        made.append(predict(model, train.iloc[held], schema))
        scorer = Scorer(task, np.concatenate(judged), np.concatenate(made), constant)
        yield scorer.score([problem.optimise])[problem.optimise]


def _distribution(span: Span) -> BaseDistribution:
    if span.choices:
        return CategoricalDistribution(span.choices)
    if isinstance(span.low, int) and isinstance(span.high, int):
        return IntDistribution(span.low, span.high, log=span.log)
    return FloatDistribution(float(span.low or 0.0), float(span.high or 0.0), log=span.log)


def _remember(memory: Path, trials: list[FrozenTrial]) -> None:
    """Keep the finished trials, to the last digit: the next ones depend on them."""
    kept = [
        {
            "params": trial.params,
            "value": trial.value if trial.state == TrialState.COMPLETE else None,
            "state": trial.state.name,
            "steps": trial.intermediate_values,
            "rungs": trial.system_attrs,
        }
        for trial in trials
    ]
    write_text(memory, json.dumps(kept))


def _remembered(memory: Path, space: dict[str, BaseDistribution]) -> list[FrozenTrial]:
    try:
        kept = json.loads(memory.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    return [
        create_trial(
            state=TrialState[item["state"]],
            value=item["value"],
            params=item["params"],
            distributions=space,
            system_attrs=item["rungs"],
            intermediate_values={int(step): value for step, value in item["steps"].items()},
        )
        for item in kept
    ]
