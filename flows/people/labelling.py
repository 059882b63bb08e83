"""Labels by people: what is asked, and the commands ``label export`` and ``label import``."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock
from rich.console import Console
from rich.markup import escape

from flows.lock import STATE
from flows.record import Iteration
from flows.snapshots import git
from stages.data.labels.log import Answer, Asked, append_answers, latest, read_answers, read_queue, write_queue
from stages.errors import DataError, LoopwrightError, ProjectError
from stages.files import read_json, write_text
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
    free = {name: name.removeprefix("row.") for name in rows.columns if name.removeprefix("row.") not in RESERVED}
    private = params.planning.security.private
    features = rows.drop(columns=["why"]).rename(columns=free)
    features = features.drop(columns=[name for name in private if name in features and name not in RESERVED])
    if form == "csv":
        features.insert(1, "label", "")
        features.insert(2, "annotator", "")
        text = features.to_csv(index=False)
    else:
        records = json.loads(features.to_json(orient="records", date_format="iso"))
        text = json.dumps([{"data": record} for record in records], indent=1) + "\n"
    if out is None:
        print(text, end="")
    else:
        write_text(out, text)
        Console(highlight=False).print(
            escape(f"wrote {len(rows)} rows to {out}; then: loopwright label import FILE"), soft_wrap=True
        )
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
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", where=str(path), todo="check the path") from None
    digest, now = hashlib.sha256(raw).hexdigest(), dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    who = by or user_name(project)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"is not UTF-8: {error.reason}", where=str(path), todo="save it as UTF-8") from None
    read = _from_label_studio if text.lstrip().startswith(("[", "{")) else _from_csv
    given = read(text, path.name, who, now, digest)
    _check(project, given)
    (project / STATE).mkdir(exist_ok=True)
    with FileLock(project / LOCK):
        known = read_answers(project)
        seen, files = latest(known), {answer.file for answer in known}
        new = [answer for _, answer in given if digest not in files and _is_news(answer, seen)]
        if new:
            append_answers(project, new)
    people = len({answer.by for answer in new})
    console = Console(highlight=False)
    console.print(escape(f"took in {len(new)} labels by {people} people; {len(given) - len(new)} were known already"))
    if new:
        console.print("next: loopwright run; to keep them: git add labels && git commit")
    return len(new)


def _is_news(answer: Answer, seen: Mapping[tuple[str, str], Answer]) -> bool:
    before = seen.get((answer.key, answer.by))
    return before is None or (before.label != answer.label and before.at <= answer.at)


Given = list[tuple[str, Answer]]


def _from_csv(text: str, name: str, who: str, now: str, digest: str) -> Given:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise DataError(f"is not CSV ({error})", where=f"{name} row {reader.line_num}", todo="mend that row") from None
    for column in ("key", "label"):
        if column not in (reader.fieldnames or []):
            raise DataError(
                f"has no column {column!r}", where=name, expected="key and label", todo="name the columns so"
            )
    found = []
    for line, row in rows:
        where, key, label = f"{name} row {line}", (row["key"] or "").strip(), (row["label"] or "").strip()
        if label and not key:
            raise DataError("has a label and no key", where=where, expected="a key", todo="fill it in")
        if label:
            person = (row.get("annotator") or "").strip() or who
            found.append((where, Answer(key=key, label=label, by=person, at=now, file=digest)))
    return found


def _from_label_studio(text: str, name: str, who: str, now: str, digest: str) -> Given:
    """Read Label Studio's JSON export: tasks with their data, and annotations with choices, a rating or a number."""
    try:
        tasks = json.loads(text)
    except ValueError as error:
        raise DataError(f"is not JSON: {error}", where=name, todo="export it again") from None
    found: dict[tuple[str, str], tuple[str, Answer]] = {}
    for number, task in enumerate(tasks if isinstance(tasks, list) else [tasks], start=1):
        where = f"{name} task {number}"
        try:
            key = str(task["data"]["key"])
            for annotation in task.get("annotations", []):
                if annotation.get("was_cancelled") or not annotation["result"]:
                    continue
                label, person = _label_of(annotation["result"]), annotation.get("completed_by")
                person = person.get("email") or person.get("id") if isinstance(person, dict) else person
                at = _utc(annotation.get("updated_at") or annotation.get("created_at")) or now
                answer = Answer(key=key, label=label, by=str(person or who), at=at, file=digest)
                before = found.get((key, answer.by))
                if before is None or before[1].at <= at:
                    found[key, answer.by] = where, answer
        except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
            raise DataError(
                f"is no labelled task ({type(error).__name__}: {error})",
                where=where,
                expected="data.key, and annotations of one choice, rating or number",
                todo="export it as JSON, from the tasks that loopwright label export made",
            ) from None
    return list(found.values())


def _label_of(result: list[dict[str, Any]]) -> str:
    values = [item["value"] for item in result if "value" in item]
    (value,) = values
    if "choices" in value:
        (choice,) = value["choices"]
        return str(choice)
    return str(value["number"] if "number" in value else value["rating"])


def _utc(text: str | None) -> str | None:
    if not text:
        return None
    moment = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
    moment = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return moment.astimezone(dt.UTC).isoformat(timespec="seconds")


def _check(project: Path, given: Given) -> None:
    """Refuse answers on rows that are not there, with labels that the target has not, and a file without any."""
    import pandas as pd

    from stages.data.labels.reading import Coder

    if not given:
        raise DataError("holds no label", where="the file", expected="at least one filled in", todo="fill in label")
    schema_path = project / "data" / "schema.json"
    if not schema_path.exists():
        raise ProjectError("holds no rows yet", where="data/", expected="a run before", todo="loopwright run")
    schema = read_json(schema_path)
    if not schema.get("key"):
        raise ProjectError("no column is named as key", where="params.yaml: data.source.key", todo="name one")
    keys: set[str] = set()
    for part in ("window", "pilot"):
        keys |= set(pd.read_parquet(project / "data" / f"{part}.parquet", columns=[schema["key"]])[schema["key"]])
    coder = Coder(schema["classes"])
    seen: dict[tuple[str, str], str] = {}
    for where, answer in given:
        if answer.key not in keys:
            raise DataError(
                f"no row has the key {answer.key!r}",
                where=where,
                expected="a key of this project's data",
                todo="correct it",
            )
        if coder.code(answer.label) is None:
            raise DataError(
                f"the label {answer.label!r} is unknown", where=where, expected=coder.expected, todo="correct it"
            )
        if seen.setdefault((answer.key, answer.by), answer.label) != answer.label:
            raise DataError(
                f"{answer.by} gives {answer.key} two labels", where=where, expected="one a person", todo="keep one"
            )


def user_name(project: Path) -> str:
    """Return Git's user.name, else the name of the account."""
    import getpass

    try:
        return git(project, "config", "user.name") or getpass.getuser()
    except LoopwrightError:
        return getpass.getuser()
