"""Turn the raw columns of a table into numbers, categories and times, or say which cell stands in the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from stages.errors import DataError

# Compared in lower case, stripped. The first are missing everywhere. The others may be values (severity none, blood
# group with a -), so they are missing only where the other cells are numbers or dates and they cannot be one.
MISSING = ("", "na", "n/a", "nan", "null")
MARKERS = ("none", "?", "-", "--", ".", "..", "#n/a")
LARGEST = float(np.finfo(np.float32).max)
MOSTLY_NUMERIC = 0.9
ISO_DATE = r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}.*)?"
NUMBER, TRUTH, DATE = "number", "truth value", "date"
TRUTHS = {"true": 1.0, "false": 0.0}
ZONE = r"(Z|[+-]\d{2}:?\d{2})$"


@dataclass(frozen=True)
class Place:
    """Where rows stand, for messages: the name of the file or query, and the number of each row in it.

    Of rows from several files, ``files`` holds where each begins in ``lines``, and its name.
    """

    shown: str
    lines: np.ndarray
    files: tuple[tuple[int, str], ...] = ()

    def error(self, name: str, what: str, expected: str, todo: str, bad: pd.Series | None = None) -> DataError:
        """Build the error about column ``name``, naming the first row where ``bad`` is true."""
        row = self.shown if bad is None else self.row(int(np.argmax(bad.to_numpy(dtype=bool))))
        return DataError(what, where=f"{row} column {name!r}", expected=expected, todo=todo)

    def row(self, index: int) -> str:
        """Return where the row at ``index`` stands."""
        before = [name for first, name in self.files if first <= index]
        return f"{before[-1] if before else self.shown} row {self.lines[index]}"

    def part(self, rows: np.ndarray) -> Place:
        """Return where some of the rows stand, in their order."""
        begins = [(int(np.searchsorted(rows, first)), name) for first, name in self.files]
        return Place(self.shown, self.lines[rows], tuple(begins))


def as_text(raw: pd.Series) -> pd.Series:
    """Return the cells as stripped text: empty ones as missing, and markers too where all others are numbers or dates.

    Where others are text a marker stays what it may be, a category: a table whose "?" is no value gets one more of
    them, which does no harm; a class taken for missing would be lost.
    """
    text = cells_of(raw)
    marked = is_marker(text)
    others = text[~marked].dropna()
    if not marked.any() or others.empty:
        return text
    measured = pd.to_numeric(others, errors="coerce").notna().all() or others.str.fullmatch(ISO_DATE).all()
    return text.mask(marked) if measured else text


def is_marker(text: pd.Series) -> pd.Series:
    """Tell which cells of stripped text are written like a missing value without being empty."""
    return text.str.lower().isin(MARKERS)


def cells_of(raw: pd.Series) -> pd.Series:
    """Return the cells as stripped text, the empty ones as missing."""
    text = raw.astype("str").str.strip()
    return text.mask(raw.isna() | text.str.lower().isin(MISSING))


def to_number(raw: pd.Series, name: str, place: Place) -> pd.Series | None:
    """Return a column as float64, or None when it is no numeric column.

    Raises
    ------
    DataError
        If nearly all cells are numbers and some are not, or a number is infinite or beyond single precision, which
        trees take their features in.
    """
    if pd.api.types.is_bool_dtype(raw.dtype) or pd.api.types.is_numeric_dtype(raw.dtype):
        number = raw.astype("float64")
    else:
        number = pd.to_numeric(raw, errors="coerce").astype("float64")
        words = cells_of(raw[number.isna()]).dropna()
        if number.notna().any():
            words = words[~is_marker(words)]
        bad = pd.Series(raw.index.isin(words.index))
        share = 1 - len(words) / max(1, len(words) + number.notna().sum())
        if len(words) and share < MOSTLY_NUMERIC:
            return None
        if len(words):
            raise place.error(
                name,
                f"{len(words)} of {len(raw)} cells are text in a column of numbers, first {words.iloc[0]!r}",
                "a number, or a missing marker (empty, NA, ?, -, null)",
                "mend those cells, or list the column in data.source.drop",
                bad,
            )
    huge = pd.Series(np.abs(number.to_numpy()) > LARGEST)
    if huge.any():
        first = number[huge.to_numpy()].iloc[0]
        raise place.error(
            name,
            "holds an infinite value" if np.isinf(first) else f"holds {first:g}",
            f"finite numbers of at most {LARGEST:.2g}",
            "mend or empty those cells",
            huge,
        )
    return number


def to_feature(raw: pd.Series, name: str, place: Place) -> tuple[pd.Series, str] | str:
    """Return a feature and its kind ("number" or "category"), or why the column is left out.

    Truth values become 0 and 1, dates days since 1970; text that is different in every row tells a model nothing.

    Raises
    ------
    DataError
        If the column holds nothing, or a few cells stand in the way of reading it as numbers.
    """
    dates = pd.api.types.is_datetime64_any_dtype(raw.dtype)
    number = days_since_1970(pd.to_datetime(raw, utc=True)) if dates else to_number(raw, name, place)
    if number is not None and number.isna().all():
        raise place.error(
            name, "all values are missing", "some values", "remove the column, or list it in data.source.drop"
        )
    if number is not None:
        return number, "number"
    text = as_text(raw)
    present = text.dropna()
    lower = present.str.lower()
    if lower.isin(list(TRUTHS)).all():
        return text.str.lower().map(TRUTHS).astype("float64"), "number"
    if present.str.fullmatch(ISO_DATE).all():
        days = pd.to_datetime(text, utc=True, format="ISO8601", errors="coerce")
        if days.isna().sum() == text.isna().sum():
            return days_since_1970(days), "number"
    if len(present) > 2 and present.is_unique:
        return "every value is different"
    return text, "category"


def written_as(raw: pd.Series) -> str:
    """Return what the cells of a column that `to_feature` reads as numbers are: numbers, truth values or dates."""
    if pd.api.types.is_datetime64_any_dtype(raw.dtype):
        return DATE
    if pd.api.types.is_bool_dtype(raw.dtype):
        return TRUTH
    if pd.api.types.is_numeric_dtype(raw.dtype):
        return NUMBER
    text = cells_of(raw).dropna()
    text = text[~is_marker(text)]
    if text.empty or pd.notna(pd.to_numeric(text.iloc[0], errors="coerce")):
        return NUMBER
    return TRUTH if text.iloc[0].lower() in TRUTHS else DATE


def to_time(raw: pd.Series, name: str, place: Place) -> pd.Series:
    """Return the time column: moments in UTC, or plain numbers when the cells are numbers.

    Raises
    ------
    DataError
        If cells are missing, are no ISO 8601 dates, or mix time zones.
    """
    text = as_text(raw)
    if text.isna().any():
        raise place.error(
            name, f"{int(text.isna().sum())} times are missing", "a time in every row", "fill them in", text.isna()
        )
    if pd.api.types.is_datetime64_any_dtype(raw.dtype):
        return pd.to_datetime(raw, utc=True).dt.as_unit("us")
    if pd.to_numeric(text, errors="coerce").notna().all():
        number = to_number(raw, name, place)
        assert number is not None
        return number
    moment = pd.to_datetime(text, utc=True, format="ISO8601", errors="coerce")
    if moment.isna().any():
        raise place.error(
            name,
            f"{text[moment.isna()].iloc[0]!r} is not a time",
            "ISO 8601, such as 2013-01-31 or 2013-01-31T10:00:00Z",
            "rewrite the column",
            moment.isna(),
        )
    zones = text.str.extract(ZONE, expand=False).where(text.str.contains(":", regex=False))
    zones = zones.fillna("none").replace({"+00:00": "Z", "+0000": "Z"})
    if zones.nunique() > 1:
        seen = list(dict.fromkeys(zones))
        raise place.error(
            name,
            f"mixes time zones ({', '.join(seen[:4])})",
            "one time zone in every row",
            "convert all times to UTC",
            zones != zones.iloc[0],
        )
    return moment.dt.as_unit("us")


def to_labels(raw: pd.Series) -> pd.Series:
    """Return class labels as found: whole numbers as Int64, other numbers as float64, the rest as text."""
    text = as_text(raw)
    if pd.api.types.is_bool_dtype(raw.dtype):
        return text
    number = pd.to_numeric(text, errors="coerce").astype("float64")
    if (number.isna() & text.notna()).any():
        return text
    if np.isinf(number.to_numpy()).any():
        return number
    present = number.dropna()
    return number.astype("Int64") if bool((present == present.round()).all()) else number


def days_since_1970(moment: pd.Series) -> pd.Series:
    """Return moments as days, fractions included."""
    return (moment - pd.Timestamp("1970-01-01", tz="UTC")) / pd.Timedelta(days=1)
