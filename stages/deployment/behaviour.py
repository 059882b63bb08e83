"""Behaviour and regression tests of the release candidate.

Behaviour tests follow CheckList (Ribeiro et al. 2020): invariance and directional expectations. Regression tests are
the rows of ``expectations/cases.csv``, when a project keeps such a file: cases that must stay right. Its columns are
features and the target as the source has it; a feature that is left out or empty is missing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.context import Context
from stages.errors import DataError, ParamsError
from stages.files import write_json
from stages.params import PARAMS_FILE, BehaviourTest
from stages.step import main
from stages.training.estimators import predict
from stages.training.metrics import decide
from stages.training.store import load_model

MAX_ROWS = 2000
CASES = "expectations/cases.csv"


def run(project: Path) -> None:
    """Run every test and write how each went."""
    work = Context(project)
    model = load_model(project / work.release_model)
    rows = work.split("test")
    if len(rows) > MAX_ROWS:
        rows = rows.sample(MAX_ROWS, random_state=work.params.seed).sort_index()

    def answer(frame: pd.DataFrame) -> NDArray[np.float64]:
        return _score(work, predict(model, frame, work.schema))

    tests = [
        _tried(number, test, work, rows, answer) for number, test in enumerate(work.params.deployment.tests, start=1)
    ]
    cases = _cases(work, model)
    if cases is not None:
        tests.append(cases)
    failed = sum(not test["passed"] for test in tests)
    write_json(project / "release" / "behaviour.json", tests)
    write_json(project / "metrics" / "behaviour.json", {"tests": len(tests), "failed": failed})


def _tried(number: int, test: BehaviourTest, work: Context, rows: pd.DataFrame, answer: Any) -> dict[str, Any]:
    if test.column not in work.schema["features"]:
        if test.column in all_features(work):
            return {"test": _named(test), "passed": True, "figure": None, "skipped": "its feature group is not used"}
        raise ParamsError(
            f"unknown column {test.column!r}",
            where=f"{PARAMS_FILE}: deployment.tests[{number}]",
            expected="one of " + ", ".join(work.schema["features"]),
            todo="correct it",
        )
    if test.kind == "direction":
        low, high = (answer(rows.assign(**{test.column: value})).mean() for value in (test.low, test.high))
        rise = float(high - low)
        return {"test": _named(test), "passed": bool(rise >= -test.tolerance), "figure": rise}
    swapped = rows[test.column].sample(frac=1.0, random_state=work.params.seed).to_numpy()
    change = float(np.mean(np.abs(answer(rows.assign(**{test.column: swapped})) - answer(rows))))
    return {"test": _named(test), "passed": bool(change <= test.tolerance), "figure": change}


def _cases(work: Context, model: Any) -> dict[str, Any] | None:
    path = work.project / CASES
    if not path.exists():
        return None
    cases, expected = _read_cases(path, work)
    found = predict(model, cases, work.schema)
    if work.task == "classification":
        right = np.asarray([str(label) for label in work.schema["classes"]])[decide(found, work.threshold)] == expected
    else:
        # Right is within one standard deviation of the target: what the constant would be wrong by.
        right = np.abs(found - expected.astype(float)) <= work.target(work.split("train")).std()
    return {"test": f"regression: {len(cases)} cases stay right", "passed": bool(right.all()), "figure": right.mean()}


def _read_cases(path: Path, work: Context) -> tuple[pd.DataFrame, NDArray[Any]]:
    """Return the features of the cases and their targets, as text."""
    raw = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])
    target, features = work.schema["target"], work.schema["features"]
    unknown = [name for name in raw if name not in {target, *features, *all_features(work)}]
    if target not in raw or raw[target].isna().any() or unknown:
        raise DataError(
            f"unknown column {unknown[0]!r}" if unknown else f"a case has no {target!r}",
            where=CASES,
            expected=f"the target {target!r} in every row, and features: {', '.join(features)}",
            todo="correct the file",
        )
    try:
        columns = {
            name: raw.get(name, pd.Series(np.nan, index=raw.index)).astype("float64" if kind == "number" else object)
            for name, kind in features.items()
        }
        if work.task == "regression":
            raw[target].astype(float)
    except ValueError as error:
        raise DataError(f"is not a number: {error}", where=CASES, todo="correct the file") from None
    return pd.DataFrame(columns), raw[target].to_numpy()


def all_features(work: Context) -> set[str]:
    """Return the columns that are features in some choice of feature groups."""
    return {name for group in (work.schema.get("feature_groups") or {}).values() for name in group}


def _score(work: Context, prediction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one number a row: the last class's probability, or the value."""
    return prediction if work.task == "regression" else prediction[:, -1]


def _named(test: BehaviourTest) -> str:
    if test.kind == "direction":
        return f"direction: {test.column} from {test.low} to {test.high} does not lower the prediction"
    return f"invariance: another {test.column} changes the prediction by at most {test.tolerance} on average"


if __name__ == "__main__":
    main(run)
