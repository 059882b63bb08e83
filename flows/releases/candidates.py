"""What may be released: the candidate in the workspace, or that of an earlier iteration out of DVC's cache."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flows import pipeline
from flows.record import Iteration
from flows.report.past import Past, archive
from flows.snapshots import CODE_FILE
from stages.deployment.release import CANDIDATE, PILOT, Candidate, input_from, of_workspace
from stages.deployment.release_log import read_log, sha256_of
from stages.errors import LoopwrightError, ProjectError
from stages.files import read_json
from stages.params import Params, check_params


def in_workspace(project: Path, item: Iteration) -> Candidate:
    """Return the candidate of the iteration that has just run.

    Raises
    ------
    ProjectError
        If the model or what it was held to is not what the steps wrote.
    """
    outs = pipeline.output_hashes(project)
    _as_written(project / CANDIDATE, outs.get(CANDIDATE), item)
    noted = project / CODE_FILE
    steps = _steps(noted.read_text(encoding="utf-8") if noted.exists() else None)
    found = of_workspace(project, **_named(item), steps=steps)
    _as_written(found.model, outs.get(str(found.card["model"])), item)
    return found


def of_iteration(project: Path, item: Iteration) -> Candidate:
    """Return the candidate of an earlier iteration; the workspace is not looked at.

    Raises
    ------
    ProjectError
        If DVC's cache no longer holds it, or it was changed there.
    """
    with archive(project) as kept:
        past = kept.of(item)
        card = read_json(_kept(past, CANDIDATE, item))
        model, pilot = _kept(past, str(card["model"]), item), past.file(PILOT)
        seen = sha256_of(pilot) if pilot is not None else None
        steps = _steps(kept.committed(item.experiment, CODE_FILE))
        schema, params = past.json("data/schema.json"), params_of(past)
    # What was installed then is known only if it was released then.
    known = next((line for line in read_log(project) if line.experiment == item.experiment), None)
    versions = known.versions if known is not None else {}
    read_as = input_from(schema, params) if schema is not None and params is not None else {}
    return Candidate(model, card, seen, **_named(item), steps=steps, versions=versions, input=read_as)


def params_of(past: Past) -> Params | None:
    """Return the params of an iteration, None where they are gone or the schema no longer knows them."""
    try:
        return None if past.params is None else check_params(past.params)
    except LoopwrightError:
        return None


def deployed(lines: Sequence[Iteration], number: int) -> Iteration:
    """Return an iteration that made a release candidate.

    Raises
    ------
    ProjectError
        If the record does not hold it, or it made none.
    """
    made = [item for item in lines if item.stage == "deployment" and item.steps]
    for item in made:
        if item.iteration == number:
            return item
    known = ", ".join(str(item.iteration) for item in made) or "none yet: loopwright run"
    raise ProjectError(
        f"iteration {number} made no model that could be released",
        where="the record",
        expected=f"an iteration of deployment: {known}",
        todo="loopwright history",
    )


def _named(item: Iteration) -> dict[str, Any]:
    """Return what a release says of where it comes from."""
    named = {"experiment": item.experiment, "data": item.data_version, "params": item.params_before}
    return {**named, "iteration": item.iteration, "code": item.code}


def _steps(text: str | None) -> str:
    """Return which installed steps ran, by ``code.json``; empty where the project holds its own."""
    return "" if text is None else str(json.loads(text)["stages"])


def _kept(past: Past, path: str, item: Iteration) -> Path:
    file = past.file(path)
    if file is None:
        raise ProjectError(
            f"{path} of iteration {item.iteration} is gone",
            where="DVC's cache",
            expected=f"what the experiment {item.experiment} names",
            todo=f"dvc pull, or loopwright restore {item.iteration} and loopwright run --again",
        )
    _as_written(file, past.hashes[path], item)
    return file


def _as_written(path: Path, md5: str | None, item: Iteration) -> None:
    """Refuse a file that is not the one whose hash DVC wrote down when a step made it."""
    if md5 is not None and path.is_file() and _md5(path) == md5:
        return
    raise ProjectError(
        f"is not what iteration {item.iteration} wrote",
        where=str(path),
        expected=f"md5 {(md5 or 'none')[:12]}",
        todo=f"do not load it; loopwright restore {item.iteration} makes it again where the cache is whole",
    )


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
