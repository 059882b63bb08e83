"""Releases, end to end: approved by a person, rolled back, released by hand, made again from their hashes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from flows import patching
from tests.conftest import Cli, git

Make = Callable[[str], Path]


@pytest.mark.slow
def test_a_release_waits_for_a_person_is_rolled_back_and_made_again(cli: Cli, make_project: Make) -> None:
    project = make_project("wine")
    patching.apply(project, {"planning.approvals.release": "ask", "planning.approvals.by": ["Ann"]})
    git(project, "commit", "--quiet", "--all", "-m", "Ask before a release")
    assert cli(project, "run", "--require-release", check=False).returncode == 3
    asked = cli.history(project)[-1]
    assert (asked["stage"], asked["move"]["to"], asked["move"]["row"]) == ("deployment", "waiting", "gate_passed")
    assert not (project / "releases").exists()
    assert "Bob may not decide this" in cli(project, "approve", "--by", "Bob", check=False).stderr
    said = cli(project, "approve", "--by", "Ann", "--because", "good figures", "--require-release").stdout
    assert "Ann approved the release" in said
    assert cli.history(project)[-1]["move"]["to"] == "released"
    (line,) = json.loads(cli(project, "releases", "--json").stdout)
    assert (line["iteration"], line["by"], line["because"]) == (asked["iteration"], "Ann", "good figures")
    assert (line["state"], line["experiment"]) == (["in force"], asked["experiment"])
    assert f"released: {line['path']}" in cli(project, "status").stdout

    again = ("release", str(asked["iteration"]), "--because", "the first one")
    assert "Bob may not decide this" in cli(project, *again, "--by", "Bob", check=False).stderr
    assert "no earlier release" in cli(project, "rollback", "--because", "worse", check=False).stderr
    cli(project, *again, "--by", "Ann")  # it is in force: nothing changes
    assert len(json.loads(cli(project, "releases", "--json").stdout)) == 1

    table = project / "data" / "raw" / "wine.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:100]) + "\n", encoding="utf-8")
    before = set((project / ".dvc" / "cache").rglob("*"))
    verified = cli(project, "verify").stdout
    assert f"the same again: iteration {asked['iteration']}" in verified
    assert set((project / ".dvc" / "cache").rglob("*")) == before
    model = project / line["path"]
    model.write_bytes(model.read_bytes()[:-1])
    shutil.rmtree(project / ".dvc" / "cache" / "files" / "md5" / _source_hash(project)[:2])
    differs = cli(project, "verify", "--all", check=False)
    assert differs.returncode == 3
    assert "is missing or not what was released" in differs.stdout
    assert "it cannot be made again" in differs.stdout


def _source_hash(project: Path) -> str:
    text = (project / "data" / "raw" / "wine.csv.dvc").read_text(encoding="utf-8")
    return text.partition("md5: ")[2].split()[0]
