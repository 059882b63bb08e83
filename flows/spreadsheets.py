"""CSV files that people open in spreadsheet programs: no cell of them is run as a formula.

Spreadsheet programs take text that begins with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return for a formula,
and a formula can send the sheet elsewhere or run a program (OWASP, CSV Injection). Such text gets an apostrophe before
it, which these programs take for "text follows". What is read back loses it again, so every text comes back as it was.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

FORMULA = re.compile(r"'*[=+\-@\t\r]")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def defused(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose text, in cells and names of columns, is no formula; numbers stay as they are."""
    import pandas as pd

    columns = {
        name: column.map(defuse) if pd.api.types.is_string_dtype(column.dtype) or column.dtype == object else column
        for name, column in frame.items()
    }
    return pd.DataFrame(columns, index=frame.index).rename(columns=defuse)


def defuse(cell: Any) -> Any:
    """Put an apostrophe before text that would be a formula, or that looks as if that had been done already."""
    return f"'{cell}" if isinstance(cell, str) and FORMULA.match(cell) and not NUMBER.fullmatch(cell) else cell


def original(cell: str) -> str:
    """Undo `defuse`."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell
