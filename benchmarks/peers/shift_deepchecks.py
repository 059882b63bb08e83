"""deepchecks' feature drift and multivariate drift."""

import os

os.environ["DISABLE_DEEPCHECKS_ANONYMOUS_TELEMETRY"] = "true"
os.environ["DEEPCHECKS_DISABLE_LATEST"] = "true"

from deepchecks.tabular import Dataset
from deepchecks.tabular.checks import FeatureDrift, MultivariateDrift
from shift_protocol import serve


def score(before, after, kinds):
    """Score by the features' largest and mean drift and by the classifier's AUC; alarms by the default conditions."""
    categories = [name for name, kind in kinds.items() if kind == "category"]
    sides = [Dataset(side, cat_features=categories) for side in (before, after)]
    features = FeatureDrift().add_condition_drift_score_less_than()
    both = MultivariateDrift().add_condition_overall_drift_value_less_than()
    one, two = (check.run(*sides, with_display=False) for check in (features, both))
    drifts = [item["Drift score"] or 0.0 for item in one.value.values()]
    scores = {
        "largest": max(drifts),
        "mean": sum(drifts) / len(drifts),
        "domain classifier": two.value["domain_classifier_auc"],
    }
    return scores, not (one.passed_conditions() and two.passed_conditions())


serve("deepchecks", score)
