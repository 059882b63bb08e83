"""One CSV or Parquet file as a source: what it may hold is checked before anything is computed from it."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.data.cutting import By, cut
from stages.data.sources import Collected, Schema
from stages.data.sources.columns import Place, as_text, to_feature, to_labels, to_number, to_time
from stages.data.sources.reading import read_table
from stages.errors import DataError
from stages.params import Collect, TableSource

MAX_CLASSES = 50
FIRST_LOOK_ROWS = 20_000


class Table:
    """A user's own table.

    Parameters
    ----------
    project : Path
        Folder that ``settings.path`` is relative to.
    settings : TableSource
        The file, and which columns are target, time and group.
    task : {"classification", "regression"}
        How the target is read.
    """

    def __init__(self, project: Path, settings: TableSource, task: str) -> None:
        self.project, self.settings, self.task = project, settings, task
        self.target, self.time, self.group = settings.target, settings.time, settings.group

    def collect(self, collect: Collect, seed: int) -> Collected:
        """Return the window and the pilot.

        The pilot is the last part by time, else whole groups, else a seeded (stratified) choice; the window is the
        rest, of which ``rows`` at most are chosen by the seed, so that a larger number keeps the rows of a smaller.

        Raises
        ------
        DataError
            If the file or a column cannot be used; the message names file, row and column.
        """
        frame, schema = self.load(collect.features)
        by = By(self.time, self.group, self.target if self.task == "classification" else None)
        window, pilot = cut(frame, [1 - collect.pilot_share, collect.pilot_share], by, seed)
        available = len(window)
        window = _choice(window, collect.rows or available, seed)
        rest = available - len(window)
        schema |= {
            "window": {"start": None, "end": None, "rows": len(window)},
            "pilot": {"start": None, "end": None, "rows": len(pilot)},
            "more": {"data.collect.rows": 2 * len(window)} if rest else {},
            "more_rows": min(rest, len(window)),
            "include_pilot": {},
        }
        for name, part in (("window", window), ("pilot", pilot)) if self.time else ():
            schema[name] |= {"start": str(part[self.time].min()), "end": str(part[self.time].max())}
        return Collected(window, pilot, schema)

    def first_look(self, collect: Collect, seed: int) -> tuple[pd.DataFrame, Schema]:
        """Return at most 20,000 rows of the largest window there can be, so that the pilot stays unseen."""
        window, _, schema = self.collect(collect.model_copy(update={"rows": None, "features": []}), seed)
        return _choice(window, FIRST_LOOK_ROWS, seed), schema

    def load(self, wanted: list[str]) -> tuple[pd.DataFrame, Schema]:
        """Return every row, with the features named (all, if none is), and the part of the schema known by then.

        Raises
        ------
        DataError
            If the file or a column cannot be used.
        """
        raw, lines = read_table(self.project / self.settings.path, self.settings.path)
        place = Place(self.settings.path, lines)
        for role, name in (("target", self.target), ("time", self.time), ("group", self.group)):
            if name is not None:
                _check_there(name, list(raw.columns), f"params.yaml: data.source.{role}", self.settings.path)
        for name in self.settings.drop:
            _check_there(name, list(raw.columns), "params.yaml: data.source.drop", self.settings.path)
        target, classes = self._read_target(raw[self.target], place)
        columns, features, dropped = self._read_features(raw, place)
        features = _choose(features, wanted, list(raw.columns))
        data = {name: columns[name] for name in features}
        if self.time is not None:
            data[self.time] = to_time(raw[self.time], self.time, place)
        if self.group is not None:
            data[self.group] = _read_group(raw[self.group], self.group, place)
        schema: Schema = {
            "target": self.target,
            "time": self.time,
            "group": self.group,
            "features": features,
            "classes": classes,
            "dropped": dropped,
            "feature_groups": {name: [name] for name in columns},
            "unused_groups": [name for name in columns if name not in features],
        }
        return pd.DataFrame(data | {self.target: target}), schema

    def _read_features(
        self, raw: pd.DataFrame, place: Place
    ) -> tuple[dict[str, pd.Series], dict[str, str], dict[str, str]]:
        columns: dict[str, pd.Series] = {}
        kinds: dict[str, str] = {}
        dropped = dict.fromkeys(self.settings.drop, "listed in data.source.drop")
        for name in raw.columns:
            if name in (self.target, self.time, self.group) or name in dropped:
                continue
            # pandas saves its index as a first column without a name.
            read = to_feature(raw[name], name, place) if name else "has no name"
            if isinstance(read, str):
                dropped[name] = read
            else:
                columns[name], kinds[name] = read
        if not columns:
            raise DataError(
                "no column is left to predict from",
                where=self.settings.path,
                expected="at least one feature besides target, time and group",
                todo="check data.source.drop" + (f"; left out: {', '.join(dropped)}" if dropped else ""),
            )
        return columns, kinds, dropped

    def _read_target(self, raw: pd.Series, place: Place) -> tuple[pd.Series, list[Any] | None]:
        name = self.target
        if as_text(raw).isna().all():
            raise place.error(name, "the target is missing in every row", "labels", "check data.source.target")
        if self.task == "regression":
            number = to_number(raw, name, place)
            if number is None:
                expected = "numbers, because planning.task is regression"
                raise place.error(name, "the target is text", expected, "set planning.task: classification")
            _check_varies(number, name, place)
            return number, None
        labels = to_labels(raw)
        if pd.api.types.is_numeric_dtype(labels.dtype):
            to_number(raw, name, place)
        counts = labels.value_counts()
        _check_varies(labels, name, place)
        if len(counts) > MAX_CLASSES:
            numeric = pd.api.types.is_numeric_dtype(labels.dtype)
            raise place.error(
                name,
                f"the target has {len(counts)} different values",
                f"at most {MAX_CLASSES} classes",
                "set planning.task: regression" if numeric else "merge rare classes, or choose another target",
            )
        once = counts.index[counts == 1].tolist()
        if once:
            raise place.error(
                name,
                f"class {once[0]!r} has one row",
                "at least two rows of every class",
                "collect more of it, or merge it with another class",
                (labels == once[0]).fillna(False),
            )
        return labels, sorted(counts.index.tolist())


def _choice(frame: pd.DataFrame, rows: int, seed: int) -> pd.DataFrame:
    """Return at most ``rows`` rows in their order, chosen by ``seed`` so that more rows include those of fewer."""
    if rows >= len(frame):
        return frame
    chosen = np.random.default_rng(seed).permutation(len(frame))[:rows]
    return frame.iloc[np.sort(chosen)].reset_index(drop=True)


def _check_there(name: str, columns: list[str], where: str, path: str) -> None:
    if name in columns:
        return
    close = difflib.get_close_matches(name, columns, n=3, cutoff=0.5)
    close += [other for other in columns if other.lower() == name.lower() and other not in close]
    listed = ", ".join(columns[:20]) + (", ..." if len(columns) > 20 else "")
    raise DataError(
        f"{path} has no column {name!r}",
        where=where,
        expected=f"one of {listed}",
        todo=f"did you mean {' or '.join(repr(other) for other in close)}?" if close else "edit params.yaml",
    )


def _check_varies(target: pd.Series, name: str, place: Place) -> None:
    values = target.dropna().unique()
    if len(values) == 1:
        raise place.error(
            name, f"the target is always {values[0]}", "at least two different values", "check data.source.target"
        )


def _read_group(raw: pd.Series, name: str, place: Place) -> pd.Series:
    text = as_text(raw)
    if text.isna().any():
        count = int(text.isna().sum())
        raise place.error(name, f"{count} groups are missing", "a group in every row", "fill them in", text.isna())
    return text


def _choose(features: dict[str, str], wanted: list[str], columns: list[str]) -> dict[str, str]:
    unknown = [name for name in wanted if name not in features]
    if unknown:
        raise DataError(
            f"unknown feature {', '.join(unknown)}",
            where="params.yaml: data.collect.features",
            expected="columns that can be features: " + ", ".join(features),
            todo="edit data.collect.features" if unknown[0] not in columns else "it is left out; see data/schema.json",
        )
    return {name: kind for name, kind in features.items() if not wanted or name in wanted}
