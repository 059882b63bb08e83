"""Where to go next: a pure, total function over the transition table."""

from __future__ import annotations

from collections import Counter
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from flows.patching import changes_anything
from flows.people.asking import Asks, asks
from flows.revisions import Revision, releasing, revisions
from flows.situation import Patch, Situation
from flows.transitions import ANY, BOUNDS, BY_NAME, RELEASED, STAGES, STOP, TABLE, WAITING, Transition
from flows.untended import taken as taken_alone
from stages.requirements import number
from stages.signals import Signal

FORWARD = "gate_passed"
EXHAUSTED = "nothing_left"
UNSURE = "release the model although the pilot cannot tell"


class Move(BaseModel):
    """Where the loop goes, by which row, why, and what changes on the way.

    ``options`` are what a person may choose from when the row asks one, ``proposal`` is the patch of the row itself,
    and ``asks`` the question when the loop waits for a person. ``considered`` keeps every other row that fired and why
    it was not taken: evidence, not decoration.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    to: str
    row: str
    reason: str
    patch: dict[str, Any] = Field(default_factory=dict)
    proposal: dict[str, Any] = Field(default_factory=dict)
    options: list[Revision] = Field(default_factory=list)
    considered: list[dict[str, str]] = Field(default_factory=list)
    asks: Asks | None = None

    @property
    def ends(self) -> bool:
        """Whether the run ends here."""
        return self.to in (STOP, WAITING, RELEASED)


def decide(situation: Situation) -> Move:
    """Choose the move out of a stage.

    The order: a person's word; the gate of the stage, forward; the bounds of the run; the rows of the table by their
    precedence, of which the first that fires and changes something is taken; else the end, with what is missing.

    Parameters
    ----------
    situation : Situation
        Stage, signals, params and history; nothing else is looked at.

    Returns
    -------
    Move
        Always one: the function is total.
    """
    considered: list[dict[str, str]] = []
    if situation.fires("manual"):
        return _manual(situation)
    rows = [row for row in TABLE if row.stage == situation.stage and row.fires(situation)]
    if gate_open(situation):
        considered = [{"row": row.name, "refused": "the gate is open"} for row in rows if _judges_quality(row)]
        return _forward(situation, considered)
    bounds = bound_signals(situation)
    for name in BOUNDS:
        if bounds[name].fires:
            considered = [{"row": row.name, "refused": name} for row in rows]
            return Move(to=STOP, row=name, reason=_with_missing(bounds[name].says, situation), considered=considered)
    taken = Counter(past.row for past in situation.history)
    for row in rows:
        move, refused = _try(row, situation, taken[row.name])
        if move is not None:
            others = [{"row": other.name, "refused": "precedence"} for other in rows[rows.index(row) + 1 :]]
            return move.model_copy(update={"considered": considered + others})
        considered.append({"row": row.name, "refused": refused})
    rule = situation.signals.get("no_better_than_rule")
    unknown = f"; {rule.says}" if rule is not None and rule.fires is None else ""
    reason = _with_missing(f"no row of the table that fires can change anything{unknown}", situation)
    asking = next((row for row in rows if row.asks), None)
    options = revisions(asking, situation) if asking is not None else []
    return Move(to=STOP, row=EXHAUSTED, reason=reason, options=options, considered=considered)


def gate_open(situation: Situation) -> bool:
    """Tell whether the stage's gate lets the loop go forward."""
    match situation.stage:
        case "planning":
            return not (situation.fires("rule_suffices") and situation.params.planning.if_rule_suffices == "stop")
        case "data":
            closing = ("schema_changed", "expectations_fail", "labels_pending", "labels_too_few", "label_cost")
            return not any(situation.fires(name) for name in closing)
        case "training":
            held = _passes(situation, "requirements_missed") and not situation.fires("serving_missed")
            if situation.fires("metric_reached") and _may_move_on(situation):
                return False  # the choice is by the metric that was reached
            # Figures of a model or an evaluation that is broken open no gate.
            return held and not situation.fires("bug_suspected") and not situation.fires("leakage")
        case _:
            held = _passes(situation, "tests_fail") and _passes(situation, "pilot_fails")
            # Where a rule works, "cannot tell" is no reason to take its place.
            replaces = "no_better_than_rule" in situation.signals
            held = held and (not replaces or _passes(situation, "no_better_than_rule"))
            return held and not any(
                map(
                    situation.fires,
                    (
                        *("serving_missed", "outcome_flat", "outcome_low"),
                        *("negative_flips", "champion_stays", "pilot_unsure"),
                    ),
                )
            )


def _may_move_on(situation: Situation) -> bool:
    """Tell whether the bounds of the run allow for another choice; else what was chosen may go forward."""
    row = BY_NAME["metric_reached"]
    taken = sum(past.row == row.name for past in situation.history)
    spent = any(signal.fires for signal in bound_signals(situation).values())
    return bool(row.change(situation)) and taken < situation.params.planning.budgets.per_row and not spent


def bound_signals(situation: Situation) -> dict[str, Signal]:
    """Measure the bounds of the run: what is spent, and whether it still gets closer to a release."""
    budgets, progress = situation.params.planning.budgets, situation.params.planning.progress
    loops, minutes = len(situation.history), situation.minutes
    share = max(loops / budgets.loops, minutes / budgets.minutes)
    says = f"{loops} of {budgets.loops} loops and {minutes:.1f} of {budgets.minutes:g} minutes are spent"
    # What data cost is held against the budget where they are collected; minutes add to it.
    if budgets.money is not None and situation.params.planning.prices.training_minute:
        share = max(share, situation.money / budgets.money)
        says += f", and {situation.money:.4g} of {budgets.money:g} of money"
    spent = Signal(
        name="budget_spent",
        value=share,
        low=share,
        high=share,
        threshold=1.0,
        direction="above",
        fires=share >= 1.0,
        says=says,
        evidence={"loops": loops, "money": situation.money},
    )
    judged = [past.distance for past in situation.history if past.distance is not None]
    if situation.distance is not None:
        judged.append(situation.distance)
    best_at = _last_improvement(judged, progress.min_gain)
    idle = len(judged) - 1 - best_at if judged else 0
    stalled = Signal(
        name="no_progress",
        value=float(idle),
        low=float(idle),
        high=float(idle),
        threshold=float(progress.patience),
        direction="above",
        fires=idle >= progress.patience,
        says=f"the distance to the requirements has not fallen for {idle} ways back (patience {progress.patience})",
        evidence={"distances": judged},
    )
    return {"budget_spent": spent, "no_progress": stalled}


def _last_improvement(distances: list[float], min_gain: float) -> int:
    best, at = float("inf"), 0
    for index, distance in enumerate(distances):
        if distance < best - min_gain:
            best, at = distance, index
    return at


def _try(row: Transition, situation: Situation, taken: int) -> tuple[Move | None, str]:
    reason = f"{row.when}: {_says(row, situation)}"
    if row.to in (STOP, WAITING):
        return _ending(row, situation, reason), ""
    patch, cure = row.change(situation), row.cure
    if row.asks and situation.params.planning.unattended in ("stop", "ask"):
        return _asked(row, situation, reason), ""
    if row.asks:
        revision, refused = taken_alone(row, situation)
        if revision is None:
            return None, refused
        patch, cure = dict(revision.patch), revision.says
    if not patch or not changes_anything(situation.values, patch):
        return None, "nothing left to change"
    if taken >= situation.params.planning.budgets.per_row:
        return None, f"taken {taken} times in this run"
    return Move(to=row.to, row=row.name, reason=f"{reason} -> {cure}", patch=patch), ""


def _ending(row: Transition, situation: Situation, reason: str) -> Move:
    """End by a row that stops or waits; where it may be released without what is waited for, a person is asked."""
    if row.releases and situation.evidence("interval"):
        told: dict[str, Any] = {"options": releasing(UNSURE), "asks": asks(RELEASED, situation)}
        return Move(to=row.to, row=row.name, reason=reason, **told)
    return Move(to=row.to, row=row.name, reason=reason)


def _asked(row: Transition, situation: Situation, reason: str) -> Move:
    """Leave the decision to a person: wait for one, or stop with what may be chosen."""
    options = revisions(row, situation)
    proposal = next((option.patch for option in options if option.kind == "cure"), {})
    told: dict[str, Any] = {"row": row.name, "proposal": proposal, "options": options}
    if situation.params.planning.unattended == "ask":
        text = _with_missing(reason + "; planning decides, and a person is asked", situation)
        return Move(to=WAITING, reason=text, asks=asks(row.to, situation), **told)
    return Move(to=STOP, reason=_with_missing(reason + "; planning decides, and nobody is there", situation), **told)


def _manual(situation: Situation) -> Move:
    signal = situation.signals["manual"]
    to = str(signal.evidence.get("to", situation.stage))
    patch: Patch = BY_NAME["manual"].change(situation)
    if to not in STAGES:
        return Move(to=STOP, row="manual", reason=f"there is no stage {to!r}")
    if not patch or not changes_anything(situation.values, patch):
        return Move(to=STOP, row="manual", reason=f"{signal.says}, but it changes nothing")
    return Move(to=to, row="manual", reason=signal.says, patch=patch)


def _forward(situation: Situation, considered: list[dict[str, str]]) -> Move:
    index = STAGES.index(situation.stage)
    to = STAGES[index + 1] if index + 1 < len(STAGES) else RELEASED
    enough = situation.fires("rule_suffices")
    said = {
        "planning": "a rule would do, and planning.if_rule_suffices says to continue: can a model do better?"
        if enough
        else "the charter holds, and there is something to learn",
        "data": "enough rows, and they meet the expectations",
        "training": "a candidate meets every requirement on the validation rows",
        "deployment": "tests pass, and the pilot meets every requirement",
    }
    if to == RELEASED and situation.params.planning.approvals.release == "ask":
        reason, asked = f"{said[situation.stage]}; a person is asked before the release", asks(RELEASED, situation)
        return Move(to=WAITING, row=FORWARD, reason=reason, options=releasing(), asks=asked, considered=considered)
    return Move(to=to, row=FORWARD, reason=said[situation.stage], considered=considered)


def _passes(situation: Situation, name: str) -> bool:
    signal = situation.signals.get(name)
    return signal is not None and signal.fires is False


def _judges_quality(row: Transition) -> bool:
    return row.stage != ANY


def _says(row: Transition, situation: Situation) -> str:
    return "; ".join(situation.signals[name].says for name in row.signals if situation.signals[name].says)


def _with_missing(reason: str, situation: Situation) -> str:
    words = {"at_least": "below", "at_most": "above"}
    missing = [
        f"{item['metric']} is {number(item.get('value'))}, "
        f"{words[item['side']] if item.get('value') is not None else 'not'} the required {number(item['bound'])}"
        for item in situation.missed
    ]
    return f"{reason}. Missing: {'; '.join(missing)}" if missing else reason
