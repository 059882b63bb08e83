"""A fitted pipeline asked without a data frame, where it is one of those that `estimators.build` makes.

scikit-learn selects columns by name from a frame, which costs more than the model does. Here the same fitted encoders
are tabulated once, and the same fitted estimator gets the array that the pipeline would have given it. `direct`
compares the two on rows made for it, and gives nothing where they differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import Pipeline

Array = NDArray[np.float64]
Columns = Mapping[str, Sequence[Any]]
Encode = Callable[[Columns], Array]
UNSEEN = "\0 no category is called so"
NUMBERS = (0.0, 1.0, -3.5, 1e6, None)


def direct(model: Any, features: Mapping[str, str]) -> Encode | None:
    """Return what turns columns into the array that the last step of a model takes, None where that is not known.

    Parameters
    ----------
    model : estimator
        What `inner` gives of a released model.
    features : mapping
        Column -> "number" or "category".
    """
    if not isinstance(model, Pipeline) or list(model.named_steps) != ["features", "model"]:
        return None
    transformer = model.named_steps["features"]
    try:
        encode = _encoder(transformer)
        probes = _probes(transformer, features)
        wanted = transformer.transform(frame_of(probes, features))
        return encode if np.array_equal(encode(probes), wanted, equal_nan=True) else None
    except (AttributeError, IndexError, KeyError, ValueError, TypeError):
        return None  # another transformer than ours


def inner(model: Any) -> Any:
    """Return the pipeline within a classifier that only decides by another threshold."""
    while isinstance(model, FixedThresholdClassifier | FrozenEstimator):
        model = model.estimator_ if isinstance(model, FixedThresholdClassifier) else model.estimator
    return model


def frame_of(columns: Columns, features: Mapping[str, str]) -> pd.DataFrame:
    """Return columns as `stages.training.estimators.features_of` does."""
    kinds: dict[str, Any] = {"number": "float64", "category": object}
    return pd.DataFrame(
        {
            name: np.array([np.nan if cell is None else cell for cell in columns[name]], dtype=kinds[kind])
            for name, kind in features.items()
        }
    )


def _encoder(transformer: ColumnTransformer) -> Encode:
    parts = {name: (part, list(names)) for name, part, names in transformer.transformers_}
    categories, words = parts["category"]
    part, numbers = parts["number"]
    base, tables = _tables(categories, words)
    scale = _scaler(part) if numbers and isinstance(part, Pipeline) else None

    def encode(columns: Columns) -> Array:
        rows = len(next(iter(columns.values())))
        coded = np.tile(base, (rows, 1))
        for name, (moved, table) in zip(words, tables, strict=True):
            other = table[UNSEEN]
            coded[:, moved] = [table.get(cell, other) for cell in columns[name]]
        measured = np.array([columns[name] for name in numbers], dtype="float64").reshape(len(numbers), rows).T
        return np.hstack([coded, measured if scale is None else scale(measured)])

    return encode


def _tables(part: Any, names: list[str]) -> tuple[Array, list[tuple[NDArray[np.intp], dict[Any, Array]]]]:
    """Return a row of the encoded categories, and for each column which of its cells it moves, and to what."""
    if not names:
        return np.zeros(0), []
    tables = []
    coded = np.zeros((1, 0))
    for at, cells in enumerate(_known(part)):
        frame = pd.DataFrame({name: np.full(len(cells), np.nan, dtype=object) for name in names})
        frame[names[at]] = np.array([np.nan if cell is None else cell for cell in cells], dtype=object)
        coded = part.transform(frame)
        coded = np.asarray(coded.toarray() if hasattr(coded, "toarray") else coded, dtype="float64")
        still = ((coded == coded[:1]) | (np.isnan(coded) & np.isnan(coded[:1]))).all(axis=0)
        moved = np.flatnonzero(~still)
        tables.append((moved, dict(zip(cells, coded[:, moved], strict=True))))
    return coded[_known(part)[-1].index(None)], tables


def _known(part: Any) -> list[list[str | None]]:
    """Return the categories of each column that an encoder knows, a missing one, and one that it does not know."""
    encoder = part[-1] if isinstance(part, Pipeline) else part
    return [[*(str(cell) for cell in cells if not pd.isna(cell)), None, UNSEEN] for cells in encoder.categories_]


def _scaler(part: Pipeline) -> Callable[[Array], Array]:
    """Return what fills and scales numbers as a `SimpleImputer` and a `StandardScaler` do."""
    fill, scaler = part[0], part[-1]
    marked = fill.indicator_.features_ if fill.indicator_ is not None else np.zeros(0, dtype=int)

    def scale(numbers: Array) -> Array:
        missing = np.isnan(numbers)
        filled = np.where(missing, fill.statistics_, numbers)
        return np.asarray((np.hstack([filled, missing[:, marked]]) - scaler.mean_) / scaler.scale_)

    return scale


def _probes(transformer: ColumnTransformer, features: Mapping[str, str]) -> dict[str, list[Any]]:
    """Return columns in which every category occurs, and numbers of all kinds."""
    part, words = next((part, list(names)) for name, part, names in transformer.transformers_ if name == "category")
    cells: dict[str, Sequence[Any]] = dict.fromkeys(features, NUMBERS)
    cells |= dict(zip(words, _known(part), strict=True)) if words else {}
    rows = max(map(len, cells.values()))
    return {name: [found[(at * 7 + place) % len(found)] if place else found[at % len(found)] for at in range(rows)]
            for place, (name, found) in enumerate(cells.items())}  # fmt: skip
