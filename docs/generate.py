"""Write the docs that come from code: transitions.md from a table, params.md from a schema, prioritise.md from drivers.

Run ``python docs/generate.py``; a test fails when what is committed differs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from flows.priority.drivers import AXES, GROUPS, Driver, of_axis, rising
from flows.transitions import TABLE
from stages.files import write_text
from stages.metric_names import OFFLINE, SERVING, grouped
from stages.params import Params

DOCS = Path(__file__).parent
NOTE = "<!-- made by docs/generate.py; edit {source} instead -->\n\n"
DRIVERS_MARK = "<!-- from here on made by docs/generate.py; edit flows/priority/drivers.py instead -->\n\n"


def transitions() -> str:
    """Return the transition table as Markdown."""
    lines = [
        NOTE.format(source="flows/transitions/") + "# The transition table\n",
        "The first row that fires, changes something and is within its bounds is taken; the order is the precedence. A",
        "stage whose gate is open goes forward, and a diagnosis is then kept as evidence only. Source: Full Stack Deep",
        'Learning 2021, lecture 5, "ML Projects".\n',
        "| from | row | fires when | signals | to | what changes |",
        "|---|---|---|---|---|---|",
    ]
    for row in TABLE:
        signals = ", ".join(f"`{name}`" for name in row.signals)
        live = "" if row.live else " *(declared; its signal is not measured yet)*"
        asks = " *(asks a person; unattended: `planning.unattended`)*" if row.asks else ""
        lines.append(f"| {row.stage} | `{row.name}` | {row.when}{live} | {signals} | {row.to}{asks} | {row.cure} |")
    return "\n".join(lines) + "\n"


def params() -> str:
    """Return the reference of ``params.yaml`` as Markdown."""
    lines = [
        NOTE.format(source="stages/params/") + "# params.yaml\n",
        "Unknown keys are errors. Defaults are in the third column.\n",
    ]
    lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
    lines += _rows(Params, "")
    lines += ["\n## Metrics that a requirement may name\n"]
    for task, metrics in OFFLINE.items():
        names = ", ".join(f"`{name}` ({'more' if larger else 'less'} is better)" for name, larger in metrics.items())
        lines.append(f"- {task}: {names}")
    lines.append(f"- of serving, for both: {', '.join(f'`{name}`' for name in SERVING)}")
    lines.append(
        "- between the groups of `planning.ethics.sensitive`, in the pilot: METRIC`_difference` (less is better) and"
    )
    lines.append("  METRIC`_ratio` (more is better); see [tests of the model](model-tests.md#groups). METRIC is one of")
    for task in OFFLINE:
        lines.append(f"  - {task}: {', '.join(f'`{name}`' for name in grouped(task))}")
    return "\n".join(lines) + "\n"


def prioritise() -> str:
    """Return docs/prioritise.md as it is written by hand down to a mark, and the drivers below it."""
    written, mark, _ = (DOCS / "prioritise.md").read_text(encoding="utf-8").partition(DRIVERS_MARK)
    lines = [written + mark]
    for axis in AXES:
        lines.append(f"## Drivers of {axis}\n")
        lines += ["| driver | question | 1 | 5 | measured by: what is a 5, 4, 3 and 2 |", "|---|---|---|---|---|"]
        for group in dict.fromkeys(driver.group for driver in of_axis(axis)):
            lines.append(f"| **{group}** | *{GROUPS[group]}* | | | |")
            lines += [_driver(driver) for driver in of_axis(axis) if driver.group == group]
        lines.append("")
    return "\n".join(lines)


def _driver(driver: Driver) -> str:
    levels = driver.levels or ()
    cuts = ", ".join(f"{level:g}" for level in levels)
    graded = f": {'up to' if rising(levels) else 'from'} {cuts} {driver.unit}" if levels else ""
    worst = driver.worst + " (veto)" * bool(driver.veto)
    return f"| `{driver.name}` | {driver.ask} | {worst} | {driver.best} | {driver.measured}{graded} |"


def _rows(model: type[BaseModel], prefix: str) -> list[str]:
    rows = []
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        sections = [t for t in _types(field.annotation) if isinstance(t, type) and issubclass(t, BaseModel)]
        meaning = field.description or " Or: ".join(_first_line(section) for section in sections)
        rows.append(f"| `{key}` | {_type_name(field.annotation)} | {_default(field)} | {meaning} |")
        for section in sections:
            holder = ".NAME" if "dict[" in str(field.annotation) else "[]" if "list[" in str(field.annotation) else ""
            rows += _rows(section, f"{key}{holder}.")
    return rows


def _types(annotation: Any) -> list[Any]:
    """Return the types that an annotation is made of, without what only annotates them."""
    if get_origin(annotation) is Annotated:
        return _types(get_args(annotation)[0])
    inner = get_args(annotation)
    return [annotation] if not inner else [found for part in inner for found in _types(part)]


def _type_name(annotation: Any) -> str:
    """Return an annotation in words: a list of them, a section by name, one of some texts."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_name(inner[0])
    if origin is list:
        return f"list of {_type_name(inner[0])}"
    if origin is dict:
        return f"{_type_name(inner[1])} by name" if inner[1] is not Any else "mapping"
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in inner)
    if inner:
        return " or ".join(dict.fromkeys(_type_name(part) for part in inner if part is not type(None)))
    return "any" if annotation is Any else "section" if issubclass(annotation, BaseModel) else str(annotation.__name__)


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    if field.default is PydanticUndefined:
        return ""
    return "none" if field.default is None else f"`{field.default}`" if field.default != "" else ""


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().splitlines()[0]


PAGES = {"transitions.md": transitions, "params.md": params, "prioritise.md": prioritise}

if __name__ == "__main__":
    for page, build in PAGES.items():
        write_text(DOCS / page, build())
