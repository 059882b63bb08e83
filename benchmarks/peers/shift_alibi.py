"""alibi-detect's tests of each column with Bonferroni's correction, and its classifier (scikit-learn backend)."""

import numpy as np
import pandas as pd
from alibi_detect.cd import ClassifierDrift, TabularDrift
from shift_protocol import serve
from sklearn.ensemble import HistGradientBoostingClassifier


def as_array(before, after, kinds):
    """Return both sides as numbers: categories as codes; its tests know no missing values, so they get a number."""
    both = pd.concat([before, after], ignore_index=True)
    columns = []
    for name, kind in kinds.items():
        if kind == "category":
            columns.append(pd.factorize(both[name].astype(object), use_na_sentinel=False)[0].astype(float))
        else:
            values = both[name].astype(float)
            columns.append(values.fillna(values.min() - values.std()).to_numpy())
    found = np.column_stack(columns)
    return found[: len(before)], found[len(before) :]


def columns_test(before, after, kinds):
    """Return the smallest p-value times the number of columns, and whether it alarms."""
    one, two = as_array(before, after, kinds)
    categories = {at: None for at, kind in enumerate(kinds.values()) if kind == "category"}
    found = TabularDrift(one, p_val=0.05, categories_per_feature=categories).predict(two)["data"]
    return -np.log10(max(found["p_val"].min(), 1e-300)), bool(found["is_drift"])


def score(before, after, kinds):
    """Score by both."""
    value, alarms = columns_test(before, after, kinds)
    one, two = as_array(before, after, kinds)
    model = HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=8, random_state=0)
    classifier = ClassifierDrift(one, model, backend="sklearn", p_val=0.05, n_folds=3, seed=0)
    found = classifier.predict(two)["data"]
    scores = {"columns": value, "classifier": -np.log10(max(float(found["p_val"]), 1e-300))}
    return scores, alarms or bool(found["is_drift"])


serve("alibi", score, columns_test)
