"""Rows that the released model left to people, with the labels they gave: read from their log, not yet placed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.answering import OUT_OF_SCOPE, within
from stages.data.labels.applying import ROW
from stages.data.labels.log import REVIEWED, Answer, Reviewed, read_reviewed
from stages.data.labels.merging import answers_table, people
from stages.data.labels.reading import Coder
from stages.errors import DataError
from stages.params import Within
from stages.production.lots import frontier, judges

KINDS = {"number": (int, float), "category": (str,)}
HEAD = ("item", "id", "key", "time", "group", "by", "at", "release", "predicted", "reason", "drawn")
UNKNOWN_LABEL, UNFIT = "unknown_label", "unfit"


def reviewed_rows(project: Path, count: int, schema: dict[str, Any], coder: Coder) -> pd.DataFrame:
    """Return the rows that people labelled, each once: by its last label of each person, of several their consensus.

    Labels are of one row when key and cells are the same: what was said of a row says nothing of another one that came
    under its key. Where there is no key, they are when the prediction is the same.

    Parameters
    ----------
    project : Path
        The project.
    count : int
        How many labels count, ``data.labels.reviewed``.
    schema : dict
        Content of ``data/schema.json``.
    coder : Coder
        What a label may be.

    Returns
    -------
    DataFrame
        ``item`` (the key, else the prediction), what the log of labels tells of the row, ``judges`` (whether it is one
        of the random sample of production), ``value`` (class code, or number), ``unfit`` (why it cannot be learned from
        now, else empty: its label is no class of these data, it is out of their scope, or a feature is not known of
        it), and each feature as ``row.NAME``.
    """
    labels = _whole(project, read_reviewed(project, count))
    upto = frontier(labels)
    names = _row_names(labels, _columns(schema))
    last: dict[str, int] = {}
    for place, name in enumerate(names):
        last.pop(name, None)  # in the order of their last labels
        last[name] = place
    answers = [
        Answer(key=name, label=one.label, by=one.by, at=one.at, file=one.file)
        for name, one in zip(names, labels, strict=True)
        if coder.code(one.label) is not None
    ]
    n_classes = len(schema["classes"]) if schema["classes"] else None
    values = people(answers_table(answers, coder, REVIEWED), n_classes)[0] if answers else pd.Series(dtype="float64")
    told = [labels[place] for place in last.values()]
    rows = [label.row for label in told]
    unfit = np.array([_unfit(row, schema) for row in rows], dtype="<U16")
    unfit[~_in_scope(rows, schema)] = OUT_OF_SCOPE
    unfit[[name not in values.index for name in last]] = UNKNOWN_LABEL
    head = pd.DataFrame({name: [getattr(label, name) for label in told] for name in HEAD}, dtype="str")
    found = head.assign(
        judges=[judges(label, upto) for label in told],
        value=values.reindex(list(last)).to_numpy(dtype="float64"),
        unfit=pd.Series(unfit, index=head.index, dtype="str"),
    )
    return pd.concat([found, frame_of(rows, schema["features"]).add_prefix(ROW)], axis=1)


def frame_of(rows: Sequence[Mapping[str, Any]], features: Mapping[str, str]) -> pd.DataFrame:
    """Return logged rows as a model reads them: each feature as numbers or text, missing where it is neither known."""
    columns = {
        name: pd.Series([_cell(row.get(name), kind) for row in rows], dtype=DTYPES[kind])
        for name, kind in features.items()
    }
    return pd.DataFrame(columns, index=range(len(rows)))


DTYPES: dict[str, Any] = {"number": "float64", "category": "str"}


def _row_names(labels: Sequence[Reviewed], columns: Sequence[str]) -> list[str]:
    """Return what names the row of each label: the prediction by which it first came."""
    first: dict[tuple[Any, ...], str] = {}
    found = []
    for label in labels:
        cells = () if label.key is None else tuple((name in label.row, label.row.get(name)) for name in columns)
        found.append(first.setdefault((label.item, *cells), label.id))
    return found


def _columns(schema: dict[str, Any]) -> list[str]:
    """Return the columns that make a row: features, and those of the scope."""
    return list(dict.fromkeys([*schema["features"], *(item["column"] for item in _scope(schema))]))


def _scope(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return list((schema.get("scope") or {}).get("conditions", []))


def _whole(project: Path, labels: Sequence[Reviewed]) -> list[Reviewed]:
    """Return the labels with all of their rows; what is withheld from Git comes from the log of predictions."""
    ids = [label.id for label in labels if label.withheld or label.withheld_roles]
    kept: dict[str, Any] = {}
    if ids:
        from stages.production.log import PredictionLog

        kept = PredictionLog(project).find(ids)
        missing = next((name for name in ids if name not in kept), None)
        if missing is not None:
            raise DataError(
                f"does not hold prediction {missing}, whose private columns stand nowhere else",
                where="the log of predictions",
                expected=f"the log in which the labels of {REVIEWED} were given",
                todo="bring it back, or set data.labels.reviewed: 0",
            )
    return [_filled(label, kept[label.id]) if label.id in kept else label for label in labels]


def _filled(label: Reviewed, entry: Mapping[str, Any]) -> Reviewed:
    cells = json.loads(entry["row"])
    row = label.row | {name: cells.get(name) for name in label.withheld}
    return label.model_copy(update={"row": row} | {role: entry[role] for role in label.withheld_roles})


def _unfit(row: dict[str, Any], schema: dict[str, Any]) -> str:
    """Say whether a feature is not known of the row, or of another kind than it is now."""
    known = all(
        name in row and (row[name] is None or isinstance(row[name], KINDS[kind]))
        for name, kind in schema["features"].items()
    )
    return "" if known else UNFIT


def _in_scope(rows: Sequence[dict[str, Any]], schema: dict[str, Any]) -> NDArray[np.bool_]:
    """Tell which rows meet the scope of the data, (n,); one of which its columns are not known does not."""
    scope = [Within(**item) for item in _scope(schema)]
    columns = {item.column: [row.get(item.column) for row in rows] for item in scope}
    return within(pd.DataFrame(columns, index=range(len(rows))), scope)


def _cell(value: Any, kind: str) -> Any:
    if isinstance(value, KINDS[kind]):
        return value
    return np.nan if kind == "number" else None
