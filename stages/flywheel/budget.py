"""How many labels the charter still pays for."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stages.data.labels.log import CHOSEN, RANDOM, read_reviewed
from stages.files import read_json
from stages.params import load_params

COLLECTED = Path("metrics") / "data.json"


@dataclass(frozen=True)
class Left:
    """What is left of the budgets of labels and of money.

    Attributes
    ----------
    labels : int
        Rows that may still be labelled, by both.
    mined : int
        Rows that ``mine`` chose and that are labelled: they are paid for beside what the plan collected.
    price : float
        Of a label.
    money : float or None
        What is left of the budget of money; None where none is set.
    """

    labels: int
    mined: int
    price: float
    money: float | None

    def cost(self, rows: int) -> float:
        """Return what labels on some rows cost; the rows themselves came from use."""
        return rows * self.price

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def left(project: Path) -> Left:
    """Return what is left of `planning.budgets`, by `planning.prices`."""
    planning = load_params(project).planning
    held = read_json(project / COLLECTED)["collected"] if (project / COLLECTED).exists() else {"labels": 0, "money": 0}
    mined = len({label.item for label in read_reviewed(project) if label.drawn in (RANDOM, CHOSEN)})
    price, budgets = planning.prices.label, planning.budgets
    labels = max(0, budgets.labels - int(held["labels"]) - mined)
    money = None if budgets.money is None else max(0.0, budgets.money - float(held["money"]) - mined * price)
    if money is not None and price:
        labels = min(labels, math.floor(money / price + 1e-9))
    return Left(labels, mined, price, money)
