"""Candidates: any scikit-learn estimator by import path, in a pipeline that gives it the columns as it needs them."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import is_classifier, is_regressor
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from stages.errors import ParamsError
from stages.params import PARAMS_FILE, WEIGHT, Candidate

Schema = dict[str, Any]
# HistGradientBoosting takes at most 255 categories.
MAX_CATEGORIES = 200
MAX_COLUMNS = 50
# The plainest model with features there is: a baseline, and a yardstick for checks.
LINEAR = {
    "classification": Candidate(estimator="sklearn.linear_model.LogisticRegression", params={"max_iter": 500}),
    "regression": Candidate(estimator="sklearn.linear_model.Ridge"),
}


def build(name: str, candidate: Candidate, schema: Schema, task: str, seed: int) -> Pipeline:
    """Return the unfitted pipeline of a candidate.

    Raises
    ------
    ParamsError
        If the import path leads to no estimator of this task, or it does not take the params.
    """
    model = _estimator(name, candidate, task, seed)
    features = _for_trees(schema) if _handles_categories(model) else _for_others(schema)
    if _handles_categories(model):
        model.set_params(categorical_features=list(range(len(_names(schema, "category")))))
    return Pipeline([("features", features), ("model", model)])


def check_candidates(candidates: dict[str, Candidate], task: str) -> None:
    """Make every candidate of the ladder once, also those not in use yet, so that a slip shows at the start.

    Raises
    ------
    ParamsError
        Naming the candidate, and what is wrong with it.
    """
    for name, candidate in candidates.items():
        model, where = _estimator(name, candidate, task, seed=0), f"{PARAMS_FILE}: training.candidates.{name}"
        known = model.get_params(deep=False)
        for key, span in candidate.search.items():
            if key not in known:
                raise ParamsError(
                    f"{candidate.estimator} has no parameter {key!r}",
                    where=f"{where}.search",
                    expected="some of " + ", ".join(known),
                    todo="correct it",
                )
            for end in span.ends:
                _estimator(name, with_params(candidate, {key: end}), task, seed=0)
        if candidate.stop_early and not hasattr(model, "staged_predict"):
            raise ParamsError(
                f"{candidate.estimator} does not predict after each iteration, so it cannot be stopped early",
                where=f"{where}.stop_early",
                expected="an estimator with staged_predict, such as HistGradientBoosting",
                todo="take stop_early out",
            )


def with_params(candidate: Candidate, params: dict[str, Any]) -> Candidate:
    """Return a candidate with some parameters replaced."""
    return candidate.model_copy(update={"params": {**candidate.params, **params}})


def features_of(frame: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """Return the feature columns: categories as objects with NaN for missing, numbers as float64."""
    parts: dict[str, Any] = {}
    for name, kind in schema["features"].items():
        if kind == "category":
            column = frame[name].astype(object)
            parts[name] = column.where(column.notna(), np.nan)
        else:
            parts[name] = frame[name].astype("float64")
    return pd.DataFrame(parts, index=frame.index)


def fit(pipeline: Pipeline, frame: pd.DataFrame, schema: Schema) -> Pipeline:
    """Fit on a split; rows of hard slices count by their weight.

    One thread: HistGradientBoosting and BLAS sum in parallel, and another order of a sum is another last digit, so the
    hash of a model would depend on the number of cores.
    """
    target = frame[schema["target"]].to_numpy()
    if schema["classes"] is not None:
        target = target.astype(int)
    weight = frame[WEIGHT].to_numpy()
    takes = "sample_weight" in inspect.signature(pipeline.named_steps["model"].fit).parameters
    extra = {"model__sample_weight": weight} if takes and not np.all(weight == 1) else {}
    rows = features_of(frame, schema)
    # HistGradientBoosting cannot bin a column without any value; as a constant it is never split on.
    empty = [name for name in _names(schema, "number") if rows[name].isna().all()]
    with threadpool_limits(limits=1):
        return pipeline.fit(rows.assign(**dict.fromkeys(empty, 0.0)), target, **extra)


def deciding(pipeline: Pipeline, threshold: float, frame: pd.DataFrame, schema: Schema) -> FixedThresholdClassifier:
    """Return a fitted classifier of two classes with another threshold of its decisions, and the same probabilities."""
    model = FixedThresholdClassifier(
        FrozenEstimator(pipeline), threshold=threshold, pos_label=1, response_method="predict_proba"
    )
    return model.fit(features_of(frame, schema), frame[schema["target"]].to_numpy().astype(int))


def predict(pipeline: Pipeline, frame: pd.DataFrame, schema: Schema) -> NDArray[np.float64]:
    """Return probabilities, (n, n_classes) in the order of the schema's classes, or values, (n,)."""
    rows = features_of(frame, schema)
    with threadpool_limits(limits=1):
        if schema["classes"] is None:
            return np.asarray(pipeline.predict(rows), dtype=float)
        found = np.zeros((len(rows), len(schema["classes"])))
        found[:, np.asarray(pipeline.classes_, dtype=int)] = pipeline.predict_proba(rows)
        return found


def _estimator(name: str, candidate: Candidate, task: str, seed: int) -> Any:
    where = f"{PARAMS_FILE}: training.candidates.{name}"
    module, _, attribute = candidate.estimator.rpartition(".")
    try:
        kind = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError, TypeError):  # TypeError: a relative path
        raise ParamsError(
            f"unknown estimator {candidate.estimator!r}",
            where=where,
            expected="an import path like sklearn.ensemble.RandomForestClassifier",
            todo="correct it",
        ) from None
    try:
        model = kind(**candidate.params)
        known = model.get_params()
    except (TypeError, AttributeError) as error:
        raise ParamsError(f"{candidate.estimator}: {error}", where=f"{where}.params", todo="see its docs") from None
    _check_params(model, candidate, where)
    right = is_classifier(model) if task == "classification" else is_regressor(model)
    if not right or (task == "classification" and not hasattr(model, "predict_proba")):
        needs = "a classifier with predict_proba" if task == "classification" else "a regressor"
        raise ParamsError(f"{candidate.estimator} does not do {task}", where=where, expected=needs, todo="correct it")
    if "random_state" in known:
        model.set_params(random_state=seed)
    if known.get("early_stopping") == "auto":
        # "auto" holds rows out at random from 10 000 rows on; the ladder and the curve would compare apples and pears.
        model.set_params(early_stopping=False)
    return model


def _check_params(model: Any, candidate: Candidate, where: str) -> None:
    """Refuse params out of their range now; scikit-learn itself looks only when the model is fitted."""
    try:
        if hasattr(model, "_validate_params"):
            model._validate_params()
    except ValueError as error:
        raise ParamsError(f"{candidate.estimator}: {error}", where=f"{where}.params", todo="correct it") from None


def _handles_categories(model: Any) -> bool:
    return "categorical_features" in model.get_params()


def _names(schema: Schema, kind: str) -> list[str]:
    return [name for name, found in schema["features"].items() if found == kind]


def _for_trees(schema: Schema) -> ColumnTransformer:
    codes = OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
        encoded_missing_value=np.nan,
        max_categories=MAX_CATEGORIES,
    )
    return ColumnTransformer(
        [("category", codes, _names(schema, "category")), ("number", "passthrough", _names(schema, "number"))]
    )


def _for_others(schema: Schema) -> ColumnTransformer:
    one_hot = Pipeline(
        [
            ("fill", SimpleImputer(strategy="constant", fill_value="missing")),
            ("encode", OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=MAX_COLUMNS)),
        ]
    )
    scaled = Pipeline([("fill", SimpleImputer(strategy="median", add_indicator=True)), ("scale", StandardScaler())])
    return ColumnTransformer(
        [("category", one_hot, _names(schema, "category")), ("number", scaled, _names(schema, "number"))],
        sparse_threshold=0,
    )
