"""The release: a pointer, replaced atomically, to a model named after its hash. Called by the loop, no DVC stage."""

from __future__ import annotations

import datetime as dt
import platform
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.deployment.release_log import (
    FOLDER,
    POINTER,
    RELEASE,
    Release,
    append,
    in_force,
    locked,
    mend,
    sha256_of,
)
from stages.errors import ProjectError
from stages.files import read_json, replacing, write_json, write_text

if TYPE_CHECKING:
    from stages.params import Params

CHARTER = "the charter"  # who releases where no person is asked
PACKAGES = ("loopwright", "scikit-learn", "numpy", "scipy", "pandas", "pyarrow", "skops", "dvc")
POINTS = {"iteration": int, "path": str, "card": str, "sha256": str}
CANDIDATE, PILOT = "release/candidate.json", "data/splits/pilot.parquet"
MEND = "loopwright rollback --because TEXT, or loopwright release N --because TEXT"


@dataclass(frozen=True)
class Candidate:
    """A model that may be released, what it was held to, and where it comes from.

    Attributes
    ----------
    model : Path
        Its file, in the workspace or in DVC's cache.
    card : dict
        ``release/candidate.json`` of its iteration.
    pilot_sha256 : str or None
        Which rows it was judged on: another model can be compared with it on the same ones only.
    iteration, experiment, data, params, code, steps, versions : int, str, dict or None
        See `Release`.
    input : dict
        See `input_from`.
    """

    model: Path
    card: dict[str, Any]
    pilot_sha256: str | None
    iteration: int
    experiment: str
    data: str | None
    params: str
    code: str
    steps: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    input: dict[str, Any] = field(default_factory=dict)


def of_workspace(
    project: Path,
    *,
    iteration: int,
    experiment: str = "",
    data: str | None = None,
    params: str = "",
    code: str = "",
    steps: str = "",
) -> Candidate:
    """Return the candidate that the steps of deployment have just left in the workspace."""
    card = read_json(project / CANDIDATE)
    pilot = project / PILOT
    seen = sha256_of(pilot) if pilot.exists() else None
    model = project / str(card["model"])
    made = (iteration, experiment, data, params, code, steps, versions())
    return Candidate(model, card, seen, *made, input_of(project))


def publish(
    project: Path,
    candidate: Candidate,
    *,
    by: str = CHARTER,
    because: str = "it meets the charter",
    told: Callable[[Release], str] | None = None,
    although_missed: bool = False,
    once: bool = False,
) -> Release:
    """Release a model; doing it twice changes nothing.

    Parameters
    ----------
    project : Path
        The project.
    candidate : Candidate
        What is released.
    by, because : str
        Who says so, and why.
    told : callable, optional
        Makes the model card for people of the release.
    although_missed : bool
        Release it though it misses the charter; what it misses is kept.
    once : bool
        Not again where the log has this release already, also when it was rolled back since: a run that was killed
        after its release does the iteration again. A person may release it again.

    Raises
    ------
    ProjectError
        If the candidate does not meet the charter.
    """
    if not candidate.card["meets"] and not although_missed:
        raise ProjectError(
            f"does not meet the charter: {', '.join(missed(candidate.card))}",
            where=f"the candidate of iteration {candidate.iteration}",
            todo=f"loopwright why {candidate.iteration}",
        )
    with locked(project):
        lines = mend(project)
        sha256 = sha256_of(candidate.model)
        done = _done(lines, candidate, sha256, once)
        line = done or _line(lines, candidate, sha256, by, because)
        put(project, candidate, sha256, card=done is None)
        if done is None:
            if told is not None:
                write_text((project / line.card).with_suffix(".md"), told(line))
            append(project, line)
    return line


def put(project: Path, candidate: Candidate, sha256: str, *, card: bool = True) -> tuple[str, str]:
    """Lay a model under its hash, and its card beside it; return where both are. Nothing points to them yet."""
    path, told = places(sha256, candidate.iteration)
    model = project / path
    if not model.is_file() or sha256_of(model) != sha256:
        with replacing(model) as temporary:
            shutil.copyfile(candidate.model, temporary)
    if card:
        seen: dict[str, Any] = {"iteration": candidate.iteration, "sha256": sha256}
        seen |= {"pilot_sha256": candidate.pilot_sha256}
        seen |= {"input": candidate.input} if candidate.input else {}
        write_json(project / told, {**candidate.card, **seen})
    return path, told


def places(sha256: str, iteration: int) -> tuple[str, str]:
    """Return where a model of a hash lies, and the card of what an iteration held it to."""
    folder = f"{FOLDER}/{sha256[:12]}"
    return f"{folder}/model.skops", f"{folder}/card-{iteration:03d}.json"


def missed(card: dict[str, Any]) -> list[str]:
    """Return what a candidate misses, by name; empty when it meets the charter."""
    if card["meets"]:
        return []
    found = [str(item["metric"]) for item in card.get("requirements", []) if not item["met"]]
    failed = card.get("tests", {}).get("failed", 0)
    found += [f"{failed} of the model's tests"] if failed else []
    if not card.get("pilot", {}).get("tells", True):
        found.append("a pilot that could tell anything")
    return found or ["the pilot, though every requirement is met"]


def read_pointer(project: Path) -> dict[str, Any] | None:
    """Return the pointer of what is released, whether or not the model is there; None when nothing is.

    Raises
    ------
    ProjectError
        If the file is damaged.
    """
    path = project / POINTER
    if not path.exists():
        return None
    try:
        pointer = dict(read_json(path))
        return pointer | {key: kind(pointer[key]) for key, kind in POINTS.items()}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ProjectError(
            f"is damaged ({type(error).__name__}: {error})",
            where=POINTER,
            expected="what a release wrote",
            todo=f"{MEND}; loopwright releases lists them",
        ) from None


def input_of(project: Path) -> dict[str, Any]:
    """Return `input_from` the workspace."""
    from stages.params import load_params

    return input_from(read_json(project / "data" / "schema.json"), load_params(project))


def input_from(schema: dict[str, Any], params: Params) -> dict[str, Any]:
    """Return how the source's rows became those that the model learned from, so that new rows can become the same."""
    roles = {role: schema.get(role) for role in ("target", "time", "group", "key")}
    mended = params.data.source.model_dump(mode="json", include={"rename", "scale"})
    return {"kind": params.data.source.kind, "written_as": schema.get("written_as", {}), **roles, **mended}


def current(project: Path) -> dict[str, Any] | None:
    """Return the pointer of what is released, None when nothing is.

    Raises
    ------
    ProjectError
        If the pointer is damaged, or the released model is missing or is not the one that was released.
    """
    pointer = read_pointer(project)
    if pointer is None:
        return None
    model = project / str(pointer["path"])
    if not model.is_file() or sha256_of(model) != pointer["sha256"]:
        raise ProjectError(
            "is missing or not what was released",
            where=str(pointer["path"]),
            expected=f"sha256 {pointer['sha256'][:12]}",
            todo=MEND.replace("release N", f"release {pointer['iteration']}"),
        )
    return pointer


def released_model(project: Path | str) -> Any:
    """Return the released model, a scikit-learn pipeline on the columns that the release's card names as features.

    Its classes are numbered in the order of the card's ``classes``.

    Raises
    ------
    ProjectError
        If nothing is released, or the file is not what was released.
    """
    from stages.training.store import load_model

    pointer = current(Path(project))
    if pointer is None:
        raise ProjectError("nothing is released", where=str(project), todo="loopwright run")
    return load_model(Path(project) / str(pointer["path"]))


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a model depends on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def now() -> str:
    """Return the present moment, UTC."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def _done(lines: Sequence[Release], candidate: Candidate, sha256: str, once: bool) -> Release | None:
    """Return the release that this one would repeat, None when it is new."""
    same = [
        line
        for line in lines
        if line.kind == RELEASE and (line.experiment, line.sha256) == (candidate.experiment, sha256)
    ]
    if once and same:
        return same[-1]
    stack = in_force(lines)
    return stack[-1] if stack and stack[-1] in same else None


def _line(lines: Sequence[Release], candidate: Candidate, sha256: str, by: str, because: str) -> Release:
    path, card = places(sha256, candidate.iteration)
    return Release(
        kind=RELEASE,
        number=1 + max((line.number for line in lines), default=0),
        iteration=candidate.iteration,
        path=path,
        card=card,
        sha256=sha256,
        data=candidate.data,
        params=candidate.params,
        code=candidate.code,
        steps=candidate.steps,
        versions=candidate.versions,
        experiment=candidate.experiment,
        held=list(candidate.card.get("requirements", [])),
        missed=missed(candidate.card),
        by=by,
        because=because,
        at=now(),
    )
