"""Which DVC stages make up each lifecycle stage, read from ``dvc.yaml``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ruamel.yaml.error import YAMLError

from flows.transitions import STAGES
from stages.errors import ProjectError
from stages.yaml import parsed

PIPELINE_FILE = "dvc.yaml"
LOCK_FILE = "dvc.lock"
_COMMAND = re.compile(r"\bstages\.(?P<stage>\w+)\.\w+")


def steps_by_stage(project: Path) -> dict[str, list[str]]:
    """Return the DVC stages of each lifecycle stage, in the order of the file.

    A DVC stage belongs to the lifecycle stage that its command names (``python -m stages.<stage>.<step>``); one with
    a command of the user's own belongs to the lifecycle stage of the DVC stage above it.

    Raises
    ------
    ProjectError
        If a lifecycle stage has no DVC stage.
    """
    steps: dict[str, list[str]] = {stage: [] for stage in STAGES}
    current = STAGES[0]
    for name, entry in pipeline(project).items():
        found = _COMMAND.search(str(entry.get("cmd", "")))
        if found and found["stage"] in steps:
            current = found["stage"]
        steps[current].append(name)
    empty = [stage for stage, names in steps.items() if not names]
    if empty:
        raise ProjectError(
            f"no DVC stage belongs to {', '.join(empty)}",
            where=PIPELINE_FILE,
            expected="commands like python -m stages.data.collect",
            todo="compare it with the one that `loopwright init` writes",
        )
    return steps


def pipeline(project: Path) -> dict[str, Any]:
    """Return the DVC stages by name, as ``dvc.yaml`` has them; those of a ``foreach`` or ``matrix`` as DVC makes them.

    A template's stages go by the params of this moment, so the answer is never kept.

    Raises
    ------
    ProjectError
        If ``dvc.yaml`` cannot be read, or DVC cannot make the stages of a template.
    """
    try:
        loaded = parsed((project / PIPELINE_FILE).read_text(encoding="utf-8"))
        stages = dict((loaded or {}).get("stages") or {})
        if not all(isinstance(stage, dict) for stage in stages.values()):
            raise _unreadable("a stage is no mapping")
    except (YAMLError, UnicodeDecodeError, AttributeError, TypeError, ValueError) as error:
        raise _unreadable(error) from None
    return _templates_resolved(project, loaded, stages) if any(_is_template(s) for s in stages.values()) else stages


def _templates_resolved(project: Path, loaded: dict[str, Any], stages: dict[str, Any]) -> dict[str, Any]:
    from dvc.exceptions import DvcException
    from dvc.fs import localfs
    from dvc.parsing import DataResolver

    here = SimpleNamespace(fs=localfs, config={})  # all that the resolver asks of a repository; opening one takes 0.5 s
    found: dict[str, Any] = {}
    try:
        resolver = DataResolver(here, str(project), loaded)
        for name, entry in stages.items():
            found |= resolver.definitions[name].resolve_all() if _is_template(entry) else {name: entry}
    except DvcException as error:
        raise _unreadable(error) from None
    return found


def _is_template(stage: dict[str, Any]) -> bool:
    return "foreach" in stage or "matrix" in stage


def _unreadable(what: object) -> ProjectError:
    return ProjectError(
        f"cannot be read: {' '.join(str(what).split())}", where=PIPELINE_FILE, todo="dvc status tells more"
    )


def metric_files(project: Path, steps: list[str]) -> list[str]:
    """Return the metrics files that these DVC stages declare."""
    stages = pipeline(project)
    files: list[str] = []
    for step in steps:
        for metric in stages[step].get("metrics", []):
            files.append(metric if isinstance(metric, str) else next(iter(metric)))
    return files


def first_reader(project: Path, keys: Iterable[str]) -> str | None:
    """Return the first lifecycle stage with a DVC stage that depends on one of these params; None when none does."""
    stages, steps = pipeline(project), steps_by_stage(project)

    def reads(step: str) -> bool:
        params = [name for name in stages[step].get("params", []) if isinstance(name, str)]
        return any(f"{key}.".startswith(f"{name}.") or name.startswith(f"{key}.") for name in params for key in keys)

    keys = list(keys)
    return next((stage for stage in STAGES if any(reads(step) for step in steps[stage])), None)


def output_hash(project: Path, output: str) -> str | None:
    """Return the hash that ``dvc.lock`` holds for an output, None when it was never made."""
    return output_hashes(project).get(output)


def output_hashes(project: Path, only: str | None = None) -> dict[str, str]:
    """Return the hash of every output by its path, as ``dvc.lock`` holds them; ``only`` those of one DVC stage."""
    path = project / LOCK_FILE
    if not path.exists():
        return {}
    stages = (parsed(path.read_text(encoding="utf-8")) or {}).get("stages", {})
    outs = [out for name, stage in stages.items() if only in (None, name) for out in stage.get("outs", [])]
    return {str(out["path"]): str(out.get("md5") or out.get("hash")) for out in outs}
