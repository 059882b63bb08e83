"""The release: a pointer, replaced atomically, to a model named after its hash. Called by the loop, no DVC stage."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

from stages.errors import ProjectError
from stages.files import read_json, replacing, write_json

FOLDER = "releases"
POINTER = f"{FOLDER}/current.json"
POINTS = {"iteration": int, "path": str, "sha256": str}


def publish(project: Path, *, iteration: int) -> dict[str, Any]:
    """Release the model in the workspace; doing it twice changes nothing.

    Raises
    ------
    ProjectError
        If the release candidate does not meet the charter.
    """
    card = read_json(project / "release" / "candidate.json")
    if not card["meets"]:
        raise ProjectError("does not meet the charter", where="release/candidate.json", todo="loopwright why N")
    source = project / str(card["model"])
    sha256 = _sha256(source)
    name = f"{FOLDER}/{sha256[:12]}"
    folder = project / name
    if not (folder / "model.skops").exists() or _sha256(folder / "model.skops") != sha256:
        with replacing(folder / "model.skops") as temporary:
            shutil.copyfile(source, temporary)
    pointer: dict[str, Any] = {"sha256": sha256, "path": f"{name}/model.skops", "iteration": iteration}
    pointer["card"] = f"{name}/card-{iteration:03d}.json"
    # Which rows it was judged on: another model can be compared with it on the same ones only.
    seen = {"pilot_sha256": _sha256(project / "data" / "splits" / "pilot.parquet")}
    write_json(project / pointer["card"], {**card, **seen, "iteration": iteration, "sha256": sha256})
    write_json(project / POINTER, pointer)
    return pointer


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
    except (ValueError, TypeError, KeyError) as error:
        raise ProjectError(
            f"is damaged ({type(error).__name__}: {error})",
            where=POINTER,
            expected="what a release wrote",
            todo=f"delete it; loopwright run --again releases anew, and {FOLDER}/*/card-*.json tell what was",
        ) from None


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
    if not model.exists() or _sha256(model) != pointer["sha256"]:
        raise ProjectError(
            "is missing or not what was released",
            where=str(pointer["path"]),
            expected=f"sha256 {pointer['sha256'][:12]}",
            todo=f"loopwright restore {pointer['iteration']}, then loopwright run --again",
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


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
