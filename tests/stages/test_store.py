"""Models on disk: what is read predicts what was written, equal models are equal bytes, and strangers are refused."""

import io
import json
import subprocess
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from numpy.testing import measure
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from stages.errors import DataError
from stages.params import Candidate
from stages.training.estimators import build, fit, predict
from stages.training.store import load_model, save_model
from tests.conftest import twins

CLASSIFIERS: dict[str, dict[str, Any]] = {
    "sklearn.ensemble.HistGradientBoostingClassifier": {"max_iter": 10, "min_samples_leaf": 5},
    "sklearn.linear_model.LogisticRegression": {},
    "sklearn.ensemble.RandomForestClassifier": {"n_estimators": 5},
    "sklearn.ensemble.GradientBoostingClassifier": {"n_estimators": 5},
    "sklearn.ensemble.AdaBoostClassifier": {"n_estimators": 5},
    "sklearn.tree.DecisionTreeClassifier": {},
    "sklearn.neighbors.KNeighborsClassifier": {},
    "sklearn.naive_bayes.GaussianNB": {},
    "sklearn.neural_network.MLPClassifier": {"tol": 0.1, "hidden_layer_sizes": [4]},
    "sklearn.linear_model.SGDClassifier": {"loss": "log_loss"},
    "sklearn.dummy.DummyClassifier": {},
}
REGRESSORS: dict[str, dict[str, Any]] = {
    "sklearn.ensemble.HistGradientBoostingRegressor": {"max_iter": 10},
    "sklearn.ensemble.RandomForestRegressor": {"n_estimators": 5},
    "sklearn.linear_model.Ridge": {},
    "sklearn.svm.SVR": {},
}
SCHEMA: dict[str, Any] = {"features": {"c": "category", "x": "number", "z": "number"}, "target": "y", "classes": [0, 1]}
IN_A_PROCESS = """
import hashlib, sys
from pathlib import Path
from tests.stages.test_store import CLASSIFIERS, fitted
from stages.training.store import save_model

for estimator in list(CLASSIFIERS)[:3]:
    save_model(Path(sys.argv[1]), fitted(estimator)[0])
    print(estimator, hashlib.sha256(Path(sys.argv[1]).read_bytes()).hexdigest())
"""


def table(n: int = 120) -> pd.DataFrame:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"c": random.choice(["a", "b", "c"], n), "x": random.normal(size=n), "z": random.normal(size=n)}
    )
    frame["y"] = (frame["x"] + (frame["c"] == "a") > 0).astype(int)
    frame.loc[::7, "c"] = None
    frame.loc[::5, "z"] = np.nan
    return frame.assign(__weight__=1.0)


def fitted(estimator: str) -> tuple[Pipeline, dict[str, Any]]:
    task, schema = (
        ("classification", SCHEMA) if estimator in CLASSIFIERS else ("regression", SCHEMA | {"classes": None})
    )
    candidate = Candidate(estimator=estimator, params=(CLASSIFIERS | REGRESSORS)[estimator])
    return fit(build("one", candidate, schema, task, seed=1), table(), schema), schema


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("model") / "model.skops"
    save_model(path, fitted("sklearn.linear_model.LogisticRegression")[0])
    return path.read_bytes()


@pytest.mark.parametrize("estimator", [*CLASSIFIERS, *REGRESSORS])
def test_what_is_read_predicts_the_same(estimator: str, tmp_path: Path) -> None:
    model, schema = fitted(estimator)
    path = tmp_path / "models" / "model.skops"
    assert save_model(path, model) == path.stat().st_size
    back = load_model(path)
    assert np.array_equal(predict(back, table(), schema), predict(model, table(), schema))
    save_model(tmp_path / "twin.skops", fitted(estimator)[0])
    assert (tmp_path / "twin.skops").read_bytes() == path.read_bytes()
    assert sorted(p.name for p in path.parent.iterdir()) == ["model.skops"]


def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    one, two = twins(IN_A_PROCESS, tmp_path, [{"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": seed} for seed in "12"])
    assert len(one.split()) == 6
    assert one == two


class Strange(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A type of the project's own, whose code a file cannot bring along."""

    def fit(self, X: Any, y: Any = None) -> "Strange":
        return self

    def transform(self, X: Any) -> Any:
        return X


def with_first(step: Any) -> Pipeline:
    return Pipeline([("features", step), ("model", LogisticRegression())]).fit(np.array([[0.0], [1.0]]), [0, 1])


@pytest.mark.parametrize(
    ("step", "named"),
    [
        (Strange(), "test_store.Strange"),
        (FunctionTransformer(json.dumps), "json.dumps"),
        (FunctionTransformer(subprocess.getoutput), "subprocess.getoutput"),
        (FunctionTransformer(partial(measure, "1 + 1")), "measure"),
    ],
)
def test_types_that_are_not_trusted_are_refused(step: Any, named: str, tmp_path: Path) -> None:
    """``numpy.testing.measure`` runs the code it is given: NumPy's own is not harmless for that."""
    path = tmp_path / "model.skops"
    model = with_first(Strange())
    model.steps[0] = ("features", step)
    save_model(path, model)
    with pytest.raises(DataError, match=named) as caught:
        load_model(path)
    assert str(path) in str(caught.value)
    assert "do not load it" in str(caught.value)


@pytest.mark.parametrize("damage", [b"", b"no zip", b"PK\x03\x04", None])
def test_a_file_that_is_no_model_is_refused(damage: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    if damage is not None:
        path.write_bytes(damage)
    with pytest.raises(DataError, match="is no model"):
        load_model(path)


def test_a_file_cut_short_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    for length in range(0, len(content), 97):
        path.write_bytes(content[:length])
        with pytest.raises(DataError, match="is no model"):
            load_model(path)


def test_a_changed_byte_is_refused_or_harmless(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    expected = load_and_predict(path, content)
    for at in range(0, len(content), 53):
        changed = bytearray(content)
        changed[at] ^= 0x55
        try:
            found = load_and_predict(path, bytes(changed))
        except DataError:
            continue
        assert np.array_equal(found, expected)


def load_and_predict(path: Path, content: bytes) -> Any:
    path.write_bytes(content)
    return predict(load_model(path), table(), SCHEMA)


@pytest.mark.parametrize("schema", ["", "[]", "{}", '{"__class__": "Pipeline"}', '{"__loader__": "Nothing"}'])
def test_a_schema_of_another_kind_is_refused(schema: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    rewrite(path, content, {"schema.json": schema.encode()})
    with pytest.raises(DataError):
        load_model(path)


def test_missing_parts_are_refused_or_harmless(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
    expected, refused = load_and_predict(path, content), 0
    for name in names:
        rewrite(path, content, {name: None})
        try:
            found = load_and_predict(path, path.read_bytes())
        except DataError:
            refused += 1
        else:
            assert np.array_equal(found, expected)
    assert refused > 5


def rewrite(path: Path, content: bytes, parts: dict[str, bytes | None]) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(path, "w") as out:
        for name in archive.namelist():
            part = parts.get(name, archive.read(name))
            if part is not None:
                out.writestr(name, part)


def test_the_file_is_one_that_skops_reads(content: bytes) -> None:
    model = skops.io.loads(content, trusted=skops.io.get_untrusted_types(data=content))
    assert [name for name, _ in model.steps] == ["features", "model"]
