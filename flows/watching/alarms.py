"""What an alarm sets going: an iteration of the record, a way back, a rollback; or it stands, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from flows.decide import EXHAUSTED, decide
from flows.entry import ARRIVED, EDITED, Entry, new_run, situation, take_up
from flows.patching import patched
from flows.record import Iteration, read_record
from flows.releases.rollback import rollback
from flows.report.past import archive, changed_params
from flows.session import Session
from flows.situation import OF_PRODUCTION
from flows.transitions import STOP, WAITING
from flows.watching.looks import STANDS, Look, read_looks
from stages.deployment.release_log import Release
from stages.errors import ProjectError
from stages.params import Params, load_params, read_params
from stages.signals import Signal

Go = Callable[[], object]
BY = "loopwright watch"
BRING = "bring labels of these rows (loopwright review), newer rows to the source, or mend what brings the rows"
WANTS_ROWS = "pilot_unsure"  # the one question that rows of production answer
OF_SERVICE = tuple(f"deployment.{name}." for name in ("canary", "flywheel", "log", "serve", "watch"))
REGRESSED = "release_regressed"
NO_ALARM = ("production_inputs",)  # told, and no more


def taken_up(session: Session, go: Go) -> None:
    """Finish first what was begun: a run that was cut off. An edit, and labels that came in, are left to `run`.

    A way back that a look made, and that is not among the looks, is that look's: it is made again, and goes on.
    """
    lines = read_record(session.project)
    entry = take_up(session.project, lines)
    ours = bool(lines) and _unlogged(lines[-1], read_looks(session.project))
    if isinstance(entry, Entry) and entry.row not in (ARRIVED, EDITED) and not ours:
        session.entry = entry
        go()


def _unlogged(last: Iteration, looks: Sequence[Look]) -> bool:
    """Tell whether the record's last line is an alarm whose look a kill kept from its log."""
    alarm = {signal["name"] for signal in last.signals} & OF_PRODUCTION and not last.steps
    return bool(alarm) and last.iteration not in {item.entered for item in looks}


def enter(
    session: Session, signals: Sequence[Signal], because: str, earlier: Release | None
) -> tuple[Iteration | None, str]:
    """Let an alarm into the record, and tell what comes of it; not while a person is asked.

    The record's line comes before the look's own: where a kill came between the two, the line is there already.
    """
    project, lines = session.project, read_record(session.project)
    params = load_params(project)
    if params.deployment.watch.regressed == "tell":  # said, and no row that hides what may be cured
        signals = [signal for signal in signals if signal.name != REGRESSED]
        if not fired(signals):
            return None, "the release before is better; deployment.watch.regressed says to tell, and no more"
    last, found = lines[-1], [(signal.name, signal.value, signal.fires) for signal in signals]
    same = last.because == because and [(old["name"], old["value"], old["fires"]) for old in last.signals] == found
    if same and _unlogged(last, read_looks(project)):
        made = last
    else:
        aside = _aside(project, lines, list(signals))
        if aside:
            return None, aside
        entry = Entry(new_run(), last.iteration + 1, "deployment", because, "watch")
        session.show.stage_started("production", entry)
        made = session.conclude_look(entry, list(signals))
        session.show.stage_done(made)
    if made.move["row"] == EXHAUSTED:
        return made, f"{'; '.join(signal.says for signal in fired(signals))}. {_left(params, signals)}"
    if made.move["row"] != REGRESSED or earlier is None:
        return made, str(made.move["reason"])
    return made, _rolled_back(project, earlier, str(made.move["reason"]))


def not_free(project: Path) -> str:
    """Return why no alarm may be entered now, whatever it is; empty where one may."""
    lines = read_record(project)
    return _busy(project, lines) or (f"the loop waits since iteration {lines[-1].iteration}" if _waits(lines) else "")


def fired(signals: Sequence[Signal]) -> list[Signal]:
    """Return the signals that are an alarm."""
    return [signal for signal in signals if signal.fires and signal.name not in NO_ALARM]


def _aside(project: Path, lines: list[Iteration], signals: list[Signal]) -> str:
    """Return why an alarm is not entered: it stands until the loop is free, or is told; empty where it is entered."""
    busy, last = _busy(project, lines), lines[-1]
    if busy:
        return f"{busy}; {STANDS}"
    move = decide(situation(project, "deployment", signals, lines, new_run(), 0.0))
    if _waits(lines) or (last.move["to"] == WAITING and move.to != "data"):
        return f"the loop waits since iteration {last.iteration}; {STANDS}"
    if move.to == STOP and move.row != REGRESSED and last.move.get("options"):
        aside = f"not in the record, where iteration {last.iteration} offers what a person may choose"
        return f"{'; '.join(signal.says for signal in fired(signals))}; {aside}"
    return ""


def _only_of_production(project: Path, last: Iteration) -> bool:
    """Tell whether a person edited nothing since but what no step reads: how production is served and watched."""
    with archive(project) as kept:
        before = kept.of(last).params
    if before is None:
        return False
    changed = changed_params(patched(before, last.move["patch"]), read_params(project))
    return all(key.startswith(OF_SERVICE) for key, _, _ in changed)


def _busy(project: Path, lines: list[Iteration]) -> str:
    """Return what is to be taken up before an alarm; empty where nothing is."""
    now = take_up(project, lines)
    if not isinstance(now, Entry) or now.row == ARRIVED:
        return ""
    edited = now.row == EDITED and _only_of_production(project, lines[-1])
    return "" if edited else f"{now.because}, which comes first: loopwright run"


def _waits(lines: list[Iteration]) -> bool:
    """Tell whether the loop waits for something that rows of production do not bring."""
    return bool(lines[-1].move["to"] == WAITING and lines[-1].move["row"] != WANTS_ROWS)


def _left(params: Params, signals: Sequence[Signal]) -> str:
    """Say why nothing can be changed, and what a person may do."""
    evidence = next((signal.evidence for signal in signals if "take_production" in signal.evidence), {})
    rows = sum(evidence.get(key) or 0 for key in ("rows", "pilot_rows", "production_rows"))
    planning = params.planning
    price, money = planning.prices.row + planning.prices.label, planning.budgets.money
    if evidence.get("take_production") and rows > planning.budgets.labels:
        budget = f"the budget of labels holds {planning.budgets.labels} and with these rows it would take {rows}"
        return f"They are not learned from: {budget}; raise planning.budgets.labels"
    if evidence.get("take_production") and money is not None and rows * price > money:
        budget = f"the budget of money holds {money:g} and with these rows it would take {rows * price:g}"
        return f"They are not learned from: {budget}; raise planning.budgets.money"
    return f"Nothing that the loop may change cures that: {BRING}"


def _rolled_back(project: Path, earlier: Release, because: str) -> str:
    try:
        line = rollback(project, because=because, by=BY, to=earlier.iteration)
    except ProjectError as error:
        return f"not rolled back: {error}"
    return f"rolled back to the release of iteration {line.iteration}"
