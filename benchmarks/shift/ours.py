"""Our own answer to `benchmarks/peers/shift_protocol.py`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent / "peers")]

from shift_protocol import serve  # type: ignore[import-not-found]  # noqa: E402

from stages.params import Shift  # noqa: E402
from stages.shift.concept import concept_change  # noqa: E402
from stages.shift.detector import detect  # noqa: E402
from stages.shift.joint import overlap, two_sample_scores  # noqa: E402
from stages.shift.sides import Sides, binned  # noqa: E402
from stages.shift.verdicts import covariate_shift  # noqa: E402

OUTCOME, PREDICTION = "outcome", "prediction"


def score(before: pd.DataFrame, after: pd.DataFrame, kinds: dict[str, str]) -> tuple[dict[str, float], bool]:
    """Score by one p-value for all that is looked at: the columns, all together, and the outcome at equal inputs."""
    found = report(before, after, kinds)
    inputs = {name: kind for name, kind in kinds.items() if name not in (OUTCOME, PREDICTION)}
    sides = Sides(before, after, inputs)
    scores = two_sample_scores(sides, 0)
    p = found["p"]
    if scores is not None:
        both = pd.concat([before, after], ignore_index=True)
        residual = (both[OUTCOME].astype(float) - both[PREDICTION]).to_numpy()
        values = both[PREDICTION].to_numpy()
        told = np.concatenate(binned(values[: len(before)], values[len(before) :]))[:, None]
        moved = concept_change(sides, residual, told, overlap(sides, scores), 0).p_other()
        p = min(1.0, 3 * min(p / 2, moved))
    return {"p": -np.log10(max(p, 1e-300))}, covariate_shift(found, Shift()).fires is True


def report(before: pd.DataFrame, after: pd.DataFrame, kinds: dict[str, str]) -> dict[str, Any]:
    """Return what the detector finds in all columns; this is what is timed."""
    return detect(Sides(before, after, kinds), level=0.95, seed=0)


if __name__ == "__main__":
    serve("ours", score, report)
