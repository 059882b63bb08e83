"""Look at a user's table and propose a project around it: ``params.yaml`` and a Great Expectations suite."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from stages.data.profiles import profile_of
from stages.data.sources.columns import as_text, is_marker, to_labels
from stages.data.sources.files import Files
from stages.data.sources.table import Table
from stages.data.suite import MAX_SET, suggest
from stages.params import TableSource, check_params

RAW_FOLDER = "data/raw"
FEW_VALUES = 20
FEW_SHARE = 0.05
MOSTLY_NUMERIC = 0.9


def profile(
    path: Path,
    target: str,
    *,
    time: str | None = None,
    group: str | None = None,
    task: str | None = None,
    key: str | None = None,
    drop: Sequence[str] = (),
) -> dict[str, Any]:
    """Propose the params and the suite of a project on a table.

    Parameters
    ----------
    path : Path
        The CSV or Parquet file, or a folder of them; the project is expected to hold it as ``data/raw/<name>``.
    target : str
        The column to predict.
    time, group : str or None
        The columns that order the rows and that keep rows together.
    task : {"classification", "regression"} or None
        None guesses it from the target.
    key : str, optional
        Column that names each row, which labels are joined by.
    drop : sequence of str
        Columns that are no features.

    Returns
    -------
    dict
        ``params``: plain content of ``params.yaml``, checked; ``suite``: the suite; ``profile``: that of the table, to
        be stored beside it; ``task``; ``rows``; ``columns``,
        how many are features; ``unlabelled``, rows without target; ``missing``: column -> share of missing cells;
        ``dropped``: column -> why it is no feature.

    Raises
    ------
    DataError
        If the file or a column cannot be used.
    """
    settings = TableSource(
        kind="table", path=path.name, target=target, time=time, group=group, key=key, drop=list(drop)
    )
    task = task or _guess(path, settings)
    frame, schema = Table(path.parent, settings, task).load([])
    missing = {name: round(float(frame[name].isna().mean()), 4) for name in schema["features"]}
    params = _params(path, settings, task, frame, schema)
    check_params(params)
    return {
        "params": params,
        "suite": _suite(path, frame, schema),
        "profile": profile_of(frame, schema),
        "task": task,
        "rows": len(frame),
        "columns": len(schema["features"]),
        "unlabelled": int(frame[target].isna().sum()),
        "missing": missing,
        "dropped": schema["dropped"],
    }


def guess_task(target: pd.Series) -> str:
    """Guess the task from the target's cells: text, truth values and few whole numbers are classes."""
    text = as_text(target).dropna()
    labels = to_labels(target).dropna()
    distinct = labels.nunique()
    if not pd.api.types.is_numeric_dtype(labels.dtype):
        # A column of numbers with a few words in it: read as numbers, the error can name those cells.
        cells = text[~is_marker(text)]
        numeric = pd.to_numeric(cells, errors="coerce").notna().mean() >= MOSTLY_NUMERIC
        return "regression" if numeric and distinct > MAX_SET else "classification"
    whole = pd.api.types.is_integer_dtype(labels.dtype)
    few = distinct <= 2 or (distinct <= FEW_VALUES and distinct < FEW_SHARE * len(labels))
    return "classification" if whole and few else "regression"


def _guess(path: Path, settings: TableSource) -> str:
    raw = Files(path.parent, settings).read({}).frame
    # A missing target is reported by the source, whichever the task.
    return guess_task(raw[settings.target]) if settings.target in raw.columns else "classification"


def _params(
    path: Path, settings: TableSource, task: str, frame: pd.DataFrame, schema: dict[str, Any]
) -> dict[str, Any]:
    rows = len(frame)
    classify = task == "classification"
    skill = "log_loss_skill" if classify else "rmse_skill"
    constant = "the class shares" if classify else "the mean"
    source: dict[str, Any] = {"kind": "table", "path": f"{RAW_FOLDER}/{path.name}", "target": settings.target}
    options = {"time": settings.time, "group": settings.group, "key": settings.key, "drop": settings.drop}
    source |= {key: value for key, value in options.items() if value}
    return {
        "seed": 0,
        "planning": {
            "goal": f"Predict {settings.target} from the other columns of {path.name}.",
            "task": task,
            "optimise": "log_loss" if classify else "rmse",
            "requirements": {
                skill: {"at_least": 0.05, "why": f"better than always predicting {constant}"},
                "latency_p99_ms": {"at_most": 100.0, "why": "one prediction while a page loads"},
                "size_mb": {"at_most": 50.0, "why": "easy to ship"},
            },
            "rule": [],
            "budgets": {"loops": 8, "minutes": 30, "labels": rows, "per_row": 3},
        },
        "data": {
            "source": source,
            "collect": {"pilot_share": 0.2, "features": []},
            "validate": {"suite": "expectations/suite.json", "on_fail": "keep", "max_quarantine": 0.05},
            "minimum": {"rows": 50, "per_class": 5},
            "split": {"valid": 0.2, "test": 0.2},
        },
        "training": {"candidates": _ladder(classify, rows), "use": ["logistic" if classify else "ridge", "boosting"]},
        "deployment": {
            "tests": [],
            "slices": {"columns": _slice_columns(frame, schema), "min_rows": max(20, min(500, rows // 20))},
        },
    }


def _ladder(classify: bool, rows: int) -> dict[str, dict[str, Any]]:
    """Return candidates of rising capacity; leaves grow with the table, so that trees stay small enough to ship."""
    kind = "Classifier" if classify else "Regressor"
    boosting = f"sklearn.ensemble.HistGradientBoosting{kind}"
    linear = {"estimator": "sklearn.linear_model.Ridge", "params": {"alpha": 1.0}}
    if classify:
        linear = {"estimator": "sklearn.linear_model.LogisticRegression", "params": {"C": 1.0, "max_iter": 1000}}
    leaf = max(5, min(300, rows // 100))
    return {
        "logistic" if classify else "ridge": linear,
        "shallow_boosting": {
            "estimator": boosting,
            "params": {
                **{"max_iter": 100, "learning_rate": 0.05, "max_leaf_nodes": 4},
                **{"min_samples_leaf": leaf, "l2_regularization": 5.0},
            },
        },
        "boosting": {
            "estimator": boosting,
            "params": {
                **{"max_iter": 100, "learning_rate": 0.1 if rows >= 2000 else 0.05},
                **{"max_leaf_nodes": 31 if rows >= 2000 else 8, "min_samples_leaf": max(5, min(20, rows // 50))},
            },
        },
        "random_forest": {
            "estimator": f"sklearn.ensemble.RandomForest{kind}",
            "params": {"n_estimators": 100, "min_samples_leaf": max(2, rows // 2000)},
        },
    }


def _slice_columns(frame: pd.DataFrame, schema: dict[str, Any]) -> list[str]:
    few = [name for name, kind in schema["features"].items() if kind == "category" and frame[name].nunique() <= 20]
    return few[:5]


def _suite(path: Path, frame: pd.DataFrame, schema: dict[str, Any]) -> dict[str, Any]:
    about = f"Proposed from {path.name}: what its columns looked like when the project was made. Edit it freely."
    expectations = suggest(frame, schema, [], "when the project was made")
    return {"name": path.stem, "meta": {"about": about}, "expectations": expectations}
