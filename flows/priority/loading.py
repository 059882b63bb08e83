"""Reading a file of candidate projects, and saying in which line and key it is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from flows.priority.schema import Candidates
from stages.errors import PriorityError
from stages.params import PARAMS_FILE

PLAIN = {
    "model_type": "is no mapping",
    "dict_type": "is no mapping",
    "list_type": "is no list",
    "string_type": "is no text; put it in quotes",
}
TODO = "loopwright prioritise --template prints a file to fill in"


def load_candidates(path: Path) -> Candidates:
    """Read and check a file of candidate projects.

    Raises
    ------
    PriorityError
        If the file is missing or no YAML, keys or answers are wrong, or a project that it names is none; each is named
        with its line.
    """
    loaded = _read(path)
    try:
        candidates = Candidates.model_validate(loaded)
    except ValidationError as error:
        told = "; ".join(_explain(item, loaded) for item in error.errors())
        raise PriorityError(told, where=str(path), todo=TODO) from None
    for at, item in enumerate(candidates.projects):
        if item.project is not None and not (path.parent / item.project / PARAMS_FILE).is_file():
            raise PriorityError(
                f"{item.project} is no Loopwright project",
                where=f"{path}: line {line_of(loaded, ['projects', at, 'project'])}: projects[{at}].project",
                expected=f"a folder with {PARAMS_FILE}, relative to the file",
                todo="loopwright init makes one; leave the key out where there is none yet",
            )
    return candidates


def _read(path: Path) -> Any:
    """Return the file as mappings and lists that know their lines."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        loaded = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PriorityError("not found", where=str(path), todo=TODO) from None
    except OSError as error:
        raise PriorityError(
            f"cannot be read ({error.strerror})", where=str(path), expected="a YAML file", todo=TODO
        ) from None
    except UnicodeDecodeError as error:
        raise PriorityError(f"is not UTF-8: {error.reason}", where=str(path), todo="save it as UTF-8") from None
    except MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise PriorityError(f"is not YAML: {error.problem}", where=f"{path}{line}", todo="mend that line") from None
    except YAMLError as error:
        what = " ".join(str(error).split())
        raise PriorityError(f"is not YAML: {what}", where=str(path), todo="take that character out") from None
    if not isinstance(loaded, dict):
        raise PriorityError("is empty or not a mapping", where=str(path), expected="the key projects", todo=TODO)
    return loaded


def line_of(loaded: Any, keys: Sequence[str | int]) -> int:
    """Return the line, from 1, of the last of ``keys`` that is there."""
    line, node = 0, loaded  # ruamel's mappings and lists, each with the lines (lc) of what is in it
    for key in keys:
        try:
            line = node.lc.item(key)[0] if isinstance(key, int) else node.lc.key(key)[0]
            node = node[key]
        except (AttributeError, KeyError, IndexError, TypeError):
            break
    return int(line) + 1


def _explain(item: Any, loaded: Any) -> str:
    keys = [part for part in item["loc"] if part != "[key]"]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in keys).lstrip(".")
    where = f"line {line_of(loaded, keys)}: {path or 'top level'}"
    if item["type"] == "extra_forbidden":
        return f"{where}: unknown key"
    if item["type"] == "missing":
        return f"{where}: missing"
    said = f"{where}: {PLAIN.get(item['type']) or item['msg'].removeprefix('Value error, ')}"
    found = item["input"]
    return said if isinstance(found, dict | list) or keys[-1:] == [found] else f"{said} (found {found!r})"
