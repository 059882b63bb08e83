"""Text for spreadsheet programs: never a formula, and never lost."""

from __future__ import annotations

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from flows.spreadsheets import NUMBER, defuse, defused, original

CELLS = st.text("'=+-@\t\r1.e a", max_size=6)


@given(CELLS)
def test_every_text_comes_back_and_none_is_a_formula(cell: str) -> None:
    shown = defuse(cell)
    assert original(shown) == cell
    assert not shown.startswith(("=", "+", "-", "@", "\t", "\r")) or NUMBER.fullmatch(shown)


def test_numbers_and_missing_cells_stay() -> None:
    frame = pd.DataFrame({"=a": ["=b", None, "-1.5e3"], "n": [-1.5, None, 2.0], "t": [True, False, True]})
    found = defused(frame)
    assert found.columns.tolist() == ["'=a", "n", "t"]
    assert found.to_csv(index=False) == "'=a,n,t\n'=b,-1.5,True\n,,False\n-1.5e3,2.0,True\n"
