"""Real projects for the tests: copies of this repository, and projects that ``loopwright init`` made."""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parents[1]
# Where it is set, each of some hundred processes would compile every module of ours again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# The same examples everywhere, so that a red run can be had again; HYPOTHESIS_PROFILE=explore looks for new ones.
settings.register_profile("same", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


@dataclass(frozen=True)
class Cli:
    """Runs the command line as a user does: in a process of its own, in a project's folder."""

    environment: dict[str, str]
    prefix: tuple[str, ...] = ()

    def __call__(self, project: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*self.prefix, sys.executable, "-m", "flows.cli", *arguments],
            cwd=project,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        if check and done.returncode:
            raise AssertionError(f"loopwright {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def start(self, project: Path, *arguments: str) -> subprocess.Popen[str]:
        """Start a command and leave it running."""
        return subprocess.Popen(
            [sys.executable, "-m", "flows.cli", *arguments],
            cwd=project,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def history(self, project: Path) -> list[dict[str, Any]]:
        """Return ``history --json``."""
        return list(json.loads(self(project, "history", "--json").stdout))


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The command line with nothing set up: each run starts a Prefect server of its own."""
    home = tmp_path_factory.mktemp("prefect")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    environment |= {"PREFECT_HOME": str(home), "PYTHONPATH": str(ROOT), "COLUMNS": "200", "DVC_NO_ANALYTICS": "1"}
    return Cli(environment)


@pytest.fixture(scope="session")
def cli(embedded: Cli, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """The command line beside a running ``prefect server``, as a team has it."""
    prefect = Path(sys.executable).with_name("prefect")
    environment = embedded.environment | {"PREFECT_HOME": str(tmp_path_factory.mktemp("team"))}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    server = subprocess.Popen(
        [str(prefect), "server", "start", "--host", "127.0.0.1", "--port", port, "--no-ui"],
        env={**environment, "PREFECT_SERVER_ANALYTICS_ENABLED": "false"},
        cwd=tmp_path_factory.mktemp("server"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield Cli({**environment, "PREFECT_API_URL": f"http://127.0.0.1:{port}/api"})
    server.terminate()
    server.wait(timeout=30)


@dataclass(frozen=True)
class Shelf:
    """Folders that are made once for all workers of a test run; who comes second waits for them."""

    folder: Path

    def __call__(self, name: str, make: Callable[[Path], object]) -> Path:
        """Return the folder of a name; ``make`` fills it when nobody has yet, and when it failed."""
        made, whole = self.folder / name, self.folder / f"{name}.whole"
        with FileLock(self.folder / f"{name}.lock"):
            if not whole.exists():
                shutil.rmtree(made, ignore_errors=True)
                made.mkdir()
                make(made)
                whole.touch()
        return made


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """What the workers of this test run share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shelf"
    folder.mkdir(exist_ok=True)
    return Shelf(folder)


def twins(code: str, folder: Path, environments: list[dict[str, str]]) -> list[str]:
    """Run Python code in each environment, side by side, each with a path of its own; return what they printed."""
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(folder / str(number))],
            env={"PYTHONPATH": str(ROOT), **environment},
            stdout=subprocess.PIPE,
            text=True,
        )
        for number, environment in enumerate(environments)
    ]
    return [run.communicate(timeout=60)[0] for run in runs]


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Let no file grow beyond ``size`` bytes, as on a disk that has no more room: a write is cut off in the middle."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def git(folder: Path, *arguments: str) -> str:
    """Run git with an identity of its own and return what it printed."""
    identity = ["-c", "user.name=Tests", "-c", "user.email=tests@example.org"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


def copy_repository(to: Path) -> Path:
    """Copy the repository's files (those Git knows or would) to a new Git and DVC repository."""
    names = git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    for name in names:
        if (ROOT / name).is_file() and name != "dvc.lock":
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, to / name)
    git(to, "init", "--quiet", "--initial-branch=main")
    git(to, "add", "--all")
    git(to, "commit", "--quiet", "-m", "Copy")
    return to


@pytest.fixture
def repository(shelf: Shelf, tmp_path: Path) -> Path:
    """A copy of this repository that has not run yet."""
    return _copy(shelf("repository", copy_repository), tmp_path / "flights")


def bundled_table(name: str, *, spoilt: bool = True) -> pd.DataFrame:
    """Return one of scikit-learn's tables with a ``target`` column; spoilt: missing values and a column of strings."""
    from sklearn import datasets

    loaded = getattr(datasets, f"load_{name}")(as_frame=True)
    frame = loaded.frame.rename(columns=lambda column: str(column).replace(" ", "_"))
    if name != "diabetes":
        frame["target"] = [str(loaded.target_names[code]) for code in frame["target"]]
    if spoilt:
        random = np.random.default_rng(0)
        first, second = frame.columns[:2]
        frame.loc[random.random(len(frame)) < 0.1, first] = np.nan
        frame[f"{second}_size"] = pd.cut(frame[second], 3, labels=["small", "middle", "large"]).astype("str")
        frame.loc[random.random(len(frame)) < 0.05, f"{second}_size"] = None
    return pd.DataFrame(frame)


@pytest.fixture(scope="session")
def make_project(cli: Cli, shelf: Shelf, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Make a project around a bundled table with ``loopwright init``; each call gives a fresh copy. One has a leak."""

    def make(name: str) -> Path:
        def init(folder: Path) -> None:
            table = bundled_table(name)
            if name == "diabetes":
                table["billed"] = 2.5 * table["target"] + 1  # known only afterwards
            table.to_csv(folder / f"{name}.csv", index=False)
            cli(folder, "init", name, "--data", f"{name}.csv", "--target", "target")

        return _copy(shelf(f"{name}-begun", init) / name, tmp_path_factory.mktemp("project") / name)

    return make


@pytest.fixture(scope="session")
def finish_project(
    cli: Cli, shelf: Shelf, make_project: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Like `make_project`, but run to its end once; each call gives a fresh copy."""

    def finish(name: str) -> Path:
        def run(folder: Path) -> None:
            cli(_copy(make_project(name), folder / name), "run")

        return _copy(shelf(f"{name}-finished", run) / name, tmp_path_factory.mktemp("finished") / name)

    return finish


def _copy(project: Path, to: Path) -> Path:
    return Path(shutil.copytree(project, to))
