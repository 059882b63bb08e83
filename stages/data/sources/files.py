"""Files as a source: one CSV or Parquet file, or a folder of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from stages.data.sources.columns import Place
from stages.data.sources.raw import Asked, Raw
from stages.data.sources.reading import DELIMITERS, PARQUET, read_table
from stages.errors import DataError
from stages.params import TableSource


class Files:
    """Reads ``data.source.path``.

    Parameters
    ----------
    project : Path
        Folder that the path is relative to.
    settings : TableSource
        Its ``path``.
    """

    key = "data.source.path"
    asks: frozenset[str] = frozenset()

    def __init__(self, project: Path, settings: TableSource) -> None:
        self.path, self.shown = project / settings.path, settings.path

    def read(self, asked: Asked) -> Raw:
        """Return the rows of the file, or those of the folder's files in the order of their names.

        Raises
        ------
        DataError
            If a file cannot be read, formats are mixed, or the columns of a file are not those of the first.
        """
        if not self.path.is_dir():
            frame, lines = read_table(self.path, self.shown)
            return Raw(frame, Place(self.shown, lines))
        frames, lines_of = list[pd.DataFrame](), list[np.ndarray]()
        begins, at = list[tuple[int, str]](), 0
        for path in self._files():
            name = f"{self.shown.rstrip('/')}/{path.relative_to(self.path).as_posix()}"
            frame, lines = read_table(path, name)
            if frames:
                frame = _like(frames[0], frame, name, begins[0][1])
            frames.append(frame)
            lines_of.append(lines)
            begins.append((at, name))
            at += len(frame)
        return Raw(pd.concat(frames, ignore_index=True), Place(self.shown, np.concatenate(lines_of), tuple(begins)))

    def _files(self) -> list[Path]:
        """Return the folder's files in the order of their names; hidden ones and markers (``_SUCCESS``) left out."""
        found = [path for path in self.path.rglob("*") if path.is_file()]
        found = [path for path in found if not any(p[0] in "._" for p in path.relative_to(self.path).parts)]
        found.sort(key=lambda path: path.relative_to(self.path).parts)
        if not found:
            raise DataError(
                "the folder holds no file", where=self.shown, expected="CSV or Parquet files", todo="check " + self.key
            )
        kinds = {path: _kind(path) for path in found}
        strange = next((path for path in found if kinds[path] != (kinds[found[0]] or "CSV")), None)
        if strange is not None:
            kind = kinds[strange]
            raise DataError(
                f"is {kind} among {kinds[found[0]]} files" if kind else "is neither CSV nor Parquet",
                where=f"{self.shown.rstrip('/')}/{strange.relative_to(self.path).as_posix()}",
                expected="a folder of only CSV or only Parquet files",
                todo="move it elsewhere, or convert it",
            )
        return found


def _kind(path: Path) -> str:
    suffix = path.suffix.lower()
    return "CSV" if suffix in DELIMITERS else "Parquet" if suffix in PARQUET else ""


def _like(first: pd.DataFrame, frame: pd.DataFrame, name: str, first_name: str) -> pd.DataFrame:
    """Return ``frame`` with its columns in the order of ``first``."""
    lacks = [column for column in first.columns if column not in frame.columns]
    has = [column for column in frame.columns if column not in first.columns]
    if lacks or has:
        parts = [f"lacks {_names(lacks)}" if lacks else "", f"has {_names(has)}" if has else ""]
        raise DataError(
            " and ".join(part for part in parts if part),
            where=name,
            expected=f"the columns of {first_name}",
            todo="export it with the same columns, or move it elsewhere",
        )
    return frame[first.columns]


def _names(columns: list[str]) -> str:
    return ", ".join(map(repr, columns[:5])) + (", ..." if len(columns) > 5 else "")
