"""Where rows reviewed by people join those of the source: to train on, and never among those that judge.

They are the rows of which a model was unsure. Among validation rows, test rows or the pilot they would tell of other
rows than those to come, so they are only learned from. Those that were drawn at random are the other way round: they
tell what the model is worth in production, so nothing learns from them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.data.copies import Hashed, copied, hashed
from stages.data.labels.applying import ROW
from stages.params import WEIGHT

Schema = dict[str, Any]
Mask = NDArray[np.bool_]
TRAIN, RELEASE, JUDGES, KNOWN = "train", "release", "judges", "known"
OUTSIDE, NO_TIME, NO_GROUP = "outside", "no_time", "no_group"
PLACE = "review.place"
REVIEW = "review"  # what data.source.label_source says of them
KEPT = ("id", "by", "at", "release", "predicted", "reason", "drawn", "judges")


def join(
    parts: dict[str, pd.DataFrame],
    reviewed: pd.DataFrame,
    schema: Schema,
    weigh: Callable[[pd.DataFrame], pd.Series[float]],
    *,
    drop: bool = False,
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame, dict[str, int]]:
    """Return the splits with the reviewed rows that belong there, all reviewed rows, and how many are in which place.

    Parameters
    ----------
    parts : dict
        The splits train, valid, test and pilot, their target encoded and their rows weighed.
    reviewed : DataFrame
        Content of ``data/reviewed.parquet``.
    schema : dict
        Content of ``data/schema.json``.
    weigh : callable
        Returns the weight of each row in training.
    drop : bool
        Learn from no copy of a row that judges, whatever its key: ``data.split.copies: drop``.
    """
    if reviewed.empty:
        return parts, reviewed, {}
    train, target = parts["train"], str(schema["target"])
    rows = as_rows(reviewed, train, schema)
    keyed = reviewed["key"].notna().to_numpy() & bool(schema.get("key"))
    rows[WEIGHT], rows[PLACE] = weigh(rows), places(rows, parts, schema, keyed, drop=drop)
    mine = rows[rows[PLACE] == TRAIN][list(train.columns)]
    mine[target] = _typed(mine[target], train[target])
    joined = pd.concat([train, mine], ignore_index=True)
    return {**parts, "train": joined}, rows, dict(sorted(Counter(rows[PLACE].tolist()).items()))


def as_rows(reviewed: pd.DataFrame, like: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """Return reviewed rows with the columns of a split, and what is known of the review as ``review.NAME``.

    Parameters
    ----------
    reviewed : DataFrame
        What `stages.data.labels.reviewed.reviewed_rows` returns.
    like : DataFrame
        The rows they are to join, for the types of columns.
    schema : dict
        Content of ``data/schema.json``.
    """
    target, time, group, key = (schema.get(role) for role in ("target", "time", "group", "key"))
    source = schema.get("label_source")
    columns = {name: _typed(reviewed[f"{ROW}{name}"], like[name]) for name in schema["features"]}
    columns |= {time: _times(reviewed["time"], like[time])} if time else {}
    columns |= {group: _typed(reviewed["group"], like[group])} if group else {}
    columns |= {key: _typed(reviewed["item"], like[key])} if key else {}
    columns |= {source: pd.Series(REVIEW, index=reviewed.index, dtype="str")} if source else {}
    rows = pd.DataFrame(columns | {target: reviewed["value"]}).reindex(columns=like.columns)
    return rows.assign(**{f"review.{name}": reviewed[name] for name in (*KEPT, "unfit")})


def places(
    rows: pd.DataFrame, parts: dict[str, pd.DataFrame], schema: Schema, keyed: Mask, *, drop: bool = False
) -> NDArray[np.str_]:
    """Return where each reviewed row belongs, (n,).

    Parameters
    ----------
    rows : DataFrame of n rows
        What `as_rows` returns.
    parts : dict
        The splits train, valid, test and pilot.
    schema : dict
        Content of ``data/schema.json``.
    keyed : ndarray of bool, (n,)
        Which of the rows have a key of their own; the others are compared by all their features.
    drop : bool
        Compare the rows that have a key by their features too, with the rows that judge.

    Returns
    -------
    ndarray of str
        ``train``; or ``release``: learned from only when the release is fitted on the whole window, as it lies among
        the validation or test rows by time or group; or why it is not learned from: ``judges`` (drawn at random),
        ``known`` (a row of the source, or a copy), ``outside`` of the window or in the pilot by time or group,
        ``no_time`` or ``no_group`` to tell by, or what the label step said (``unfit``, ``unknown_label``).
    """
    found = _by_group_and_time(rows, parts, schema)
    unfit = rows["review.unfit"].to_numpy(dtype="str")
    found = np.where(unfit == "", found, unfit)
    found[rows["review.judges"].to_numpy(dtype=bool) & (unfit == "")] = JUDGES
    for these in ((JUDGES,), (TRAIN, RELEASE)):
        used, judging = np.flatnonzero(np.isin(found, these)), np.flatnonzero(found == JUDGES)
        before = parts if JUDGES in these or not len(judging) else {**parts, JUDGES: rows.iloc[judging]}
        if len(used):
            found[used[_known(rows.iloc[used], before, schema, keyed[used], drop=drop)]] = KNOWN
    return found


def _known(rows: pd.DataFrame, parts: dict[str, pd.DataFrame], schema: Schema, keyed: Mask, *, drop: bool) -> Mask:
    """Tell which rows the source has, or another review of the same row, (n,)."""
    key = schema.get("key")
    known = _judging(rows, parts, schema) if drop else np.zeros(len(rows), dtype=bool)
    for part in parts.values():
        known |= copied(hashed(part, rows, schema)) & ~keyed
        if key:
            known |= rows[key].isin(part[key]).to_numpy() & keyed
    if key:
        now = np.flatnonzero(~known & keyed)
        known[now] = rows[key].iloc[now].duplicated(keep="last").to_numpy()  # another row came under its key
    rest = np.flatnonzero(~known)
    rest = rest[np.argsort(keyed[rest], kind="stable")]  # of a row without its key and with it, that with it stays
    known[rest] = rows.iloc[rest].duplicated(subset=list(schema["features"]), keep="last").to_numpy() & ~keyed[rest]
    return known


def _judging(rows: pd.DataFrame, parts: dict[str, pd.DataFrame], schema: Schema) -> Mask:
    """Tell which rows have the features of a row of valid, test or pilot, (n,); rounded as if they were trained on."""
    train = parts["train"]
    before = pd.concat([train, rows[train.columns]], ignore_index=True)
    found = np.zeros(len(rows), dtype=bool)
    for name in ("valid", "test", "pilot"):
        both = hashed(before, parts[name], schema)
        found |= copied(Hashed(both.after, both.before))[len(train) :]
    return found


def _by_group_and_time(rows: pd.DataFrame, parts: dict[str, pd.DataFrame], schema: Schema) -> NDArray[np.str_]:
    """Return where rows belong by their group, and where that is a new one, or there is none, by their time."""
    time, group = schema["time"], schema["group"]
    found = np.full(len(rows), TRAIN, dtype="<U16")
    if time:
        at, window = rows[time], pd.concat([parts[name][time] for name in ("train", "valid", "test")])
        found[(at >= parts["valid"][time].min()).to_numpy()] = RELEASE
        found[((at < window.min()) | (at > window.max())).to_numpy()] = OUTSIDE
        found[at.isna().to_numpy()] = NO_TIME
    if group:
        inside = np.isin(found, (TRAIN, RELEASE))
        for name, place in (("train", TRAIN), ("valid", RELEASE), ("test", RELEASE), ("pilot", OUTSIDE)):
            found[rows[group].isin(parts[name][group]).to_numpy() & inside] = place
        found[rows[group].isna().to_numpy() & inside] = NO_GROUP
    return found


def _typed(column: Any, like: Any) -> Any:
    return column.astype(like.dtype)


def _times(text: Any, like: Any) -> Any:
    if not pd.api.types.is_datetime64_any_dtype(like.dtype):
        return pd.to_numeric(text, errors="coerce").astype("float64")
    return _typed(pd.to_datetime(text, utc=True, format="ISO8601", errors="coerce"), like)
