"""A release at work, its doubts answered by people, and the loop that learns from them; an old iteration comes back."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from flows import patching
from flows.record import read_record
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
    few |= {"training.learning_curve.shares": [0.5, 1.0]}
    few |= {"planning.budgets.labels": 500, "planning.prices": {"label": 2, "false_positive": 1, "false_negative": 5}}
    patching.apply(project, few)  # which model it is does not matter here
    cli(project, "run")
    first = read_record(project)[-1]
    assert first.move["to"] == "released"
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
    mined = cli(project, "mine", "-n", "20", "--out", "hard.csv").stdout
    assert "20 of 114 rows without a label, which cost 40; the budget holds 50 labels more" in mined
    hard = pd.read_csv(project / "hard.csv", dtype=str, keep_default_na=False)
    assert hard["drawn"].tolist() == ["random"] * 4 + ["chosen"] * 16
    assert not set(hard["key"]) & set(sheet["key"])
    hard["label"] = truth.loc[hard["key"]].to_numpy()
    hard.to_csv(project / "hard.csv", index=False)
    assert "took in 20 labels" in cli(project, "review", "import", "hard.csv", "--by", "bob").stdout
    lines = [json.loads(line) for line in (project / "labels/reviewed.jsonl").read_text().splitlines()]
    upto = max(line["lot"] for line in lines if line["drawn"] == "random")
    taught = [line["key"] for line in lines if line["lot"] > upto]
    before = {name: pd.read_parquet(project / f"data/splits/{name}.parquet") for name in ("train", "valid", "pilot")}

    cli(project, "run")
    came = next(item for item in read_record(project) if item.iteration == first.iteration + 1)
    assert (came.stage, came.because) == ("data", "25 labels of reviewed rows came in")
    assert came.patch == {"data.labels.reviewed": 25}
    assert came.metrics["data"]["reviewed"] == {"judges": 25 - len(taught), "train": len(taught)}
    assert came.data_version != first.data_version
    assert f"{len(taught)} of them reviewed by people" in cli(project, "why", str(came.iteration)).stdout
    train = pd.read_parquet(project / "data/splits/train.parquet")
    assert train["id"].iloc[-len(taught) :].tolist() == taught  # and none of those that were drawn at random
    told = pd.read_parquet(project / "data/splits/reviewed.parquet")
    assert told["review.id"].tolist() == [*sheet["prediction_id"], *hard["prediction_id"]]
    assert told["review.by"].tolist() == ["ann"] * 5 + ["bob"] * 20
    for name in ("valid", "pilot"):
        pd.testing.assert_frame_equal(pd.read_parquet(project / f"data/splits/{name}.parquet"), before[name])
    wheel = json.loads(cli(project, "flywheel", "--json").stdout)
    last = wheel["labels"]
    assert (last["kind"], last["labels"], last["metric"]) == ("production", len(taught), "log_loss")
    assert last["gain"]["low"] <= last["gain"]["value"] <= last["gain"]["high"]
    assert last["per_label"]["value"] == pytest.approx(last["gain"]["value"] / len(taught))
    assert last["per_money"]["value"] == pytest.approx(last["gain"]["value"] / len(taught) / 2)
    assert "rows of the pilot" in last["judged_on"]
    assert wheel["sample"]["labelled"] == wheel["sample"]["drawn"] == 25 - len(taught)
    assert wheel["outcome"]["releases"][0]["outcome"]["value"] <= 0  # what wrong decisions cost
    assert wheel["use"]["total"] == {"predictions": 119, "labels": 25}
    cli(project, "report")
    assert f"the last {len(taught)} labels of production" in (project / "report.html").read_text()

    cli(project, "restore", str(first.iteration))
    pd.testing.assert_frame_equal(pd.read_parquet(project / "data/splits/train.parquet"), before["train"])
    assert not (project / "data/splits/reviewed.parquet").exists()
    assert len((project / "labels/reviewed.jsonl").read_text().splitlines()) == 25  # no label is lost
    assert "took in 0 labels" in cli(project, "review", "import", "sheet.csv", "--by", "ann").stdout
    assert git(project, "status", "--porcelain", "--ignored=no", "--", "releases", ".loopwright") == ""
