"""The command ``verify``: a release is made again from its hashes, in a copy of the project, and compared.

The copy is a clone of the experiment's commit, so code, params, expectations and labels are those of then; the source
tables come out of DVC's cache by their hashes. Every step down to the model is run.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from flows import code, patching, pipeline
from flows.engine import Engine, WorkerDied
from flows.lock import STATE
from flows.releases import again
from flows.snapshots import commit_of, git
from flows.worker import StepCrashed
from stages.context import Context
from stages.deployment.release import versions
from stages.deployment.release_log import LOG, RELEASE, Release, in_force, read_log, sha256_of, whole
from stages.errors import LoopwrightError, ProjectError
from stages.files import write_text

MODEL, SPLITS = str(Context.release_model), "data/splits"
Progress = Callable[[str], None]


@dataclass
class Verdict:
    """What making a release again gave: what differs, in the order of the pipeline, and what else is worth knowing."""

    line: Release
    steps: int = 0
    seconds: float = 0.0
    differs: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)

    @property
    def same(self) -> bool:
        """Whether it is the same again."""
        return not self.differs


def verify(project: Path, line: Release, progress: Progress = lambda _: None) -> Verdict:
    """Make a release again, and compare.

    Parameters
    ----------
    project : Path
        The project; it is only read.
    line : Release
        A release of its log.
    progress : callable, optional
        Is told what is being done.

    Raises
    ------
    ProjectError
        If Git no longer holds its experiment.
    """
    started, found = time.perf_counter(), Verdict(line)
    if not whole(project, line):
        found.differs.append(f"{line.path} is missing or not what was released")
    progress("copying the project as it was")
    with copied(project, line) as copy:
        _compare_sources(project, copy, found)
        expected = pipeline.output_hashes(copy)
        try:
            done = _made_again(copy, progress)
        except WorkerDied:
            raise
        except (LoopwrightError, StepCrashed) as error:
            found.differs.append(f"it cannot be made again: {str(error).splitlines()[0]}")
        else:
            found.steps = len(done)
            _compare(copy, done, expected, found)
    found.seconds = time.perf_counter() - started
    return found


def tell_verify(project: Path, number: int | None = None, *, everything: bool = False) -> bool:
    """Verify releases, print what was found, and tell whether all are the same again."""
    console, same = Console(highlight=False, soft_wrap=True), True
    for line in chosen(project, number, everything=everything):
        with console.status(f"iteration {line.iteration}") as status:

            def progress(what: str, line: Release = line) -> None:
                status.update(escape(f"iteration {line.iteration}: {what}"))

            found = verify(project, line, progress)
        same = same and found.same
        _tell(console, found)
    return same


def chosen(project: Path, number: int | None, *, everything: bool) -> list[Release]:
    """Return the releases to verify: all, that of an iteration, or the one in force.

    Raises
    ------
    ProjectError
        If there is none.
    """
    lines = read_log(project)
    releases = {line.experiment: line for line in lines if line.kind == RELEASE}
    if not releases:
        raise ProjectError("nothing is released yet", where=LOG, todo="loopwright run")
    if everything:
        return list(releases.values())
    wanted = in_force(lines)[-1].iteration if number is None else number
    found = [line for line in releases.values() if line.iteration == wanted]
    if not found:
        known = ", ".join(str(line.iteration) for line in releases.values())
        raise ProjectError(f"iteration {wanted} was never released", where=LOG, expected=f"one of {known}")
    return found[-1:]


@contextmanager
def copied(project: Path, line: Release) -> Iterator[Path]:
    """Yield a copy of the project as its experiment holds it, with DVC's cache linked; it goes away with the block."""
    from dvc.repo import Repo

    commit = commit_of(project, line.experiment)
    top, prefix = (git(project, "rev-parse", what) for what in ("--show-toplevel", "--show-prefix"))
    with Repo(str(project)) as repo:
        cache = str(repo.cache.local_cache_dir)
    with tempfile.TemporaryDirectory(prefix="loopwright-") as folder:
        copy = Path(folder).resolve() / "copy"
        git(project, "clone", "--quiet", "--shared", "--no-checkout", "--template=", top, str(copy))
        git(copy, "checkout", "--quiet", "--detach", commit)
        root = next(place for place in ((copy / prefix), *(copy / prefix).parents) if (place / ".dvc").is_dir())
        write_text(root / ".dvc" / "config.local", f"[cache]\n    dir = {json.dumps(cache)}\n")
        (copy / prefix / STATE).mkdir(exist_ok=True)
        yield copy / prefix


def _made_again(copy: Path, progress: Progress) -> list[str]:
    """Run every step down to the model in the copy; return their names."""
    with Engine(copy) as engine:
        progress("bringing the source tables of then")
        names = engine.result(engine.call(again.prepare, str(copy / STATE / "site"), MODEL))
        for nth, name in enumerate(names, start=1):
            progress(f"{name} ({nth}/{len(names)})")
            engine.result(engine.call(again.rerun, name))
    return names


def _compare_sources(project: Path, copy: Path, found: Verdict) -> None:
    """Compare what it is made from: params and code of the experiment, and the packages here with those of then."""
    line = found.line
    if patching.params_hash(copy) != line.params:
        found.differs.append(f"the params of {line.experiment} are not those of the release")
    if git(copy, "rev-parse", "HEAD^") != line.code.removesuffix("-dirty"):
        found.differs.append(f"{line.experiment} is not on the commit {line.code[:12]}")
    if line.steps and line.steps != code.installed():
        found.beside.append("the installed steps are not those of then")
    here = versions()
    changed = [name for name, then in sorted(line.versions.items()) if here.get(name) != then]
    found.beside += [f"made with {name} {line.versions[name]}, here {here.get(name)}" for name in changed]
    if git(project, "rev-parse", "HEAD") != line.code.removesuffix("-dirty"):
        found.beside.append(f"the project's code has moved on since; this is that of {line.code[:12]}")


def _compare(copy: Path, steps: list[str], expected: dict[str, str], found: Verdict) -> None:
    """Compare what the steps wrote with what they wrote then."""
    for name in steps:
        outs = pipeline.output_hashes(copy, only=name)
        found.differs += [f"{path} ({name}) differs" for path, now in outs.items() if expected.get(path) != now]
    if pipeline.output_hash(copy, SPLITS) != found.line.data:
        found.differs.append("the data differ from those of the release")
    if sha256_of(copy / MODEL) != found.line.sha256:
        found.differs.append(f"the model has sha256 {sha256_of(copy / MODEL)[:12]}")


def _tell(console: Console, found: Verdict) -> None:
    line = found.line
    what = f"iteration {line.iteration}, sha256 {line.sha256[:12]}, data {(line.data or 'none')[:8]}"
    if found.same:
        console.print(f"[green]the same again[/]: {what}; {found.steps} steps in {found.seconds:.0f} s")
    else:
        console.print(f"[red]not the same[/]: {what}")
    for text in [*found.differs, *(f"beside it: {text}" for text in found.beside)]:
        console.print(escape(f"  {text}"))
