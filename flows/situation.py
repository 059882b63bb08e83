"""What a decision is made from: the stage, its signals, the params, and what happened before; plain values all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stages.params import Params, Requirement
from stages.requirements import shortfall
from stages.signals import Signal

Patch = dict[str, Any]
# One of these is at every look at production, which judges no new model.
OF_PRODUCTION = frozenset({"production_data", "production_volume", "nothing_released"})


@dataclass(frozen=True)
class Past:
    """One earlier way back of this run: from a stage, by a row, to a stage.

    ``distance`` says how far from a release it was (see `distance_of`), None where no model was judged; ``chosen`` is
    the candidate that was judged, and ``missed`` what it missed.
    """

    stage: str
    row: str
    distance: float | None = None
    to: str = ""
    chosen: str | None = None
    missed: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Situation:
    """Everything `decide` looks at.

    Attributes
    ----------
    stage : str
        The stage that was just run.
    signals : mapping of str to Signal
        Its signals by name.
    params : Params
        The params it was run with.
    values : mapping
        The same params as plain data, as they stand in ``params.yaml``.
    history : tuple of Past
        The ways back taken so far in this run, oldest first.
    minutes : float
        Wall time of this run so far.
    money : float
        What its data and its minutes cost so far, by ``planning.prices``.
    """

    stage: str
    signals: Mapping[str, Signal]
    params: Params
    values: Mapping[str, Any]
    history: tuple[Past, ...] = field(default=())
    minutes: float = 0.0
    money: float = 0.0

    def fires(self, name: str) -> bool:
        """Tell whether a signal is there and fires; "cannot tell" does not."""
        signal = self.signals.get(name)
        return signal is not None and signal.fires is True

    def evidence(self, key: str) -> Any:
        """Return the first evidence under ``key`` among the signals, in their order; None when there is none."""
        for signal in self.signals.values():
            if key in signal.evidence:
                return signal.evidence[key]
        return None

    @property
    def missed(self) -> list[dict[str, Any]]:
        """The requirements this stage found missed: metric, value, bound, side."""
        return missed_by(self.signals)

    @property
    def distance(self) -> float | None:
        """How far from a release this stage's model is; see `Past`."""
        return distance_of(self.stage, self.signals)


def missed_by(signals: Mapping[str, Signal]) -> list[dict[str, Any]]:
    """Return the requirements that a stage's signals name as missed."""
    judged = ("pilot_fails", "requirements_missed", "serving_missed", "tests_fail")
    return [item for name in judged if name in signals for item in signals[name].evidence.get("missed", [])]


def distance_of(stage: str, signals: Mapping[str, Signal]) -> float | None:
    """Return how far from a release a stage's model is, None for a stage that judges no model.

    The sum of the relative shortfalls of the missed requirements, plus 1 while the pilot was not reached, plus 1 for
    failing tests, too many negative flips, a suspected bug or leak, a poor outcome, or a pilot that fails though every
    requirement is met, or is too small to tell.
    """
    if stage not in ("training", "deployment") or (stage == "deployment" and OF_PRODUCTION & signals.keys()):
        return None
    missed = missed_by(signals)
    others = (
        "tests_fail",
        "bug_suspected",
        "leakage",
        "outcome_flat",
        "outcome_low",
        "no_better_than_rule",
        "negative_flips",
        "pilot_unsure",
    )
    else_fails = any(name in signals and signals[name].fires for name in others)
    worse = not missed and "pilot_fails" in signals and signals["pilot_fails"].fires is True
    return sum(_shortfall(item) for item in missed) + (stage == "training") + (else_fails or worse)


def _shortfall(item: dict[str, Any]) -> float:
    return min(1.0, shortfall(Requirement(**{item["side"]: item["bound"]}), item)[0])
