"""Split the valid rows into train, valid and test, encode the target, and say whether the labels are enough.

Rows that people reviewed join the training rows afterwards, so that no other split is another one by them.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from stages.data.brought import with_brought
from stages.data.copies import drop_copies
from stages.data.cost import label_cost
from stages.data.cutting import By, cut
from stages.data.joining import TRAIN, join
from stages.data.labels.applying import with_labels
from stages.data.naming import refuse_unknown
from stages.errors import DataError, ParamsError
from stages.files import read_json, read_parquet, write_json, write_parquet
from stages.params import WEIGHT, Data, HardSlice, Within, load_params
from stages.scope import words
from stages.signals import Signal, read_signals, write_signals
from stages.step import main

PARTS = ("train", "valid", "test")
MAX_FAILING_SHOWN = 20
MAX_TOLD = 3
TOLD = ("type", "column", "data", "unexpected", "share", "rows", "values", "note")
QUARANTINE = "data/quarantine.parquet"


def run(project: Path) -> None:
    """Write ``data/splits/*.parquet``, ``metrics/data.json`` and ``signals/data.json``."""
    params = load_params(project)
    schema = read_json(project / "data/schema.json")
    slices, groups = params.deployment.slices.columns, params.planning.ethics.sensitive
    refuse_unknown({"deployment.slices.columns": slices, "planning.ethics.sensitive": groups}, schema)
    validation = read_json(project / "data/validation.json")
    labels = read_parquet(project / "data/labels.parquet")
    rows = {part: read_parquet(project / f"data/valid_{part}.parquet") for part in ("window", "pilot")}
    window, pilot = (labelled(with_labels(rows[n], labels, n, schema), schema, f"the {n}") for n in ("window", "pilot"))
    split = params.data.split
    by = By(schema["time"], schema["group"], schema["target"] if schema["classes"] else None)
    shares = [1 - split.valid - split.test, split.valid, split.test]
    parts = dict(zip(PARTS, cut(window, shares, by, params.seed), strict=True))
    weighed = {name: part.assign(**{WEIGHT: weights(part, params.data.hard_slices)}) for name, part in parts.items()}
    weighed["pilot"] = pilot.assign(**{WEIGHT: 1.0})
    if split.copies == "drop":
        weighed = drop_copies(weighed, schema)
    brings = params.planning.outcome
    weighed = with_brought(weighed, None if brings is None else brings.model_dump(), schema, project)
    weighed, reviewed, places = join(
        weighed,
        read_parquet(project / "data/reviewed.parquet"),
        schema,
        lambda part: weights(part, params.data.hard_slices),
        drop=split.copies == "drop",
    )
    folder = project / "data/splits"
    shutil.rmtree(folder, ignore_errors=True)
    for name, part in weighed.items():
        write_parquet(folder / f"{name}.parquet", part)
    metrics: dict[str, Any] = {name: _figures(part[schema["target"]], schema) for name, part in weighed.items()}
    if len(reviewed):
        write_parquet(folder / "reviewed.parquet", reviewed)
    metrics["reviewed"] = places
    metrics["quarantined"] = {name: int(validation[name]["quarantined"]) for name in ("window", "pilot")}
    if "scope" in schema:
        counts = {key: schema["scope"][key] for key in ("inside", "outside", "share_outside")}
        metrics["scope"] = counts | {"says": words([Within(**item) for item in schema["scope"]["conditions"]])}
    fails = expectations_signal(validation, params.data)
    train = weighed["train"][schema["target"]]
    few = labels_signal(train, schema, params.data, reviewed=places)
    # Labels of reviewed rows come from use: they are no part of what the plan collects and pays for.
    bought = sum(len(part) for part in weighed.values()) - places.get(TRAIN, 0)
    cost = label_cost(
        rows=sum(validation[name]["rows"] for name in ("window", "pilot")),
        labels=bought + read_json(project / "metrics/labels.json")["oracle"],
        train_labels=len(train),
        rarest=min(few.evidence["classes"].values(), default=None),
        minimum=params.data.minimum,
        prices=params.planning.prices,
        budgets=params.planning.budgets,
    )
    metrics["collected"] = cost.evidence["cost"]
    write_json(project / "metrics/data.json", metrics)
    changed = Signal(**validation["schema_changed"])
    others = read_signals(project / "data/label_signals.json").values()
    write_signals(project / "signals/data.json", [changed, fails, few, cost, *others])


def labelled(frame: pd.DataFrame, schema: dict[str, Any], name: str) -> pd.DataFrame:
    """Return the rows that have a target, classes as codes 0 to k-1 in the order of ``schema["classes"]``.

    Raises
    ------
    DataError
        If no row is left, or a label is none of the classes.
    """
    target, classes = schema["target"], schema["classes"]
    frame = frame[frame[target].notna()].reset_index(drop=True)
    if frame.empty:
        raise DataError(f"no row of {name} has a target", where=f"data column {target!r}", todo="collect labelled rows")
    if classes is None:
        return frame.assign(**{target: frame[target].astype("float64")})
    codes = frame[target].map({label: code for code, label in enumerate(classes)})
    if codes.isna().any():
        raise DataError(
            f"label {frame[target][codes.isna()].iloc[0]!r} is none of the classes",
            where=f"data column {target!r} of {name}",
            expected="one of " + ", ".join(map(str, classes)),
        )
    return frame.assign(**{target: codes.astype("int64")})


def weights(frame: pd.DataFrame, slices: list[HardSlice]) -> pd.Series:
    """Return the weight of each training row: the product over the hard slices it lies in, 1 outside.

    Raises
    ------
    ParamsError
        If a slice names no column, or text where the column holds numbers.
    """
    weight = pd.Series(1.0, index=frame.index)
    for item in slices:
        if item.column not in frame.columns:
            raise ParamsError(
                f"unknown column {item.column!r}",
                where="params.yaml: data.hard_slices",
                expected="one of " + ", ".join(frame.columns),
                todo="edit data.hard_slices",
            )
        weight = weight.where(~_inside(frame[item.column], item), weight * item.weight)
    return weight


def _inside(column: pd.Series, item: HardSlice) -> pd.Series:
    if item.value is None:
        return column.isna()
    if not pd.api.types.is_numeric_dtype(column.dtype):
        return (column.astype("str") == str(item.value)) & column.notna()
    try:
        return (column == float(item.value)).fillna(False).astype(bool)
    except (TypeError, ValueError):
        raise ParamsError(
            f"{item.value!r} is no value of the numeric column {item.column!r}",
            where="params.yaml: data.hard_slices",
            expected="a number",
            todo="edit data.hard_slices",
        ) from None


def expectations_signal(validation: dict[str, Any], data: Data) -> Signal:
    """Return ``expectations_fail``: the share of rows that fail, against none or what may be quarantined.

    The share is that of the window or the pilot, the larger one: pooled, a large window would hide a broken pilot. A
    failing expectation on the table as a whole cannot be cured by taking rows out, so it fires by itself.
    """
    shares = {part: validation[part]["failing"] / max(1, validation[part]["rows"]) for part in ("window", "pilot")}
    part = max(shares, key=lambda name: shares[name])
    failing, rows = validation[part]["failing"], validation[part]["rows"]
    quarantined = data.validate_.on_fail == "quarantine"
    failed = [item for item in validation["expectations"] if not item["success"]]
    table_level = [item for item in failed if item["level"] == "table"]
    done = "are quarantined" if quarantined else "fail the expectations"
    says = f"{failing} of {rows} rows of the {part} ({shares[part]:.2%}) {done}"
    by_rows = sorted((item for item in failed if item["level"] == "row"), key=lambda item: -item["share"])
    said = [_told(item) for item in by_rows[:MAX_TOLD]]
    if len(by_rows) > MAX_TOLD:
        said.append(f"{len(by_rows) - MAX_TOLD} more expectations, see reports/data_docs/index.html")
    says += "".join(f"; {words}" for words in said)
    if table_level:
        says += "; the table as a whole fails " + ", ".join(
            _name(item) + (f" ({item['note']})" if item.get("note") else "") for item in table_level[:MAX_TOLD]
        )
    signal = Signal.measured(
        "expectations_fail",
        shares[part],
        threshold=data.validate_.max_quarantine if quarantined else 0.0,
        direction="above",
        unit="share of rows",
        says=says,
        evidence={
            "part": part,
            "shares": shares,
            "failing": [{key: item[key] for key in TOLD if key in item} for item in failed[:MAX_FAILING_SHOWN]],
            "failing_expectations": len(failed),
            "table_level": [_name(item) for item in table_level[:MAX_FAILING_SHOWN]],
            "on_fail": data.validate_.on_fail,
            "quarantine": QUARANTINE,
            "docs": "reports/data_docs/index.html",
        },
    )
    return signal.model_copy(update={"fires": True}) if table_level else signal


def labels_signal(
    target: pd.Series, schema: dict[str, Any], data: Data, *, reviewed: dict[str, int] | None = None
) -> Signal:
    """Return ``labels_too_few``: labelled training rows relative to ``data.minimum``, the scarcer of rows and class."""
    minimum = data.minimum
    ratio, says = len(target) / minimum.rows, f"{len(target)} labelled training rows, {minimum.rows} needed"
    says += f", {reviewed[TRAIN]} of them reviewed by people" if reviewed and TRAIN in reviewed else ""
    counts: dict[str, int] = {}
    if schema["classes"]:
        codes = target.value_counts()
        counts = {str(label): int(codes.get(code, 0)) for code, label in enumerate(schema["classes"])}
        rarest = min(counts, key=lambda label: counts[label])
        says += f"; {counts[rarest]} of the rarest class {rarest}, {minimum.per_class} needed"
        ratio = min(ratio, counts[rarest] / minimum.per_class)
    return Signal.measured(
        "labels_too_few",
        ratio,
        threshold=1.0,
        direction="below",
        unit="of the minimum",
        says=says,
        evidence={
            "train_rows": len(target),
            "classes": counts,
            "reviewed": reviewed or {},
            "minimum": {"rows": minimum.rows, "per_class": minimum.per_class},
            "rows": schema["window"]["rows"],
            "pilot_rows": schema["pilot"]["rows"],
            "more": schema["more"],
            "more_rows": schema["more_rows"],
            "include_pilot": schema["include_pilot"],
        },
    )


def _figures(target: pd.Series, schema: dict[str, Any]) -> dict[str, float]:
    figures: dict[str, float] = {"rows": len(target)}
    if schema["classes"] is None:
        return figures | {"mean": float(target.mean()), "std": float(target.std(ddof=0))}
    if len(schema["classes"]) == 2:
        return figures | {"positive_rate": float(target.mean())}
    return figures | {"rarest_class_share": float(target.value_counts(normalize=True).min())}


def _told(item: dict[str, Any]) -> str:
    """Say of a failing expectation which column, how many cells, what they should be, and the first rows and values."""
    should = re.sub(r"^expect_\w*?_to_", "", item["type"]).replace("_", " ")
    limits = ", ".join(f"{key.removesuffix('_value')} {value}" for key, value in item.get("kwargs", {}).items())
    rows = ", ".join(f"{row}: {value}" for row, value in zip(item.get("rows", []), item.get("values", []), strict=True))
    more = ", ..." if item["unexpected"] > len(item.get("rows", [])) else ""
    found = f" (rows {rows}{more})" if rows else ""
    return f"{item['column']} of the {item['data']}: {item['unexpected']} should {should} {limits}".rstrip() + found


def _name(item: dict[str, Any]) -> str:
    return f"{item['type']}({item['column']})" if item["column"] else str(item["type"])


if __name__ == "__main__":
    main(run)
