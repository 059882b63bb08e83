"""The worker process: imports the heavy libraries once, and runs DVC stages without a process for each.

DVC decides what changed, uses its run cache, hashes, and writes ``dvc.lock``. Only how a stage's command is executed is
ours: ``python -m MODULE WORDS`` becomes a call of that module's ``run(project, *words)`` in this process, when it has
one; any other command runs as DVC runs it. And ``dvc.lock`` is replaced atomically, where DVC writes into the file: a
kill in the middle would leave half of it.
"""

from __future__ import annotations

import functools
import importlib
import json
import logging
import multiprocessing
import os
import pickle
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from stages.errors import LoopwrightError, ParamsError, ProjectError
from stages.files import write_text
from stages.params import PARAMS_FILE
from stages.signals import Signal

WORKER_LOCK = ".loopwright/worker.lock"
NAME = "loopwright worker"
WORKER_LOG = ".loopwright/worker.log"
HEAVY = ("pandas", "sklearn.ensemble", "sklearn.pipeline", "sklearn.compose", "skops.io", "great_expectations")
_COMMAND = re.compile(r"python3? -m (?P<module>\w+(?:\.\w+)*)(?P<words>(?: [\w-]+)*)")

How = Literal["ran", "restored", "unchanged"]


@dataclass(frozen=True)
class StepResult:
    """What happened to one DVC stage, and the wall time in seconds."""

    name: str
    how: How
    seconds: float


class StepCrashed(RuntimeError):  # noqa: N818  (a report, raised in another process)
    """A step failed by a defect, not by the user's input; holds the step's traceback as text."""


class _State:
    """What the worker keeps between calls."""

    project: Path
    lock: FileLock
    repo: Any = None
    ran: list[str]


def initialize(project: str) -> None:
    """Prepare the worker: leave with the parent, keep quiet, wait for an orphan of an earlier run to end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # the engine spawned us with it blocked
    sys.argv = [NAME]  # DVC notes it beside what it locks
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    os.chdir(project)
    log = os.open(WORKER_LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    if project not in sys.path:
        sys.path.insert(0, project)
    _State.project, _State.ran = Path(project), []
    _State.lock = FileLock(WORKER_LOCK)
    _State.lock.acquire(timeout=60)


def run_step(name: str) -> StepResult:
    """Bring one DVC stage up to date: skip it, restore it from the run cache, or run it.

    Raises
    ------
    LoopwrightError
        As the step raised it.
    StepCrashed
        For any other failure, with its traceback.
    """
    started = time.perf_counter()
    with reporting(name):
        repo = opened()
        _State.ran.clear()
        done = repo.reproduce(targets=[name], single_item=True)
    how: How = "unchanged" if not done else "ran" if name in _State.ran else "restored"
    return StepResult(name, how, time.perf_counter() - started)


def compare_champion(iteration: int) -> list[Signal]:
    """Hold the model of the workspace beside the released one; see `stages.deployment.champion` and ``flips``."""
    with reporting("comparison with the released model"):
        modules = [importlib.import_module(f"stages.deployment.{name}") for name in ("champion", "flips")]
        found = [module.compare(_State.project, iteration) for module in modules]
        return [signal for signal in found if signal is not None]


def write_card(chapters: list[Any]) -> str:
    """Return the model card of a release; see `flows.releases.card`."""
    with reporting("the model card"):
        return str(importlib.import_module("flows.releases.card").render(chapters))


def preload() -> None:
    """Import what later steps need. Queued like a step, for time in which the worker would be idle.

    Not in a thread: two threads that import one package from two ends may see half of it.
    """
    for name in HEAVY:
        importlib.import_module(name)


def status() -> list[str]:
    """Return what differs from ``dvc.lock``: names of DVC stages and tracked files; empty when all is up to date."""
    with reporting("dvc status"):
        return sorted(opened().status())


def commit_sources() -> list[str]:
    """Take the present content of source tables (``*.dvc`` files) as their new version; return those changed."""
    with reporting("dvc commit"):
        changed = changed_sources()
        for path in changed:
            opened().commit(path, force=True)
        return changed


def changed_sources() -> list[str]:
    """Return the ``.dvc`` files of source tables whose content is there and is not the version they name."""
    with reporting("dvc status"):
        found = [path for path in opened().status() if path.endswith(".dvc")]
        return [path for path in found if (_State.project / path).with_suffix("").exists()]


def checkout() -> None:
    """Bring every output in the workspace to what ``dvc.lock`` says; those missing from the cache are left out."""
    with reporting("dvc checkout"):
        opened().checkout(force=True, allow_missing=True)


def opened() -> Any:
    """Return DVC's repository, opened once."""
    if _State.repo is None:
        from dvc.repo import Repo

        logging.getLogger("dvc").setLevel(logging.ERROR)
        run, dvcfile = (importlib.import_module(name) for name in ("dvc.stage.run", "dvc.dvcfile"))
        setattr(run, "cmd_run", _in_process(run.cmd_run))  # noqa: B010  (mypy knows no such module)
        setattr(dvcfile, "modify_yaml", _modify_yaml_atomically)  # noqa: B010
        parse = _parse_yaml_once(importlib.import_module("dvc.utils.serialize").parse_yaml)
        for module in ("dvc.utils.serialize", "dvc.utils.serialize._yaml", "dvc.utils.strictyaml"):
            setattr(importlib.import_module(module), "parse_yaml", parse)  # noqa: B010
        _drop_stale_rwlock(_State.project)
        _State.repo = Repo(str(_State.project))
    return _State.repo


def _in_process(by_shell: Callable[..., None]) -> Callable[..., None]:
    def cmd_run(stage: Any, dry: bool = False, run_env: dict[str, str] | None = None) -> None:
        name = str(stage.addressing)
        _State.ran.append(name)
        named = _COMMAND.fullmatch(str(stage.cmd).strip())
        step = getattr(importlib.import_module(named["module"]), "run", None) if named and not dry else None
        if named is None or step is None:
            by_shell(stage, dry=dry, run_env=run_env)
        else:
            step(_State.project, *named["words"].split())

    return cmd_run


def _parse_yaml_once(parse_yaml: Callable[..., Any]) -> Callable[..., Any]:
    """Stand in for DVC's ``parse_yaml``: it reads ``dvc.yaml`` and ``params.yaml`` for every step, mostly unchanged."""

    @functools.lru_cache(maxsize=8)
    def pickled(text: str, path: str) -> bytes:
        return pickle.dumps(parse_yaml(text, path))

    def parsed(text: str, path: str, typ: str = "safe") -> Any:
        return pickle.loads(pickled(text, path)) if typ == "safe" else parse_yaml(text, path, typ=typ)

    return parsed


@contextmanager
def _modify_yaml_atomically(path: str, fs: Any = None) -> Iterator[dict[str, Any]]:
    """Stand in for DVC's ``modify_yaml``: the same bytes in half the time, and never half a file."""
    from dvc.utils.serialize import dumps_yaml, load_yaml

    values = load_yaml(path) if os.path.exists(path) else {}  # noqa: PTH110  (DVC hands a text)
    yield values
    write_text(Path(path), dumps_yaml(values))


def _drop_stale_rwlock(project: Path) -> None:
    """Remove what a killed run left in DVC's list of readers and writers: half a file, or entries of its own.

    DVC drops entries whose pid does not exist. But in a container the pid may be another process's by now, or that of
    a zombie; and as we hold the worker's lock, no other worker can be reading or writing.
    """
    path = project / ".dvc" / "tmp" / "rwlock"
    try:
        held = json.loads(path.read_text(encoding="utf-8") or "{}")
        readers = {name: [one for one in all_ if one["cmd"] != NAME] for name, all_ in held.get("read", {}).items()}
        writers = {name: one for name, one in held.get("write", {}).items() if one["cmd"] != NAME}
        left = {"read": {name: some for name, some in readers.items() if some}, "write": writers}
        if left != held:
            write_text(path, json.dumps(left))
    except FileNotFoundError:
        return
    except (ValueError, AttributeError, KeyError, TypeError):
        path.unlink(missing_ok=True)


@contextmanager
def reporting(name: str) -> Iterator[None]:
    """Turn what goes wrong in the block into what the engine's side can raise."""
    try:
        yield
    except Exception as error:
        raise _report(name, error) from None


def _report(name: str, error: Exception) -> Exception:
    """Return what to raise for an error of a step or of DVC: the user's mistake as it was made, or a crash."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, LoopwrightError):
            return cause
        if type(cause).__name__ == "MissingParamsError":
            return ParamsError(str(cause), where=PARAMS_FILE, todo="write them out; see docs/params.md")
    from dvc.exceptions import DvcException, ReproductionError
    from dvc.stage.exceptions import StageCmdFailedError

    # DVC's errors are about the project's files, but for the two that report a command that failed.
    failed = (ReproductionError, StageCmdFailedError)
    for cause in causes:
        if isinstance(cause, DvcException) and not isinstance(cause, failed):
            return ProjectError(" ".join(str(cause).split()), where="dvc.yaml or dvc.lock", todo="dvc status")
    inner = causes[-1]
    return StepCrashed(f"{name}: {type(inner).__name__}: {inner}\n{''.join(traceback.format_exception(error))}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
