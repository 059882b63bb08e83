"""The files that a release is held against, as they were: out of its experiment and DVC's cache, into a folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from flows.lock import STATE
from flows.record import read_record
from flows.report.past import archive
from stages.deployment.release_log import Release, sha256_of
from stages.errors import ProjectError
from stages.files import read_json, replacing, write_json, write_text
from stages.params import PARAMS_FILE
from stages.production.watch.reference import FILES

FOLDER, LIST = f"{STATE}/released", "files.json"


def kept(project: Path, line: Release) -> Path:
    """Return the folder with the files of a release's iteration; it is filled once.

    Raises
    ------
    ProjectError
        If Git or DVC's cache no longer hold them.
    """
    folder = project / FOLDER / f"{line.sha256[:12]}-{line.iteration:03d}"
    if _whole(folder):
        return folder
    item = next((item for item in read_record(project) if item.iteration == line.iteration), None)
    if item is None:
        raise _gone(f"iteration {line.iteration}", "the record", line)
    with archive(project) as opened:
        past = opened.of(item)
        params = opened.committed(item.experiment, PARAMS_FILE)
        if params is None:
            raise _gone(f"the experiment {item.experiment}", "Git", line)
        for name in FILES:
            file = past.file(name)
            if file is None:
                raise _gone(name, "DVC's cache", line)
            with replacing(folder / name) as temporary:
                shutil.copyfile(file, temporary)
    write_text(folder / PARAMS_FILE, params)
    names = [*FILES, PARAMS_FILE]
    write_json(folder / LIST, {name: sha256_of(folder / name) for name in names})  # last: the folder is whole
    return folder


def _whole(folder: Path) -> bool:
    """Tell whether every file is there, and is what was laid there."""
    try:
        listed = dict(read_json(folder / LIST))
        return bool(listed) and all(sha256_of(folder / name) == found for name, found in listed.items())
    except (OSError, ValueError, TypeError):
        return False


def _gone(what: str, where: str, line: Release) -> ProjectError:
    return ProjectError(
        f"{what} of the release is gone",
        where=where,
        expected="what the release was judged on, to hold production against it",
        todo=f"dvc pull, or loopwright restore {line.iteration} and loopwright run --again",
    )
