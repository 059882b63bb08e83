"""The files that a release is held against, as they were: out of its experiment and DVC's cache, into a folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from flows.lock import STATE
from flows.record import read_record
from flows.report.past import archive
from stages.deployment.release_log import Release
from stages.errors import ProjectError
from stages.files import replacing
from stages.params import PARAMS_FILE
from stages.production.watch.reference import FILES

FOLDER = f"{STATE}/released"


def kept(project: Path, line: Release) -> Path:
    """Return the folder with the files of a release's iteration; it is filled once.

    Raises
    ------
    ProjectError
        If Git or DVC's cache no longer hold them.
    """
    folder = project / FOLDER / line.sha256[:12]
    names = [*FILES, PARAMS_FILE]
    if all((folder / name).is_file() for name in names):
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
    with replacing(folder / PARAMS_FILE) as temporary:  # last: it tells that the folder is whole
        temporary.write_text(params, encoding="utf-8")
    return folder


def _gone(what: str, where: str, line: Release) -> ProjectError:
    return ProjectError(
        f"{what} of the release is gone",
        where=where,
        expected="what the release was judged on, to hold production against it",
        todo=f"dvc pull, or loopwright restore {line.iteration} and loopwright run --again",
    )
