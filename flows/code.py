"""What a project made by `init` runs on: the installed version's steps, which DVC cannot see by itself.

``code.json`` holds their hash, every DVC stage of such a project depends on it, and it is brought up to date when a run
begins: after an upgrade everything runs again, and the record says why. A pipeline that another version wrote lacks
what these steps read; it is refused, and `upgrade` brings the one that goes with them.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from functools import cache, reduce
from importlib.resources import files
from operator import getitem
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

import stages
from flows import patching
from flows.pipeline import PIPELINE_FILE, pipeline
from flows.snapshots import CODE_FILE
from stages.errors import ProjectError
from stages.files import read_json, write_json, write_text
from stages.params import PARAMS_FILE, check_params, read_params

# A regression has no ROC curve; its file holds the quantiles of the residuals.
REGRESSION_PLOT = {
    "x: false_positive_rate, y: true_positive_rate": "x: quantile, y: residual",
    "ROC on the validation rows": "Residuals on the validation rows",
}
NEW = f"{PIPELINE_FILE}.new"
FOR_EYES = "plots/"
OWN_STEPS = "stages/__init__.py"
TOGETHER = f"git diff --no-index {PIPELINE_FILE} {NEW}; bring them together and delete {NEW}"


@dataclass(frozen=True)
class Noted:
    """What ``code.json`` says, all hashes: the pipeline as this version has it, and as it was written; the steps."""

    template: str
    written: str
    stages: str


def template(task: str) -> str:
    """Return the ``dvc.yaml`` of a project by `init`."""
    text = (files("flows") / "templates" / "pipeline.yaml").read_text(encoding="utf-8")
    for classification, regression in REGRESSION_PLOT.items() if task == "regression" else ():
        text = text.replace(classification, regression)
    return text


def write_pipeline(project: Path, task: str) -> None:
    """Write the pipeline, and which code it runs on."""
    text = template(task)
    write_text(project / PIPELINE_FILE, text)
    _note(project, text, written=True)


def refresh(project: Path) -> None:
    """Note that other steps are installed; nothing where there is no note, as in a project that holds its own steps."""
    known = _noted(project)
    if known is not None and known.stages != installed():
        write_json(project / CODE_FILE, {**asdict(known), "stages": installed()})


def check_pipeline(project: Path) -> None:
    """Refuse a pipeline of another version, whose files these steps would miss.

    Raises
    ------
    ProjectError
        If it is of another version, or a person has not yet brought theirs and the new one together.
    """
    _refuse_if_apart(project)
    known = _noted(project)
    if known is None and (project / OWN_STEPS).exists():
        return
    if known is None or known.template != _hash(template(_task(project)).encode()):
        raise ProjectError(
            "is of another version of loopwright",
            where=PIPELINE_FILE,
            expected="the stages that this version has",
            todo="loopwright upgrade",
        )
    lacking = sorted(_outputs(template(_task(project))) - _outputs((project / PIPELINE_FILE).read_text("utf-8")))
    if lacking:
        raise ProjectError(
            f"makes no {', '.join(lacking[:3])}, which these steps read",
            where=PIPELINE_FILE,
            expected="the stages of this version, beside your own changes",
            todo=f"delete {CODE_FILE}, then loopwright upgrade writes {NEW} again",
        )


def upgrade(project: Path) -> list[str]:
    """Bring pipeline and params of a project to the installed version; return the files that changed.

    Raises
    ------
    ProjectError
        If a person edited the pipeline: theirs stays, and the new one lies beside it.
    """
    _refuse_if_apart(project)
    known, new = _noted(project), template(_task(project))
    before = (project / PIPELINE_FILE).read_text(encoding="utf-8")
    if known is not None and known.template == _hash(new.encode()):
        refresh(project)
        return _add_defaults(project)
    if known is not None and known.written == _hash(before.encode()):
        write_pipeline(project, _task(project))
        return [PIPELINE_FILE, CODE_FILE, *_add_defaults(project)]
    write_text(project / NEW, new)
    _note(project, new, written=False)
    raise ProjectError(
        "was edited, or is of a version that did not note what it wrote, and is left as it is",
        where=PIPELINE_FILE,
        expected=f"what {NEW} holds, beside your own changes",
        todo=f"{TOGETHER}, then loopwright upgrade",
    )


@cache
def installed() -> str:
    """Return the hash of all steps as they are installed."""
    folder = Path(str(stages.__file__)).parent
    sources = sorted(folder.rglob("*.py"))
    parts = (f"{path.relative_to(folder).as_posix()}\0".encode() + path.read_bytes() for path in sources)
    return _hash(b"\0".join(parts))


def _refuse_if_apart(project: Path) -> None:
    if (project / NEW).exists():
        raise ProjectError(
            f"and {NEW} are not brought together yet",
            where=PIPELINE_FILE,
            expected=f"what {NEW} holds, beside your own changes",
            todo=f"{TOGETHER}, then loopwright upgrade",
        )


def _outputs(text: str) -> set[str]:
    """Return what the stages of a pipeline make, but for what only people look at."""
    stages_ = (YAML(typ="safe").load(text) or {}).get("stages") or {}
    outs = [
        out for stage in stages_.values() for key in ("outs", "metrics") for out in stage.get("do", stage).get(key, [])
    ]
    names = {str(out) if isinstance(out, str) else str(next(iter(out))) for out in outs}
    return {name for name in names if not name.startswith(FOR_EYES)}


def _add_defaults(project: Path) -> list[str]:
    """Write the keys that DVC stages name and ``params.yaml`` has not, with their defaults; return the file if any."""
    values = read_params(project)
    defaults = check_params(values).model_dump(mode="json", by_alias=True)
    named = [key for stage in pipeline(project).values() for key in stage.get("params", []) if isinstance(key, str)]
    lacking = [key for key in dict.fromkeys(named) if not _has(values, key) and _has(defaults, key)]
    patching.apply(project, {key: reduce(getitem, key.split("."), defaults) for key in lacking})
    return [PARAMS_FILE] if lacking else []


def _has(values: Any, key: str) -> bool:
    for part in key.split("."):
        if not isinstance(values, dict) or part not in values:
            return False
        values = values[part]
    return True


def _task(project: Path) -> str:
    return str((read_params(project).get("planning") or {}).get("task"))


def _note(project: Path, text: str, *, written: bool) -> None:
    mark = _hash(text.encode())
    write_json(project / CODE_FILE, {"template": mark, "written": mark if written else "", "stages": installed()})


def _noted(project: Path) -> Noted | None:
    path = project / CODE_FILE
    if not path.exists():
        return None
    try:
        return Noted(**read_json(path))
    except (ValueError, TypeError):
        raise ProjectError(
            "is damaged", where=CODE_FILE, expected="what loopwright init wrote", todo=f"git checkout {CODE_FILE}"
        ) from None


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
