"""Params patches: dotted keys and their new values, applied to ``params.yaml`` with its comments and order kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from copy import deepcopy
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from stages.errors import ParamsError
from stages.files import write_text
from stages.params import PARAMS_FILE, check_params, read_params

Patch = Mapping[str, Any]


def patched(values: Mapping[str, Any], patch: Patch) -> dict[str, Any]:
    """Return a copy of ``values`` with each dotted key of the patch set.

    Raises
    ------
    ParamsError
        If a key leads through something that is not a section.

    Examples
    --------
    >>> patched({"data": {"rows": 1}}, {"data.rows": 2})
    {'data': {'rows': 2}}
    """
    copy = deepcopy(dict(values))
    for key, value in patch.items():
        _set(copy, key, value)
    return copy


def changes_anything(values: Mapping[str, Any], patch: Patch) -> bool:
    """Tell whether the patch differs from what is there."""
    return patched(values, patch) != dict(values)


def apply(project: Path, patch: Patch) -> None:
    """Write the patch into ``params.yaml``, atomically; nothing is written when the result breaks the schema.

    Raises
    ------
    ParamsError
        If the patched params break the schema.
    """
    check_params(patched(read_params(project), patch))
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    path = project / PARAMS_FILE
    document = yaml.load(path.read_text(encoding="utf-8"))
    for key, value in patch.items():
        _set(document, key, value)
    text = StringIO()
    yaml.dump(document, text)
    write_text(path, text.getvalue())


def params_hash(project: Path, patch: Patch | None = None) -> str:
    """Return the SHA-256 of the values in ``params.yaml``, with a patch applied when given; comments do not count."""
    return hash_of(patched(read_params(project), patch or {}))


def hash_of(values: Mapping[str, Any]) -> str:
    """Return the SHA-256 of params as plain data."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _set(values: Any, key: str, value: Any) -> None:
    *sections, last = key.split(".")
    for section in sections:
        if not isinstance(values, dict):
            raise ParamsError(f"{key}: {section} is not inside a section", where=PARAMS_FILE, todo="see docs/params.md")
        values = values.setdefault(section, {})
    if not isinstance(values, dict):
        raise ParamsError(f"{key}: {last} is not inside a section", where=PARAMS_FILE, todo="see docs/params.md")
    old = values.get(last)
    if isinstance(old, CommentedSeq) and isinstance(value, list):
        _replace_items(old, value)
    else:
        # Without quotes, a text with a colon inside {...} is written in a way that YAML's own readers refuse.
        values[last] = DoubleQuotedScalarString(value) if isinstance(value, str) and ":" in value else deepcopy(value)


def _replace_items(old: CommentedSeq, new: list[Any]) -> None:
    """Replace the items of a list in the file; its style stays, and so does the comment that follows its last item."""
    if not old:
        old.fa.set_flow_style()  # `[]` was written so
    following = old.ca.items.pop(len(old) - 1, None)
    keep = 0
    while keep < min(len(old), len(new)) and old[keep] == new[keep]:
        keep += 1
    del old[keep:]
    old.extend(deepcopy(new[keep:]))
    if following is not None and new:
        old.ca.items[len(new) - 1] = following
