"""Which DVC stages make up each lifecycle stage, read from ``dvc.yaml``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from flows.transitions import STAGES
from stages.errors import ProjectError

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
    """Return the stages section of ``dvc.yaml``."""
    try:
        loaded = YAML(typ="safe").load((project / PIPELINE_FILE).read_text(encoding="utf-8"))
        stages = dict((loaded or {}).get("stages") or {})
        if all(isinstance(stage, dict) for stage in stages.values()):
            return stages
        what = "a stage is no mapping"
    except (YAMLError, UnicodeDecodeError, AttributeError, TypeError, ValueError) as error:
        what = " ".join(str(error).split())
    raise ProjectError(f"cannot be read: {what}", where=PIPELINE_FILE, todo="dvc status tells more")


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
    path = project / LOCK_FILE
    if not path.exists():
        return None
    stages = (YAML(typ="safe").load(path.read_text(encoding="utf-8")) or {}).get("stages", {})
    for stage in stages.values():
        for out in stage.get("outs", []):
            if out["path"] == output:
                return str(out.get("md5") or out.get("hash"))
    return None
