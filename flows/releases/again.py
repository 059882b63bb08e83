"""Making a release again, in the worker: every step of its model is run, whatever DVC remembers of it.

DVC's run cache is not asked and nothing is put into its cache: the folder is a copy that goes away, the cache is the
project's own.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from pathlib import Path
from typing import Any

from flows import worker
from flows.worker import StepResult


def prepare(site_cache: str, target: str) -> list[str]:
    """Bring the source tables out of the cache; return the steps that ``target`` is made by, in their order.

    Parameters
    ----------
    site_cache : str
        A folder for what DVC would otherwise leave beside the machine's other projects.
    target : str
        A file that a step writes.
    """
    with worker.reporting("dvc checkout"):
        os.environ["DVC_SITE_CACHE_DIR"] = site_cache
        _take_own_steps(Path.cwd())
        repo = worker.opened()
        made = next(out.stage for out in repo.index.outs if out.fspath == str(Path.cwd() / target))
        steps = importlib.import_module("dvc.repo.reproduce").plan_repro(repo.index.graph, [made])
        repo.checkout(targets=[step.addressing for step in steps if step.is_data_source], force=True)
        return [str(step.addressing) for step in steps if step.cmd]


def rerun(name: str) -> StepResult:
    """Run a step, whether or not anything changed."""
    started = time.perf_counter()
    with worker.reporting(name):
        repo: Any = worker.opened()
        repo.reproduce(targets=[name], single_item=True, force=True, no_commit=True)
    return StepResult(name, "ran", time.perf_counter() - started)


def _take_own_steps(project: Path) -> None:
    """Let the steps be those of the copy, where a project holds them itself, and not those that run the command."""
    if (project / "stages").is_dir():
        for name in [name for name in sys.modules if name.partition(".")[0] == "stages"]:
            del sys.modules[name]
