"""What one run holds: the project, its warm engine, the lock, the terminal; and the work of one iteration."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows import code, patching, pipeline, record, snapshots
from flows import entry as entries
from flows.decide import Move, decide
from flows.engine import Engine, StepResult
from flows.entry import Ended, Entry
from flows.lock import project_lock
from flows.modeltests import write_reports
from flows.people import labelling
from flows.project import check_project
from flows.releases import by_loop
from flows.show import Show
from flows.timings import with_timings
from flows.transitions import RELEASED
from stages.deployment.release_log import mend_if_any
from stages.errors import ParamsError, ProjectError
from stages.files import read_json
from stages.params import Params, PythonSource, TableSource, load_params
from stages.signals import Signal, read_signals

VERSIONED_DATA = "data/splits"
PATH_DEPENDENCY = "${data.source.path}"


@dataclass
class Worked:
    """What running a stage's steps gave: the steps, and the seconds they took together."""

    steps: list[StepResult]
    seconds: float
    started: str


@dataclass
class Session:
    """One run of the loop on one project. Make it with `open_session`, which holds the project's lock meanwhile."""

    project: Path
    engine: Engine
    show: Show
    entry: Entry | Ended
    _ahead: dict[str, Future[StepResult]] = field(default_factory=dict)
    _sources: Future[list[str]] | None = None

    def start_ahead(self) -> None:
        """Start the next stage's steps in the worker now, while Prefect is still being imported and served."""
        if isinstance(self.entry, Entry):
            load_params(self.project)
            self._sources = self.engine.commit_sources()
            for step in pipeline.steps_by_stage(self.project)[self.entry.stage]:
                self._ahead[step] = self.engine.submit(step)
            self.engine.preload()

    def raise_if_failed(self) -> None:
        """Raise what a step started ahead has already failed with, rather than wait for Prefect first."""
        futures: list[Future[Any] | None] = [*self._ahead.values(), self._sources]
        for future in futures:
            if future is not None and future.done() and future.exception() is not None:
                self.engine.result(future)

    def work(self, stage: str) -> Worked:
        """Run the steps of a stage, each a DVC stage; what did not change costs next to nothing."""
        load_params(self.project)
        if self._sources is not None:
            self.engine.result(self._sources)
            self._sources = None
        started, before, params = _now(), time.perf_counter(), patching.params_hash(self.project)
        names = pipeline.steps_by_stage(self.project)[stage]
        waiting = {name: self._ahead.pop(name) if name in self._ahead else self.engine.submit(name) for name in names}
        done = []
        for index, name in enumerate(names):
            self.show.step(name, index + 1, len(names))
            done.append(self.engine.result(waiting[name]))
        if patching.params_hash(self.project) != params:
            raise ProjectError(
                f"was edited while {stage} ran, which is therefore not recorded",
                where="params.yaml",
                todo="run again: the loop starts at planning with the edited params",
            )
        return Worked(done, max(time.perf_counter() - before, sum(item.seconds for item in done)), started)

    def conclude(self, entry: Entry, worked: Worked) -> record.Iteration:
        """Decide where to go, snapshot the iteration, publish a release, record it, and apply the move's patch.

        The order is what makes a kill harmless: the record's line is the commit point. Before it, the iteration is
        simply done again (DVC has its outputs); after it, `entry.take_up` applies the patch if it was cut off.
        """
        lines = record.read_record(self.project)
        signals = list(read_signals(self.project / "signals" / f"{entry.stage}.json").values())
        signals = with_timings(self.project, signals) if entry.stage == "deployment" else signals
        signals += self.engine.compare_champion(entry.number) if entry.stage == "deployment" else []
        if entry.stage == "deployment":
            write_reports(self.project, entry.number, signals)
        now = entries.situation(self.project, entry.stage, signals, lines, entry.run, worked.seconds)
        move = decide(now)
        if move.row == labelling.ASKS_AGAIN:
            labelling.enqueue(self.project, now.params.data.labels, move.patch, entry.number)
        return self._record(entry, worked, signals, move)

    def conclude_manual(self, entry: Entry, signal: Signal) -> record.Iteration:
        """Record a person's way back as an iteration of its own: no work, one signal, their reason and patch."""
        lines = record.read_record(self.project)
        move = decide(entries.situation(self.project, entry.stage, [signal], lines, entry.run, 0.0))
        return self.conclude_word(entry, signal, move)

    def conclude_look(self, entry: Entry, signals: list[Signal]) -> record.Iteration:
        """Record the alarm of a look at production as an iteration of its own, with the move that the table makes."""
        lines = record.read_record(self.project)
        move = decide(entries.situation(self.project, entry.stage, signals, lines, entry.run, 0.0))
        return self._record(entry, Worked([], 0.0, _now()), signals, move)

    def conclude_word(self, entry: Entry, signal: Signal, move: Move) -> record.Iteration:
        """Record what somebody said as an iteration of its own, with the move it makes."""
        return self._record(entry, Worked([], 0.0, _now()), [signal], move)

    def _record(self, entry: Entry, worked: Worked, signals: list[Signal], move: Move) -> record.Iteration:
        before = patching.params_hash(self.project)
        name = f"lw-{entry.number:03d}-{entry.stage}-{entry.run}"
        snapshots.save(self.project, name, f"iteration {entry.number}: {entry.stage}, then {move.to} ({move.row})")
        metrics = self._metrics(entry.stage) if worked.steps else {}
        collected = metrics.get("data", {}).get("collected", {})
        line = record.Iteration(
            iteration=entry.number,
            run=entry.run,
            stage=entry.stage,
            because=entry.because,
            by=entry.by,
            patch=entry.patch,
            data_version=pipeline.output_hash(self.project, VERSIONED_DATA),
            metrics=metrics,
            signals=[signal.model_dump() for signal in signals],
            move=move.model_dump(),
            steps=[{"name": s.name, "how": s.how, "seconds": round(s.seconds, 3)} for s in worked.steps],
            seconds=round(worked.seconds, 3),
            rows=collected.get("rows"),
            labels=collected.get("labels"),
            money=collected.get("money"),
            experiment=name,
            code=snapshots.code_version(self.project),
            params_before=before,
            params_after=patching.params_hash(self.project, move.patch),
            started=worked.started,
            ended=_now(),
        )
        if move.to == RELEASED:
            by_loop.release(self.project, self.engine, line)
        record.append(self.project, line)
        if move.patch:
            patching.apply(self.project, move.patch)
        return line

    def _metrics(self, stage: str) -> dict[str, Any]:
        steps = pipeline.steps_by_stage(self.project)[stage]
        files = [self.project / name for name in pipeline.metric_files(self.project, steps)]
        return {path.stem: read_json(path) for path in files if path.exists()}


@contextmanager
def open_session(project: Path, show: Show, *, allow_dirty: bool = False) -> Iterator[Session]:
    """Check the project, take its lock, start its engine, and find where to take up.

    Raises
    ------
    ProjectError
        If the folder cannot be run, or another run holds the lock.
    ParamsError
        If ``params.yaml`` breaks its schema.
    """
    check_project(project, allow_dirty=allow_dirty)
    check_files(project, load_params(project))
    pipeline.steps_by_stage(project)
    code.check_pipeline(project)
    with project_lock(project), Engine(project) as engine:
        mend_if_any(project)
        code.refresh(project)
        lines = record.read_record(project)
        yield Session(project, engine, show, entries.take_up(project, lines))


def check_files(project: Path, params: Params) -> None:
    """Refuse params that name a file which is not there, before anything is started."""
    source = params.data.source
    named = {"data.validate.suite": params.data.validate_.suite}
    if isinstance(source, TableSource):
        named["data.source.path"] = source.path
    for key, name in named.items():
        here = project / name
        if not (here.exists() if key == "data.source.path" else here.is_file()):
            todo = f"dvc checkout {name}.dvc, or dvc pull" if (project / f"{name}.dvc").exists() else "correct it"
            raise ParamsError(f"{name} is not found", where=f"params.yaml: {key}", expected="a file", todo=todo)
    _check_dependencies(project, source)


def _check_dependencies(project: Path, source: object) -> None:
    """Refuse a ``dvc.yaml`` that does not go with the source: DVC could not read it, or would not see it change."""
    collect = pipeline.pipeline(project).get("collect", {})
    named = [str(dep) for dep in collect.get("deps") or []]
    if not isinstance(source, TableSource) and PATH_DEPENDENCY in named:
        raise ProjectError(
            f"collect depends on {PATH_DEPENDENCY}, which data.source has no longer",
            where=pipeline.PIPELINE_FILE,
            expected="what the data really come from",
            todo="take it out of the deps of feasibility and collect; see docs/sources.md",
        )
    if isinstance(source, PythonSource):
        module = source.call.partition(":")[0].split(".")
        parts = (Path(*module[:count]) for count in range(len(module), 0, -1))
        files = (path for part in parts for path in (part.with_suffix(".py"), part / "__init__.py"))
        file = next((path for path in files if (project / path).is_file()), None)
        if file is not None and not any(file.is_relative_to(dep) for dep in named):
            raise ProjectError(
                f"collect does not depend on {file}, so DVC would not see it change",
                where=pipeline.PIPELINE_FILE,
                expected=f"{file}, or its folder, among the deps",
                todo="add it to the deps of feasibility and collect",
            )


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
