"""Would it pay to learn again: the release beside the same candidate that has learned from what has come since.

Drift says that the world moved, and a fallen metric that the release does worse; neither says that anything can be
done about it. Two models on the same rows do, and as most of what makes rows hard is common to both, a small gain is
seen that no metric by itself would show.
"""

from __future__ import annotations

import pandas as pd
from sklearn.base import clone

from stages.params import WEIGHT
from stages.production.direct import inner
from stages.production.watch.levels import mean_figure
from stages.production.watch.reference import Reference
from stages.signals import Signal
from stages.training.estimators import fit, predict
from stages.training.metrics import Scorer, row_losses


def production_stale(
    reference: Reference, since: pd.DataFrame, scorer: Scorer, rows: pd.DataFrame, least: float, *, level: float
) -> Signal:
    """Fire when the release, fitted again on all rows before these, is surely better on these by more than is asked.

    Parameters
    ----------
    reference : Reference
        The release, and the rows that it learned from and was judged on.
    since : DataFrame
        Labelled rows of production from before the look.
    scorer : Scorer
        The release's scores on the rows of the look.
    rows : DataFrame
        The labelled rows of the look, which none of the two has seen.
    least : float
        ``deployment.watch.min_gain``, a share of the constant's loss.
    level : float
        Coverage of the interval.
    """
    known = pd.concat([reference.learned, reference.judged, since], ignore_index=True)
    known = known[[*reference.released.features, str(reference.work.schema["target"])]].assign(**{WEIGHT: 1.0})
    schema = reference.work.schema | {"features": reference.released.features}
    again = fit(clone(inner(reference.released.model)), known, schema)
    losses = row_losses(reference.work.task, scorer.target, predict(again, rows, schema))
    gain = (scorer.losses - losses) / float(scorer.constant_losses.mean())
    found = mean_figure(gain, scorer.blocks, level)
    mean, came = 100 * float(gain.mean()), len(reference.judged) + len(since)
    says = (
        f"the same candidate that has learned from the {came} rows since, too, loses {abs(mean):.2f}% of the "
        f"constant's loss {'less' if mean >= 0 else 'more'} on these rows"
    )
    return Signal.of_figure(
        "production_stale",
        found,
        threshold=least,
        direction="above",
        unit="of the constant's loss",
        says=says,
        evidence={"learned": len(known), "since": came},
    )
