"""Do the rows of two times differ at all? Every feature by itself, and all of them together; no labels, no model."""

from __future__ import annotations

from typing import Any

from stages.shift.features import feature_shifts, smallest_p
from stages.shift.joint import auc, two_sample_scores
from stages.shift.moments import moments_p
from stages.shift.sides import MAX_ROWS, Sides
from stages.training.metrics import Figure


def detect(sides: Sides, *, level: float, seed: int) -> dict[str, Any]:
    """Return how far the features moved, one by one and together, and the p-value of "not at all".

    At most 50,000 rows a side are looked at (a seeded choice within every block), and a fold's classifier learns from
    at most 5,000 of each: a shift that such a sample does not show is far below any limit worth setting.

    The p-value is the smallest of four, times four: of any feature, of their means together, of their pairs, and of the
    classifier. What is judged against limits are the features and the classifier's AUC.

    Returns
    -------
    dict
        ``features`` (see `features.feature_shifts`), ``auc`` (a figure, see `joint.auc`), ``p`` for all of it, and
        ``rows`` of the two sides. Also for a look of `horizon.spend`.
    """
    seen = sides.sampled(MAX_ROWS, seed)
    features = feature_shifts(seen, level=level)
    scores = two_sample_scores(seen, seed)
    joint: Figure = {"value": None, "low": None, "high": None}
    ps = [smallest_p(features), *moments_p(seen, seed).values()]
    if scores is not None:
        told = auc(seen, scores)
        joint = told.figure(level)
        ps.append(told.p_above(0.5))
    p = min(1.0, len(ps) * min(ps))
    return {"features": features, "auc": joint, "p": p, "rows": [len(sides.before), len(sides.after)]}
