"""Bad input is one clear line and exit code 2, never a traceback; nothing is changed by it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from flows.up.server import PrefectServer
from stages.errors import ProjectError
from tests.conftest import ROOT, Cli, git


def refused(cli: Cli, project: Path, *arguments: str) -> str:
    done = cli(project, *arguments, check=False)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(lines) == 1, done.stderr
    return lines[0]


def edit(project: Path, old: str, new: str) -> None:
    path = project / "params.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("seed: 2013", "sed: 2013", r"params.yaml: sed: unknown key"),
        ("seed: 2013", "seed: soon", r"params.yaml: seed: .*integer.*'soon'"),
        ("seed: 2013", "seed: [1", r"params.yaml line \d+: is not YAML"),
        ("goal: Warn", "gaol: Warn", r"planning.goal: missing.*planning.gaol: unknown key"),
        ("optimise: log_loss", "optimise: logloss", r"unknown metric 'logloss'.*planning.optimise.*|planning.optimise"),
        ("roc_auc: {at_least", "roc_uac: {at_least", r"planning.requirements.*unknown metric 'roc_uac'"),
        ("roc_auc: {at_least: 0.70", "roc_auc: {at_most: 1, at_least: 0.70", r"exactly one of at_least and at_most"),
        ("use: [boosting]", "use: [bosting]", r"training: use names \['bosting'\]"),
        ("    boosting:\n", "    boosting 2.1:\n", r"training.candidates: 'boosting 2.1': a name is .*DVC stage"),
        ('end: "2013-02-01"', 'end: "2012-02-01"', r"start 2013-01-01 is not before end 2012-02-01"),
        ('end: "2013-02-01"', "end: 2013-02-01", r"data.collect.end: 2013-02-01 is a bare date.*quotes"),
        (
            "suite: expectations/suite.json",
            "suite: expectations/none.json",
            r"validate.suite: \S+none.json is not found",
        ),
        (
            "sklearn.ensemble.HistGradientBoostingClassifier\n      params: {max_iter: 100",
            "sklearn.ensemble.HistGradientBostingClassifier\n      params: {max_iter: 100",
            r"HistGradientBostingClassifier",
        ),
    ],
)
def test_wrong_params_are_named_by_key(old: str, new: str, says: str, cli: Cli, repository: Path) -> None:
    edit(repository, old, new)
    before = (repository / "params.yaml").read_text()
    assert re.search(says, refused(cli, repository, "run"))
    assert (repository / "params.yaml").read_text() == before


def test_a_folder_that_is_no_project(cli: Cli, tmp_path: Path) -> None:
    assert "params.yaml" in refused(cli, tmp_path, "run")
    assert "loopwright init" in refused(cli, tmp_path, "status")


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("params.yaml", b"goal: \xff", "params.yaml: is not UTF-8"),
        ("params.yaml", b"goal: \x00", "params.yaml.* is not YAML"),
        ("dvc.yaml", b"stages: [a", "dvc.yaml: cannot be read"),
        (
            "dvc.yaml",
            b"stages: {fit: {foreach: '${training.usage}', do: {cmd: x}}}",
            "dvc.yaml: cannot be read: .*fit.foreach.*training.usage",
        ),
        ("dvc.yaml", b"stages: {charter: }", "dvc.yaml: cannot be read: a stage is no mapping"),
    ],
)
def test_a_damaged_file_is_named(file: str, content: bytes, says: str, cli: Cli, repository: Path) -> None:
    (repository / file).write_bytes(content)
    assert re.search(says, refused(cli, repository, "run", "--allow-dirty"))


def test_an_address_of_prefect_that_is_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "garbage")
    with pytest.raises(ProjectError, match="PREFECT_API_URL: 'garbage' is no URL"):
        PrefectServer(tmp_path).wait_ready(print)


def test_missing_git_dvc_and_commits(cli: Cli, repository: Path) -> None:
    shutil.rmtree(repository / ".dvc")
    assert "dvc init" in refused(cli, repository, "run", "--allow-dirty")
    shutil.rmtree(repository / ".git")
    assert "git init" in refused(cli, repository, "run")
    git(repository, "init", "--quiet")
    assert "git commit" in refused(cli, repository, "run")


def test_uncommitted_code_is_refused_by_name(cli: Cli, repository: Path) -> None:
    with (repository / "dvc.yaml").open("a") as file:
        file.write("# changed\n")
    error = refused(cli, repository, "run")
    assert "dvc.yaml" in error
    assert "--allow-dirty" in error


def test_a_way_back_needs_a_reason_and_a_change(cli: Cli, repository: Path) -> None:
    assert "changes nothing" in refused(cli, repository, "back", "data", "--because", "so")
    assert "changes nothing" in refused(cli, repository, "back", "data", "--because", "so", "--set", "seed=2013")
    assert "no assignment" in refused(cli, repository, "back", "data", "--because", "so", "--set", "seed")
    assert "unknown key" in refused(cli, repository, "back", "data", "--because", "so", "--set", "data.cllect.end=1")
    assert "reason is empty" in refused(cli, repository, "back", "data", "--because", " ", "--set", "seed=1")
    way = ("back", "data", "--because", "so", "--set")
    assert "2013-03-01 is a bare date" in refused(cli, repository, *way, "data.collect.end=2013-03-01")
    assert "is no value for params" in refused(cli, repository, *way, "planning.requirements.roc_auc.at_least=.nan")
    assert "requirements: is empty" in refused(cli, repository, *way, "planning.requirements={}")
    assert "no such" in refused(cli, repository, *way, "data.validate.suite=no such").replace("is not found", "no such")
    assert git(repository, "status", "--porcelain") == ""
    assert not (repository / ".loopwright" / "record.jsonl").exists()


def test_questions_before_the_first_run_say_what_to_do(cli: Cli, repository: Path) -> None:
    assert "loopwright run" in cli(repository, "status").stdout
    assert cli.history(repository) == []
    assert "no iteration 3" in refused(cli, repository, "why", "3")
    assert "no iteration 3" in refused(cli, repository, "restore", "3")


def test_init_makes_all_or_nothing(cli: Cli, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("a,b\n1,2\n")
    assert "target" in refused(cli, tmp_path, "init", "new", "--data", "table.csv", "--target", "c")
    assert "nowhere.csv" in refused(cli, tmp_path, "init", "new", "--data", "nowhere.csv", "--target", "c")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["table.csv"]
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    assert "is not empty" in refused(cli, tmp_path, "init", "full", "--data", "table.csv", "--target", "b")
    assert (tmp_path / "full" / "mine.txt").read_text() == "keep"


@pytest.fixture
def plain(cli: Cli) -> Cli:
    """The command line with no right to write where the mode forbids it, which root has."""
    return replace(cli, prefix=("setpriv", "--bounding-set=-dac_override")) if os.geteuid() == 0 else cli


def test_a_read_only_folder_is_named(plain: Cli, repository: Path, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("a,b\n" + "1,2\n3,4\n5,6\n" * 20)
    (tmp_path / "shut").mkdir(mode=0o555)
    made = ("init", "shut/new", "--data", "table.csv", "--target", "b", "--task", "regression")
    assert "cannot be made: Permission denied" in refused(plain, tmp_path, *made)
    repository.chmod(0o555)
    try:
        error = refused(plain, repository, "run")
    finally:
        repository.chmod(0o755)
    assert str(repository) in error
    assert "expected a writable folder" in error
    assert not (repository / ".loopwright").exists()


def test_version_and_usage(cli: Cli, tmp_path: Path) -> None:
    assert re.fullmatch(r"loopwright \d+\.\d+\.\d+\n", cli(tmp_path, "--version").stdout)
    usage: subprocess.CompletedProcess[str] = cli(tmp_path, "fly", check=False)
    assert usage.returncode == 2
    assert "invalid choice" in usage.stderr


def test_ctrl_c_that_another_module_turns_into_its_own_error_is_still_ctrl_c(tmp_path: Path) -> None:
    """As pydantic's core does while it builds a validator."""
    code = (
        "import os, signal\n"
        "from flows import cli\n"
        "def struck(args, project):\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        signal.pause()\n"
        "    except KeyboardInterrupt as error:\n"
        "        raise ValueError('a schema') from error\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "cli.COMMANDS['status'] = struck\n"
        "cli.main(['status'])\n"
    )
    environment = {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 130
    assert "run again to resume" in ended.stderr
    assert not (tmp_path / ".loopwright").exists()
