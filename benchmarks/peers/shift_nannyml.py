"""NannyML's univariate distances, its reconstruction error and its domain classifier."""

import logging
import os

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"

import nannyml as nml
from shift_protocol import serve

logging.disable(logging.WARNING)
QUIET = {"verbosity": -1, "n_jobs": 1}


def as_they_want(frame, kinds):
    """Return the table with its categories as categories."""
    return frame.astype({name: "category" for name, kind in kinds.items() if kind == "category"})


def univariate(before, after, kinds, rows=None):
    """Return the Jensen-Shannon distance of each column and whether any alarms."""
    rows = rows or len(after)
    calculator = nml.UnivariateDriftCalculator(column_names=list(kinds), chunk_size=rows)
    calculator.fit(as_they_want(before, kinds))
    found = calculator.calculate(as_they_want(after, kinds)).filter(period="analysis").to_df()
    values = found.xs("value", axis=1, level=-1)
    alerts = found.xs("alert", axis=1, level=-1)
    return values.iloc[0].astype(float), bool(alerts.iloc[0].any())


def score(before, after, kinds):
    """Score by all three; it alarms when any of them alerts."""
    distances, alarms = univariate(before, after, kinds)
    scores = {"largest": distances.max(), "mean": distances.mean()}
    sides = [as_they_want(side, kinds) for side in (before, after)]
    tools = {
        "reconstruction": nml.DataReconstructionDriftCalculator(column_names=list(kinds), chunk_size=len(after)),
        "domain classifier": nml.DomainClassifierCalculator(
            feature_column_names=list(kinds), chunk_size=len(after), hyperparameters=QUIET
        ),
    }
    for name, tool in tools.items():
        tool.fit(sides[0])
        last = tool.calculate(sides[1]).filter(period="analysis").to_df().iloc[0]
        (value,) = (value for key, value in last.items() if key[-1] == "value")
        alarms |= any(bool(value) for key, value in last.items() if key[-1] == "alert")
        scores[name] = value
    middle = tool_middle(before, kinds, len(after))
    scores["reconstruction"] = abs(scores["reconstruction"] - middle)
    return scores, alarms


def tool_middle(before, kinds, rows):
    """Return the mean reconstruction error of the reference, which a shift may move either way."""
    tool = nml.DataReconstructionDriftCalculator(column_names=list(kinds), chunk_size=rows)
    side = as_they_want(before, kinds)
    tool.fit(side)
    found = tool.calculate(side).filter(period="analysis").to_df()
    return float(found["reconstruction_error"]["value"].mean())


serve("nannyml", score, lambda before, after, kinds: univariate(before, after, kinds, max(len(after) // 10, 200)))
