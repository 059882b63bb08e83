"""What is generated is what is committed; what README says exists does."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from flows.cli import parser
from flows.transitions import TABLE
from tests.conftest import ROOT
from tests.stages.signal_cases import every_case


def generator() -> Any:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["transitions.md", "params.md", "prioritise.md"])
def test_generated_pages_are_current(page: str) -> None:
    assert (ROOT / "docs" / page).read_text(encoding="utf-8") == generator().PAGES[page](), (
        "run: python docs/generate.py"
    )


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))])
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert target.startswith("http") or ((ROOT / page).parent / target).exists(), target


def test_every_command_is_in_readme_and_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = next(a.choices for a in parser()._actions if isinstance(a.choices, dict))
    for name in commands:
        assert f"loopwright {name}" in readme
        with pytest.raises(SystemExit) as ended:
            parser().parse_args([name, "--help"])
        assert ended.value.code == 0
        assert "exit codes" in capsys.readouterr().out


def test_the_template_of_init_is_this_pipeline_without_its_code() -> None:
    ours, template = (
        YAML(typ="safe").load((ROOT / path).read_text(encoding="utf-8"))["stages"]
        for path in (Path("dvc.yaml"), Path("flows/templates/pipeline.yaml"))
    )
    for key in ("start", "until", "pilot_share", "as_of"):  # the flights' first look is the first month there is
        template["feasibility"]["params"].remove(f"data.collect.{key}")
    for entry in [stage.get("do", stage) for stage in (*ours.values(), *template.values())]:
        kept = [dep for dep in entry.get("deps", []) if not dep.startswith(("stages/", "${"))]
        entry.pop("deps", None)
        if kept:
            entry["deps"] = kept
    for entry in [stage.get("do", stage) for stage in template.values()]:
        entry["params"].remove({"code.json": ["stages"]})  # what stands for the code where DVC cannot see it
        if not entry["params"]:
            del entry["params"]
    assert ours == template


def test_the_deployments_of_init_are_those_of_this_project() -> None:
    ours, template = (ROOT / "prefect.yaml", ROOT / "flows/templates/prefect.yaml")
    assert ours.read_text(encoding="utf-8") == template.read_text(encoding="utf-8")


def test_every_signal_of_the_table_has_a_page_and_keeps_the_laws() -> None:
    counted = {"manual", "budget_spent", "no_progress"}  # of the run itself, not measured on data
    signals = {name for row in TABLE for name in row.signals} - counted
    assert signals <= {page.stem for page in (ROOT / "docs" / "signals").glob("*.md")}
    assert signals <= {case.signal for case in every_case()}
