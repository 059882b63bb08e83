"""``loopwright plan``: the charter asked question by question, taken from a file, or shown with what is still open."""

from __future__ import annotations

import math
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_origin

from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.prompt import Confirm, Prompt
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from flows import patching
from flows.classes import classes_of
from flows.questions import Question, explanation, questions_for
from flows.words import patch_line
from stages.errors import LoopwrightError, ParamsError, ProjectError
from stages.metric_names import OFFLINE, SERVING, known, larger_is_better
from stages.params import HUMAN, PARAMS_FILE, Planning, Requirement, check_params, read_params
from stages.planning.charter import check_plan
from stages.planning.success import added_requirements, brought

Values = dict[str, Any]
LINES = YAML(typ="safe")
# Those with keys of their own, and those with a name for each entry.
SECTIONS = frozenset(
    name
    for name, field in Planning.model_fields.items()
    if get_origin(field.annotation) is dict
    or (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel))
)


def plan(project: Path, *, source: Path | None = None) -> None:
    """Ask for the charter on the terminal, or take it from a file; nothing is written before all of it holds.

    Parameters
    ----------
    project : Path
        The project.
    source : Path, optional
        A YAML file with some or all keys of ``planning``.

    Raises
    ------
    ProjectError
        If there is neither a terminal nor a file.
    ParamsError
        If an answer of the file breaks the schema.
    """
    console = Console(highlight=False)
    values = read_params(project)
    if source is not None:
        patch = from_file(source, values)
    elif sys.stdin.isatty():
        patch = _until_it_holds(console, values, classes_of(project, check_params(values)))
    else:
        raise ProjectError(
            "there is no terminal to ask on", where="loopwright plan", expected="a file", todo="use --from FILE"
        )
    changed = {key: value for key, value in patch.items() if patching.changes_anything(values, {key: value})}
    if not changed:
        console.print("nothing changed")
        return
    console.print(f"changes {escape(patch_line(changed))}", soft_wrap=True)
    if source is None and not Confirm.ask(f"write {PARAMS_FILE}?", console=console, default=True):
        console.print("nothing is written")
        return
    patching.apply(project, changed)
    console.print(f"wrote {PARAMS_FILE}; next: loopwright run{_at(project)}", soft_wrap=True)


def _at(project: Path) -> str:
    """Return the option that names a project, "" for the folder that one is in."""
    if project.resolve() == Path.cwd():
        return ""
    inside = project.resolve().is_relative_to(Path.cwd())
    return f" -C {shlex.quote(os.path.relpath(project) if inside else str(project))}"


def show(project: Path) -> None:
    """Print the charter, question by question, and count what nobody has answered."""
    console = Console(highlight=False)
    values, open_ = read_params(project), 0
    params = check_params(values)
    filled = params.model_dump(mode="json", by_alias=True)
    filled["planning"]["answering"]["guardrails"] = params.planning.guarded  # the archetype answers it
    classes = classes_of(project, params)
    section, questions = "", questions_for(params.planning.archetype, params.planning.task, classes)
    for question in questions:
        if question.section != section:
            section = question.section
            console.print(f"\n[bold]{section}[/]")
        answer = _get(filled, question.key)
        empty = answer in (None, "", [], {})
        open_ += empty
        said = "[yellow]open[/]" if empty else escape(_shown(answer))
        console.print(f"  {escape(question.asks)}\n    {said} [dim]planning.{question.key}[/]", soft_wrap=True)
        for added in added_requirements(params.planning.required) if question.key == "requirements" else ():
            console.print(f"    {escape(added)}", soft_wrap=True)
    console.print(f"\n{open_} of {len(questions)} questions are open; loopwright plan asks them, one by one")


def from_file(path: Path, values: Mapping[str, Any]) -> Values:
    """Return what a file says of the charter as a patch: one dotted key for each leaf, requirements each as a whole.

    Raises
    ------
    ParamsError
        If the file cannot be read, is no YAML mapping, or a key is none of ``planning``.
    """
    try:
        found = LINES.load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ParamsError(f"cannot be read ({error.strerror})", where=str(path), todo="check the path") from None
    except (YAMLError, UnicodeDecodeError) as error:
        what = " ".join(str(error).split())
        raise ParamsError(f"is not YAML: {what}", where=str(path), todo="mend it") from None
    section = found.get("planning", found) if isinstance(found, dict) else None
    if not isinstance(section, dict):
        raise ParamsError("holds no mapping", where=str(path), expected="keys of planning", todo="see docs/params.md")
    patch = {f"planning.{key}": value for key, value in _leaves(section)}
    try:
        check_plan(check_params(patching.patched(values, patch)).planning)
    except ParamsError as error:
        what, where = (said.replace(PARAMS_FILE, str(path)) for said in (error.what, error.where))
        raise ParamsError(what, where=where, expected=error.expected, todo=f"edit {path}") from None
    return patch


def _until_it_holds(console: Console, values: Values, classes: Sequence[object]) -> Values:
    """Ask until the answers do not contradict each other; the second time Enter keeps those of the first."""
    patch: Values = {}
    while True:
        patch |= asked(console, patching.patched(values, patch), classes)
        try:
            check_plan(check_params(patching.patched(values, patch)).planning)
        except ParamsError as error:
            console.print(f"\n[red]{escape(str(error))}[/]\nonce more:", soft_wrap=True)
        else:
            return patch


def asked(console: Console, values: Values, classes: Sequence[object] = ()) -> Values:
    """Ask every question of the charter, each again until its answer holds; Enter keeps what is there."""
    console.print("Enter keeps what stands in brackets, ? explains, Ctrl-C leaves everything as it was.")
    patch: Values = {}
    section = ""
    seen = set[str]()
    while left := [question for question in _now_asked(values, patch, classes) if question.key not in seen]:
        question = left[0]
        seen.add(question.key)
        if question.section != section:
            section = question.section
            console.print(f"\n[bold]{section}[/]")
        answers = _requirements if question.key == "requirements" else _leaf
        patch |= answers(console, question, patching.patched(values, patch))
        if question.key == "archetype":
            _say_what_it_brings(console, patching.patched(values, patch))
    return patch


def _say_what_it_brings(console: Console, values: Values) -> None:
    planning = check_params(values).planning
    asks = [one.key for one in questions_for(planning.archetype, planning.task) if one.key in planning.kind.asks]
    for said in [*brought(planning), *([f"it asks for {', '.join(asks)}"] if asks else [])]:
        console.print(f"  {escape(said)}", soft_wrap=True)


def _now_asked(values: Values, patch: Values, classes: Sequence[object]) -> tuple[Question, ...]:
    """Return the questions of the archetype as it is answered so far."""
    said = _get(patching.patched(values, patch), "archetype")
    return questions_for(str(said or HUMAN), str(values["planning"]["task"]), classes)


def _leaf(console: Console, question: Question, values: Values) -> Values:
    key = f"planning.{question.key}"
    now = _get(check_params(values).model_dump(mode="json", by_alias=True), question.key)
    while True:
        text = _answer(console, question, _shown(now))
        if not text:
            return {}
        try:
            answer = {key: text if question.text else LINES.load(text)}
            check_params(patching.patched(values, answer))
        except (YAMLError, LoopwrightError) as error:
            console.print(f"[red]{escape(' '.join(str(error).split()))}[/]", soft_wrap=True)
        else:
            return answer


def _requirements(console: Console, question: Question, values: Values) -> Values:
    """Ask for one requirement after the other, until none is named."""
    patch: Values = {}
    task = values["planning"]["task"]
    while True:
        now = patching.patched(values, patch)["planning"]["requirements"]
        name = _answer(console, question, ", ".join(f"{key} {_shown(item)}" for key, item in now.items()))
        if not name:
            return patch
        try:
            if name not in known(task):
                raise _unknown_metric(name, task)
            side = "at_least" if larger_is_better(task, name) and name not in SERVING else "at_most"
            item: Values = {side: _bound(console, name, side)}
            item |= {} if Confirm.ask("  no release without it", console=console, default=True) else {"hard": False}
            for key, asks in (("asked_by", "who asked for it"), ("why", "why this value")):
                said = Prompt.ask(f"  {asks}", console=console, default="", show_default=False)
                item |= {key: said} if said else {}
            answer = {f"planning.requirements.{name}": item}
            check_params(patching.patched(values, patch | answer))
            patch |= answer
        except (YAMLError, LoopwrightError, KeyError) as error:
            console.print(f"[red]{escape(' '.join(str(error).split()))}[/]", soft_wrap=True)


def _unknown_metric(name: str, task: str) -> ParamsError:
    names = ", ".join(sorted([*OFFLINE[task], *SERVING]))
    return ParamsError(f"{name!r} is no metric of a {task}", expected=f"one of {names}", todo="name another")


def _bound(console: Console, name: str, side: str) -> float:
    """Ask for the bound of a metric until it is a number."""
    says = str(Requirement.model_fields[side].description).replace("The metric", name)
    while True:
        text = Prompt.ask(f"  {side.replace('_', ' ')}", console=console, default="", show_default=False).strip()
        try:
            found = float(text)
        except ValueError:
            found = math.nan
        if math.isfinite(found):
            return found
        console.print(f"  {escape(says)} A number, such as 0.8 or 12.", soft_wrap=True)


def _answer(console: Console, question: Question, now: str) -> str:
    """Return what is typed, "" to keep what is there; ? is answered with the explanation of the key."""
    while True:
        asks = f"{escape(question.asks)} [dim]\\[{escape(now) or 'open'}][/]"
        text = Prompt.ask(asks, console=console, default="", show_default=False).strip()
        if text != "?":
            return text
        console.print(f"  {escape(explanation(question.key))}", soft_wrap=True)


def _leaves(section: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield dotted keys and values; what is a section in the schema is entered, all else is taken as it stands."""
    for key, value in section.items():
        if isinstance(value, dict) and key in SECTIONS:
            yield from ((f"{key}.{inner}", item) for inner, item in value.items())
        else:
            yield key, value


def _get(values: Mapping[str, Any], key: str) -> Any:
    found: Any = values["planning"]
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        kept = {key: item for key, item in value.items() if item not in (None, "", True)}
        return ", ".join(f"{key} {_shown(item)}" for key, item in kept.items())
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
