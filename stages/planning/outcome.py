"""What predictions bring in the world: a function of the user's, called and checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.errors import LoopwrightError, ParamsError
from stages.importing import import_callable, told
from stages.params import PARAMS_FILE

Array = NDArray[np.float64]
Outcome = Callable[[pd.DataFrame, Array, Array], Array]
WHERE = f"{PARAMS_FILE}: planning.outcome.call"


def outcome_of(project: Path, charter: dict[str, Any]) -> Outcome | None:
    """Return the charter's outcome function, with what it returns checked; None when the charter names none.

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
    path = str(settings["call"])
    return checked(import_callable(project, path, WHERE), path)


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
