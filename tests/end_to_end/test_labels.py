"""Wrong labels, from the first run to a release: an oracle is asked at once, people are waited for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows import patching
from flows.record import read_record
from stages.params import read_params
from tests.conftest import Cli, bundled_table, git

Make = Callable[[dict[str, object]], Path]


@pytest.fixture
def wrong(cli: Cli, tmp_path: Path) -> Make:
    """A project around the cancer table in which every fifth label was wrong, but for the latest rows."""
    frame = bundled_table("breast_cancer", spoilt=False)
    frame.insert(0, "id", [f"p{n:03d}" for n in range(len(frame))])
    frame["day"] = np.arange(len(frame))
    right = frame.set_index("id")["target"]
    random = np.random.default_rng(1)
    spoilt = (random.random(len(frame)) < 0.2) & (frame["day"] < 0.8 * len(frame))
    other = {"benign": "malignant", "malignant": "benign"}
    frame["target"] = frame["target"].where(~spoilt, frame["target"].map(other))
    frame.to_csv(tmp_path / "cancers.csv", index=False)

    def make(patch: dict[str, object]) -> Path:
        cli(tmp_path, "init", "project", "--data", "cancers.csv", "--target", "target", "--time", "day")
        project = tmp_path / "project"
        right.rename("target").to_csv(project / "right.csv")
        (project / "experts.py").write_text(
            "import pandas as pd\n\n\ndef ask(rows):\n"
            '    return pd.read_csv("right.csv", index_col="id")["target"].loc[rows["id"]].tolist()\n'
        )
        need = {"data.source.key": "id", "planning.requirements.log_loss_skill.at_least": 0.6}
        logistic = read_params(project)["training"]["candidates"]["logistic"]
        need |= {"training.use": ["logistic"], "training.candidates": {"logistic": logistic}}
        need |= {"training.bootstrap.n": 50, "training.learning_curve.shares": [0.5, 1.0]}
        patching.apply(project, {**need, **patch})
        git(project, "add", "--all")
        git(project, "commit", "--quiet", "-m", "Name the key and the need")
        return project

    return make


@pytest.mark.slow
def test_an_oracle_mends_the_labels_and_the_model_is_released(cli: Cli, wrong: Make) -> None:
    project = wrong({"data.labels.oracle": "experts:ask"})
    cli(project, "run")
    history = read_record(project)
    assert history[-1].move["to"] == "released"
    back = next(item for item in history if item.move["row"] == "labels_inconsistent")
    asked = back.move["patch"]["data.labels.queued"]
    assert 40 <= asked <= 100
    after = next(item for item in history if item.iteration == back.iteration + 1)
    (found,) = after.metrics["labels"]["relabelled"]
    assert found["answered"] == asked
    assert found["changed"] > 0.7 * asked
    assert after.labels == (after.rows or 0) + asked  # they are paid for
    assert len((project / ".loopwright/oracle.jsonl").read_text().splitlines()) == asked


@pytest.mark.slow
def test_a_run_waits_for_people_and_goes_on_with_their_labels(cli: Cli, wrong: Make) -> None:
    project = wrong({})
    first = cli(project, "run")
    assert "waiting after iteration" in first.stdout
    waits = read_record(project)[-1]
    assert (waits.stage, waits.move["to"], waits.move["row"]) == ("data", "waiting", "labels_pending")
    assert "labels are awaited" in waits.move["reason"]
    assert "loopwright label import" in cli(project, "status").stdout
    cli(project, "label", "export", "--out", "sheet.csv")
    sheet = pd.read_csv(project / "sheet.csv", dtype=str, keep_default_na=False)
    right = pd.read_csv(project / "right.csv", index_col="id")["target"]
    sheet["label"] = right.loc[sheet["key"]].to_numpy()
    half = sheet.copy()
    half.loc[len(half) - 1, "label"] = "perhaps"
    half.to_csv(project / "sheet.csv", index=False)
    refused = cli(project, "label", "import", "sheet.csv", check=False)
    assert refused.returncode == 2
    assert f"row {len(half) + 1}: the label 'perhaps' is unknown" in refused.stderr
    assert not (project / "labels/answers.jsonl").exists()
    sheet.to_csv(project / "sheet.csv", index=False)
    take = ("label", "import", "sheet.csv", "--by", "ann")
    assert f"took in {len(sheet)} labels by 1 people" in cli(project, *take).stdout
    assert "took in 0 labels" in cli(project, *take).stdout
    assert f"{len(sheet)} labels came in since" in cli(project, "status").stdout
    cli(project, "run")
    history = read_record(project)
    came = next(item for item in history if item.iteration == waits.iteration + 1)
    assert (came.stage, came.because, came.run) == ("data", f"{len(sheet)} labels came in", waits.run)
    assert history[-1].move["to"] == "released"
