"""Candidates by import path: mistakes are named, and columns reach the model as it needs them, whatever is in them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.errors import ParamsError
from stages.params import Candidate
from stages.training.estimators import build, check_candidates, features_of, fit, predict
from tests.conftest import twins

BOOSTING = "sklearn.ensemble.HistGradientBoostingClassifier"
CLASSIFIERS: dict[str, dict[str, Any]] = {
    BOOSTING: {"max_iter": 30, "min_samples_leaf": 5},
    "sklearn.linear_model.LogisticRegression": {},
    "sklearn.ensemble.RandomForestClassifier": {"n_estimators": 10},
    "sklearn.neighbors.KNeighborsClassifier": {},
}
SCHEMA: dict[str, Any] = {
    "features": {"c": "category", "x": "number", "d": "category"},
    "target": "y",
    "classes": ["no", "yes"],
}
THREADS = """
import hashlib, sys
from pathlib import Path
from tests.stages.test_estimators import BOOSTING, many
from stages.params import Candidate
from stages.training.estimators import build, fit
from stages.training.store import save_model

frame, schema = many(20_000)
for estimator, params in ((BOOSTING, {"max_iter": 8}), ("sklearn.linear_model.LogisticRegression", {})):
    model = build("one", Candidate(estimator=estimator, params=params), schema, "classification", seed=0)
    save_model(Path(sys.argv[1]), fit(model, frame, schema))
    print(estimator, hashlib.sha256(Path(sys.argv[1]).read_bytes()).hexdigest())
"""


def table(n: int = 200) -> pd.DataFrame:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"c": random.choice(["a", "b", "c"], n), "x": random.normal(size=n), "d": "only"})
    frame["y"] = (frame["x"] + (frame["c"] == "a") > 0).astype("Int64")
    return frame.assign(__weight__=1.0)


def many(n: int) -> tuple[pd.DataFrame, dict[str, Any]]:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({f"x{i}": random.normal(size=n) for i in range(6)})
    frame["c"] = random.choice(list("abcdef"), n)
    frame["y"] = (frame["x0"] * frame["x1"] + frame["x2"] + random.normal(size=n) > 0).astype(int)
    features = {f"x{i}": "number" for i in range(6)} | {"c": "category"}
    return frame.assign(__weight__=1.0), {"features": features, "target": "y", "classes": [0, 1]}


def candidate(estimator: str, **params: Any) -> Candidate:
    return Candidate(estimator=estimator, params=params)


def trained(estimator: str, frame: pd.DataFrame, schema: dict[str, Any] = SCHEMA) -> Any:
    made = build("one", candidate(estimator, **CLASSIFIERS[estimator]), schema, "classification", seed=0)
    return fit(made, frame, schema)


@pytest.mark.parametrize(
    "estimator",
    [
        "sklearn.ensemble.NoSuchClassifier",
        "sklern.ensemble.RandomForestClassifier",
        "RandomForestClassifier",
        "",
        ".",
        ".linear_model.LogisticRegression",
        "sklearn.linear_model.LogisticRegression.fit",
    ],
)
def test_an_unknown_import_path_is_named(estimator: str) -> None:
    with pytest.raises(ParamsError, match=r"training\.candidates\.mine: unknown estimator") as caught:
        build("mine", candidate(estimator), SCHEMA, "classification", 0)
    assert repr(estimator) in str(caught.value)


@pytest.mark.parametrize("estimator", ["sklearn.linear_model", "math.pi", "os.getcwd", "builtins.dict"])
def test_what_is_no_estimator_is_refused(estimator: str) -> None:
    with pytest.raises(ParamsError, match=r"training\.candidates\.mine"):
        build("mine", candidate(estimator), SCHEMA, "classification", 0)


def test_an_unknown_param_is_named() -> None:
    with pytest.raises(ParamsError, match=r"training\.candidates\.mine\.params: .*max_itr"):
        check_candidates({"mine": candidate(BOOSTING, max_itr=3)}, "classification")


@pytest.mark.parametrize(
    ("estimator", "params"),
    [("sklearn.linear_model.LogisticRegression", {"C": -1}), (BOOSTING, {"max_iter": "many"})],
)
def test_a_param_out_of_its_range_is_named(estimator: str, params: dict[str, Any]) -> None:
    """At the start, and not as a crash of the fit."""
    with pytest.raises(ParamsError, match=rf"training\.candidates\.mine\.params: .*{next(iter(params))}"):
        check_candidates({"mine": candidate(estimator, **params)}, "classification")


@pytest.mark.parametrize(
    ("task", "estimator", "needs"),
    [
        ("classification", "sklearn.linear_model.Ridge", "a classifier with predict_proba"),
        ("classification", "sklearn.linear_model.RidgeClassifier", "a classifier with predict_proba"),
        ("classification", "sklearn.preprocessing.StandardScaler", "a classifier with predict_proba"),
        ("regression", "sklearn.linear_model.LogisticRegression", "a regressor"),
    ],
)
def test_an_estimator_of_another_task_is_refused(task: str, estimator: str, needs: str) -> None:
    with pytest.raises(ParamsError, match=rf"training\.candidates\.mine: .* does not do {task}; expected {needs}"):
        check_candidates({"good": candidate(f"sklearn.dummy.Dummy{kind(task)}"), "mine": candidate(estimator)}, task)


def kind(task: str) -> str:
    return "Classifier" if task == "classification" else "Regressor"


def test_the_seed_and_early_stopping_are_set() -> None:
    model = build("one", candidate(BOOSTING), SCHEMA, "classification", seed=7).named_steps["model"]
    assert model.random_state == 7
    assert model.early_stopping is False
    asked = build("one", candidate(BOOSTING, early_stopping=True), SCHEMA, "classification", seed=7)
    assert asked.named_steps["model"].early_stopping is True


def test_features_are_objects_with_nan_and_floats() -> None:
    frame = pd.DataFrame(
        {"d": ["p", np.nan], "x": pd.Series([1, pd.NA], dtype="Int64"), "c": pd.Series(["q", np.nan], dtype="category")}
    )
    found = features_of(frame, SCHEMA)
    assert list(found) == ["c", "x", "d"]
    assert found.dtypes.astype(str).to_dict() == {"c": "object", "x": "float64", "d": "object"}
    assert found.iloc[1].isna().all()
    assert all(isinstance(value, float) for value in found.iloc[1])


@pytest.mark.parametrize("estimator", CLASSIFIERS)
@pytest.mark.parametrize("gaps", [False, True], ids=["trained whole", "trained with gaps"])
def test_anything_may_come_at_predict_time(estimator: str, gaps: bool) -> None:
    frame = table()
    if gaps:
        frame.loc[::9, "c"], frame.loc[::7, "x"] = None, np.nan
    model = trained(estimator, frame)
    rows = table(20)
    for changed in (
        rows.assign(c="never seen"),
        rows.assign(c=None),
        rows.assign(c=np.nan, d=None, x=np.nan),
        rows.assign(
            c=np.array([None, "a", "new", "b"] * 5, dtype=object),
            x=[np.nan, 1e30] * 10,
            d=pd.Series([pd.NA] * 20, dtype="string"),
        ),
        rows.head(1).assign(c=None),
        rows[rows.columns[::-1]],
    ):
        found = predict(model, changed, SCHEMA)
        assert found.shape == (len(changed), 2)
        assert np.isfinite(found).all()
        assert np.allclose(found.sum(axis=1), 1)
    shuffled = rows.sample(frac=1, random_state=0)[["__weight__", "x", "c", "d"]]
    assert np.allclose(predict(model, shuffled, SCHEMA), predict(model, rows, SCHEMA)[shuffled.index])


@pytest.mark.parametrize("estimator", CLASSIFIERS)
@pytest.mark.parametrize(("empty", "later"), [({"d": None}, {"d": "now known"}), ({"z": np.nan}, {"z": 1.0})])
@pytest.mark.filterwarnings("ignore:Skipping features without any observed values")
def test_a_column_that_is_empty_in_training_does_no_harm(
    estimator: str, empty: dict[str, Any], later: dict[str, Any]
) -> None:
    """As a rare column is in the first eighth of the rows, on the learning curve."""
    frame = table().assign(z=1.0)
    schema = SCHEMA | {"features": {**SCHEMA["features"], "z": "number"}}
    model = trained(estimator, frame.assign(**empty), schema)
    found = predict(model, frame.assign(**later), schema)
    assert np.isfinite(found).all()
    assert (found.argmax(axis=1) == frame["y"]).mean() > 0.8


@pytest.mark.parametrize("estimator", CLASSIFIERS)
def test_a_category_with_many_values(estimator: str) -> None:
    random = np.random.default_rng(0)
    frequent = [f"v{i}" for i in range(20)]
    names = np.r_[random.choice(frequent, 3000), [f"rare{i}" for i in range(600)]]
    frame = pd.DataFrame({"c": names, "x": random.normal(size=len(names)), "d": "only", "__weight__": 1.0})
    frame["y"] = [hash_of(name) for name in names]
    frame.loc[::11, "c"] = None
    model = trained(estimator, frame)
    rows = pd.DataFrame({"c": frequent, "x": 0.0, "d": "only"})
    right = predict(model, rows, SCHEMA).argmax(axis=1) == [hash_of(name) for name in frequent]
    assert right.mean() >= 0.9
    assert np.isfinite(predict(model, rows.assign(c="rare599"), SCHEMA)).all()


def hash_of(name: str) -> int:
    return sum(map(ord, name)) % 2


@pytest.mark.parametrize("estimator", CLASSIFIERS)
def test_a_class_that_training_never_saw_has_no_chance(estimator: str) -> None:
    schema = SCHEMA | {"classes": ["a", "b", "c"]}
    frame = table()
    found = predict(trained(estimator, frame.assign(y=frame["y"] * 2), schema), frame, schema)
    assert found.shape == (200, 3)
    assert (found[:, 1] == 0).all()
    assert set(found.argmax(axis=1)) == {0, 2}


def test_weights_count_where_the_model_takes_them() -> None:
    frame = table()
    heavy = frame.assign(__weight__=np.where(frame["y"] == 1, 5.0, 1.0))
    for estimator in CLASSIFIERS:
        plain, weighted = (predict(trained(estimator, f), frame, SCHEMA)[:, 1].mean() for f in (frame, heavy))
        assert plain == weighted if "KNeighbors" in estimator else weighted > plain


def test_a_regression_predicts_values() -> None:
    frame = table()
    schema = SCHEMA | {"target": "x", "classes": None, "features": {"c": "category", "y": "number"}}
    for name in ("linear_model.Ridge", "ensemble.HistGradientBoostingRegressor"):
        model = fit(build("one", candidate(f"sklearn.{name}"), schema, "regression", 0), frame, schema)
        found = predict(model, frame, schema)
        assert found.shape == (200,)
        assert np.corrcoef(found, frame["x"])[0, 1] > 0.7


def test_the_number_of_threads_changes_no_byte(tmp_path: Path) -> None:
    one, two = twins(
        THREADS, tmp_path, [{"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads} for threads in "12"]
    )
    assert len(one.split()) == 4
    assert one == two
