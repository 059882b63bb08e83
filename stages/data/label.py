"""Give every valid row its final label: the column's, or what truth, annotators, people and an oracle say.

What is written are labels, not rows: the splits take them in. Without `data.labels` nothing is read at all. Rows that
the released model left to people are read beside them: they are rows of their own, which the splits place.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from stages.data.labels.log import ANSWERS, Asked, read_answers, read_queue
from stages.data.labels.merging import (
    ANNOTATORS,
    ANSWER,
    ORACLE,
    TRUTH,
    Labelling,
    answers_table,
    audit,
    people,
)
from stages.data.labels.oracle import ask
from stages.data.labels.reading import Coder, read_annotations, read_truth
from stages.data.labels.reviewed import reviewed_rows
from stages.data.labels.signals import annotator_unreliable, annotators_disagree, labels_pending, reasons
from stages.errors import ParamsError
from stages.files import read_json, read_parquet, write_json, write_parquet
from stages.params import Labels, Params, load_params
from stages.signals import Signal, write_signals
from stages.step import main

PARTS = ("window", "pilot")
NO_LABELS = {"part": "str", "row": "int64", "key": "str", "value": "float64", "origin": "str"}
NO_ANSWERS = {"item": "str", "answer": "float64", "others": "float64"}


def run(project: Path) -> None:
    """Write the labels, those of people beside each other's, the rows that wait for one, metrics and signals."""
    params = load_params(project)
    settings, made = params.data.labels, Made()
    schema = read_json(project / "data/schema.json") if settings.configured or settings.reviewed else {}
    if settings.configured and not schema.get("key"):
        raise ParamsError(
            "labels from elsewhere are joined to the rows by a key, and no column is named",
            where="params.yaml: data.source.key",
            expected="a column that is different in every row",
            todo="name one",
        )
    if settings.configured:
        made = make(project, params, schema)
    if settings.reviewed:
        made.reviewed = reviewed_rows(project, settings.reviewed, schema, Coder(schema["classes"]))
    made.metrics["reviewed"] = {"labels": settings.reviewed, "rows": len(made.reviewed)}
    _write(project, made)


class Made:
    """What the step makes; as it stands, for no labels from elsewhere."""

    def __init__(self) -> None:
        self.labels = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in NO_LABELS.items()})
        self.human = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in NO_ANSWERS.items()})
        self.pending = pd.DataFrame({"key": pd.Series(dtype="str"), "why": pd.Series(dtype="str")})
        self.reviewed = pd.DataFrame({"item": pd.Series(dtype="str")})
        self.metrics: dict[str, Any] = {"oracle": 0}
        self.signals: list[Signal] = []


def make(project: Path, params: Params, schema: dict[str, Any]) -> Made:
    """Merge every source of labels, each over those before it: column, truth, annotators, people or oracle."""
    settings, key, made = params.data.labels, schema["key"], Made()
    coder, classes = Coder(schema["classes"]), schema["classes"]
    frames = {part: read_parquet(project / f"data/valid_{part}.parquet") for part in PARTS}
    labelling = Labelling.of(frames, key, schema["target"], coder)
    n_classes = len(classes) if classes else None
    if settings.truth is not None:
        truth = read_truth(project, settings.truth, key, coder, settings.known_by)
        made.metrics["truth"] = {"known": len(truth), "corrected": int(labelling.take(truth, TRUTH).sum())}
    if settings.annotations is not None:
        answers = read_annotations(project, settings.annotations, key, coder)
        labels, made.human = people(answers, n_classes)
        labelling.take(labels, ANNOTATORS)
        made.metrics["annotations"] = {"answers": len(answers), "items": len(labels)}
        if n_classes:
            made.signals += _of_annotators(answers, n_classes, settings, params.seed)
    asked = read_queue(project, settings.queued)
    given = answers_table(read_answers(project, settings.answers), coder, ANSWERS)
    before = labelling.rows["value"].copy()
    if len(given):
        labelling.take(people(given, n_classes)[0], ANSWER)
    bought = _ask(project, settings, frames, labelling, asked, key, schema["target"], coder)
    changed = before.notna() & (labelling.rows["value"] != before)
    why = labelling.pending(asked, missing=settings.ask_missing)
    made.labels = labelling.replaced
    made.pending = _waiting(frames, labelling, why, [entry.key for entry in asked], schema["target"])
    made.metrics |= _counts(labelling)
    made.metrics["oracle"] = bought
    made.metrics["relabelled"] = audit(labelling, asked, changed, given)
    made.signals.insert(
        0,
        labels_pending(
            int(why.notna().sum()), settings.max_pending, answers=settings.answers, why=reasons(why.dropna().tolist())
        ),
    )
    return made


def _of_annotators(answers: pd.DataFrame, n_classes: int, settings: Labels, seed: int) -> list[Signal]:
    return [
        annotators_disagree(answers, n_classes, settings.min_agreement, seed),
        annotator_unreliable(answers, n_classes, settings.max_annotator_gap),
    ]


def _ask(
    project: Path,
    settings: Labels,
    frames: dict[str, pd.DataFrame],
    labelling: Labelling,
    asked: list[Asked],
    key: str,
    target: str,
    coder: Coder,
) -> int:
    """Ask the oracle about every row that waits; return of how many rows its labels are."""
    if settings.oracle is None:
        return 0
    why = labelling.pending(asked, missing=settings.ask_missing)
    rows = pd.concat([_at(frames, labelling, part, why.notna()) for part in PARTS], ignore_index=True)
    rows = rows.drop(columns=target)
    if rows.empty:
        return 0
    labelling.take(ask(project, settings.oracle, rows, key, coder), ORACLE)
    return len(rows)


def _at(frames: dict[str, pd.DataFrame], labelling: Labelling, part: str, mask: pd.Series[bool]) -> pd.DataFrame:
    here = mask & (labelling.rows["part"] == part)
    return frames[part].iloc[labelling.rows["row"][here].to_numpy()]


def _waiting(
    frames: dict[str, pd.DataFrame], labelling: Labelling, why: pd.Series[Any], asked: list[str], target: str
) -> pd.DataFrame:
    """Return the rows that wait for a label, those asked first: without one, as who labels again shall not see it."""
    parts = []
    for part in PARTS:
        here = why.notna() & (labelling.rows["part"] == part)
        rows = _at(frames, labelling, part, why.notna()).drop(columns=target).reset_index(drop=True)
        head = pd.DataFrame({"key": labelling.rows["key"][here].to_numpy(), "why": why[here].to_numpy()}, dtype="str")
        parts.append(pd.concat([head, rows.add_prefix("row.")], axis=1))
    found = pd.concat(parts, ignore_index=True)
    place = found["key"].map({key: index for index, key in enumerate(asked)}).fillna(len(asked))
    return found.loc[place.sort_values(kind="stable").index].reset_index(drop=True)


def _counts(labelling: Labelling) -> dict[str, Any]:
    rows = labelling.rows
    found: dict[str, Any] = {
        part: {"rows": int(mine.sum()), "unlabelled": int((mine & rows["value"].isna()).sum())}
        for part, mine in ((part, rows["part"] == part) for part in PARTS)
    }
    return found | {"origins": reasons(rows["origin"][rows["origin"] != ""].tolist())}


def _write(project: Path, made: Made) -> None:
    write_parquet(project / "data/labels.parquet", made.labels)
    write_parquet(project / "data/human.parquet", made.human)
    write_parquet(project / "data/pending.parquet", made.pending)
    write_parquet(project / "data/reviewed.parquet", made.reviewed)
    write_json(project / "metrics/labels.json", made.metrics)
    write_signals(project / "data/label_signals.json", made.signals)


if __name__ == "__main__":
    main(run)
