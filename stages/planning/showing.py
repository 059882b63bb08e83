"""Can the rows show what is required: a sure bound on failures takes many rows, however good the model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from stages.params import Collect, Split
from stages.planning.verdict import Name, Supply, Verdict
from stages.training.failures import rows_without_failure

PILOT: Final = "pilot"
ORDER: tuple[Name, ...] = ("change_requirement", "collect_first", "change_plan")  # the hardest of several is told
LARGEST_SHARE = 0.5  # to judge by; more than half of the rows is no plan to learn from


@dataclass(frozen=True)
class Part:
    """Rows that judge, as far as they are known before anything is collected.

    Attributes
    ----------
    name : str
        What they are called.
    key : str
        The key of the params that says which share they are.
    of : str
        What they are a share of.
    share, most : float
        That share, and the largest that may be proposed.
    rows : int
        With the rows that the loop can collect by itself.
    buyable : float
        With all rows that the budgets hold.
    """

    name: str
    key: str
    of: str
    share: float
    most: float
    rows: int
    buyable: float

    def cured(self, needed: float, left: float) -> float | None:
        """Return the share that gives as many rows, None where that is more than may be proposed.

        Of the rows that it is a share of, ``left`` are left by the other changes.
        """
        rows = self.rows * left
        share = math.ceil(100 * self.share * needed / rows) / 100 if rows else math.inf
        return share if share <= self.most else None

    def window(self, needed: float) -> int:
        """Return of how many rows in all the share gives as many."""
        return math.ceil(needed / self.share)


@dataclass(frozen=True)
class _Cure:
    """A verdict on one bound and the rows of one part, in words, with the rows and the patch that would do."""

    name: Name
    says: str
    rows: int | None
    change: dict[str, float] = field(default_factory=dict)


def parts_of(supply: Supply, split: Split, collect: Collect) -> dict[str, Part]:
    """Return the rows that judge: ``valid``, and ``pilot`` where its rows are known and go by a share."""
    found, share = dict[str, Part](), collect.pilot_share
    if supply.pilot and 0 < share < 1:
        buyable = supply.affordable / (1 - share) * share
        key, of = "data.collect.pilot_share", "rows with the pilot's"
        found["pilot"] = Part(PILOT, key, of, share, LARGEST_SHARE, supply.pilot, buyable)
    if split.valid > 0 and math.isfinite(supply.have):
        most = min(LARGEST_SHARE, math.floor(100 * (0.9 - split.test) - 1e-9) / 100)
        rows, buyable = int(supply.have * split.valid), supply.affordable * split.valid
        of = "rows in the window"
        found["valid"] = Part("validation", "data.split.valid", of, split.valid, most, rows, buyable)
    return found


def asked_of(charter: Mapping[str, Any]) -> dict[str, tuple[float, tuple[str, ...]]]:
    """Return the keys of the charter that ask for a sure bound: the bound, and the parts that must show it."""
    found: dict[str, tuple[float, tuple[str, ...]]] = {}
    most = charter["answering"]["max_error"]
    if most is not None:
        found["planning.answering.max_error"] = most, ("valid",)
    bound = charter["requirements"].get("failure_bound")
    if bound is not None and bound.get("hard", True):
        found["planning.requirements.failure_bound.at_most"] = bound["at_most"], ("valid", "pilot")
    return found


def cannot_show(charter: Mapping[str, Any], supply: Supply, parts: Mapping[str, Part]) -> Verdict | None:
    """Return the verdict where some bound cannot be shown by the rows, not even without one failure.

    Notes
    -----
    Of n rows without a failure the bound is 1 - (1 - level)^(1/n) (Clopper & Pearson 1934), so a bound p takes
    log(1 - level) / log(1 - p) rows. That is the least: rows that hang together, are not answered, or fail, take more.
    """
    level, left, found = charter["answering"]["level"], 1.0, list[_Cure]()
    for key, most, part in _short(charter, parts):
        found.append(_cure(key, most, level, part, left))
        if part.name == PILOT and part.key in found[-1].change:
            left = (1 - found[-1].change[part.key]) / (1 - part.share)
    if not found:
        return None
    names = {cure.name for cure in found}
    name = next(name for name in ORDER if name in names)
    change = {key: max(cure.change.get(key, 0.0) for cure in found) for cure in found for key in cure.change}
    rows = None if any(cure.rows is None for cure in found) else float(max(cure.rows or 0 for cure in found))
    needed = dict.fromkeys(("value", "low", "high"), rows)
    return Verdict(name, "; ".join(cure.says for cure in found), None, needed, supply.cost(needed), change)


def _short(charter: Mapping[str, Any], parts: Mapping[str, Part]) -> Iterator[tuple[str, float, Part]]:
    """Yield what is asked for, and the parts that are too few rows for it, the pilot first."""
    asked = asked_of(charter)
    for name, part in parts.items():
        for key, (most, judged_by) in asked.items():
            if name in judged_by and part.rows < _needed(most, charter["answering"]["level"]):
                yield key, most, part


def _needed(most: float, level: float) -> float:
    return rows_without_failure(most, level) if most > 0 else math.inf


def _cure(key: str, most: float, level: float, part: Part, left: float) -> _Cure:
    """Return what would let one part show one bound: another share, more rows, or a bound that these rows can show."""
    needed, name = _needed(most, level), key.split(".")[2]
    shown = math.ceil(1000 * (1 - (1 - level) ** (1 / part.rows))) / 1000 if part.rows else 1.0
    relaxed = {key: shown} if shown < 1 else {}
    at_most = [f"{name} at most {shown:g}"] if relaxed else []
    if not math.isfinite(needed):
        says = f"{name} at most {most:g}: no number of rows shows it; {''.join(at_most)}"
        return _Cure("change_requirement", says, None, relaxed)
    share, rows = part.cured(needed, left), part.window(needed)
    ways = [*([f"{part.key} {share:g}"] if share is not None else []), f"{rows:,} {part.of}", *at_most]
    says = (
        f"{name} at most {most:g} takes at least {needed:,.0f} {part.name} rows without one failure, and the plan has "
        f"{part.rows:,}: {', or '.join(ways)}"
    )
    if share is not None:
        return _Cure("change_plan", says, rows, {part.key: share})
    return (
        _Cure("collect_first", says, rows)
        if part.buyable >= needed
        else _Cure("change_requirement", says, rows, relaxed)
    )
