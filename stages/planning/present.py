"""The rule that the software goes by now, which a model of software 2.0 takes the place of: ``planning.replaces``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.data.replaced import WHERE, is_column
from stages.errors import DataError, LoopwrightError, ParamsError
from stages.importing import import_callable, told
from stages.params import WEIGHT
from stages.planning.rule import Rule

Array = NDArray[np.float64]


class Present(NamedTuple):
    """What the present rule predicts for some rows.

    Attributes
    ----------
    says : array of shape (n, n_classes) or (n,)
        Its answers as they are: a class has a probability of 1, where it gives no probabilities.
    chance : array of the same shape
        What an answer is worth as a probability: the shares of the classes among the training rows with that answer.
        So a metric of probabilities does not punish it for giving none.
    """

    says: Array
    chance: Array


def present(
    project: Path, replaces: str, schema: dict[str, Any], learned: pd.DataFrame, rows: pd.DataFrame
) -> Present | None:
    """Return what the present rule says of some rows; None where the charter names none.

    Parameters
    ----------
    project : Path
        Put on the import path.
    replaces : str
        ``planning.replaces``.
    schema : dict
        The content of ``data/schema.json``.
    learned, rows : DataFrame
        Rows that answers are valued on, and those that are asked about.

    Raises
    ------
    LoopwrightError
        If the function fails, or an answer is none of the classes, or no number.
    """
    if not replaces:
        return None
    target = learned[schema["target"]]
    (says, probable), (before, _) = (_asked(project, replaces, schema, part, target) for part in (rows, learned))
    if schema["classes"] is None or probable:
        return Present(says, says)
    answers = [pd.DataFrame({"says": part.argmax(axis=1).astype("str")}) for part in (before, says)]
    rule = Rule(["says"], len(schema["classes"])).fit(answers[0], target)
    return Present(says, rule.predict(answers[1]))


def _asked(
    project: Path, replaces: str, schema: dict[str, Any], rows: pd.DataFrame, target: pd.Series
) -> tuple[Array, bool]:
    """Return what it says of some rows, and whether those are probabilities of its own."""
    if is_column(replaces):
        return _read(rows[replaces], schema["classes"], target), False
    given = rows.drop(columns=[schema["target"], WEIGHT], errors="ignore")
    try:
        found = np.asarray(import_callable(project, replaces, WHERE)(given.copy()))
    except LoopwrightError:
        raise
    except Exception as error:
        raise ParamsError(f"{replaces} raised {told(error)}", where=WHERE, todo="mend it") from error
    classes = schema["classes"]
    if classes is not None and found.shape == (len(rows), len(classes)) and np.isfinite(found.astype(float)).all():
        return found.astype(float), True
    if found.shape != (len(rows),):
        raise ParamsError(
            f"{replaces} returned shape {found.shape}", where=WHERE, expected=f"{len(rows)} answers", todo="mend it"
        )
    return _read(pd.Series(found), classes, target), False


def _read(said: pd.Series, classes: list[Any] | None, target: pd.Series) -> Array:
    """Return answers as probabilities, or values; where it says nothing, the constant's prediction stands."""
    if classes is None:
        return pd.to_numeric(said, errors="coerce").fillna(float(target.mean())).to_numpy(dtype="float64")
    numbers = all(isinstance(label, int | float) and not isinstance(label, bool) for label in classes)
    keys = pd.to_numeric(said, errors="coerce") if numbers else said.astype("str")
    known = {float(label) if numbers else str(label): code for code, label in enumerate(classes)}
    codes = keys.map(known)
    strange = said[codes.isna() & said.notna()]
    if len(strange):
        raise DataError(
            f"{strange.iloc[0]!r} is none of the classes",
            where=WHERE,
            expected="one of " + ", ".join(map(str, classes)),
            todo="let the rule say a class as the target has it",
        )
    shares = np.bincount(target.to_numpy(dtype="int64"), minlength=len(classes)) / len(target)
    found = np.eye(len(classes))[codes.fillna(0).astype("int64").to_numpy()]
    found[codes.isna().to_numpy()] = shares
    return np.asarray(found)
