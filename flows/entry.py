"""Where a run takes up: worked out from the record and ``params.yaml`` alone, so a killed run resumes by itself."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows import patching
from flows.decide import FORWARD
from flows.people.labelling import answers_counted
from flows.record import Iteration
from flows.situation import Past, Situation, distance_of, missed_by
from flows.transitions import RELEASED, STAGES, WAITING
from stages.data.labels.log import read_answers, read_reviewed
from stages.params import check_params, read_params
from stages.signals import Signal

# How many labels of people count, of rows of the source and of rows that were predicted.
ANSWERS, REVIEWED = "data.labels.answers", "data.labels.reviewed"
ARRIVED = "labels_arrived"  # the row of an entry with labels that came in
EDITED = "edited"  # the row of an entry that a person's edit of the params makes
ANSWER = "answer"  # the signal of a line that answers a question


@dataclass(frozen=True)
class Entry:
    """The stage to enter next: the number of its iteration, why, and what was changed on the way."""

    run: str
    number: int
    stage: str
    because: str
    row: str = ""
    patch: dict[str, Any] = field(default_factory=dict)
    by: str = "loop"


@dataclass(frozen=True)
class Ended:
    """The last run came to its end and nobody touched the params since."""

    last: Iteration


def new_run() -> str:
    """Return a fresh run id, eight hex digits."""
    return secrets.token_hex(4)


def take_up(project: Path, record: list[Iteration]) -> Entry | Ended:
    """Work out where to go on, and finish a patch that a kill cut off.

    The last line of the record is the truth: its move names the next stage, and the hashes of ``params.yaml`` before
    and after its patch tell whether the patch still has to be applied. Any other hash is a person's edit, which starts
    a new run at planning; DVC makes what did not change free. Labels that came in since are a change of the number of
    answers that count, with which a run that waits goes on, and one that ended begins again, at data; an edited one
    takes them along, unless it is an earlier iteration that was restored.
    """
    if not record:
        patch = {key: count for key, count in came_in(project).items() if count}
        if patch:
            patching.apply(project, patch)
        return Entry(new_run(), 1, STAGES[0], "first run of this project", by="person")
    last = record[-1]
    arrived = _arrived(project, record)
    if arrived is not None:
        return arrived
    move, now = last.move, patching.params_hash(project)
    if move["to"] not in STAGES and now == last.params_after:
        return Ended(last)
    if now == last.params_before and now != last.params_after:
        patching.apply(project, move["patch"])
        now = patching.params_hash(project)
    if now == last.params_after:
        return entry_after(last)
    restored = any(item.params_before == now for item in record)
    because, patch = _edited(project, record, now), {} if restored else _new_labels(project, record)
    if patch:
        patching.apply(project, patch)
        because += f"; {_arrivals(patch, counted(project, record))}"
    return Entry(new_run(), last.iteration + 1, STAGES[0], because, EDITED, patch, by="person")


def came_in(project: Path) -> dict[str, int]:
    """Return how many labels of people there are, by the key of params that says how many count."""
    return {ANSWERS: len(read_answers(project)), REVIEWED: len(read_reviewed(project))}


def counted(project: Path, record: list[Iteration]) -> dict[str, int]:
    """Return how many labels of people the last iteration knew, by the same keys."""
    answers = answers_counted(record[-1])
    if answers is None:
        answers = check_params(read_params(project)).data.labels.answers
    found = (item.metrics.get("labels", {}).get("reviewed") for item in reversed(record))
    reviewed = next((int(item["labels"]) for item in found if item is not None), 0)
    return {ANSWERS: answers, REVIEWED: reviewed}


def _arrived(project: Path, record: list[Iteration]) -> Entry | None:
    """Return the entry with labels that came in since a run waited or ended, None when there are none."""
    last = record[-1]
    if last.move["to"] in STAGES:
        return None
    before, patch = counted(project, record), _new_labels(project, record)
    if not patch or last.params_after not in _but_for_labels(project, before):
        return None
    patching.apply(project, patch)
    run = last.run if last.move["to"] == WAITING else new_run()
    return Entry(run, last.iteration + 1, "data", _arrivals(patch, before), ARRIVED, patch, by="person")


def _new_labels(project: Path, record: list[Iteration]) -> dict[str, int]:
    """Return how many labels count from now on, where some came in since the last iteration."""
    before = counted(project, record)
    return {key: count for key, count in came_in(project).items() if count > before[key]}


def _arrivals(patch: dict[str, int], before: dict[str, int]) -> str:
    words = {ANSWERS: "labels came in", REVIEWED: "labels of reviewed rows came in"}
    return ", ".join(f"{count - before[key]} {words[key]}" for key, count in patch.items())


def _but_for_labels(project: Path, before: dict[str, int]) -> set[str]:
    """Return the hashes that the params had while so many labels counted; a number may not have stood there yet."""
    hashes = set()
    for absent in ([], [ANSWERS], [REVIEWED], [ANSWERS, REVIEWED]):
        values = patching.patched(read_params(project), before)
        for key in absent:
            del values["data"]["labels"][key.rpartition(".")[2]]
        if not values["data"]["labels"]:
            del values["data"]["labels"]
        hashes.add(patching.hash_of(values))
    return hashes


def entry_after(done: Iteration) -> Entry:
    """Return the entry that a recorded move to a stage makes.

    A person sends the loop on by a line of their own, which holds no work; else the loop does it itself.
    """
    by = "person" if done.by == "person" and not done.steps else "loop"
    move = done.move
    return Entry(done.run, done.iteration + 1, move["to"], move["reason"], move["row"], move["patch"], by)


def past_of(record: list[Iteration], run: str) -> tuple[Past, ...]:
    """Return the ways back that the loop took in this run, as `decide` wants them.

    A decision that nobody took in time is one of them: the iteration that asked for it was judged.
    """
    asked = {item.iteration: item for item in record}
    said = [item.iteration for item in record if item.run == run and item.by == "person" and not item.steps]
    return tuple(
        Past(
            item.stage,
            item.move["row"],
            _distance(judged),
            item.move["to"],
            _chosen(judged),
            # What a person changed since may be what it was held against.
            _missed(judged) if item.iteration > max(said, default=0) else (),
        )
        for item in record
        if item.run == run and item.by != "person" and goes_back(item.move)
        for judged in (asked.get(question_of(item) or item.iteration, item),)
    )


def question_of(item: Iteration) -> int | None:
    """Return the iteration whose question this line answers, None where it answers none."""
    found = (signal["evidence"].get("question") for signal in item.signals if signal["name"] == ANSWER)
    return next((int(number) for number in found if number is not None), None)


def goes_back(move: dict[str, Any]) -> bool:
    """Tell whether a recorded move goes back: to a stage, and not through its gate."""
    return move["to"] in STAGES and move["row"] != FORWARD


def released(move: dict[str, Any]) -> bool:
    """Tell whether a recorded move ended in a release."""
    return bool(move["to"] == RELEASED)


def situation(
    project: Path, stage: str, signals: list[Signal], record: list[Iteration], run: str, seconds: float
) -> Situation:
    """Put together what `decide` looks at."""
    values = read_params(project)
    spent = sum(item.seconds for item in record if item.run == run) + seconds
    by_name, params = {signal.name: signal for signal in signals}, check_params(values)
    data = [item.money for item in record if item.run == run and item.money is not None]
    money = (data[-1] if data else 0.0) + spent / 60 * params.planning.prices.training_minute
    return Situation(stage, by_name, params, values, past_of(record, run), spent / 60, money)


def _distance(item: Iteration) -> float | None:
    return distance_of(item.stage, _signals(item))


def _missed(item: Iteration) -> tuple[dict[str, Any], ...]:
    return tuple(missed_by(_signals(item)))


def _signals(item: Iteration) -> dict[str, Signal]:
    return {entry["name"]: Signal(**entry) for entry in item.signals}


def _chosen(item: Iteration) -> str | None:
    found = (signal["evidence"].get("chosen") for signal in item.signals)
    return next((str(name) for name in found if name), None)


def _edited(project: Path, record: list[Iteration], now: str) -> str:
    same = [item.iteration for item in record if item.params_before == now]
    return f"params.yaml is now that of iteration {same[-1]}" if same else "a person edited params.yaml"
