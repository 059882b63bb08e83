"""Make a project around a table of the user's own: profile it, write params, pipeline and expectations, version it."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from importlib.resources import files
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from ruamel.yaml import YAML

from flows.code import write_pipeline
from flows.snapshots import git_identity
from stages.errors import DataError, ProjectError
from stages.files import write_json, write_text
from stages.params import PARAMS_FILE, check_params

TRAIN_SHARE = 0.8 * 0.6  # without the pilot, and without validation and test rows
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
    key: str | None = None,
    drop: Sequence[str] = (),
) -> Path:
    """Make the project ``folder`` around the table ``data``; all of it or nothing.

    Parameters
    ----------
    folder : Path
        A folder that does not exist yet, or is empty.
    data : Path
        CSV or Parquet file, or a folder of them; it is copied.
    target : str
        Column to predict.
    task : {"classification", "regression"}, optional
        Told from the target when not given.
    time, group : str, optional
        Columns that order the rows, or must not be torn apart by a split.
    key : str, optional
        Column that names each row, which labels are joined by.
    drop : sequence of str, optional
        Columns never used as features.

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
        found = _profiled(data, target, task=task, time=time, group=group, key=key, drop=drop)
    values = found["params"]
    # With every default written out: DVC wants the keys that dvc.yaml names, and people see what they may turn.
    values = check_params(values).model_dump(mode="json", by_alias=True, exclude_none=True)
    values["planning"]["requirements"] = {
        name: {key: value for key, value in bound.items() if value not in ("", True)}
        for name, bound in values["planning"]["requirements"].items()
    }
    values["data"]["source"] = {key: values["data"]["source"][key] for key in ("kind", "path")} | values["data"][
        "source"
    ]
    # dvc.yaml names them
    values["data"]["collect"] |= {"start": None, "until": None, "as_of": None}
    values["planning"]["outcome"] = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise ProjectError(
            f"cannot be made: {error.strerror}", where=str(folder), todo="choose a writable place"
        ) from None
    try:
        with console.status("writing the project"):
            _write(draft, data, values, found)
            _version(draft)
        draft.chmod(0o755)
        draft.replace(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    _tell(console, folder, target, values, found)
    return folder


def _profiled(data: Path, target: str, **options: Any) -> dict[str, Any]:
    """Profile the table; errors name the options of the command, as there are no params yet."""
    from stages.data.profile import profile

    try:
        return profile(data, target, **options)
    except DataError as error:
        where = re.sub(r"^params\.yaml: data\.source\.(\w+)$", r"--\1", error.where)
        todo = re.sub(r"\bdata\.source\.(\w+)", r"--\1", error.todo.replace("data.source.path", "--data"))
        todo = re.sub(r"set planning\.task: (\w+)", r"use --task \1", todo).replace("edit params.yaml", "correct it")
        raise DataError(error.what, where=where, expected=error.expected, todo=todo) from None


def _tell(console: Console, folder: Path, target: str, values: dict[str, Any], found: dict[str, Any]) -> None:
    def say(text: str) -> None:
        console.print(escape(text), soft_wrap=True)

    say(f"made {folder}: {found['task']} of {target!r} from {found['rows']} rows, {found['columns']} features")
    for name, why in found["dropped"].items():
        say(f"  left out: {name or 'a column without name'}, {why}")
    if found["unlabelled"]:
        say(f"  {found['unlabelled']} rows have no {target!r}; they will fail the expectations")
    wanted = ", ".join(
        f"{name} {side.replace('_', ' ')} {bound[side]:g}"
        for name, bound in values["planning"]["requirements"].items()
        for side in ("at_least", "at_most")
        if side in bound
    )
    say(f"  proposed requirements, yours to set in {folder / PARAMS_FILE}: {wanted}")
    need, have = values["data"]["minimum"]["rows"], int(found["rows"] * TRAIN_SHARE)
    if have < need:
        say(f"  about {have} rows are left to train on, and data.minimum.rows asks for {need}: the run will stop there")
    say(f"next: loopwright plan -C {folder}, which asks what it is for and what is required")
    say(f"then: loopwright run -C {folder}")


def _write(draft: Path, data: Path, values: dict[str, Any], found: dict[str, Any]) -> None:
    from stages.data.profiles import profile_path
    from stages.data.suite import suite_text

    raw = draft / values["data"]["source"]["path"]
    raw.parent.mkdir(parents=True)
    if data.is_dir():
        shutil.copytree(data, raw)
    else:
        shutil.copyfile(data, raw)
    yaml = YAML()
    yaml.default_flow_style = None
    yaml.width = 110
    text = StringIO()
    yaml.dump(values, text)
    write_text(draft / PARAMS_FILE, HEADER + text.getvalue())
    suite = values["data"]["validate"]["suite"]
    write_text(draft / suite, suite_text(found["suite"]))
    write_json(draft / profile_path(suite), found["profile"])
    write_pipeline(draft, values["planning"]["task"])
    templates = files("flows") / "templates"
    write_text(draft / "labels" / "README.md", (templates / "labels.md").read_text(encoding="utf-8"))
    write_text(draft / "prefect.yaml", (templates / "prefect.yaml").read_text(encoding="utf-8"))
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
