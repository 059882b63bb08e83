"""Make a project around a table of the user's own: profile it, write params, pipeline and expectations, version it."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import tempfile
from importlib.resources import files
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console
from ruamel.yaml import YAML

from flows.snapshots import git_identity
from stages.errors import ProjectError
from stages.files import write_json, write_text
from stages.params import PARAMS_FILE, check_params

# A regression has no ROC curve; its file holds the quantiles of the residuals.
REGRESSION_PLOT = {
    "x: false_positive_rate, y: true_positive_rate": "x: quantile, y: residual",
    "ROC on the validation rows": "Residuals on the validation rows",
}
HEADER = """\
# Proposed by `loopwright init` from the table itself; read it, and set goal and requirements to what you need.
# Every key is explained in docs/params.md. The loop edits this file when it goes back.
"""


def init(
    folder: Path,
    data: Path,
    target: str,
    *,
    task: str | None = None,
    time: str | None = None,
    group: str | None = None,
) -> Path:
    """Make the project ``folder`` around the table ``data``; all of it or nothing.

    Parameters
    ----------
    folder : Path
        A folder that does not exist yet, or is empty.
    data : Path
        CSV or Parquet file; it is copied.
    target : str
        Column to predict.
    task : {"classification", "regression"}, optional
        Told from the target when not given.
    time, group : str, optional
        Columns that order the rows, or must not be torn apart by a split.

    Returns
    -------
    Path
        The project.

    Raises
    ------
    DataError
        If the table cannot be used.
    ProjectError
        If the folder cannot be made.
    """
    console = Console(highlight=False)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ProjectError("is not empty", where=str(folder), expected="a new folder", todo="choose another name")
    with console.status(f"reading {data}"):
        from stages.data.profile import profile

        values, suite = _profiled(profile, data, target, task, time, group)
    # With every default written out: DVC wants the keys that dvc.yaml names, and people see what they may turn.
    values = check_params(values).model_dump(mode="json", by_alias=True, exclude_none=True)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise ProjectError(
            f"cannot be made: {error.strerror}", where=str(folder), todo="choose a writable place"
        ) from None
    try:
        with console.status("writing the project"):
            _write(draft, data, values, suite)
            _version(draft)
        draft.chmod(0o755)
        draft.replace(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    console.print(f"made {folder}: {values['planning']['task']} of {target!r}; requirements in {folder / PARAMS_FILE}")
    console.print(f"next: loopwright run -C {folder}")
    return folder


def _profiled(profile: Any, data: Path, *options: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    task, time, group = options[1:]
    found = profile(data, options[0], time, group, task)
    return found["params"], found["suite"]


def _write(draft: Path, data: Path, values: dict[str, Any], suite: dict[str, Any]) -> None:
    raw = draft / values["data"]["source"]["path"]
    raw.parent.mkdir(parents=True)
    shutil.copyfile(data, raw)
    yaml = YAML()
    yaml.default_flow_style = None
    yaml.width = 110
    text = StringIO()
    yaml.dump(values, text)
    write_text(draft / PARAMS_FILE, HEADER + text.getvalue())
    write_json(draft / values["data"]["validate"]["suite"], suite)
    templates = files("flows") / "templates"
    pipeline = (templates / "pipeline.yaml").read_text(encoding="utf-8")
    if values["planning"]["task"] == "regression":
        for classification, regression in REGRESSION_PLOT.items():
            pipeline = pipeline.replace(classification, regression)
    write_text(draft / "dvc.yaml", pipeline)
    write_text(draft / ".gitignore", (templates / "gitignore").read_text(encoding="utf-8"))


def _version(draft: Path) -> None:
    """Put the project under Git and DVC, the table under DVC, and commit."""
    _git(draft, "init", "--quiet", "--initial-branch=main")
    os.environ.setdefault("DVC_NO_ANALYTICS", "1")
    from dvc.repo import Repo

    logging.getLogger("dvc").setLevel(logging.ERROR)
    with Repo.init(str(draft)) as repo:
        with repo.config.edit() as config:
            config["core"]["analytics"] = False
        raw = next(path for path in (draft / "data" / "raw").iterdir())
        repo.add(str(raw))
    _git(draft, "add", "--all")
    _git(draft, "commit", "--quiet", "-m", "Start the project")


def _git(folder: Path, *arguments: str) -> None:
    environment = {**os.environ, **git_identity(folder)}
    done = subprocess.run(["git", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ProjectError(f"git {arguments[0]} failed: {done.stderr.strip()}", where=str(folder))
