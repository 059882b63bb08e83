"""The signals of labels."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from stages.data.labels.signals import annotator_unreliable, annotators_disagree, labels_pending
from stages.signals import Signal
from stages.training.label_quality import quality
from stages.training.label_signal import label_noise
from tests.conftest import bundled_table
from tests.stages.signal_cases import Case

ITEMS = 569


@cache
def cancers() -> tuple[np.ndarray, np.ndarray]:
    """Measurements of cell nuclei, and diagnoses."""
    table = bundled_table("breast_cancer", spoilt=False)
    return table.drop(columns="target").to_numpy(float), pd.factorize(table["target"], sort=True)[0]


@cache
def held_out(rate: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Diagnoses of which a share was changed, and out-of-fold probabilities learned from them."""
    features, codes = cancers()
    random = np.random.default_rng(seed)
    wrong = random.random(ITEMS) < rate
    codes = np.where(wrong, 1 - codes, codes)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    return codes, cross_val_predict(model, features, codes, cv=5, method="predict_proba")


def noisy(severity: float, rows: int, seed: int) -> dict[str, Any]:
    """Up to a fifth of the labels is wrong."""
    codes, prediction = held_out(0.2 * severity, seed)
    random = np.random.default_rng(seed)
    chosen = random.permutation(ITEMS)[:rows] if rows <= ITEMS else random.integers(0, ITEMS, rows)
    return {"codes": codes[chosen], "prediction": prediction[chosen]}


def judge(codes: np.ndarray, prediction: np.ndarray) -> Signal:
    return label_noise(quality(codes, prediction), 0.033)


def answers(rates: list[float], items: int, seed: int) -> pd.DataFrame:
    """Annotators who give the diagnoses of the cancer table, each wrong at a rate of his own."""
    target = bundled_table("breast_cancer", spoilt=False)["target"].sample(items, replace=True, random_state=seed)
    codes = pd.factorize(target, sort=True)[0]
    random = np.random.default_rng(seed)
    given = [np.where(random.random(items) < rate, 1 - codes, codes) for rate in rates]
    return pd.DataFrame(
        {
            "item": np.tile([f"i{n}" for n in range(items)], len(rates)),
            "annotator": np.repeat([f"a{n}" for n in range(len(rates))], items),
            "label": np.concatenate(given).astype(float),
        }
    )


def one_bad(severity: float, rows: int, seed: int) -> dict[str, Any]:
    """Five annotators, one of whom is wrong up to half of the time."""
    return {
        "answers": answers([0.05, 0.05, 0.05 + 0.45 * severity, 0.05, 0.05], rows, seed),
        "n_classes": 2,
        "limit": 0.1,
    }


def all_unsure(severity: float, rows: int, seed: int) -> dict[str, Any]:
    """Three annotators who are all wrong up to 42% of the time."""
    found = answers([0.02 + 0.4 * severity] * 3, rows, seed)
    return {"answers": found, "n_classes": 2, "limit": 0.667, "seed": 0}


def awaited(severity: float, rows: int, seed: int) -> dict[str, Any]:
    return {"pending": int(severity * rows), "limit": 0, "why": {"suspect": int(severity * rows)}}


CASES = [
    Case("label_noise", noisy, judge, rows=ITEMS),
    Case("annotator_unreliable", one_bad, annotator_unreliable, rows=400, large=50_000),
    Case("annotators_disagree", all_unsure, annotators_disagree, rows=400),
    Case("labels_pending", awaited, labels_pending, tiny=None),
]
