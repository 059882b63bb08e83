"""Labels by people: what is asked, and the commands ``label export`` and ``label import``."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock
from rich.console import Console
from rich.markup import escape

from flows.lock import STATE
from flows.people.sheets import Said, check_said, news, read_sheet, shown, write_sheet
from flows.record import Iteration
from flows.snapshots import user_name
from stages.data.labels.log import Answer, Asked, append_answers, read_answers, read_queue, write_queue
from stages.errors import ProjectError
from stages.files import read_json
from stages.params import Labels, load_params

ASKS_AGAIN = "labels_inconsistent"
SUSPECTS, PENDING = "models/suspects.csv", "data/pending.parquet"
LOCK = f"{STATE}/labels.lock"
RESERVED = ("key", "label", "annotator")


def enqueue(project: Path, labels: Labels, patch: Mapping[str, Any], iteration: int) -> None:
    """Put the most suspect rows into the queue, as many as the patch counts; done again, it leaves the same queue."""
    count = int(patch["data.labels.queued"]) - labels.queued
    noise = read_json(project / "metrics" / "label_quality.json")["noise_rate"]["value"]
    with (project / SUSPECTS).open(encoding="utf-8", newline="") as file:
        keys = [row["key"] for row in csv.DictReader(file)][:count]
    asked = [Asked(key=key, why="suspect", iteration=iteration, noise=noise) for key in keys]
    write_queue(project, [*read_queue(project, labels.queued), *asked])


def answers_counted(item: Iteration) -> int | None:
    """Return how many answers an iteration that measured ``labels_pending`` had taken in; None for others."""
    found = (signal["evidence"].get("answers") for signal in item.signals if signal["name"] == "labels_pending")
    return next((int(count) for count in found if count is not None), None)


def export(project: Path, *, form: str = "csv", out: Path | None = None, count: int | None = None) -> int:
    """Write the rows that wait for a label, the most suspect first; return how many.

    Parameters
    ----------
    project : Path
        The project.
    form : {"csv", "labelstudio"}
        A CSV file with an empty column ``label`` to fill in; or tasks as Label Studio imports them.
    out : Path, optional
        The file; printed when not given.
    count : int, optional
        At most so many rows.

    Raises
    ------
    ProjectError
        If no run has made a queue yet.
    """
    import pandas as pd

    if not (project / PENDING).exists():
        raise ProjectError(
            "no label is asked for yet", where=PENDING, expected="a run that waits", todo="loopwright run"
        )
    rows = pd.read_parquet(project / PENDING)
    params = load_params(project)
    answered = {answer.key for answer in read_answers(project)[params.data.labels.answers :]}
    rows = rows[~rows["key"].isin(list(answered))].head(count or len(rows))
    if rows.empty:
        print("no row waits for a label: nothing is written")
        return 0
    features = shown(rows.drop(columns=["why"]), RESERVED, params.planning.security.private)
    write_sheet(features, ["key"], form=form, out=out, then="loopwright label import FILE")
    return len(rows)


def take(project: Path, path: Path, *, by: str | None = None) -> int:
    """Take the answers of a file in, all or none; return how many are new. The same file again changes nothing.

    Parameters
    ----------
    project : Path
        The project.
    path : Path
        CSV with the columns ``key``, ``label`` and, if several people labelled, ``annotator``; or Label Studio's JSON
        export. Rows without a label are left out.
    by : str, optional
        Who labelled, where the file does not say; Git's ``user.name`` when not given.

    Raises
    ------
    DataError
        If the file or one of its rows cannot be used; nothing is taken in then.
    """
    given = read_sheet(path, "key", by or user_name(project))
    _check(project, given)
    (project / STATE).mkdir(exist_ok=True)
    with FileLock(project / LOCK):
        new = news(given, read_answers(project), "key")
        if new:
            append_answers(project, [_answer(said) for said in new])
    people = len({said.by for said in new})
    console = Console(highlight=False)
    console.print(escape(f"took in {len(new)} labels by {people} people; {len(given) - len(new)} were known already"))
    if new:
        console.print("next: loopwright run; to keep them: git add labels && git commit")
    return len(new)


def _answer(said: Said) -> Answer:
    return Answer(key=said.item, label=said.label, by=said.by, at=said.at, file=said.file)


def _check(project: Path, given: list[Said]) -> None:
    """Refuse answers on rows that are not there, and with labels that the target has not."""
    import pandas as pd

    from stages.data.labels.reading import Coder

    schema_path = project / "data" / "schema.json"
    if not schema_path.exists():
        raise ProjectError("holds no rows yet", where="data/", expected="a run before", todo="loopwright run")
    schema = read_json(schema_path)
    if not schema.get("key"):
        raise ProjectError("no column is named as key", where="params.yaml: data.source.key", todo="name one")
    keys: set[str] = set()
    for part in ("window", "pilot"):
        keys |= set(pd.read_parquet(project / "data" / f"{part}.parquet", columns=[schema["key"]])[schema["key"]])
    check_said(given, keys, Coder(schema["classes"]), "key")
