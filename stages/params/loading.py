"""Reading ``params.yaml``, and saying what is wrong with it."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from stages.errors import ParamsError
from stages.params.base import PARAMS_FILE, Section
from stages.params.data import Data
from stages.params.deployment import Deployment
from stages.params.planning import Planning
from stages.params.training import Training
from stages.yaml import parsed

# What pydantic puts between a key and the keys of one of several sections that may stand there.
KINDS = ("nycflights13", "table", "sql", "python", "invariance", "direction", "minimum_functionality")


class Params(Section):
    """All of ``params.yaml``."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(0, description="Seed of every random step.")
    planning: Planning
    data: Data
    training: Training
    deployment: Deployment = Field(default_factory=Deployment)


def load_params(project: Path) -> Params:
    """Read and check ``params.yaml`` of a project.

    Raises
    ------
    ParamsError
        If the file is missing, is not YAML, or a key is unknown, missing or of the wrong type; all are named.
    """
    return check_params(read_params(project))


def read_params(project: Path) -> dict[str, Any]:
    """Read ``params.yaml`` as plain data, unchecked but for being a mapping."""
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    path = project / PARAMS_FILE
    try:
        loaded = parsed(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(
            "not found", where=str(path), todo="run inside a project, or make one: loopwright init DIR --data FILE"
        ) from None
    except OSError as error:
        raise ParamsError(
            f"cannot be read ({error.strerror})", where=str(path), todo="check its owner and mode"
        ) from None
    except UnicodeDecodeError as error:
        raise ParamsError(f"is not UTF-8: {error.reason}", where=PARAMS_FILE, todo="save it as UTF-8") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark
        line = f" line {mark.line + 1}" if mark else ""
        raise ParamsError(
            f"is not YAML: {error.problem}", where=f"{PARAMS_FILE}{line}", todo="mend that line"
        ) from None
    except YAMLError as error:
        what = " ".join(str(error).split())
        raise ParamsError(f"is not YAML: {what}", where=PARAMS_FILE, todo="take that character out") from None
    if not isinstance(loaded, dict):
        raise ParamsError("is empty or not a mapping", where=PARAMS_FILE, expected="keys planning, data, training")
    refuse_bare_dates(loaded, "")
    return loaded


def refuse_bare_dates(value: Any, key: str) -> None:
    """Refuse what YAML reads as a date: DVC stops at any in the file, and names no line."""
    if isinstance(value, dt.date):
        raise ParamsError(
            f"{value} is a bare date",
            where=f"{PARAMS_FILE}: {key}",
            expected=f'a text, "{value}"',
            todo="put it in quotes",
        )
    for name, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        refuse_bare_dates(item, f"{key}.{name}" if key else str(name))


def check_params(values: dict[str, Any]) -> Params:
    """Check plain data against the schema.

    Raises
    ------
    ParamsError
        Naming every key at fault, what was found and what was expected.
    """
    try:
        params = Params.model_validate(values)
    except ValidationError as error:
        raise ParamsError("; ".join(_explain(item) for item in error.errors()), todo=f"edit {PARAMS_FILE}") from None
    _check_metrics(params)
    return params


def _explain(item: Any) -> str:
    keys = [str(part) for part in item["loc"] if part not in KINDS]
    where = f"{PARAMS_FILE}: {'.'.join(keys) or 'top level'}"
    if item["type"] == "extra_forbidden":
        near = difflib.get_close_matches(keys[-1], _keys_beside(item["loc"]), n=1)
        return f"{where}: unknown key; " + (
            f"do you mean {near[0]}?" if near else "see docs/params.md for the known ones"
        )
    if item["type"] == "missing":
        return f"{where}: missing"
    found = f" (found {_found(item['input'])})" if item["type"] != "value_error" or _is_plain(item["input"]) else ""
    return f"{where}: {item['msg'].removeprefix('Value error, ')}{found}"


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float | bool | None)


def _found(value: Any) -> str:
    """Return a value as it is told of: of what is no plain one only the keys, or that it is a list."""
    if isinstance(value, dict):
        return f"the keys {', '.join(map(str, value))}" if value else "an empty section"
    return repr(value) if _is_plain(value) else "a list" if isinstance(value, list) else type(value).__name__


def _keys_beside(place: Sequence[int | str]) -> list[str]:
    """Return the keys that the schema knows in the section in which a key stands."""
    sections = list(_whole([_schema()]))
    for part in place[:-1]:
        sections = list(_whole(inner for section in sections for inner in _into(section, part)))
    return sorted({name for section in sections for name in section.get("properties", {})})


@cache
def _schema() -> dict[str, Any]:
    return Params.model_json_schema()


def _whole(parts: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield parts of the schema, references followed and each of several that may stand there for itself."""
    for part in parts:
        if "$ref" in part:
            yield from _whole([_schema()["$defs"][part["$ref"].rsplit("/", 1)[-1]]])
        elif {"anyOf", "oneOf"} & part.keys():
            yield from _whole([*part.get("anyOf", []), *part.get("oneOf", [])])
        else:
            yield part


def _into(section: dict[str, Any], part: int | str) -> Iterator[dict[str, Any]]:
    """Yield what stands in a section under a key, an index, or the kind that pydantic names a section by."""
    inner = section.get("properties", {})
    if part in inner:
        yield inner[part]
    elif inner.get("kind", {}).get("const") == part:
        yield section
    else:
        yield from (section[name] for name in ("additionalProperties", "items") if isinstance(section.get(name), dict))


def _check_metrics(params: Params) -> None:
    from stages.metric_names import OFFLINE, SERVING, between_groups, known, optimisable

    names = known(params.planning.task)
    for name, item in params.planning.beat.items():
        if item.metric not in OFFLINE[params.planning.task]:
            raise ParamsError(
                f"unknown metric {item.metric!r}",
                where=f"{PARAMS_FILE}: planning.beat.{name}.metric",
                expected="one of " + ", ".join(sorted(OFFLINE[params.planning.task])),
                todo=f"edit {PARAMS_FILE}",
            )
    for name in params.planning.requirements:
        if name not in names:
            raise ParamsError(
                f"unknown metric {name!r} for {params.planning.task}",
                where=f"{PARAMS_FILE}: planning.requirements",
                expected="one of "
                + ", ".join(sorted([*OFFLINE[params.planning.task], *SERVING]))
                + ", or between groups one such as "
                + next(iter(sorted(name for name in names if between_groups(name)))),
                todo="see docs/params.md",
            )
        if between_groups(name) and not params.planning.ethics.sensitive:
            raise ParamsError(
                "there are no groups to compare",
                where=f"{PARAMS_FILE}: planning.requirements.{name}",
                expected="their columns in planning.ethics.sensitive",
                todo=f"edit {PARAMS_FILE}",
            )
    for name in params.planning.combine.weights:
        if name not in OFFLINE[params.planning.task]:
            raise ParamsError(
                f"unknown metric {name!r} for {params.planning.task}",
                where=f"{PARAMS_FILE}: planning.combine.weights",
                expected="one of " + ", ".join(sorted(OFFLINE[params.planning.task])),
                todo=f"edit {PARAMS_FILE}",
            )
    choices = optimisable(params.planning.task)
    for key, name in (
        ("optimise", params.planning.optimise),
        *(("optimise_next", name) for name in params.planning.optimise_next),
    ):
        if name not in choices:
            late = " (a time is measured in deployment only, on one candidate)" if name in names else ""
            raise ParamsError(
                f"{name!r} cannot be optimised{late}"
                if late
                else f"unknown metric {name!r} for {params.planning.task}",
                where=f"{PARAMS_FILE}: planning.{key}",
                expected="one of " + ", ".join(sorted(choices)),
                todo=f"edit {PARAMS_FILE}",
            )
