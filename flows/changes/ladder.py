"""Another candidate of the ladder, or another search."""

from __future__ import annotations

from collections.abc import Collection
from itertools import takewhile
from typing import Any

from flows.situation import Past, Patch, Situation

FIRST_TRIALS = 20
# The rows that say that the candidate itself is at fault.
REJECTING = frozenset(
    {"tests_fail", "too_many_flips", "pilot_fails", "too_large", "too_large_or_slow", "rule_unbeaten"}
)


def simpler_candidate(situation: Situation) -> Patch:
    """Add the rung below the lowest one tried."""
    ladder, used = _ladder(situation)
    below = [name for name in untried(situation) if ladder.index(name) < min(map(ladder.index, used))]
    return _use([*used, below[-1]], ladder) if below else {}


def larger_candidate(situation: Situation) -> Patch:
    """Add the rung above the highest one tried."""
    ladder, used = _ladder(situation)
    above = [name for name in untried(situation) if ladder.index(name) > max(map(ladder.index, used))]
    return _use([*used, above[0]], ladder) if above else {}


def other_candidate(situation: Situation) -> Patch:
    """Add a simpler rung, or a larger one when the ladder has no simpler, or one between."""
    ladder, used = _ladder(situation)
    left = untried(situation)
    between = _use([*used, left[0]], ladder) if left else {}
    return simpler_candidate(situation) or larger_candidate(situation) or between


def more_trials(situation: Situation) -> Patch:
    """Search the spaces of the candidates in use on, twice as long, as far as the params allow."""
    training = situation.params.training
    trials, most = training.search.trials, training.search.max_trials
    searched = any(training.candidates[name].search for name in training.use)
    longer = min(most, 2 * trials or FIRST_TRIALS)
    return {"training.search.trials": longer} if searched and longer > trials else {}


def another_candidate(situation: Situation) -> Patch:
    """Drop the candidate that failed, and add one not tried yet; one that failed before does not come back."""
    ladder, used = _ladder(situation)
    added = other_candidate(situation).get("training.use", used)
    left = [name for name in added if name != situation.evidence("chosen")]
    return _use(left, ladder) if left else {}


def cheaper_candidate(situation: Situation) -> Patch:
    """Drop the candidate that is too large or too slow and all above it; the next rung below it is among the rest."""
    ladder, used = _ladder(situation)
    chosen = situation.evidence("chosen")
    lower = ladder[: ladder.index(chosen)] if chosen in ladder else []
    allowed = {*used, *untried(situation)}
    below = [name for name in lower if name in allowed]
    return _use([*(name for name in used if name in below), below[-1]], ladder) if below else {}


def untried(situation: Situation) -> list[str]:
    """Return the rungs not in use, but for those that failed since the data or the charter last changed."""
    ladder, used = _ladder(situation)
    failed = {past.chosen for past in dropped(situation)}
    return [name for name in ladder if name not in used and name not in failed]


def dropped(situation: Situation) -> list[Past]:
    """Return the ways back by which rungs not in use failed since data or charter last changed, latest first."""
    ladder, used = _ladder(situation)
    since = takewhile(lambda past: past.to not in ("data", "planning"), reversed(situation.history))
    return [past for past in since if past.row in REJECTING and past.chosen in ladder and past.chosen not in used]


def brought_back(situation: Situation, signals: Collection[str]) -> Patch:
    """Return the rungs in use with those that failed by what a changed charter may forgive; nothing where none did.

    A failing test is forgiven only where that is what planning is asked about, and negative flips never: no requirement
    asks for them.
    """
    ladder, used = _ladder(situation)
    forgiven = REJECTING - {"too_many_flips"} - (set() if "tests_fail" in signals else {"tests_fail"})
    back = {past.chosen for past in dropped(situation) if past.row in forgiven and past.chosen}
    return _use([*used, *back], ladder) if back else {}


def _ladder(situation: Situation) -> tuple[list[str], list[str]]:
    return list(situation.params.training.candidates), list(situation.params.training.use)


def _use(names: list[str], ladder: list[str]) -> dict[str, Any]:
    return {"training.use": sorted(set(names), key=ladder.index)}
