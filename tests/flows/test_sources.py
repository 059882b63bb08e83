"""A project on a query or a callable: what DVC must know of it, and its way through the data stage."""

from __future__ import annotations

import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from ruamel.yaml import YAML

from flows import patching
from flows.changes.rows import collect_more
from flows.session import check_files
from flows.situation import Situation
from stages.data import collect, label, split, validate
from stages.errors import ProjectError
from stages.files import read_json, write_json
from stages.params import check_params, load_params, read_params
from stages.planning import charter, feasibility
from stages.signals import read_signals
from tests.conftest import ROOT, bundled_table

TEMPLATE = (ROOT / "flows/templates/pipeline.yaml").read_text(encoding="utf-8")
QUERY = "select * from visits where day >= :start and day < :end"
SQL = {"kind": "sql", "url": "sqlite:///clinic.db", "query": QUERY, "target": "target", "time": "day"}
CALL = {"kind": "python", "call": "clinic.visits:load", "target": "target"}


def project(folder: Path, source: dict[str, Any], pipeline: str = TEMPLATE, **patch: Any) -> Path:
    values = read_params(ROOT)
    values["planning"] |= {"rule": [], "prices": {"row": 0.5, "label": 1.5}}
    values["data"] = {"source": source, "minimum": {"rows": 150, "per_class": 5}}
    values["deployment"] = {}
    write_json(folder / "params.yaml", patching.patched(values, patch))
    (folder / "dvc.yaml").write_text(pipeline)
    write_json(folder / "expectations/suite.json", {"name": "clinic", "expectations": []})
    return folder


def depending(*on: str) -> str:
    values = YAML(typ="safe").load(TEMPLATE)
    values["stages"]["collect"]["deps"] = list(on)
    text = StringIO()
    YAML().dump(values, text)
    return text.getvalue()


def test_a_pipeline_that_does_not_go_with_the_source_is_refused(tmp_path: Path) -> None:
    project(tmp_path, SQL)
    with pytest.raises(ProjectError, match=r"dvc\.yaml: collect depends on \$\{data\.source\.path\}"):
        check_files(tmp_path, load_params(tmp_path))
    (tmp_path / "clinic").mkdir()
    (tmp_path / "clinic/visits.py").write_text("")
    project(tmp_path, CALL, depending())
    with pytest.raises(ProjectError, match=r"collect does not depend on clinic/visits\.py, so DVC would not see it"):
        check_files(tmp_path, load_params(tmp_path))
    for fine in (depending("clinic"), depending("clinic/visits.py")):
        project(tmp_path, CALL, fine)
        check_files(tmp_path, load_params(tmp_path))
    project(tmp_path, CALL | {"call": "installed_package.visits:load"}, depending())
    check_files(tmp_path, load_params(tmp_path))
    project(tmp_path, SQL, depending("clinic.db"))
    check_files(tmp_path, load_params(tmp_path))


def test_a_query_goes_through_planning_and_data_and_more_is_a_change_of_params(tmp_path: Path) -> None:
    frame = bundled_table("breast_cancer", spoilt=False)
    frame["day"] = [f"2024-{1 + i // 112:02d}-{1 + i % 28:02d}" for i in range(len(frame))]
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'clinic.db'}")
    frame.to_sql("visits", engine, index=False)
    engine.dispose()
    dates = {"data.collect.start": "2024-01-01", "data.collect.end": "2024-02-01", "data.collect.pilot_days": 14}
    project(tmp_path, SQL, depending("clinic.db"), **dates)
    for step in (charter, feasibility, collect, validate, label, split):
        step.run(tmp_path)
    signals = read_signals(tmp_path / "signals/data.json")
    assert signals["labels_too_few"].fires is True
    rows = 112 + 14 * 4
    assert read_json(tmp_path / "metrics/data.json")["collected"] == {"rows": rows, "labels": rows, "money": 2.0 * rows}
    values = read_params(tmp_path)
    patch = collect_more(Situation("data", signals, check_params(values), values))
    assert patch == {"data.collect.end": "2024-03-01"}
    patching.apply(tmp_path, {**patch, "data.collect.as_of": "after February"})
    collect.run(tmp_path)
    assert read_json(tmp_path / "data/schema.json")["window"]["rows"] == 224
    poor = check_params(patching.patched(values, {"planning.budgets.money": 400.0}))
    assert collect_more(Situation("data", signals, poor, values)) == {}, "the next month costs more than there is"


def test_a_callable_of_the_project_is_found_from_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    (tmp_path / "own_visits.py").write_text(
        "from sklearn.datasets import load_breast_cancer\n\n\ndef load():\n"
        "    return load_breast_cancer(as_frame=True).frame\n"
    )
    project(tmp_path, CALL | {"call": "own_visits:load"}, depending("own_visits.py"))
    collect.run(tmp_path)
    schema = read_json(tmp_path / "data/schema.json")
    assert schema["window"]["rows"] + schema["pilot"]["rows"] == 569
    first = (tmp_path / "data/window.parquet").read_bytes()
    collect.run(tmp_path)
    assert (tmp_path / "data/window.parquet").read_bytes() == first
