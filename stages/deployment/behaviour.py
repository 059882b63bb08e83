"""Behaviour and regression tests of the release candidate, on rows that are made for them.

Behaviour tests follow CheckList (Ribeiro et al. 2020): minimum functionality, invariance and directional expectations.
Regression tests are the rows of ``expectations/cases.csv``, when a project keeps such a file: cases that must stay
right.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.context import Context
from stages.data.blocks import Blocks
from stages.deployment.cases import Cases, all_features, cases_of, kept_cases, right
from stages.deployment.shares import share
from stages.errors import ParamsError
from stages.files import write_json
from stages.params import PARAMS_FILE, Direction, Invariance, MinimumFunctionality
from stages.step import main
from stages.training.estimators import predict
from stages.training.metrics import Array, Figure
from stages.training.store import load_model

MAX_ROWS = 2000
WORST = 3  # examples of a test, for a reader
SLACK = 1e-9  # of sums in another order
Found = dict[str, Any]


def run(project: Path) -> None:
    """Run every test and write how each went."""
    work = Context(project)
    trial = Trial(work)
    tests = [trial.tried(number, test) for number, test in enumerate(work.params.deployment.tests, start=1)]
    cases = kept_cases(work)
    if cases is not None:
        name = f"regression: {len(cases)} cases stay right"
        tests.append({"kind": "regression", **trial.of_cases(name, cases, 1.0, None)})
    failed = sum(not test["passed"] for test in tests)
    write_json(project / "release" / "behaviour.json", tests)
    write_json(project / "metrics" / "behaviour.json", {"tests": len(tests), "failed": failed})


@dataclass(frozen=True)
class Moved:
    """What another value of a column does: the rows, the column before and after, and the predictions."""

    rows: pd.DataFrame
    values: tuple[Any, Any]
    predicted: tuple[Array, Array]
    by: Array  # how far each row's prediction moved to the wrong side


class Trial:
    """The release candidate under test, on test rows: at most 2,000, drawn with the project's seed.

    Parameters
    ----------
    work : Context
        The project.
    """

    def __init__(self, work: Context) -> None:
        self.work = work
        self.model = load_model(work.project / work.release_model)
        self.level = work.params.training.bootstrap.level
        self.private = set(work.charter["security"]["private"])

    @cached_property
    def rows(self) -> pd.DataFrame:
        """The rows that are changed."""
        rows = self.work.split("test")
        return rows.sample(MAX_ROWS, random_state=self.work.params.seed).sort_index() if len(rows) > MAX_ROWS else rows

    def predict(self, frame: pd.DataFrame) -> Array:
        """Return probabilities, or values."""
        return predict(self.model, frame, self.work.schema)

    def tried(self, number: int, test: Invariance | Direction | MinimumFunctionality) -> Found:
        """Return how one test of the params went."""
        where = f"{PARAMS_FILE}: deployment.tests[{number}]"
        kind = {"kind": test.kind}
        if isinstance(test, MinimumFunctionality):
            cases = cases_of(test, where, self.work)
            name = test.name or f"minimum functionality: {len(cases)} simple cases, {100 * test.min_right:g}% right"
            return kind | self.of_cases(name, cases, test.min_right, test.tolerance)
        self._check_column(test, where)
        name = test.name or named(test)
        unused = test.column not in self.work.schema["features"]
        moved = None if unused else self._falls(test) if isinstance(test, Direction) else self._changes(test, where)
        if moved is None or not len(moved.rows):
            why = "its feature group is not used" if unused else "no row has a value to be swapped"
            return {**kind, "test": name, "passed": True, "figure": None, "rows": 0, "skipped": why}
        return kind | self._judged(test, name, moved)

    def of_cases(self, name: str, cases: Cases, min_right: float, tolerance: float | None) -> Found:
        """Return whether enough cases are right; the wrong ones among the first are its examples."""
        found = self.predict(cases.features)
        good = right(self.work, found, cases, tolerance)
        examples = [
            {
                "case": int(at) + 1,
                **{k: v for k, v in cases.features.iloc[at].dropna().items() if k not in self.private},
                "expected": str(cases.expected[at]),
                "predicted": self._said(found[at]),
            }
            for at in np.flatnonzero(~good)[:WORST]
        ]
        return {
            "test": name,
            "passed": bool(good.mean() >= min_right - SLACK),
            "figure": good.mean(),
            "rows": len(cases),
            "failing": share(~good, None, self.level),
            "limit": 1 - min_right,
            "says": f"{int((~good).sum())} of {len(cases)} cases are wrong",
            "worst": examples,
        }

    def _judged(self, test: Invariance | Direction, name: str, moved: Moved) -> Found:
        fails = moved.by > test.tolerance + SLACK
        blocks: Blocks | None = self.work.blocks(moved.rows)
        failing = share(fails, blocks, self.level)
        mean = float(moved.by.mean())
        if isinstance(test, Direction):
            figure, says = -mean, f"the prediction rises by {-mean:.4g} on average where it rises least"
        else:
            figure, says = mean, f"the prediction moves by {mean:.4g} on average"
        held = mean <= test.tolerance if test.max_failing is None else failing["value"] <= test.max_failing + SLACK  # type: ignore[operator]
        return {
            "test": name,
            "passed": bool(held),
            "figure": figure,
            "rows": len(moved.rows),
            "failing": failing,
            "limit": test.max_failing,
            "tolerance": test.tolerance,
            "says": f"{says}; beyond {test.tolerance:g} in {_percent(failing)} of the rows",
            "worst": self._worst(test.column, moved, fails),
        }

    def _changes(self, test: Invariance, where: str) -> Moved:
        rows, seed = self.rows, self.work.params.seed
        number = self.work.schema["features"][test.column] == "number"
        if (test.noise is not None and not number) or (test.swap and number):
            asks, kind = ("swap", "categories") if test.swap else ("noise", "numbers")
            raise ParamsError(f"{test.column!r} has no {kind}", where=f"{where}.{asks}", todo="take another column")
        if test.swap:
            rows = rows[rows[test.column].astype("str").isin(test.swap)]
            after = rows[test.column].astype("str").map(test.swap).to_numpy(dtype=object)
        elif test.noise is not None:
            spread = test.noise * float(rows[test.column].std())
            after = rows[test.column].to_numpy(dtype=float)
            after = after + np.random.default_rng(seed).uniform(-spread, spread, len(rows))
        else:
            after = rows[test.column].sample(frac=1.0, random_state=seed).to_numpy()
        if not len(rows):
            return Moved(rows, ([], []), (np.empty(0), np.empty(0)), np.empty(0))
        before = self.predict(rows)
        then = self.predict(rows.assign(**{test.column: after}))
        by = np.abs(then - before) if then.ndim == 1 else np.abs(then - before).sum(axis=1) / 2
        return Moved(rows, (rows[test.column].to_numpy(), after), (before, then), by)

    def _falls(self, test: Direction) -> Moved:
        """Return the step between two values at which the mean prediction rises least."""
        made = [(value, self.predict(self.rows.assign(**{test.column: value}))) for value in test.steps]
        falls = [
            Moved(self.rows, (low, high), (before, then), _score(before) - _score(then))
            for (low, before), (high, then) in pairwise(made)
        ]
        if test.max_failing is None:
            return max(falls, key=lambda moved: float(moved.by.mean()))
        return max(falls, key=lambda moved: float((moved.by > test.tolerance + SLACK).mean()))

    def _worst(self, column: str, moved: Moved, fails: NDArray[np.bool_]) -> list[Found]:
        order = np.argsort(-moved.by, kind="stable")[:WORST]
        key = self.work.schema.get("key")
        found = []
        for at in order[fails[order]]:
            row: Found = {"row": int(moved.rows.index[at])}
            if key and key in moved.rows and key not in self.private:
                row["key"] = str(moved.rows[key].iloc[at])
            if column not in self.private:
                before, after = (np.broadcast_to(np.asarray(v, dtype=object), len(fails))[at] for v in moved.values)
                row |= {"column": column, "from": _plain(before), "to": _plain(after)}
            before, after = (_score(predicted)[at] for predicted in moved.predicted)
            found.append(row | {"before": float(before), "after": float(after)})
        return found

    def _said(self, found: Any) -> str:
        if self.work.task == "regression":
            return f"{float(found):.6g}"
        best = int(found[1] > self.work.threshold) if len(found) == 2 else int(np.argmax(found))
        return f"{self.work.schema['classes'][best]} ({float(found[best]):.3f})"

    def _check_column(self, test: Invariance | Direction, where: str) -> None:
        features = self.work.schema["features"]
        if test.column not in {*features, *all_features(self.work)}:
            expected = "one of " + ", ".join(features)
            raise ParamsError(f"unknown column {test.column!r}", where=where, expected=expected, todo="correct it")
        if isinstance(test, Direction) and features.get(test.column) == "number":
            wrong = [value for value in test.steps if isinstance(value, bool) or not isinstance(value, int | float)]
            if wrong:
                raise ParamsError(f"{wrong[0]!r} is no number, as {test.column} is", where=where, todo="correct it")


def named(test: Invariance | Direction) -> str:
    """Return what a test asks, as a sentence."""
    many = test.max_failing is not None
    tail = f" in more than {100 * (test.max_failing or 0.0):g}% of the rows" if many else ""
    if isinstance(test, Direction):
        steps, allowed = (
            [str(value) for value in test.steps],
            f" by more than {test.tolerance:g}" if test.tolerance else "",
        )
        way = f"from {steps[0]} to {steps[1]}" if len(steps) == 2 else "over " + ", ".join(steps)
        return f"direction: {test.column} {way} does not lower the prediction{allowed}{tail}"
    what = f"another {test.column}"
    if test.noise is not None:
        what = f"noise of {test.noise:g} standard deviations on {test.column}"
    if test.swap:
        what = f"{test.column} " + ", ".join(f"{new} for {old}" for old, new in test.swap.items())
    if many:
        return f"invariance: {what} does not change the prediction by more than {test.tolerance:g}{tail}"
    return f"invariance: {what} changes the prediction by at most {test.tolerance} on average"


def _score(prediction: Array) -> Array:
    """Return one number a row: the last class's probability, or the value."""
    return prediction if prediction.ndim == 1 else prediction[:, -1]


def _percent(failing: Figure) -> str:
    shares = {key: None if end is None else f"{100 * end:.1f}%" for key, end in failing.items()}
    return f"{shares['value']}" + ("" if shares["low"] is None else f" ({shares['low']} … {shares['high']})")


def _plain(value: Any) -> Any:
    return None if pd.isna(value) else value.item() if hasattr(value, "item") else value


if __name__ == "__main__":
    main(run)
