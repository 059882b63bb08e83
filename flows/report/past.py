"""What an iteration left behind: params out of its experiment, small files out of DVC's cache.

The workspace may hold another iteration, restored or half done. The experiment's ``dvc.lock`` names the hash of every
file the iteration made, so what is shown of it is what it was.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from flows.pipeline import LOCK_FILE
from flows.record import Iteration
from flows.snapshots import git
from stages.errors import LoopwrightError
from stages.params import PARAMS_FILE


@dataclass(frozen=True)
class Past:
    """The files of one iteration; what is no longer kept reads as None."""

    archive: Archive
    experiment: str

    @cached_property
    def params(self) -> dict[str, Any] | None:
        """The values in ``params.yaml`` during the iteration."""
        text = self.archive.committed(self.experiment, PARAMS_FILE)
        return None if text is None else YAML(typ="safe").load(text)

    @cached_property
    def hashes(self) -> dict[str, str]:
        """DVC's hash of every output, by its path."""
        text = self.archive.committed(self.experiment, LOCK_FILE)
        steps = {} if text is None else (YAML(typ="safe").load(text) or {}).get("stages", {})
        outs = [out for step in steps.values() for out in step.get("outs", [])]
        return {str(out["path"]): str(out["md5"]) for out in outs if "md5" in out}

    def json(self, path: str) -> Any:
        """Return the content of a JSON file that a step wrote."""
        text = self._text(path)
        return None if text is None else json.loads(text)

    def table(self, path: str) -> list[dict[str, float | None]]:
        """Return a CSV file of numbers that a step wrote, a dict a row; an empty list when it is not kept."""
        rows = csv.DictReader(io.StringIO(self._text(path) or ""))
        return [{key: float(value) if value else None for key, value in row.items()} for row in rows]

    def file(self, path: str) -> Path | None:
        """Return where DVC's cache keeps a file that a step wrote, also one in a folder; None when it does not."""
        folder = next((out for out in self.hashes if path.startswith(f"{out}/")), None)
        if folder is None:
            return self.archive.file(self.hashes.get(path))
        listed = json.loads(self.archive.cached(self.hashes[folder]) or "[]")
        inside = path.removeprefix(f"{folder}/")
        return self.archive.file(next((item["md5"] for item in listed if item["relpath"] == inside), None))

    def _text(self, path: str) -> str | None:
        return self.archive.cached(self.hashes.get(path))


@dataclass(frozen=True)
class Archive:
    """Where iterations are kept: commits under ``refs/exps`` and the folder of DVC's cache."""

    project: Path
    commits: dict[str, str] = field(default_factory=dict)
    prefix: str = ""
    cache: Any = None
    _opened: dict[str, Past] = field(default_factory=dict)

    def of(self, item: Iteration) -> Past:
        """Return what one iteration left behind."""
        return self._opened.setdefault(item.experiment, Past(self, item.experiment))

    def committed(self, experiment: str, path: str) -> str | None:
        """Return a file of an experiment's commit, None when there is none."""
        commit = self.commits.get(experiment)
        try:
            return None if commit is None else git(self.project, "show", f"{commit}:{self.prefix}{path}")
        except LoopwrightError:
            return None

    def cached(self, md5: str | None) -> str | None:
        """Return a file of DVC's cache by its hash, None when it is not there."""
        path = self.file(md5)
        return None if path is None else path.read_text(encoding="utf-8")

    def file(self, md5: str | None) -> Path | None:
        """Return where DVC's cache keeps a file, None when it does not."""
        if md5 is None or self.cache is None:
            return None
        path = Path(self.cache.oid_to_path(md5))
        return path if path.is_file() else None


@contextmanager
def archive(project: Path) -> Iterator[Archive]:
    """Open the archive of a project; an empty one where Git or DVC are gone."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        refs = git(project, "for-each-ref", "--format=%(objectname) %(refname)", "refs/exps").splitlines()
        prefix = git(project, "rev-parse", "--show-prefix")
        repo = Repo(str(project))
    except (LoopwrightError, DvcException):
        yield Archive(project)
        return
    commits = {name.rsplit("/", 1)[-1]: commit for commit, name in (ref.split(" ", 1) for ref in refs)}
    with repo:
        yield Archive(project, commits, prefix, repo.cache.local)


def changed_params(before: dict[str, Any] | None, after: dict[str, Any] | None) -> list[tuple[str, Any, Any]]:
    """Return the dotted keys whose values differ, with both values; None stands for a key that is not there.

    Examples
    --------
    >>> changed_params({"data": {"rows": 1, "seed": 2}}, {"data": {"rows": 5, "seed": 2}})
    [('data.rows', 1, 5)]
    """
    if before is None or after is None:
        return []
    old, new = dict(_leaves(before)), dict(_leaves(after))
    return [(key, old.get(key), new.get(key)) for key in {**old, **new} if old.get(key) != new.get(key)]


def _leaves(values: dict[str, Any], path: Sequence[str] = ()) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        here = (*path, str(key))
        if isinstance(value, dict) and value:
            yield from _leaves(value, here)
        else:
            yield ".".join(here), value
