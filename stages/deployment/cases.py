"""Cases with a known answer: of a file, or written out in the params; and whether the model gets them right."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.context import Context
from stages.errors import DataError, LoopwrightError, ParamsError
from stages.params import MinimumFunctionality
from stages.training.metrics import Array, decide

KEPT = "expectations/cases.csv"
MAX_CASES = 10_000


@dataclass(frozen=True)
class Cases:
    """Features of some cases, and what is expected of each, as text."""

    features: pd.DataFrame
    expected: NDArray[Any]

    def __len__(self) -> int:
        return len(self.features)


def kept_cases(work: Context) -> Cases | None:
    """Return the project's regression cases, ``expectations/cases.csv``; None when it keeps none."""
    path = work.project / KEPT
    return of_file(path, KEPT, work) if path.exists() else None


def cases_of(test: MinimumFunctionality, where: str, work: Context) -> Cases:
    """Return the cases of a test, whichever way they are given.

    Raises
    ------
    ParamsError
        If the file is not there, or a case that is written out cannot be read.
    DataError
        If a case of the file cannot be read.
    """
    if test.cases:
        path = work.project / test.cases
        if not path.is_file():
            raise ParamsError(
                f"{test.cases} is not found", where=f"{where}.cases", expected="a file", todo="correct it"
            )
        return of_file(path, test.cases, work)
    return written_out(test, where, work)


def of_file(path: Path, shown: str, work: Context) -> Cases:
    """Return the cases of a CSV file: features and the target; a feature that is left out or empty is missing."""
    try:
        raw = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])
    except (ValueError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read: {error}", where=shown, expected="a CSV file", todo="correct it") from None
    return _checked(raw, work, DataError, shown)


def written_out(test: MinimumFunctionality, where: str, work: Context) -> Cases:
    """Return the cases of the params, one for each combination of the values in lists.

    Other features are those of a typical training row, so that a simple case is no strange one; or missing.
    """
    key = f"{where}.rows"
    rows: list[dict[str, Any]] = []
    for row in test.rows:
        choices = [value if isinstance(value, list) else [value] for value in row.values()]
        rows += [dict(zip(row, picked, strict=True)) for picked in itertools.product(*choices)]
        if len(rows) > MAX_CASES:
            raise ParamsError("more than 10,000 cases", where=key, expected="fewer combinations", todo="take some out")
    text = [{name: None if value is None else str(value) for name, value in row.items()} for row in rows]
    found = _checked(pd.DataFrame(text, dtype=object), work, ParamsError, key)
    if test.others == "missing":
        return found
    named = {name: np.array([name in row for row in rows]) for name in found.features}
    filled = {name: found.features[name].where(named[name], value) for name, value in _typical(work).items()}
    return Cases(pd.DataFrame(filled), found.expected)


def right(work: Context, found: Array, cases: Cases, tolerance: float | None = None) -> NDArray[np.bool_]:
    """Tell which cases are right: the class, or a value within the tolerance.

    Without a tolerance a value may be off by one standard deviation of the target: what the constant is wrong by.
    """
    if work.task == "classification":
        labels = np.asarray([str(label) for label in work.schema["classes"]])
        return np.asarray(labels[decide(found, work.threshold)] == cases.expected)
    allowed = work.target(work.split("train")).std() if tolerance is None else tolerance
    return np.asarray(np.abs(found - cases.expected.astype(float)) <= allowed)


def all_features(work: Context) -> set[str]:
    """Return the columns that are features in some choice of feature groups."""
    return {name for group in (work.schema.get("feature_groups") or {}).values() for name in group}


def _checked(raw: pd.DataFrame, work: Context, error: type[LoopwrightError], where: str) -> Cases:
    target, features = work.schema["target"], work.schema["features"]
    unknown = [name for name in raw if name not in {target, *features, *all_features(work)}]
    if target not in raw or raw[target].isna().any() or unknown:
        raise error(
            f"unknown column {unknown[0]!r}" if unknown else f"a case has no {target!r}",
            where=where,
            expected=f"the target {target!r} in every row, and features: {', '.join(features)}",
            todo="correct it",
        )
    if raw.empty:
        raise error("holds no case", where=where, expected="one at least", todo="write one")
    classes = {str(label) for label in work.schema["classes"] or []}
    other = [label for label in raw[target] if classes and label not in classes]
    if other:
        raise error(
            f"unknown class {other[0]!r}",
            where=where,
            expected=f"one of {', '.join(sorted(classes))}",
            todo="correct it",
        )
    try:
        columns = {
            name: raw.get(name, pd.Series(np.nan, index=raw.index)).astype("float64" if kind == "number" else object)
            for name, kind in features.items()
        }
        if work.task == "regression":
            raw[target].astype(float)
    except ValueError as wrong:
        raise error(f"is not a number: {wrong}", where=where, todo="correct it") from None
    return Cases(pd.DataFrame(columns), raw[target].to_numpy())


def _typical(work: Context) -> dict[str, Any]:
    train = work.split("train")
    found: dict[str, Any] = {}
    for name, kind in work.schema["features"].items():
        known = train[name].dropna()
        most = known.median() if kind == "number" else known.mode().iloc[0] if len(known) else np.nan
        found[name] = most
    return found
