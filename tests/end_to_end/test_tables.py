"""A user's own table, from ``init`` to the end of a run, by the commands alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from flows.record import RECORD_FILE
from flows.report.page import write_report
from stages.deployment import narrow as narrow_deployment
from stages.training import narrow as narrow_training
from tests.conftest import Cli
from tests.page import Page

KEYS = {"iteration", "stage", "because", "patch", "data_version", "metrics", "signals", "move"}


def dvc(project: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=project, capture_output=True, text=True, check=True
    )
    return done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["breast_cancer", "wine", "diabetes"])
def test_a_table_runs_to_an_end_and_every_iteration_is_kept(
    name: str, cli: Cli, finish_project: Callable[[str], Path]
) -> None:
    project = finish_project(name)
    history = cli.history(project)
    assert [item["iteration"] for item in history] == list(range(1, len(history) + 1))
    assert history[-1]["move"]["to"] in ("released", "stopped")
    for item in history:
        assert set(item) >= KEYS
        assert set(item["move"]) >= {"to", "row", "reason"}
        for signal in item["signals"]:
            assert set(signal) >= {"name", "value", "low", "high", "threshold", "fires"}
    if name == "diabetes":
        assert next(item["move"]["row"] for item in history if item["stage"] == "training") == "leakage"
        assert history[-1]["move"]["to"] == "released"
    if history[-1]["move"]["to"] == "released":
        assert (project / "releases" / "current.json").exists()
    names = dvc(project, "exp", "list", "--name-only").split()
    assert {item["experiment"] for item in history} <= set(names)
    assert "up to date" in dvc(project, "status")
    rerun = cli(project, "run")
    assert "nothing changed since iteration" in rerun.stdout
    assert len(cli.history(project)) == len(history)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "metric"), [("breast_cancer", "log_loss_skill"), ("diabetes", "rmse_skill")])
def test_the_report_tells_a_finished_project(
    name: str, metric: str, cli: Cli, finish_project: Callable[[str], Path]
) -> None:
    project = finish_project(name)
    assert cli(project, "report").stdout.strip() == f"wrote {project / 'report.html'}"
    first = (project / "report.html").read_bytes()
    page, history = Page(first.decode()), cli.history(project)
    sections = (
        "standing",
        "map",
        "timeline",
        "metrics",
        "tests",
        "error",
        "curve",
        "frontier",
        "predictions",
        "shift",
        "slices",
        "costs",
        "card",
    )
    assert set(sections) <= set(page.ids)
    assert [f"iteration-{item['iteration']}" for item in history] == [i for i in page.ids if i.startswith("iteration-")]
    judged = next(item for item in reversed(history) if "pilot" in item["metrics"])["metrics"]["pilot"]["model"][metric]
    assert f"{judged['value']:.4g} ({judged['low']:.4g} … {judged['high']:.4g})" in page.says
    for item in history:
        assert str(item["move"]["reason"]) in page.says
        for signal in item["signals"]:
            assert " ".join(signal["says"].split()) in page.says
        for key in item["patch"]:
            assert key in page.says
    # The workspace may hold anything by now: what is told is out of the experiments and DVC's cache.
    for folder in ("models", "release", "plots", "data/splits"):
        shutil.rmtree(project / folder)
    assert write_report(project, out=project / "again.html").read_bytes() == first
    lines = (project / RECORD_FILE).read_text().splitlines(keepends=True)
    (project / RECORD_FILE).write_text(lines[0])
    begun = Page(write_report(project).read_text())
    assert "Not at its end." in begun.says
    assert {"metrics", "tests", "error", "curve", "frontier", "predictions", "shift", "slices"}.isdisjoint(begun.ids)
    git_clean = subprocess.run(
        ["git", "status", "--porcelain"], cwd=project, capture_output=True, text=True, check=True
    )
    assert "report.html" not in git_clean.stdout


@pytest.mark.slow
def test_where_the_requirements_hold_is_looked_for_only_when_one_is_missed(
    finish_project: Callable[[str], Path],
) -> None:
    project = finish_project("breast_cancer")
    files = project / "models/narrowing.json", project / "release/narrowing.json"
    for path in files:
        assert json.loads(path.read_text()) == {"missed": False, "parts": []}
    charter = json.loads((project / "charter/charter.json").read_text())
    charter["requirements"]["log_loss_skill"] = {"at_least": 0.999}
    (project / "charter/charter.json").write_text(json.dumps(charter))
    for step, path in zip((narrow_training, narrow_deployment), files, strict=True):
        step.run(project)
        found = json.loads(path.read_text())
        assert (found["missed"], found["parts"]) == (True, [])
        assert found["columns"] == ["mean_texture_size"]


@pytest.mark.slow
def test_restore_is_clean_for_every_iteration_and_reproduces_the_same_lock(
    cli: Cli, finish_project: Callable[[str], Path]
) -> None:
    project = finish_project("wine")
    final = (project / "dvc.lock").read_text()
    last = cli.history(project)[-1]["iteration"]
    for number in (1, last):
        cli(project, "restore", str(number))
        assert "up to date" in dvc(project, "status")
        assert "up to date" in dvc(project, "repro")
    assert (project / "dvc.lock").read_text() == final
    edited = (project / "params.yaml").read_text().replace("seed: ", "seed: 1")
    (project / "params.yaml").write_text(edited)
    refused = cli(project, "restore", "1", check=False)
    assert refused.returncode == 2
    assert "edits that no iteration has" in refused.stderr
    assert (project / "params.yaml").read_text() == edited


@pytest.mark.slow
def test_a_finished_project_answers_what_it_measured(cli: Cli, finish_project: Callable[[str], Path]) -> None:
    project = finish_project("wine")
    file = project / "many.yaml"
    file.write_text(
        "projects:\n  - name: Wine\n    project: .\n    feasibility: {complex_output: 1, ethics: 5}\n"
        "  - name: Beer\n    impact: {friction: 2}\n"
    )
    found = json.loads(cli(project, "prioritise", "many.yaml", "--json").stdout)
    drivers = {item["name"]: item["drivers"] for item in found["projects"]}
    measured = {name for name, item in drivers["Wine"].items() if item["by"] == "measured"}
    assert measured >= {"complicated_rules", "data_acquire", "further_nines", "compute_to_train", "complex_output"}
    for name in measured:
        assert drivers["Wine"][name]["measured"]["source"]
    last = [item["iteration"] for item in cli.history(project) if item["stage"] == "data"][-1]
    assert drivers["Wine"]["data_acquire"]["measured"]["source"] == f"iteration {last}"
    assert drivers["Wine"]["complex_output"]["measured"]["value"] == 3
    assert drivers["Wine"]["complex_output"]["contradiction"] == "the file says 1, measured is 5"
    assert {item["by"] for item in drivers["Beer"].values()} == {"a person", "nobody"}
    assert ["Wine", "Beer"] in found["not_apart"]


@pytest.mark.slow
def test_a_restore_brings_the_table_back_too(cli: Cli, finish_project: Callable[[str], Path]) -> None:
    project = finish_project("wine")
    table, model = project / "data" / "raw" / "wine.csv", project / "release" / "model.skops"
    before, learned = table.read_bytes(), model.read_bytes()
    last = cli.history(project)[-1]["iteration"]
    table.write_bytes(b"\n".join(before.splitlines()[:160]) + b"\n")
    edited = table.read_bytes()
    refused = cli(project, "restore", str(last), check=False)
    assert refused.returncode == 2
    assert "data/raw/wine.csv: holds a table that no iteration has" in refused.stderr
    assert table.read_bytes() == edited
    assert "changed since iteration" in cli(project, "run").stdout
    assert model.read_bytes() != learned
    newest = cli.history(project)[-1]["iteration"]
    for number, content in ((last, before), (newest, edited), (last, before)):
        cli(project, "restore", str(number))
        assert table.read_bytes() == content
        assert "up to date" in dvc(project, "status")
    assert model.read_bytes() == learned
    table.unlink()
    assert "dvc checkout data/raw/wine.csv.dvc" in cli(project, "run", check=False).stderr
    cli(project, "restore", str(last))
    assert table.read_bytes() == before


@pytest.mark.slow
def test_a_way_back_enters_where_its_params_are_read(cli: Cli, finish_project: Callable[[str], Path]) -> None:
    """A model judged by the old charter must not be released under the new one."""
    project = finish_project("wine")
    number = len(cli.history(project))
    change = ("--set", "planning.requirements.log_loss_skill.at_least=0.99")
    said = cli(project, "back", "training", "--because", "we need more", *change).stdout
    assert "entering at planning already" in said
    history = cli.history(project)[number:]
    assert [item["stage"] for item in history[:2]] == ["deployment", "planning"]
    missed = next(s for item in history for s in item["signals"] if s["name"] == "requirements_missed")
    assert [item["bound"] for item in missed["evidence"]["missed"]] == [0.99]
    assert history[-1]["move"]["to"] == "stopped"
    assert "Missing: log_loss_skill" in history[-1]["move"]["reason"]
    again = cli(project, "run").stdout
    assert "nothing changed since iteration" in again
    page = Page(write_report(project).read_text())
    assert "Stopped." in page.says
    assert "we need more (a person)" in page.says
    key = "planning.requirements.log_loss_skill.at_least"
    assert f"{key}: 0.05 → 0.99" in page.says
    assert "✕ missed" in page.says
    assert "The release of iteration" in page.says
    runs = list(dict.fromkeys(item["run"] for item in cli.history(project)))
    alone = Page(write_report(project, run=runs[0]).read_text())
    assert "Released." in alone.says
    assert "we need more" not in alone.says


@pytest.mark.slow
def test_the_same_seed_gives_the_same_hashes_on_one_core_and_on_many(
    cli: Cli, make_project: Callable[[str], Path], finish_project: Callable[[str], Path]
) -> None:
    many, one, shell = finish_project("breast_cancer"), make_project("breast_cancer"), make_project("breast_cancer")
    Cli({**cli.environment, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "LOKY_MAX_CPU_COUNT": "1"})(one, "run")
    assert (many / "dvc.lock").read_text() == (one / "dvc.lock").read_text()
    # One straight pass from the shell, with the params the loop arrived at, agrees with the warm worker.
    (shell / "params.yaml").write_text((many / "params.yaml").read_text())
    subprocess.run(
        [sys.executable, "-m", "dvc", "repro", "--quiet", "pilot"],
        cwd=shell,
        env={**cli.environment, "PATH": f"{Path(sys.executable).parent}:{cli.environment['PATH']}"},
        check=True,
    )
    warm, cold = (YAML(typ="safe").load((one / "dvc.lock").read_text())["stages"] for one in (many, shell))
    assert {"collect", "split", "choose", "refit", "pilot"} <= set(cold)
    assert cold == {name: warm[name] for name in cold}
