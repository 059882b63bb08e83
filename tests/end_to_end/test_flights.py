"""The default run on the flights of 2013, and every command of README after it."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sqlite3
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest

from flows.decide import FORWARD
from stages.deployment.release import released_model
from tests.conftest import ROOT, Cli, bundled_table, copy_repository
from tests.end_to_end.test_tables import dvc
from tests.flows.serving.conftest import serving

pytestmark = pytest.mark.slow
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```\n(.*?)```", README, re.DOTALL)
POINTER = Path("my-project", "releases", "current.json")
COMMANDS = [
    shlex.split(line, comments=True)
    for block in BLOCKS
    for line in block.splitlines()
    if line.startswith("loopwright ")
]


@pytest.fixture(scope="module")
def flights(embedded: Cli, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this repository after its default run."""
    project = copy_repository(tmp_path_factory.mktemp("flights") / "project")
    embedded(project, "run")
    return project


def test_it_loops_back_for_several_measured_reasons_and_ends(cli: Cli, flights: Path) -> None:
    history = cli.history(flights)
    back = [item for item in history if item["move"]["patch"]]
    assert len(back) >= 3
    assert len({item["move"]["row"] for item in back}) >= 3
    for item in back:
        assert any(signal["fires"] for signal in item["signals"])
    steps = [(step["name"], item["data_version"], step["how"]) for item in history for step in item["steps"]]
    fitted = [step for step in steps if step[0].startswith("fit@") and step[2] == "ran"]
    assert len({data for _, data, _ in fitted}) < len(fitted) == len(set(fitted)), "once for the same rows"
    end = history[-1]["move"]
    if end["to"] == "released":
        card = json.loads((flights / "release" / "candidate.json").read_text())
        assert card["meets"] and all(item["met"] for item in card["requirements"])
    else:
        assert "Missing:" in end["reason"]


def test_every_command_of_readme_works(
    cli: Cli, flights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Path(shutil.copytree(flights, tmp_path / "project"))
    bundled_table("wine").rename(columns={"target": "y"}).to_csv(project / "table.csv", index=False)
    pd.read_parquet(project / "data" / "splits" / "pilot.parquet").head(50).to_csv(project / "new.csv", index=False)
    assert {command[1] for command in COMMANDS} >= {"status", "history", "why", "map", "restore", "back", "init", "run"}
    for command in COMMANDS:
        if command[1] == "serve":  # it would stay
            with serving(project, *command[2:]) as running:
                assert httpx.get(f"{running.url}/ready").status_code == 200
        else:
            if command[1] == "feedback":
                truth_of(project).to_csv(project / command[2], index=False)
            cli(project, *command[1:])
    if (project / "my-project" / "releases" / "current.json").exists():
        (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
        monkeypatch.chdir(project)
        rows = pd.read_csv("table.csv")
        exec(code, {"rows": rows})
        card = json.loads(Path("my-project", json.loads(POINTER.read_text())["card"]).read_text())
        model = released_model("my-project")
        found = np.asarray(card["classes"])[model.predict(rows)]
        assert (found == rows["y"]).mean() > 0.9
    assert cli.history(project / "my-project")[-1]["move"]["to"] in ("released", "stopped")


def truth_of(project: Path) -> pd.DataFrame:
    """Return what some of the rows of README's ``predict`` turned out to be."""
    answers, rows = (pd.read_csv(project / name).head(20) for name in ("answers.csv", "new.csv"))
    return pd.DataFrame({"prediction_id": answers["prediction_id"], "label": rows["late"]})


def test_the_example_of_candidates_is_answered_by_the_run(cli: Cli, flights: Path) -> None:
    found = json.loads(cli(flights, "prioritise", "examples/candidates.yaml", "--json").stdout)
    ours = next(item for item in found["projects"] if item["name"] == "Warn of late arrivals")
    measured = {name: item["measured"] for name, item in ours["drivers"].items() if item["by"] == "measured"}
    assert set(measured) >= {"data_amount", "data_stability", "further_nines", "compute_to_serve", "generalisation"}
    assert ours["unknown"] == ours["vetoes"] == ours["remarks"] == []
    assert ours["drivers"]["generalisation"]["contradiction"]  # seasons differ, whatever the file says


def test_the_picture_of_the_loop_is_drawn(cli: Cli, flights: Path, tmp_path: Path) -> None:
    cli(flights, "map", "--svg", str(tmp_path / "loop.svg"))
    assert (tmp_path / "loop.svg").read_text().startswith("<svg")
    rows = {item["move"]["row"] for item in cli.history(flights) if item["move"]["row"] != FORWARD}
    drawn = cli(flights, "map").stdout
    for row in rows - {"budget_spent", "no_progress", "requirements_unreached", "pilot_unreached"}:
        assert row.replace("_", " ") in drawn


def test_dvc_shows_metrics_plots_params_and_experiments(cli: Cli, flights: Path) -> None:
    assert "roc_auc" in dvc(flights, "metrics", "show")
    shown = json.loads(dvc(flights, "exp", "show", "--json").split("\n", 1)[0] or "[]")
    names = {exp["name"] for rev in shown for part in rev.get("experiments") or [] for exp in part["revs"]}
    assert {item["experiment"] for item in cli.history(flights)} <= names
    assert "data.collect.end" in dvc(flights, "params", "diff")
    assert "index.html" in dvc(flights, "plots", "show")


def test_prefect_keeps_the_run_its_tasks_and_its_artifacts(embedded: Cli, flights: Path) -> None:
    database = sqlite3.connect(Path(embedded.environment["PREFECT_HOME"]) / "prefect.db")
    tasks = {name for (name,) in database.execute("select name from task_run")}
    keys = {key for (key,) in database.execute("select key from artifact")}
    database.close()
    assert any(re.fullmatch(r"training #\d+ after .+", name) for name in tasks)
    assert {f"project-{name}" for name in ("signals-data", "signals-training", "iterations", "loop-map")} <= keys
