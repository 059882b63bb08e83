"""``dvc.yaml`` tells DVC everything a step is made from, so that it runs again when any of it changes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from flows.pipeline import first_reader, pipeline
from tests.conftest import ROOT

STAGES = pipeline(ROOT)
# What every step stands on; a change there is made with care for what it does to results, or by `dvc repro --force`.
BASE_NAMES = (
    "context.py",
    "errors.py",
    "files.py",
    "importing.py",
    "metric_names.py",
    "params",
    "requirements.py",
    "signals.py",
)
BASE = {Path("stages") / name for name in (*BASE_NAMES, "step.py", "data/blocks.py")}


@pytest.mark.parametrize("name", STAGES)
def test_a_step_depends_on_all_the_code_it_is_made_from(name: str) -> None:
    module = Path(STAGES[name]["cmd"].split()[2].replace(".", "/") + ".py")
    listed = {Path(dep) for dep in STAGES[name]["deps"] if dep.startswith("stages/")}
    made_from = closure(module, {module})
    assert {path for path in made_from if not listed & {path, *path.parents}} == set()
    assert {path for path in listed if not any(path in {one, *one.parents} for one in made_from)} == set()


@pytest.mark.parametrize(
    ("keys", "stage"),
    [
        (["planning.requirements.roc_auc.at_least"], "planning"),
        (["data.collect.end"], "data"),
        (["data"], "planning"),
        (["training.use"], "training"),
        (["deployment.slices.min_rows", "training.diagnosis.max_gap"], "training"),
        (["deployment.slices.min_rows"], "deployment"),
        (["deploymentx.slices"], None),
    ],
)
def test_a_param_is_first_read_by(keys: list[str], stage: str | None) -> None:
    assert first_reader(ROOT, keys) == stage


def closure(module: Path, seen: set[Path]) -> set[Path]:
    """Return the modules under ``stages/`` that a module imports, and those that they import, but for the base."""
    for found in imported(module) - seen:
        seen.add(found)
        closure(found, seen)
    return seen


def imported(module: Path) -> set[Path]:
    names = set()
    for node in ast.walk(ast.parse((ROOT / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    bases = [Path(name.replace(".", "/")) for name in names if name.startswith("stages.")]
    paths = {path for base in bases for path in (base.with_suffix(".py"), base / "__init__.py")}
    return {path for path in paths if (ROOT / path).is_file() and not BASE & {path, *path.parents} and has_code(path)}


def has_code(path: Path) -> bool:
    """Tell whether a module is more than a docstring."""
    return len(ast.parse((ROOT / path).read_text(encoding="utf-8")).body) > 1
