"""How the pilot differed from the window, and where the model loses."""

from __future__ import annotations

from typing import Any

from flows.record import Iteration
from flows.report.charts import Row, rows_with_intervals
from flows.report.facts import Facts, evidence
from flows.report.pieces import Picture, Section, Table, counted, percent, told
from flows.words import figure, verdict_word

KINDS = ("shift", "covariate_shift", "label_shift", "concept_shift")
DROP = {
    "total": "in all",
    "inputs": "by the inputs",
    "not_inputs": "at equal inputs",
    "by_labels": "by the target's mean",
}
MOST = 30  # rows of a picture; the table below it holds them all


def shift_section(facts: Facts) -> Section | None:
    """Return what moved between window and pilot, feature by feature; None while nothing was piloted."""
    piloted = [item for item in facts.worked("deployment") if evidence(item, "shift")]
    if not piloted:
        return None
    last = piloted[-1]
    limits = facts.params.deployment.shift
    verdicts = [signal for name in KINDS if (signal := evidence(last, name))]
    rows = [
        [
            signal["name"].replace("_", " "),
            verdict_word(signal["fires"]),
            told(signal),
            figure(signal["threshold"]),
            signal["says"],
        ]
        for signal in verdicts
    ]
    table = Table(
        f"Shift in the pilot of iteration {last.iteration}", ["signal", "verdict", "value", "threshold", "says"], rows
    )
    pictures = _features(facts, last, limits.max_distance)
    pictures += _drop(last, limits.max_drop)
    earlier = [picture for item in piloted[-2::-1] for picture in _features(facts, item, limits.max_distance)]
    says = [f"The pilot of iteration {last.iteration} beside its window."]
    return Section("shift", "Did the world move?", says, pictures=pictures, tables=[table], earlier=earlier)


def slices_section(facts: Facts) -> Section | None:
    """Return where the model loses more than the slice's own mean would; None while no slice was judged.

    The order is that of the judge: what is worst for sure comes first.
    """
    piloted = [item for item in facts.worked("deployment") if evidence(item, "hard_slices")]
    if not piloted:
        return None
    last = piloted[-1]
    signal = evidence(last, "hard_slices") or {}
    found = facts.archive.of(last).json("release/slices.json")
    limit = facts.params.deployment.slices.max_excess
    section = Section("slices", "Where it is wrong", [f"Iteration {last.iteration}: {signal['says']}."])
    if not found:
        return section
    hard = {(item["column"], str(item["value"])) for item in signal["evidence"].get("slices", [])}
    rows = [
        Row(
            f"{item['column']} = {_value(item)}",
            item["excess"],
            item.get("low"),
            item.get("high"),
            (item["column"], str(item["value"])) in hard,
            counted(item["rows"], "row"),
        )
        for item in found
    ]
    drawn = rows_with_intervals(
        rows[:MOST], "loss beside that of the slice's own mean", [limit], f"limit {100 * limit:g}%", percent=True
    )
    head = ["slice", "rows", "loss beside its own mean's", "hard"]
    table = Table(
        f"Slices of iteration {last.iteration}",
        head,
        [
            [row.name, row.after.split()[0], percent({**item, "value": row.value}), "yes" if row.strong else "no"]
            for row, item in zip(rows, found, strict=True)
        ],
    )
    says = "above zero the slice's own mean would do better; the intervals hold for all slices together"
    name = f"Excess loss by slice, iteration {last.iteration}"
    more = "" if len(rows) <= MOST else f"; the {MOST} worst of {len(rows)}"
    section.pictures.append(Picture(name, str(drawn), table, says + more))
    return section


def _features(facts: Facts, item: Iteration, limit: float) -> list[Picture]:
    signal = evidence(item, "covariate_shift") or {}
    told_of = signal.get("evidence", {})
    kept = (facts.archive.of(item).json("release/pilot.json") or {}).get("shift", {}).get("features")
    features: list[dict[str, Any]] = sorted(
        kept or told_of.get("features", []), key=lambda feature: -feature["effect"]["value"]
    )
    if not features:
        return []
    moved = set(told_of.get("moved", []))
    rows = [Row(f["feature"], **f["effect"], strong=f["feature"] in moved) for f in features[:MOST]]
    head = ["feature", "distance", "missing share moved by", "new values", "adjusted p", "moved"]
    table = Table(
        f"Features in the pilot of iteration {item.iteration}",
        head,
        [
            [
                f["feature"],
                told(f["effect"]),
                percent(f.get("missing")),
                percent({"value": f.get("new")}),
                figure(f.get("p_effect")),
                "yes" if f["feature"] in moved else "no",
            ]
            for f in features
        ],
    )
    drawn = rows_with_intervals(
        rows, "distance between window and pilot, 0 to 1", [limit], f"limit {limit:g}", percent=False
    )
    auc = told_of.get("auc")
    says = f"all together: a classifier tells pilot rows from window rows with an ROC AUC of {told(auc)}" if auc else ""
    return [Picture(f"Features that moved, iteration {item.iteration}", str(drawn), table, says)]


def _drop(item: Iteration, limit: float) -> list[Picture]:
    drop = (evidence(item, "shift") or {}).get("evidence", {}).get("drop") or {}
    parts = {name: drop[key] for key, name in DROP.items() if (drop.get(key) or {}).get("value") is not None}
    if not parts:
        return []
    rows = [
        Row(name, part["value"], part["low"], part["high"], part["low"] is not None and part["low"] > limit)
        for name, part in parts.items()
    ]
    drawn = rows_with_intervals(
        rows, "change of the loss, share of the constant's", [limit], f"limit {100 * limit:g}%", percent=True
    )
    table = Table("Change of the loss", ["part", "change"], [[name, percent(part)] for name, part in parts.items()])
    return [Picture(f"What it costs, iteration {item.iteration}", str(drawn), table, "above zero the pilot is harder")]


def _value(item: dict[str, Any]) -> str:
    value = item["value"]
    return figure(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
