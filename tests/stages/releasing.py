"""A released model without a run of the loop: the source, the estimators and the release are the real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.answering import Policy
from stages.data.collect import leave_out
from stages.data.sources import open_source
from stages.data.split import labelled
from stages.deployment import canary_log
from stages.deployment.canary_log import START, Canary
from stages.deployment.release import current, of_workspace, publish, put
from stages.deployment.release_log import sha256_of
from stages.files import read_json, write_json, write_parquet
from stages.params import WEIGHT, Candidate, load_params
from stages.training.estimators import build, fit
from stages.training.store import save_model
from tests.conftest import bundled_table

BOOSTING = Candidate(estimator="sklearn.ensemble.HistGradientBoostingClassifier", params={"max_iter": 20})
RIDGE = Candidate(estimator="sklearn.linear_model.Ridge")


def many_kinds() -> pd.DataFrame:
    """Return a table with a key, a time, numbers, text, dates and truth values, some of each missing."""
    frame = bundled_table("breast_cancer")[["mean_radius", "mean_texture", "mean_texture_size", "target"]]
    random = np.random.default_rng(2)
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(len(frame)) // 3, unit="D")
    born = (day - pd.to_timedelta(random.integers(9000, 30000, len(frame)), unit="D")).strftime("%Y-%m-%d")
    return frame.assign(
        id=[f"p{n:03d}" for n in range(len(frame))],
        day=day.strftime("%Y-%m-%d"),
        born=np.where(random.random(len(frame)) < 0.1, "", born),
        smokes=np.where(random.random(len(frame)) < 0.5, "true", "False"),
        grade=np.where(random.random(len(frame)) < 0.2, "-", random.integers(1, 4, len(frame)).astype(str)),
        stage=random.choice(["1", "2", "x", "none", ""], len(frame)),
    )


def params_of(frame: pd.DataFrame, source: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return the params of a project around a table."""
    numbers = bool(pd.api.types.is_numeric_dtype(frame["target"].dtype))
    task, metric = ("regression", "rmse") if numbers else ("classification", "log_loss")
    return {
        "planning": {
            "goal": "test",
            "task": task,
            "optimise": metric,
            "requirements": {metric: {"at_most": 1e9}},
            **more.get("planning", {}),
        },
        "data": {"source": {"kind": "table", "path": "t.csv", "target": "target", **source}, **more.get("data", {})},
        "training": {"candidates": {"a": BOOSTING.model_dump()}, "use": ["a"]},
        "deployment": more.get("deployment", {}),
    }


def release(
    folder: Path,
    frame: pd.DataFrame,
    source: dict[str, Any] | None = None,
    policy: Policy | None = None,
    **more: Any,
) -> Path:
    """Fit a model on the window of a table, and release it in ``folder``; its pilot lies in ``data/pilot.parquet``."""
    frame.to_csv(folder / "t.csv", index=False)
    write_json(folder / "params.yaml", params_of(frame, source or {}, **more))
    return release_project(folder, policy)


def release_project(folder: Path, policy: Policy | None = None) -> Path:
    """Fit a model on the window that ``params.yaml`` asks for, and release it."""
    params = load_params(folder)
    window, pilot, schema = open_source(folder, params).collect(params.data.collect, params.seed)
    schema = leave_out(schema, params.data.collect.without)
    write_json(folder / "data/schema.json", schema)
    write_parquet(folder / "data/pilot.parquet", pilot)
    write_parquet(folder / "data/splits/pilot.parquet", labelled(pilot, schema, "the pilot"))
    rows = labelled(window, schema, "the window").assign(**{WEIGHT: 1.0})
    task = params.planning.task
    model = fit(build("a", BOOSTING if task == "classification" else RIDGE, schema, task, 0), rows, schema)
    save_model(folder / "release/model.skops", model)
    card = {"model": "release/model.skops", "meets": True, "threshold": 0.5}
    card |= {"features": schema["features"], "classes": schema["classes"]}
    write_json(folder / "release/candidate.json", card | ({"policy": policy.to_json()} if policy else {}))
    publish(folder, of_workspace(folder, iteration=4))
    return folder


def put_beside(folder: Path, share: float, iteration: int = 9, **more: Any) -> Canary:
    """Put a model that learned less beside the release of a folder; what is known of it is as the release's."""
    params, schema = load_params(folder), read_json(folder / "data/schema.json")
    rows, _, _ = open_source(folder, params).collect(params.data.collect, params.seed)
    rows = labelled(rows, schema, "the window").assign(**{WEIGHT: 1.0})
    task = params.planning.task
    weak = Candidate(estimator=BOOSTING.estimator, params={"max_iter": 3})
    model = fit(build("a", weak if task == "classification" else RIDGE, schema, task, 0), rows, schema)
    save_model(folder / "release/model.skops", model)
    sha256 = sha256_of(folder / "release/model.skops")
    path, card = put(folder, of_workspace(folder, iteration=iteration), sha256)
    known = read_json(folder / str((current(folder) or {})["card"]))
    write_json(folder / card, {**known, **more, "sha256": sha256})
    line = Canary(
        kind=START,
        number=1,
        iteration=iteration,
        share=share,
        path=path,
        card=card,
        sha256=sha256,
        experiment="",
        missed=[],
        by="Ann",
        because="to see",
        at="2026-01-01T00:00:00+00:00",
    )
    canary_log.append(folder, line)
    return line
