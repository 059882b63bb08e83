"""The signals of sources and expectations."""

from __future__ import annotations

from typing import Any

from stages.data.cost import label_cost
from stages.params import Budgets, Minimum, Prices
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


CASES = [Case("label_cost", priced, label_cost, tiny=None, rows=1000)]
