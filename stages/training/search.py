"""Search the parameters of the candidates in use that declare a space; free when none does."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stages.context import Context
from stages.errors import ParamsError
from stages.files import write_json
from stages.metric_names import OF_ANSWERS
from stages.params import PARAMS_FILE
from stages.step import main
from stages.training.candidates import SEARCHED

MEMORY = Path(".loopwright") / "search"


def run(project: Path) -> None:
    """Write ``models/search.json``, what was found for each candidate, and ``metrics/search.json``, how it went."""
    work = Context(project)
    training = work.params.training
    searched = [name for name in training.use if training.candidates[name].search and training.search.trials]
    found: dict[str, Any] = {}
    started = time.monotonic()
    if searched:
        from stages.training.tuning import Problem, tune

        train = work.split("train")
        metric = searched_for(work.task, work.row_metric)
        problem = Problem(train, work.schema, work.task, metric, work.params.seed)
        for name in searched:
            memory = project / MEMORY / f"{name}-{_key(work, name)}.json"
            deadline = started + 60 * training.search.minutes
            try:
                outcome = tune(training.candidates[name], problem, training.search.trials, memory, deadline)
            except (ValueError, TypeError) as error:
                raise ParamsError(
                    f"{training.candidates[name].estimator} cannot be searched: {str(error).splitlines()[0]}",
                    where=f"{PARAMS_FILE}: training.candidates.{name}.search",
                    expected="a space whose values fit together, and an estimator that takes this table",
                    todo="narrow it, or take it out",
                ) from error
            found[name] = asdict(outcome)
    write_json(project / SEARCHED, found)
    summary = {name: {key: item[key] for key in item if key != "params"} for name, item in found.items()}
    write_json(project / "metrics" / "search.json", summary)
    seconds = time.monotonic() - started
    write_json(project / "reports" / "search.json", {"seconds": seconds, "cut_short": _cut_short(found), **summary})


def searched_for(task: str, optimise: str) -> str:
    """Return the metric that parameters are searched by: which rows are answered is chosen on the validation rows."""
    return {"classification": "log_loss", "regression": "rmse"}[task] if optimise in OF_ANSWERS else optimise


def _cut_short(found: dict[str, Any]) -> list[str]:
    return [name for name, item in found.items() if item["cut_short"]]


def _key(work: Context, name: str) -> str:
    """Return what tells this search from any other: the candidate, the rows, what they mean, and the libraries."""
    rows = (work.project / "data" / "splits" / "train.parquet").read_bytes()
    what = {
        "candidate": work.params.training.candidates[name].model_dump(mode="json"),
        "charter": [work.task, work.row_metric],
        "schema": {key: work.schema[key] for key in ("features", "target", "classes", "time", "group")},
        "seed": work.params.seed,
        "rows": hashlib.sha256(rows).hexdigest(),
        "versions": [importlib.metadata.version(package) for package in ("optuna", "scikit-learn")],
    }
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:12]


if __name__ == "__main__":
    main(run)
