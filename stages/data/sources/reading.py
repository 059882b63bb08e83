"""Read a user's CSV or Parquet file, or say exactly what is wrong with it and where."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from stages.errors import DataError

PARQUET = (".parquet", ".pq")
DELIMITERS = {".csv": ",", ".txt": ",", ".tsv": "\t"}
OTHER_DELIMITERS = {";": "semicolon ';'", "\t": "tab", "|": "bar '|'", ",": "comma ','"}


def read_table(path: Path, shown: str) -> tuple[pd.DataFrame, np.ndarray]:
    """Read a table; the cells of a CSV file stay text.

    Parameters
    ----------
    path : Path
        The file; its suffix says the format (.csv and .txt by commas, .tsv by tabs, .parquet).
    shown : str
        The name of the file in messages.

    Returns
    -------
    frame : DataFrame
        The rows, text or (Parquet) as stored.
    lines : ndarray of int, shape (n_rows,)
        Row number of each row in the file; the header of a CSV file is row 1.

    Raises
    ------
    DataError
        If the file is missing, empty, of another format, ragged, not UTF-8, or repeats a column name.
    """
    if not path.is_file():
        found = "is a folder, not a file" if path.is_dir() else "not found"
        raise DataError(found, where=shown, expected="a CSV or Parquet file", todo="check data.source.path")
    suffix = path.suffix.lower()
    if suffix not in DELIMITERS and suffix not in PARQUET:
        raise DataError(
            f"unknown format {suffix or '(no suffix)'}",
            where=shown,
            expected="a file that ends in " + ", ".join([*DELIMITERS, *PARQUET]),
            todo="export it as CSV or Parquet",
        )
    if path.stat().st_size == 0:
        raise DataError(
            "the file is empty (0 bytes)", where=shown, expected="a header and rows", todo="export it again"
        )
    frame, lines = _read_parquet(path, shown) if suffix in PARQUET else _read_csv(path, shown, DELIMITERS[suffix])
    if frame.empty:
        raise DataError(
            "has a header but no rows", where=shown, expected="rows below the header", todo="export it again"
        )
    return frame, lines


def _read_parquet(path: Path, shown: str) -> tuple[pd.DataFrame, np.ndarray]:
    try:
        frame = pd.read_parquet(path)
    except Exception as error:  # pyarrow raises a dozen types for a broken file
        raise DataError(
            f"is not a readable Parquet file ({str(error).splitlines()[0]})", where=shown, todo="export it again"
        ) from None
    frame.columns = frame.columns.map(str)
    _check_header(list(frame.columns), shown)
    return frame.reset_index(drop=True), np.arange(1, len(frame) + 1)


def _read_csv(path: Path, shown: str, delimiter: str) -> tuple[pd.DataFrame, np.ndarray]:
    text = _decode(path.read_bytes(), shown)
    header, lines = _scan(text, shown, delimiter)
    frame = pd.read_csv(
        io.StringIO(text), sep=delimiter, dtype=str, na_filter=False, skip_blank_lines=True, header=None
    )
    frame = frame.iloc[1:].reset_index(drop=True)
    if frame.shape != (len(lines), len(header)):
        raise DataError(
            "its quotes can be read in two ways", where=shown, expected="CSV as of RFC 4180", todo="export it again"
        )
    frame.columns = pd.Index(header)
    return frame, lines


def _decode(raw: bytes, shown: str) -> str:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = raw.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"byte 0x{raw[error.start]:02x} is not UTF-8",
            where=f"{shown} row {row}",
            expected="a file in UTF-8",
            todo=f"convert it: iconv -f latin1 -t utf-8 {shown} > utf8.csv",
        ) from None
    if "\0" in text:
        raise DataError("holds NUL bytes", where=shown, expected="a text file in UTF-8", todo="export it as UTF-8 CSV")
    return text


def _scan(text: str, shown: str, delimiter: str) -> tuple[list[str], np.ndarray]:
    """Check the shape of every record; return the header and the row number at which each record begins."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    lines: list[int] = []
    begin = 1
    try:
        for found in reader:
            record = [] if len(found) == 1 and not found[0].strip() else found
            if record and not header:
                header = [name.strip() for name in record]
                _check_delimiter(header, shown, delimiter)
                _check_header(header, shown)
            elif record:
                if len(record) != len(header):
                    raise DataError(
                        f"has {len(record)} fields",
                        where=f"{shown} row {begin}",
                        expected=f"{len(header)} fields, as in the header",
                        todo="mend that row; a field that holds the delimiter needs double quotes",
                    )
                lines.append(begin)
            begin = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"is not CSV ({error})", where=f"{shown} row {begin}", todo="mend that row; look for an unclosed quote"
        ) from None
    if not header:
        raise DataError("holds only blank lines", where=shown, expected="a header and rows", todo="export it again")
    return header, np.array(lines, dtype="int64")


def _check_delimiter(header: list[str], shown: str, delimiter: str) -> None:
    if len(header) > 1:
        return
    counts = {mark: header[0].count(mark) for mark in OTHER_DELIMITERS if mark != delimiter}
    mark = max(counts, key=lambda key: counts[key])
    if counts[mark]:
        raise DataError(
            f"one column found, but the header holds the delimiter {OTHER_DELIMITERS[mark]}",
            where=f"{shown} row 1",
            expected=f"columns separated by {OTHER_DELIMITERS[delimiter]}",
            todo="save it with that delimiter" + (", or name the file .tsv" if mark == "\t" else ""),
        )


def _check_header(header: list[str], shown: str) -> None:
    twice = [name for name, count in Counter(header).items() if count > 1 and name]
    if twice:
        raise DataError(
            f"column {', '.join(repr(name) for name in twice)} appears more than once",
            where=f"{shown} header",
            expected="every column name once",
            todo="rename or remove the repeated column",
        )
    if header.count("") > 1:
        raise DataError(
            f"{header.count('')} columns have no name", where=f"{shown} header", expected="a name for every column"
        )
