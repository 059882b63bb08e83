"""Parsed YAML, remembered by its text: a run asks for the same files again and again, and parsing takes 0.1 s."""

from __future__ import annotations

import copy
from functools import lru_cache
from typing import Any


def parsed(text: str) -> Any:
    """Return what a YAML text holds; each call gets its own.

    Raises
    ------
    YAMLError
        As `ruamel.yaml` does.
    """
    return copy.deepcopy(_parsed(text))


@lru_cache(maxsize=8)
def _parsed(text: str) -> Any:
    from ruamel.yaml import YAML

    return YAML(typ="safe").load(text)
