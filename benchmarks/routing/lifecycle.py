"""One trial: a project on a table with a fault in it, taken forward until the first move that is not forward.

The steps are those of ``dvc.yaml`` in their order and the decision is `flows.decide`; DVC and Prefect, which decide
nothing, are left out.
"""

from __future__ import annotations

import importlib
import os
import shutil
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML

from benchmarks.routing.faults import FAULTS, Fault, Params, Scene
from benchmarks.routing.tables import (
    END,
    KEY,
    PILOT_DAYS,
    ROOT,
    SOURCE,
    START,
    TABLES,
    TARGET,
    TIME,
    charter,
    dated,
)
from flows.decide import FORWARD, decide
from flows.patching import patched
from flows.pipeline import pipeline, steps_by_stage
from flows.situation import Situation
from flows.transitions import RELEASED, STAGES
from stages.data.profile import profile
from stages.errors import LoopwrightError
from stages.files import read_json, read_parquet, write_json, write_parquet
from stages.params import load_params, read_params
from stages.signals import read_signals

TEMPLATE = ROOT / "flows" / "templates" / "pipeline.yaml"
RAW = "data/raw/table.parquet"


@dataclass(frozen=True)
class Trial:
    """A fault of a severity in (0, 1], injected by a seed into a table; ``none`` is no fault."""

    table: str
    fault: str
    severity: float
    seed: int


@dataclass(frozen=True)
class Outcome:
    """What became of a trial: the stage that was left, the row that was taken, and what else fired."""

    trial: Trial
    expected: tuple[str, ...]
    row: str
    stage: str
    seconds: float
    says: str
    fired: tuple[str, ...]

    @property
    def right(self) -> bool:
        """Whether the loop went where the fault is."""
        return self.row in self.expected


def run(trial: Trial) -> Outcome:
    """Run one trial in a folder of its own."""
    fault = FAULTS[trial.fault]
    started = time.perf_counter()
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="routing-") as folder, ExitStack() as stack:
        stack.callback(os.chdir, before)
        project = Path(folder)
        make(project, trial, fault)
        os.chdir(project)
        stack.enter_context(fault.code(trial.severity, trial.seed))
        row, stage, says, fired = go(project, trial, fault)
    expected = fault.row(trial.severity) if callable(fault.row) else fault.row
    return Outcome(trial, (expected, *fault.also), row, stage, time.perf_counter() - started, says, fired)


def make(project: Path, trial: Trial, fault: Fault) -> None:
    """Write a project around the clean table, with the params of the fault."""
    table = TABLES[trial.table]
    frame = dated(table.load(trial.seed), trial.seed)
    (project / RAW).parent.mkdir(parents=True)
    frame.to_parquet(project / RAW, index=False)
    proposed = profile(project / RAW, TARGET, time=TIME, task=table.task, drop=[KEY, SOURCE])
    params = proposed["params"] | {"seed": trial.seed}
    params["data"]["source"] |= {"key": KEY, "label_source": SOURCE, "drop": []}
    params["data"]["collect"] |= {"start": START, "end": END, "pilot_days": PILOT_DAYS}
    params["planning"]["requirements"] = charter(trial.table)
    params["planning"]["budgets"]["labels"] = 2 * len(frame)
    if fault.outcome:
        module = f"brings_{trial.table}_{trial.fault}_{trial.seed}_{round(1000 * trial.severity)}"
        (project / f"{module}.py").write_text(fault.outcome(trial.severity), encoding="utf-8")
        params["planning"]["outcome"] = {"call": f"{module}:brings", "unit": "hits"}
    write_params(project, patched(params, fault.params(trial.severity, table, params)))
    write_json(project / "expectations" / "suite.json", proposed["suite"])
    shutil.copyfile(TEMPLATE, project / "dvc.yaml")


def go(project: Path, trial: Trial, fault: Fault) -> tuple[str, str, str, tuple[str, ...]]:
    """Take the project forward; return the row and stage of the first move that is not forward, and what fired."""
    commands = {name: str(entry["cmd"]).split()[2:] for name, entry in pipeline(project).items()}
    steps = steps_by_stage(project)
    for stage in STAGES:
        for step in steps[stage]:
            try:
                module, *words = commands[step]
                importlib.import_module(module).run(project, *words)
            except LoopwrightError as error:
                return "error", stage, f"{step}: {error}", ()
            if step == "collect":
                inject(project, trial, fault)
                importlib.import_module(*commands["charter"]).run(project)
        signals = read_signals(project / "signals" / f"{stage}.json")
        move = decide(Situation(stage, signals, load_params(project), read_params(project)))
        fired = tuple(name for name, signal in signals.items() if signal.fires)
        if move.row != FORWARD or move.to == RELEASED:
            row = RELEASED if move.to == RELEASED else move.row
            return row, stage, move.reason, fired
    raise AssertionError("the last stage has no move forward")


def write_params(project: Path, params: Params) -> None:
    """Write ``params.yaml``."""
    with (project / "params.yaml").open("w", encoding="utf-8") as file:
        YAML().dump(params, file)


def inject(project: Path, trial: Trial, fault: Fault) -> None:
    """Put the fault into what the source brought, and ask for what the fault breaks."""
    data = project / "data"
    schema = read_json(data / "schema.json")
    window, pilot = (read_parquet(data / f"{name}.parquet") for name in ("window", "pilot"))
    random = np.random.default_rng([trial.seed, 17])
    sound = window, pilot
    window, pilot = fault.data(window, pilot, trial.severity, random, schema)
    params, table = read_params(project), read_parquet(project / RAW)
    scene = Scene(trial.severity, params, schema, table, sound, (window, pilot))
    write_params(project, patched(params, fault.charter(scene)))
    for name, frame in (("window", window), ("pilot", pilot)):
        schema[name]["rows"] = len(frame)
        write_parquet(data / f"{name}.parquet", frame.reset_index(drop=True))
    write_json(data / "schema.json", schema)
