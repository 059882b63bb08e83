"""The head of the page: where the project stands in a sentence, against its charter, and what it cost; the card."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flows.people.waiting import next_step
from flows.record import Iteration
from flows.report.charts import strip
from flows.report.costs import Budget, budgets
from flows.report.facts import Facts, bounds, loops, released_number
from flows.report.metrics import baselines, judged_figures
from flows.report.pieces import bound_sign, clock, counted, day, span, told
from flows.transitions import BY_NAME, RELEASED, STOP, WAITING
from flows.words import figure, remarks


@dataclass(frozen=True)
class Held:
    """One requirement beside what was measured."""

    metric: str
    bound: str
    figure: str
    met: bool
    sure: bool
    where: str
    why: str
    beside: str
    strip: str


@dataclass(frozen=True)
class Headline:
    """Where the project stands."""

    state: str
    word: str
    sentence: str
    next: str
    goal: str
    users: str
    cost: str
    measured_in: str
    held: list[Held]
    budgets: list[Budget]


@dataclass(frozen=True)
class Card:
    """The model card of a release."""

    facts: list[tuple[str, str]]
    held: list[Held]
    features: list[tuple[str, str]]
    limits: list[str] = field(default_factory=list)


def headline(facts: Facts) -> Headline:
    """Return the head of the page."""
    last, planning = facts.last, facts.params.planning
    state, word, sentence, then = _standing(facts, last)
    judged = next((item for item in reversed(facts.items) if judged_figures(item)), None)
    if last.move["to"] == RELEASED and facts.card:
        held = [_held(facts, entry["metric"], entry, last) for entry in facts.card["requirements"]]
    else:
        held = [_held(facts, name, entry, judged) for name, entry in bounds(judged).items()] if judged else []
    where = "" if judged is None else f"iteration {judged.iteration}, on its {_rows(judged)}"
    return Headline(
        state,
        word,
        sentence,
        then,
        planning.goal,
        planning.users,
        _cost(facts),
        where,
        held,
        budgets(facts),
    )


def card(facts: Facts) -> Card | None:
    """Return the card of the last release told, None when there is none."""
    release, told_of = facts.released, facts.card
    if release is None or told_of is None:
        return None
    planning = facts.params.planning
    window, pilot, tests = told_of["window"], told_of["pilot"], told_of["tests"]
    about = [
        ("What it is for", planning.goal),
        ("Who uses it", planning.users),
        ("Model", f"{told_of['chosen']}, fitted again on the whole window"),
        ("Released", f"iteration {released_number(release)}, {day(release.ended)}, {clock(release.ended)} UTC"),
        ("In force", _in_force(facts, release)),
        ("SHA-256", str(told_of["sha256"])),
        ("Learned from", _window(window)),
        ("Piloted on", _window(pilot) + f", of which {pilot['judged']:,} could be judged"),
        (
            "Behaviour tests",
            f"{tests['run'] - tests['failed']} of {tests['run']} pass",
        ),
    ]
    if told_of.get("classes"):
        about.append(("Classes", ", ".join(str(name) for name in told_of["classes"])))
    if told_of.get("threshold") is not None and len(told_of.get("classes") or []) == 2:
        about.append(("Decides from", f"a probability of {figure(told_of['threshold'])}"))
    held = [_held(facts, entry["metric"], entry, release) for entry in told_of["requirements"]]
    lines = [item for item in (*facts.before, *facts.items) if item.iteration <= release.iteration]
    by = {"groups": "may be missed: the groups have too few rows to tell"}
    limits = [
        f"{entry.metric} {by.get(entry.where, 'is met by its estimate, not by its whole interval')}"
        for entry in held
        if not entry.sure
    ]
    features = [(str(name), str(kind)) for name, kind in told_of["features"].items()]
    return Card([(name, value) for name, value in about if value], held, features, [*remarks(lines), *limits])


def _standing(facts: Facts, last: Iteration) -> tuple[str, str, str, str]:
    """Return state, its word, where the project stands in a sentence, and the next step."""
    to, row = str(last.move["to"]), BY_NAME.get(str(last.move["row"]))
    when = f"iteration {last.iteration}, {day(last.ended)}, {clock(last.ended)} UTC"
    why = row.when if row is not None else str(last.move["reason"])
    stays = facts.in_force
    beside = f" The release of iteration {stays} stays." if stays is not None and to != RELEASED else ""
    match to:
        case "released":
            chosen = (facts.card or {}).get("chosen", "the model")
            sentence = f"{chosen} meets every requirement on a pilot it had never seen ({when})."
            return "good", "Released", sentence, ""
        case x if x == STOP:
            return "stop", "Stopped", f"{_sentence(why)} ({when}).{beside}", f"loopwright why {last.iteration}"
        case x if x == WAITING:
            return "wait", "Waiting", f"{_sentence(why)} ({when}).{beside}", next_step(last)
        case _:
            sentence = f"The last iteration told leads to {to} ({when}).{beside}"
            return "wait", "Not at its end", sentence, "loopwright run"


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _cost(facts: Facts) -> str:
    items = facts.items
    back = sum(loops(run) for run in facts.runs)
    labels = max((item.labels or 0 for item in (*facts.before, *items)), default=0)
    money = max((item.money or 0.0 for item in (*facts.before, *items)), default=0.0)
    parts = [
        counted(len(items), "iteration") + (f" in {len(facts.runs)} runs" if len(facts.runs) > 1 else ""),
        f"{back} of them led back" if back != 1 else "1 of them led back",
        f"{span(sum(item.seconds for item in items))} of computing",
        counted(labels, "label") + (f", money {figure(money)}" if money else ""),
    ]
    return "; ".join(parts)


def _held(facts: Facts, metric: str, entry: dict[str, Any], item: Iteration | None) -> Held:
    side, bound = str(entry["side"]), float(entry["bound"])
    wanted = "good above" if side == "at_least" else "good below"
    others = {} if item is None else baselines(item, metric)
    values = {name: found["value"] for name, found in others.items() if found.get("value") is not None}
    value = entry.get("value")
    figures = entry if value is not None else {}
    drawn = strip(dict(figures), bound, wanted, list(values.values())) if figures else None
    low, high = (entry.get(key, value) for key in ("low", "high"))
    ends = [end for end in (low, high) if end is not None]
    sure = all(end >= bound if side == "at_least" else end <= bound for end in ends)
    asked = facts.params.planning.required.get(metric)
    return Held(
        metric,
        bound_sign(side, bound),
        told(figures) if figures else "held, its figure is not versioned",
        bool(entry["met"]),
        sure,
        str(entry.get("where", "")),
        asked.why if asked else "",
        ", ".join(f"{name} {figure(found)}" for name, found in values.items()),
        "" if drawn is None else str(drawn),
    )


def _rows(item: Iteration) -> str:
    return "pilot" if "pilot" in item.metrics else "validation rows"


def _window(part: dict[str, Any]) -> str:
    rows = counted(part["rows"], "row")
    return f"{part['start']} to {part['end']}, {rows}" if part.get("start") and part.get("end") else rows


def _in_force(facts: Facts, release: Iteration) -> str:
    stays = facts.in_force
    if stays == released_number(release):
        return "yes"
    return "no longer" if stays is None else f"no: iteration {stays} is"
