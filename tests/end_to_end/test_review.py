"""A release at work, its doubts answered by people, and the loop that learns from them; an old iteration comes back."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from flows import patching
from stages.answering import Policy
from stages.params import read_params
from tests.conftest import Cli, bundled_table, git


@pytest.mark.slow
def test_what_people_say_of_unsure_rows_is_learned_from(cli: Cli, tmp_path: Path) -> None:
    frame = bundled_table("breast_cancer").sample(frac=1, random_state=1)
    frame.insert(0, "id", [f"p{n:03d}" for n in range(len(frame))])
    frame.iloc[:450].to_csv(tmp_path / "cancers.csv", index=False)
    frame.iloc[450:].drop(columns="target").to_csv(tmp_path / "new.csv", index=False)
    truth = frame.set_index("id")["target"]
    cli(tmp_path, "init", "project", "--data", "cancers.csv", "--target", "target", "--key", "id")
    project = tmp_path / "project"
    logistic = read_params(project)["training"]["candidates"]["logistic"]
    few = {"training.candidates": {"logistic": logistic}, "training.use": ["logistic"], "training.bootstrap.n": 50}
    patching.apply(project, few)  # which model it is does not matter here
    cli(project, "run")
    first = cli.history(project)[-1]
    assert first["move"]["to"] == "released"
    card = project / json.loads((project / "releases/current.json").read_text())["card"]
    policy = Policy(confidence=0.99).to_json()
    card.write_text(json.dumps({**json.loads(card.read_text()), "policy": policy}))

    answered = cli(project, "predict", "../new.csv", "--out", "out.csv")
    out = pd.read_csv(project / "out.csv")
    unsure = int((~out["answered"]).sum())
    assert f"{unsure} are left to people" in answered.stderr
    assert unsure > 5
    cli(project, "review", "export", "--out", "sheet.csv", "-n", "5")
    sheet = pd.read_csv(project / "sheet.csv", dtype=str, keep_default_na=False)
    sheet["label"] = truth.loc[sheet["key"]].to_numpy()
    sheet.to_csv(project / "sheet.csv", index=False)
    assert "took in 5 labels" in cli(project, "review", "import", "sheet.csv", "--by", "ann").stdout
    assert f"{unsure - 5} rows wait" in cli(project, "review").stdout
    before = {name: pd.read_parquet(project / f"data/splits/{name}.parquet") for name in ("train", "valid", "pilot")}

    cli(project, "run")
    came = next(item for item in cli.history(project) if item["iteration"] == first["iteration"] + 1)
    assert (came["stage"], came["because"]) == ("data", "5 labels of reviewed rows came in")
    assert came["patch"] == {"data.labels.reviewed": 5}
    assert came["metrics"]["data"]["reviewed"] == {"train": 5}
    assert came["data_version"] != first["data_version"]
    assert "5 of them reviewed by people" in cli(project, "why", str(came["iteration"])).stdout
    train = pd.read_parquet(project / "data/splits/train.parquet")
    assert train["id"].iloc[-5:].tolist() == sheet["key"].tolist()
    told = pd.read_parquet(project / "data/splits/reviewed.parquet")
    assert told["review.id"].tolist() == sheet["prediction_id"].tolist()
    assert set(told["review.by"]) == {"ann"}
    for name in ("valid", "pilot"):
        pd.testing.assert_frame_equal(pd.read_parquet(project / f"data/splits/{name}.parquet"), before[name])

    cli(project, "restore", str(first["iteration"]))
    pd.testing.assert_frame_equal(pd.read_parquet(project / "data/splits/train.parquet"), before["train"])
    assert not (project / "data/splits/reviewed.parquet").exists()
    assert len((project / "labels/reviewed.jsonl").read_text().splitlines()) == 5  # no label is lost
    assert "took in 0 labels" in cli(project, "review", "import", "sheet.csv", "--by", "ann").stdout
    assert git(project, "status", "--porcelain", "--ignored=no", "--", "releases", ".loopwright") == ""
