"""What predictions bring in the world: a function of the user's, called and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.errors import LoopwrightError, ParamsError
from stages.importing import import_callable, told
from stages.params import BY_PRICES, PARAMS_FILE

Array = NDArray[np.float64]
PREFIX = "outcome."  # of the splits' columns that hold what a decision brings; see `stages.data.brought`
if TYPE_CHECKING:
    from stages.context import Context

Outcome = Callable[[pd.DataFrame, Array, Array], Array]
WHERE = f"{PARAMS_FILE}: planning.outcome.call"


def outcome_of(project: Path, charter: Mapping[str, Any], classes: Sequence[Any] | None) -> Outcome | None:
    """Return the charter's outcome function, with what it returns checked; None when the charter names none.

    To be called by `value_of`, which knows what it takes. Columns are of ``classes``, in the order of their codes.

    Raises
    ------
    DataError
        If it cannot be imported.
    ParamsError
        By the function, if it raises or returns something else than one finite number a row.
    """
    settings = charter.get("outcome")
    if not settings:
        return None
    if settings.get("columns"):
        return by_columns(settings["columns"], float(settings["decides_from"]), classes or [])
    path = str(settings["call"])
    if path == BY_PRICES:
        prices = charter["prices"]
        return by_prices(float(prices["false_positive"]), float(prices["false_negative"]))
    return checked(import_callable(project, path, WHERE), path)


def brought(work: Context, rows: pd.DataFrame, target: Array, prediction: Array) -> Array:
    """Return what each row of a split brings by a prediction, (n,); the charter has a measure of it."""
    found = value_of(work.project, work.charter, work.schema, rows, target, prediction)
    assert found is not None
    return found


def value_of(
    project: Path,
    charter: Mapping[str, Any],
    schema: Mapping[str, Any],
    rows: pd.DataFrame,
    target: Array,
    prediction: Array,
) -> Array | None:
    """Return what each row brings by a prediction, (n,); None where the charter has no measure of it.

    A function of the user's is given the features alone, columns are those that the splits hold.
    """
    brings = outcome_of(project, charter, schema["classes"])
    if brings is None:
        return None
    by_columns = bool(charter["outcome"].get("columns"))
    return brings(rows if by_columns else rows[list(schema["features"])], target, prediction)


def by_columns(columns: Mapping[str, str], decides_from: float, classes: Sequence[Any]) -> Outcome:
    """Return the outcome that the columns ``outcome.COLUMN`` of a split hold, that of the class a row is taken for.

    Parameters
    ----------
    columns : mapping of str to str
        Class -> column.
    decides_from : float
        The probability above which the second of two classes is decided for.
    classes : sequence
        The schema's classes.
    """

    def outcome(rows: pd.DataFrame, target: Array, prediction: Array) -> Array:
        two = prediction.shape[1] == 2
        decided = (prediction[:, 1] > decides_from).astype(int) if two else prediction.argmax(axis=1)
        values = rows[[PREFIX + columns[str(label)] for label in classes]].to_numpy(dtype="float64")
        return np.asarray(values[np.arange(len(rows)), decided])

    return outcome


def by_prices(false_positive: float, false_negative: float) -> Outcome:
    """Return the outcome of deciding where the expected cost is least, as a cost a row, zero or below.

    The second of two classes is decided for from the probability false_positive / (false_positive + false_negative) on
    (Elkan 2001, "The foundations of cost-sensitive learning").
    """
    threshold = false_positive / (false_positive + false_negative)

    def outcome(rows: pd.DataFrame, target: Array, prediction: Array) -> Array:
        if prediction.ndim != 2 or prediction.shape[1] != 2:
            raise ParamsError(
                "wrong decisions are priced, and the target has more than two classes",
                where=f"{PARAMS_FILE}: planning.prices.false_positive",
                expected="a target of two classes, or planning.outcome",
                todo="name a function of your own in planning.outcome.call",
            )
        decided = prediction[:, 1] > threshold
        wrong = np.where(decided, false_positive * (target == 0), false_negative * (target == 1))
        return -np.asarray(wrong, dtype=float)

    return outcome


def with_review(values: Array, answered: NDArray[np.bool_], charter: dict[str, Any]) -> Array:
    """Return each row's outcome where the rows that are not answered go to a person, at ``planning.prices.review``.

    Only where wrong decisions are priced: what a person brings by an outcome of the user's own is not known, and a row
    then counts as if it were answered.
    """
    price = charter["prices"].get("review")
    priced = price is not None and charter["outcome"]["call"] == BY_PRICES
    return np.where(answered, values, -float(price)) if priced else values


def checked(function: Callable[..., Any], path: str) -> Outcome:
    """Return the function with its errors in the user's words; it gets copies, so it may do with them what it likes."""

    def outcome(rows: pd.DataFrame, target: Array, prediction: Array) -> Array:
        try:
            found = np.asarray(function(rows.copy(), target.copy(), prediction.copy()), dtype=float)
        except LoopwrightError:
            raise
        except Exception as error:
            raise ParamsError(f"{path} raised {told(error)}", where=WHERE, todo="mend it") from error
        if found.shape != target.shape or not np.isfinite(found).all():
            what = f"shape {found.shape}" if found.shape != target.shape else "values that are not finite"
            raise ParamsError(
                f"{path} returned {what}", where=WHERE, expected=f"{len(target)} finite numbers", todo="mend it"
            )
        return found

    return outcome
