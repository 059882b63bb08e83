"""Models on disk: skops files, which hold no code, equal bytes for equal models, read only if all types are known."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import skops.io

from stages.errors import DataError
from stages.files import replacing

# What skops does not know and estimators hold: scikit-learn's own classes, and these. Functions are refused but for the
# one named, as some run what they are given (numpy.testing.measure).
TRUSTED = frozenset({"functools.partial", "numpy.dtype", "sklearn.utils.validation.check_array"})
EPOCH = (1980, 1, 1, 0, 0, 0)


def save_model(path: Path, model: Any) -> int:
    """Write a model atomically; return its size in bytes.

    skops names parts of the file after memory addresses and stamps the time; both are replaced, so that the same model
    gives the same bytes and DVC the same hash.
    """
    content = _normalised(skops.io.dumps(model))
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return len(content)


def load_model(path: Path) -> Any:
    """Read a model.

    Raises
    ------
    DataError
        If the file is damaged or holds a type that is not trusted.
    """
    try:
        content = path.read_bytes()
        unknown = skops.io.get_untrusted_types(data=content)
        refused = [name for name in unknown if not _trusted(name)]
        if not refused:
            return skops.io.loads(content, trusted=unknown)
    except Exception as error:  # a damaged file makes zipfile, json and skops raise nearly anything
        raise DataError(
            f"is no model: {type(error).__name__}: {error}", where=str(path), expected="a skops file", todo="dvc repro"
        ) from None
    raise DataError(
        f"holds types that are not trusted: {', '.join(refused)}",
        where=str(path),
        expected="scikit-learn's own",
        todo="do not load it; train it again with loopwright run",
    )


def _trusted(name: str) -> bool:
    return name in TRUSTED or (name.startswith("sklearn.") and name.rpartition(".")[2].lstrip("_")[:1].isupper())


def _normalised(content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(parts.pop("schema.json"))
    numbers: dict[str, int] = {}
    schema = _renumbered(schema, numbers)
    renamed = {_rename(name, numbers): part for name, part in parts.items()}
    renamed["schema.json"] = json.dumps(schema).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name in sorted(renamed):
            archive.writestr(zipfile.ZipInfo(name, EPOCH), renamed[name], zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _renumbered(value: Any, numbers: dict[str, int]) -> Any:
    if isinstance(value, dict):
        found: dict[str, Any] = {}
        for key, item in value.items():
            if key == "__id__":
                found[key] = numbers.setdefault(str(item), len(numbers) + 1)
            elif key == "file" and isinstance(item, str):
                found[key] = _rename(item, numbers)
            else:
                found[key] = _renumbered(item, numbers)
        return found
    return [_renumbered(item, numbers) for item in value] if isinstance(value, list) else value


def _rename(name: str, numbers: dict[str, int]) -> str:
    stem, dot, suffix = name.partition(".")
    return f"{numbers.setdefault(stem, len(numbers) + 1):06d}{dot}{suffix}" if stem.isdigit() else name
