"""The signals of sources and expectations."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pandas as pd

from stages.data.cost import label_cost
from stages.data.profiles import profile_of
from stages.data.schema_changes import schema_changed
from stages.data.sources.nycflights13 import Flights
from stages.params import Budgets, Collect, Minimum, Prices, Validate
from stages.signals import Signal
from tests.conftest import bundled_table
from tests.stages.signal_cases import Case


def priced(severity: float, rows: int, seed: int) -> dict[str, Any]:
    """The cancer table's labels at a price that rises with severity, beside a budget that pays for them once."""
    target = bundled_table("breast_cancer", spoilt=False)["target"].sample(rows, replace=True, random_state=seed)
    return {
        "rows": rows,
        "labels": rows,
        "train_labels": rows // 2,
        "rarest": int(target.iloc[: rows // 2].value_counts().min()),
        "minimum": Minimum(rows=rows // 4, per_class=5),
        "prices": Prices(row=0.1, label=0.9 * (1 + 2 * severity)),
        "budgets": Budgets(money=float(rows)),
    }


KILOMETRES, YEARS = 1.609344, 60.0


@lru_cache
def months() -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Flights of January and February."""
    features = ["distance", "plane_age", "hour", "carrier"]
    return Flights().collect(Collect.model_validate({"end": "2013-02-01", "features": features}), seed=0)


def in_another_unit(severity: float, rows: int, seed: int) -> dict[str, Any]:
    """January, and a February whose distances (and ages, at full severity) are in another unit."""
    window, pilot, schema = months()
    parts = [
        part.sample(rows, replace=rows > len(part), random_state=seed).sort_values("scheduled", kind="stable")
        for part in (window, pilot)
    ]
    factors = {"distance": KILOMETRES} if severity > 0 else {}
    factors |= {"plane_age": YEARS} if severity >= 1 else {}
    after = parts[1].assign(**{name: parts[1][name] * factor for name, factor in factors.items()})
    return {"window": parts[0], "pilot": after, "schema": schema}


def profiled(window: pd.DataFrame, pilot: pd.DataFrame, schema: dict[str, Any]) -> Signal:
    found = [profile_of(part, schema) for part in (window, pilot)]
    return schema_changed(found[0], found[1], found[0], schema, Validate())


CASES = [
    Case("label_cost", priced, label_cost, tiny=None, rows=1000),
    Case("schema_changed", in_another_unit, profiled),
]
