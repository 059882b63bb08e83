"""Evidently's default drift report."""

import os

os.environ["DO_NOT_TRACK"] = "1"

import numpy as np
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset
from shift_protocol import serve


def score(before, after, kinds):
    """Score by the report's own figures: the largest and the mean over its own threshold, and the share of columns.

    Columns are measured by a distance from 1,000 rows on and by a p-value below; either way the larger the ratio, the
    more shift.
    """
    numbers = [name for name, kind in kinds.items() if kind == "number"]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=[n for n in kinds if n not in numbers])
    sides = [Dataset.from_pandas(side, data_definition=definition) for side in (after, before)]
    found = Report([DataDriftPreset()]).run(*sides).dict()["metrics"]
    share, *columns = found
    ratios = []
    for item in columns:
        value, limit = item["value"], item["config"]["threshold"]
        by_p = "p_value" in item["config"]["method"]
        ratios.append(np.log10(limit / max(value, 1e-300)) if by_p else value / limit)
    scores = {"largest": max(ratios), "mean": np.mean(ratios), "share": share["value"]["share"]}
    return scores, share["value"]["share"] >= 0.5


serve("evidently", score)
