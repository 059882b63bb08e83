"""Production looked at, end to end: quiet months, a kill in the middle of a look, and a world that changes for real."""

from __future__ import annotations

import json
import shutil
import signal
import time
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import pytest

from flows import patching
from flows.engine import Engine
from flows.entry import Ended
from flows.record import RECORD_FILE, Iteration, read_record
from flows.session import Session
from flows.show import Show
from flows.watching import kept
from flows.watching.alarms import enter
from flows.watching.looks import FILE as LOOKS
from flows.watching.looks import read_looks
from stages.deployment.release_log import read_log
from stages.errors import ProjectError
from stages.signals import Signal
from tests.conftest import Cli, bundled_table, git

COLUMNS = ["mean_radius", "mean_texture", "mean_smoothness", "mean_concavity", "mean_symmetry"]
CHANGES, SEEN = "2024-07-01", "2024-07-31"
SETTINGS = {
    "data.collect.start": "2024-01-01",
    "data.collect.end": "2024-04-01",
    "data.collect.pilot_days": 28,
    "data.collect.until": "2024-05-01",
    "training.use": ["shallow_boosting"],
    "planning.requirements.log_loss_skill.at_least": 0.3,
    "planning.budgets.loops": 1,
}


def daily() -> pd.DataFrame:
    """Four rows a day of 2024, drawn from the cancer table with a little noise; from July on much is the other way."""
    cancer = bundled_table("breast_cancer", spoilt=False)[[*COLUMNS, "target"]]
    random, days = np.random.default_rng(0), pd.date_range("2024-01-01", "2024-12-31").strftime("%Y-%m-%d")
    rows = cancer.iloc[random.integers(0, len(cancer), 4 * len(days))].reset_index(drop=True)
    rows[COLUMNS] += random.normal(0, 0.05, (len(rows), len(COLUMNS))) * cancer[COLUMNS].std().to_numpy()
    rows = rows.assign(day=np.repeat(days, 4))
    turned = (rows["day"] >= CHANGES) & (rows["mean_texture"] > cancer["mean_texture"].median())
    other = {"benign": "malignant", "malignant": "benign"}
    return rows.assign(target=rows["target"].where(~turned, rows["target"].map(other)))


@pytest.mark.slow
def test_a_world_that_changes_is_told_and_sends_the_loop_back(cli: Cli, tmp_path: Path) -> None:
    daily().to_csv(tmp_path / "clinic.csv", index=False)
    cli(tmp_path, "init", "clinic", "--data", "clinic.csv", "--target", "target", "--time", "day")
    project = tmp_path / "clinic"
    patching.apply(project, SETTINGS)
    git(project, "commit", "--quiet", "--all", "-m", "Know the year up to April")
    cli(project, "run", "--require-release")
    (release,) = read_log(project)

    known = read_record(project)
    _killed_in_the_second_look(cli, project)
    (first,) = read_looks(project)
    assert (first.start, first.end, first.alarm) == ("2024-04-29", "2024-06-01", None)
    assert read_record(project) == known

    done = cli(project, "watch", "--until", SEEN, "--require-quiet", check=False)
    assert done.returncode == 3, done.stderr
    assert done.stdout.count("quiet  ") == 1
    listed = json.loads(cli(project, "watch", "--looks", "--json").stdout)
    assert listed == [look.model_dump(mode="json") for look in read_looks(project)]
    again, second, alarm = read_looks(project)
    assert again == first
    assert (second.start, second.end, second.alarm) == ("2024-06-01", CHANGES, None)
    assert {look.release for look in (first, second, alarm)} == {release.sha256[:12]}
    assert all(look.rows == look.labelled > 0 for look in (first, second, alarm))
    assert (alarm.start, alarm.alarm, alarm.entered) == (CHANGES, "production_shift", len(known) + 1)
    lines = read_record(project)
    entered, collected = lines[len(known)], lines[len(known) + 1]
    assert (entered.stage, entered.because) == ("deployment", f"production from {CHANGES} to 2024-08-01")
    assert (entered.move["to"], entered.move["row"]) == ("data", "production_shift")
    assert entered.move["patch"] == {"data.collect.until": "2024-08-01", "data.collect.end": "2024-07-04"}
    assert (collected.stage, collected.patch) == ("data", entered.move["patch"])
    assert lines[-1].move["to"] in ("released", "stopped")

    _an_alarm_is_entered_once(project, lines, len(known))
    _the_files_of_a_release_are_kept(project)


def _killed_in_the_second_look(cli: Cli, project: Path) -> None:
    """Kill it when the predictions of the second look are being logged."""
    log, first = project / ".loopwright" / "predictions.db", 0
    process = cli.start(project, "watch", "--until", SEEN)
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        if not first and read_looks(project):
            first = log.stat().st_mtime_ns
        if first and log.stat().st_mtime_ns > first:
            break
        time.sleep(0.002)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "the look ended before it could be killed"


def _an_alarm_is_entered_once(project: Path, lines: list[Iteration], known: int) -> None:
    """Killed between the record's line and the look's: the look is made again, and finds its alarm in the record."""
    for file, count in ((RECORD_FILE, known + 1), (LOOKS, 2)):
        whole = (project / file).read_text(encoding="utf-8").splitlines(keepends=True)
        (project / file).write_text("".join(whole[:count]), encoding="utf-8")
    entered = lines[known]
    patching.apply(project, entered.move["patch"])
    session = Session(project, cast(Engine, None), Show(quiet=True), Ended(entered))  # no step is run
    found, told = enter(session, [Signal(**item) for item in entered.signals], entered.because, None)
    assert (found, told) == (entered, entered.move["reason"])
    assert read_record(project) == lines[: known + 1]


def _the_files_of_a_release_are_kept(project: Path) -> None:
    (release, *_) = read_log(project)
    folder = kept.kept(project, release)
    charter = (folder / "charter/charter.json").read_bytes()
    shutil.rmtree(folder)
    assert (kept.kept(project, release) / "charter/charter.json").read_bytes() == charter
    assert "2024-04-01" in (folder / "params.yaml").read_text(encoding="utf-8")
    shutil.rmtree(project / ".dvc" / "cache")
    assert kept.kept(project, release) == folder
    shutil.rmtree(folder)
    with pytest.raises(ProjectError, match=r"DVC's cache: charter/charter\.json of the release is gone"):
        kept.kept(project, release)
