"""Write the docs that come from code: docs/transitions.md from the table, docs/params.md from the schema.

Run ``python docs/generate.py``; a test fails when what is committed differs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from flows.transitions import TABLE
from stages.files import write_text
from stages.params import Params

DOCS = Path(__file__).parent
NOTE = "<!-- made by docs/generate.py; edit {source} instead -->\n\n"


def transitions() -> str:
    """Return the transition table as Markdown."""
    lines = [
        NOTE.format(source="flows/transitions.py") + "# The transition table\n",
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
        NOTE.format(source="stages/params.py") + "# params.yaml\n",
        "Unknown keys are errors. Defaults are in the third column.\n",
    ]
    lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
    lines += _rows(Params, "")
    return "\n".join(lines) + "\n"


def _rows(model: type[BaseModel], prefix: str) -> list[str]:
    rows = []
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        sections = [t for t in _types(field.annotation) if isinstance(t, type) and issubclass(t, BaseModel)]
        meaning = field.description or (_first_line(sections[0]) if sections else "")
        rows.append(f"| `{key}` | {_type_name(field.annotation)} | {_default(field)} | {meaning} |")
        for section in sections:
            holder = ".NAME" if "dict[" in str(field.annotation) else "[]" if "list[" in str(field.annotation) else ""
            rows += _rows(section, f"{key}{holder}.")
    return rows


def _types(annotation: Any) -> list[Any]:
    inner = get_args(annotation)
    return [annotation] if not inner else [found for part in inner for found in _types(part)]


def _type_name(annotation: Any) -> str:
    names = []
    for kind in _types(annotation):
        if kind is type(None):
            continue
        name = getattr(kind, "__name__", None)
        if name is None or isinstance(kind, str):
            names.append(f"`{kind}`")
        elif isinstance(kind, type):
            names.append("section" if issubclass(kind, BaseModel) else name)
    return " or ".join(dict.fromkeys(names)).replace("|", "\\|")


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    if field.default is PydanticUndefined:
        return ""
    return "none" if field.default is None else f"`{field.default}`"


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().splitlines()[0]


PAGES = {"transitions.md": transitions, "params.md": params}

if __name__ == "__main__":
    for page, build in PAGES.items():
        write_text(DOCS / page, build())
