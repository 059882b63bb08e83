"""Clean what any source of a user's brings: what it may hold is checked before anything is computed from it."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import Any

import pandas as pd

from stages.data.sources import Schema
from stages.data.sources.columns import NUMBER, Place, as_text, to_feature, to_labels, to_number, to_time, written_as
from stages.data.sources.raw import Raw
from stages.data.sources.scoping import EVERY, Scope
from stages.errors import DataError
from stages.params import Scale, Tabular

MAX_CLASSES = 50


class Cleaner:
    """Turns raw columns into target, time, group and features.

    Parameters
    ----------
    settings : Tabular
        Which columns are target, time and group; what is dropped, renamed and scaled.
    task : {"classification", "regression"}
        How the target is read.
    """

    def __init__(self, settings: Tabular, task: str) -> None:
        self.settings, self.task = settings, task
        self.target, self.time, self.group = settings.target, settings.time, settings.group
        self.key, self.label_source = settings.key, settings.label_source

    def clean(self, raw: Raw, wanted: list[str], scope: Scope = EVERY) -> tuple[pd.DataFrame, Schema]:
        """Return every row of the scope, with the features named (all, if none is), and what the schema holds by then.

        Rows outside of it are left out before anything is read but the scope's columns and the time: what is wrong with
        them, and what only they have, is not this project's.

        Raises
        ------
        DataError
            If a column cannot be used; the message names file, row and column.
        """
        raw = self.renamed(raw)
        place, columns = raw.place, list(raw.frame.columns)
        named = ("target", "time", "group", "key", "label_source")
        for role, name in ((role, getattr(self, role)) for role in named):
            if name is not None:
                _check_there(name, columns, f"params.yaml: data.source.{role}", place.shown)
                _check_usable(name, role, raw)
        for name in self.settings.drop:
            _check_there(name, columns, "params.yaml: data.source.drop", place.shown)
        time = to_time(raw.frame[self.time], self.time, place) if self.time is not None else None
        raw = replace(raw, frame=self.scaled(raw, time))
        known = scope.columns(raw, self.settings)
        raw, inside = scope.leave(raw, known)
        time = time if time is None else time[inside].reset_index(drop=True)
        frame, place = raw.frame, raw.place
        target, classes = self._read_target(frame[self.target], place)
        empty = [name for name in frame if scope.conditions and as_text(frame[name]).isna().all()]
        unusable = raw.unusable | dict.fromkeys(map(str, empty), "has no value within data.collect.scope")
        found, kinds, dropped = self._read_features(frame, unusable, place)
        features = _choose(kinds, wanted, columns)
        data = {name: found[name] for name in features}
        if self.time is not None and time is not None:
            data[self.time] = time
        if self.group is not None:
            data[self.group] = read_group(frame[self.group], self.group, place)
        if self.key is not None:
            data[self.key] = read_key(frame[self.key], self.key, place)
        if self.label_source is not None:
            data[self.label_source] = as_text(frame[self.label_source])
        data |= {name: column[inside].reset_index(drop=True) for name, column in known.items() if name not in data}
        schema: Schema = {
            "target": self.target,
            "time": self.time,
            "group": self.group,
            "key": self.key,
            "label_source": self.label_source,
            "features": features,
            "written_as": {
                name: how
                for name, kind in features.items()
                if kind == "number" and (how := written_as(frame[name])) != NUMBER
            },
            "classes": classes,
            "dropped": dropped,
            "feature_groups": {name: [name] for name in found},
            "unused_groups": [name for name in found if name not in features],
            **scope.described(known, inside),
        }
        return pd.DataFrame(data | {self.target: target}), schema

    def renamed(self, raw: Raw) -> Raw:
        """Return the columns by the names that the project knows them by."""
        names = self.settings.rename
        for name in names:
            _check_there(name, list(raw.frame.columns), "params.yaml: data.source.rename", raw.place.shown)
        clash = [new for old, new in names.items() if new in raw.frame.columns and new not in names]
        if clash:
            raise DataError(
                f"{raw.place.shown} has a column {clash[0]!r} already",
                where="params.yaml: data.source.rename",
                expected="a name that is free",
                todo="take it out of data.source.rename",
            )
        unusable = {names.get(name, name): what for name, what in raw.unusable.items()}
        return Raw(raw.frame.rename(columns=names), raw.place, unusable)

    def scaled(self, raw: Raw, time: pd.Series[Any] | None) -> pd.DataFrame:
        """Return the columns in the units that they had."""
        frame = raw.frame
        for item in self.settings.scale:
            where = "params.yaml: data.source.scale"
            _check_there(item.column, list(frame.columns), where, raw.place.shown)
            number = to_number(frame[item.column], item.column, raw.place)
            if number is None:
                raise DataError(
                    f"column {item.column!r} holds text", where=where, expected="a column of numbers", todo="edit it"
                )
            rows = _since(item, time, number.index, where)
            frame = frame.assign(**{item.column: number.where(~rows, number * item.factor)})
        return frame

    def _read_features(
        self, raw: pd.DataFrame, unusable: dict[str, str], place: Place
    ) -> tuple[dict[str, pd.Series], dict[str, str], dict[str, str]]:
        columns: dict[str, pd.Series] = {}
        kinds: dict[str, str] = {}
        dropped = dict.fromkeys(self.settings.drop, "listed in data.source.drop")
        for name in raw.columns:
            if name in (self.target, self.time, self.group, self.key, self.label_source) or name in dropped:
                continue
            # pandas saves its index as a first column without a name.
            read = unusable.get(name) or (to_feature(raw[name], name, place) if name else "has no name")
            if isinstance(read, str):
                dropped[name] = read
            else:
                columns[name], kinds[name] = read
        if not columns:
            raise DataError(
                "no column is left to predict from",
                where=place.shown,
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


def _since(item: Scale, time: pd.Series[Any] | None, index: pd.Index[Any], where: str) -> pd.Series[bool]:
    """Return in which rows a column is scaled."""
    if item.since is None:
        return pd.Series(True, index=index)
    if time is None:
        raise DataError("since needs a time column", where=where, expected="data.source.time", todo="leave since out")
    dates = pd.api.types.is_datetime64_any_dtype(time.dtype)
    try:
        return time >= (pd.to_datetime(item.since, utc=True) if dates else float(item.since))
    except ValueError:
        raise DataError(
            f"since is {item.since!r}",
            where=where,
            expected="a time in ISO 8601" if dates else "a number, as the time column holds",
            todo="correct it",
        ) from None


def _check_usable(name: str, role: str, raw: Raw) -> None:
    if name in raw.unusable:
        raise raw.place.error(
            name, raw.unusable[name], f"text, numbers or dates as {role}", f"check data.source.{role}"
        )


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


def read_group(raw: pd.Series, name: str, place: Place) -> pd.Series:
    """Return the column of groups, none of them missing."""
    text = as_text(raw)
    if text.isna().any():
        count = int(text.isna().sum())
        raise place.error(name, f"{count} groups are missing", "a group in every row", "fill them in", text.isna())
    return text


def read_key(raw: pd.Series, name: str, place: Place) -> pd.Series:
    """Return the column of keys, each once."""
    text = as_text(raw)
    for bad, what, todo in (
        (text.isna(), "keys are missing", "fill them in"),
        (text.duplicated(), "keys appear more than once", "name a column that is different in every row"),
    ):
        if bad.any():
            raise place.error(name, f"{int(bad.sum())} {what}", "a key of its own in every row", todo, bad)
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
