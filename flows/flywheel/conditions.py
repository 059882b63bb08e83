"""The command ``flywheel``: the three conditions under which data bring users and users bring data, measured.

Full Stack Deep Learning 2021, lecture 5, "ML Projects": more users bring more data, more data bring a better model, and
a better model brings more users. Nobody's users are in the log; what a better model brings is told by the outcome.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from flows.flywheel.mining import learned_by
from flows.words import figure, interval
from stages.errors import ProjectError
from stages.files import read_json, write_json

REPORT = Path("reports") / "flywheel.json"
WORDS = {True: "yes", False: "no", None: "cannot tell yet"}


def measure(project: Path) -> dict[str, Any]:
    """Measure the three conditions and the random sample, and keep them in ``reports/flywheel.json``.

    Raises
    ------
    ProjectError
        If no run has come as far as a chosen model.
    """
    for name in ("data/splits/pilot.parquet", "models/chosen.json"):
        if not (project / name).exists():
            raise ProjectError("there is no chosen model yet", where=name, todo="loopwright run")
    from stages.context import Context
    from stages.data.labels.log import read_reviewed
    from stages.flywheel import growth, pool
    from stages.flywheel.marginal import marginal
    from stages.flywheel.worth import worth
    from stages.production.log import PredictionLog
    from stages.production.lots import frontier

    work, log, labels = Context(project), PredictionLog(project), read_reviewed(project)
    level = work.params.training.bootstrap.level
    came = [dt.date.fromisoformat(label.at[:10]) for label in labels]
    upto = frontier(labels)
    sample = {"drawn": 0, "labelled": 0}
    if upto is not None:
        drawn, known = pool.owed(log, pool.labelled_units(log, labels), upto)
        sample = {"drawn": drawn, "labelled": known}
    found = {
        "use": growth.growth(growth.predictions_by_day(log), came, level),
        "labels": marginal(work),
        "outcome": worth(work, partial(learned_by, project)),
        "sample": sample,
    }
    write_json(project / REPORT, found)
    return dict(read_json(project / REPORT))


def tell_flywheel(project: Path, *, as_json: bool = False) -> None:
    """Print the three conditions, each with its interval and its verdict."""
    found = measure(project)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    console = Console(highlight=False)
    for title, yes, lines in told_of(found):
        console.print(f"[bold]{title}[/] {WORDS[yes]}")
        for line in lines:
            console.print(escape(f"  {line}"), soft_wrap=True)
    console.print(f"kept in {REPORT}; loopwright report shows it")


def told_of(found: Mapping[str, Any]) -> list[tuple[str, bool | None, list[str]]]:
    """Return each condition as a question, its answer, and what it was measured by in words."""
    return [
        ("Do more users bring more data?", found["use"]["yes"], _use(found["use"], found["sample"])),
        ("Does more data bring a better model?", found["labels"]["yes"], _labels(found["labels"])),
        ("Does a better model bring a better outcome?", found["outcome"]["yes"], _outcome(found["outcome"])),
    ]


def _use(use: Mapping[str, Any], sample: Mapping[str, int]) -> list[str]:
    lines = [use["says"]]
    unit = use["unit"]
    for name, words in (
        ("predictions", f"predictions more, {unit} by {unit}"),
        ("labels", f"labels more, {unit} by {unit}"),
        ("labels_per_prediction", f"labels a prediction more, {unit} by {unit}"),
        ("by_use", "labels more with each prediction more"),
    ):
        if use[name]["value"] is not None:
            lines.append(f"{_figure(use[name])} {words}")
    if sample["drawn"]:
        lines.append(f"{sample['labelled']} of the {sample['drawn']} rows of the random sample are labelled")
    return lines


def _labels(labels: Mapping[str, Any]) -> list[str]:
    lines = [labels["says"]]
    if labels["gain"]["value"] is not None:
        lines.append(f"{labels['metric']} better by {_figure(labels['gain'])}; {_figure(labels['per_label'])} a label")
    if labels["per_money"] and labels["per_money"]["value"] is not None:
        lines.append(f"{_figure(labels['per_money'])} a unit of money")
    if labels["doubling"]["value"] is not None:
        lines.append(f"the last doubling of the training rows took {_figure(labels['doubling'])} of the loss away")
    return lines


def _outcome(outcome: Mapping[str, Any]) -> list[str]:
    unit = f" {outcome['unit']} a row" if outcome["unit"] else " a row"
    lines = [outcome["says"]]
    for item in outcome["releases"]:
        brings = f", brings {_figure(item['outcome'])}{unit}" if item["outcome"] else ""
        lines.append(f"release {item['release']}: {outcome['metric']} {_figure(item['metric'])}{brings}")
    for step in outcome["steps"]:
        brings = f", brings {_figure(step['outcome_gain'])}{unit} more" if step["outcome_gain"] else ""
        lines.append(f"from {step['from']} to {step['to']}: better by {_figure(step['metric_gain'])}{brings}")
    return [*lines, *(f"release {item['release']} is left out: {item['why']}" for item in outcome["left_out"])]


def _figure(found: Mapping[str, Any]) -> str:
    ends = "" if found["low"] is None else f" ({interval(found['low'], found['high'])})"
    return f"{figure(found['value'])}{ends}"
