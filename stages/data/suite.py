"""Propose a Great Expectations suite from a window, and merge it into a present one without losing a person's work."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.errors import DataError
from stages.files import read_json

Expectation = dict[str, Any]

BY = "loopwright"
# A next window of heavy-tailed columns has rows a tenth beyond the range of this one; a wrong unit lies far off.
WIDEN = 0.5
MAX_SET = 50
MIN_UNIQUE = 50
CHANCE = 0.01
FEWER = 0.5


def suggest(frame: pd.DataFrame, schema: dict[str, Any], past_rows: list[int], when: str) -> list[Expectation]:
    """Return what a window looks like as expectations, each marked as ours.

    Parameters
    ----------
    frame : DataFrame
        The window.
    schema : dict
        The content of ``data/schema.json``.
    past_rows : list of int
        Rows of the windows that the record holds; empty leaves the number of rows open. There is no upper limit, as
        the loop itself makes windows larger.
    when : str
        When this was so, for the reasons: "in this window".
    """
    target = schema["target"]
    found = [_expect("values_to_not_be_null", target, "a row without a label teaches nothing")]
    if schema["classes"]:
        found.append(_expect("values_to_be_in_set", target, value_set=schema["classes"]))
    else:
        found.append(_between(frame[target], target, when))
    found += [_expect("values_to_not_be_null", name) for name in (schema["time"], schema["group"]) if name]
    for name, kind in schema["features"].items():
        if name in frame.columns:
            found += _of_feature(frame[name], name, kind, when)
    found += _unique(frame, schema)
    if past_rows:
        least = math.floor(FEWER * min(past_rows))
        why = f"half of the smallest of {len(past_rows)} windows, {min(past_rows)} rows"
        kwargs = {"min_value": least}
        found.append({"type": "expect_table_row_count_to_be_between", "kwargs": kwargs, "meta": {"why": why}})
    return [_marked(item) for item in found]


@dataclass(frozen=True)
class Merged:
    """A suite after a suggestion, and what became of each expectation.

    Attributes
    ----------
    expectations : list of dict
        A person's own first and in their order, then ours.
    by_hand, added, removed, same : list of dict
        Those of a person; new ones; ours that are suggested no longer; ours that stay.
    changed : list of (dict, dict)
        Ours before and after.
    """

    expectations: list[Expectation]
    by_hand: list[Expectation]
    added: list[Expectation]
    removed: list[Expectation]
    changed: list[tuple[Expectation, Expectation]]
    same: list[Expectation]


def read_suite(project: Path, suite: str) -> dict[str, Any]:
    """Return the content of a suite file.

    Raises
    ------
    DataError
        If the file is missing or is not a Great Expectations suite.
    """
    try:
        stored = read_json(project / suite)
    except FileNotFoundError:
        raise DataError("not found", where=suite, todo="check data.validate.suite") from None
    except ValueError as error:
        raise DataError(f"is not JSON: {error}", where=suite, todo="mend that line") from None
    specs = stored.get("expectations") if isinstance(stored, dict) else None
    if not isinstance(specs, list) or not all(isinstance(spec, dict) and "type" in spec for spec in specs):
        raise DataError(
            "is not a suite",
            where=suite,
            expected='{"name": ..., "expectations": [{"type": ..., "kwargs": {...}}]}',
            todo="mend it, or write it with Great Expectations 1.x",
        )
    return dict(stored)


def merge(present: list[Expectation], suggested: list[Expectation], absent: Collection[str] = ()) -> Merged:
    """Merge a suggestion into a suite.

    An expectation is ours when its mark says so and is that of its present kwargs: one that a person wrote or edited is
    theirs. Theirs stay whatever is suggested, and keep away a suggestion of the same type on the same columns. Ours on
    ``absent`` columns, which the window was told to leave out, stay too.
    """
    by_hand = [item for item in present if not is_ours(item)]
    theirs = {_key(item) for item in by_hand}
    old = {_key(item): item for item in present if is_ours(item)}
    left_out = {key: item for key, item in old.items() if _columns(item) & set(absent)}
    new = left_out | {_key(item): item for item in suggested if _key(item) not in theirs}
    return Merged(
        expectations=by_hand + list(new.values()),
        by_hand=by_hand,
        added=[item for key, item in new.items() if key not in old],
        removed=[item for key, item in old.items() if key not in new],
        changed=[(old[key], item) for key, item in new.items() if key in old and not _alike(old[key], item)],
        same=[item for key, item in new.items() if key in old and _alike(old[key], item)],
    )


def is_ours(item: Expectation) -> bool:
    """Tell whether an expectation was suggested and is as it was suggested."""
    meta = item.get("meta") or {}
    return meta.get("by") == BY and meta.get("mark") == _mark(item)


def suite_text(suite: dict[str, Any]) -> str:
    """Return a suite as JSON, an expectation a line, so that a change of one is a change of a line."""
    items = ",\n".join(f"  {json.dumps(item, ensure_ascii=False)}" for item in suite["expectations"])
    rest = {key: value for key, value in suite.items() if key != "expectations"}
    head = "".join(f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)},\n" for key, value in rest.items())
    return f'{{\n{head} "expectations": [\n{items}\n ]\n}}\n'


def _of_feature(column: pd.Series[Any], name: str, kind: str, when: str) -> list[Expectation]:
    found = [_expect("to_exist", name)]
    share = float(column.isna().mean())
    mostly = math.floor((1 - 2 * share - 0.01) * 100) / 100
    if mostly > 0:
        found.append(_expect("values_to_not_be_null", name, f"{share:.1%} were missing {when}", mostly=mostly))
    if kind == "number":
        found.append(_expect("values_to_be_in_type_list", name, type_list=["float64"]))
        if column.notna().any():
            found.append(_between(column, name, when))
    elif column.nunique() <= MAX_SET:
        found.append(_expect("values_to_be_in_set", name, value_set=sorted(column.dropna().unique().tolist())))
    return found


def _unique(frame: pd.DataFrame, schema: dict[str, Any]) -> list[Expectation]:
    """Expect keys to stay keys: times and whole numbers that never repeat, or the pair of time and group."""
    if len(frame) < MIN_UNIQUE:
        return []
    why, time, group = "no value came twice", schema["time"], schema["group"]
    names = [time] if time else []
    names += [name for name, kind in schema["features"].items() if kind == "number" and name in frame.columns]
    found = [_expect("values_to_be_unique", name, why) for name in names if _is_key(frame[name])]
    if time and group and not _is_key(frame[time]) and not frame.duplicated([time, group]).any():
        kwargs = {"column_list": [time, group]}
        found.append({"type": "expect_compound_columns_to_be_unique", "kwargs": kwargs, "meta": {"why": why}})
    return found


def _is_key(column: pd.Series[Any]) -> bool:
    """Tell whether whole numbers or times never repeat, and would if they were drawn at random from their range.

    n draws from m values are all different with a probability of about exp(-n^2 / 2m), the birthday problem; above 1%
    it says nothing that none repeats.
    """
    if column.isna().any() or not column.is_unique:
        return False
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        numbers = np.sort(column.dt.tz_convert(None).to_numpy().astype("int64"))
    else:
        values = np.sort(column.to_numpy(dtype="float64"))
        if (values != np.round(values)).any():
            return False
        numbers = values.astype("int64")
    steps = np.diff(numbers)
    places = float(numbers[-1] - numbers[0]) / float(np.gcd.reduce(steps)) + 1
    return bool(len(numbers) ** 2 / (2 * places) > -math.log(CHANCE))


def _expect(what: str, column: str, why: str = "", **kwargs: Any) -> Expectation:
    meta = {"why": why} if why else {}
    return {"type": f"expect_column_{what}", "kwargs": {"column": column, **kwargs}, "meta": meta}


def _between(column: pd.Series[Any], name: str, when: str) -> Expectation:
    """Expect the range that was seen, half as wide again on either side; what was never negative stays so."""
    low, high = float(column.min()), float(column.max())
    margin = WIDEN * ((high - low) or abs(high) or 1.0)
    floor = max(0.0, low - margin) if low >= 0 else low - margin
    kwargs = {"min_value": _short(floor), "max_value": _short(high + margin)}
    return _expect("values_to_be_between", name, f"{low:g} to {high:g} {when}", **kwargs)


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _marked(item: Expectation) -> Expectation:
    return {**item, "meta": {**item["meta"], "by": BY, "mark": _mark(item)}}


def _mark(item: Expectation) -> str:
    """Return what tells an edited expectation from the one that was suggested."""
    text = json.dumps([item["type"], item.get("kwargs", {})], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _key(item: Expectation) -> str:
    return json.dumps([item["type"], sorted(_columns(item))])


def _columns(item: Expectation) -> set[str]:
    kwargs = item.get("kwargs", {})
    named = {kwargs[key] for key in ("column", "column_A", "column_B") if key in kwargs}
    return named | set(kwargs.get("column_list", []))


def _alike(one: Expectation, two: Expectation) -> bool:
    return bool(one.get("kwargs", {}) == two.get("kwargs", {}))
