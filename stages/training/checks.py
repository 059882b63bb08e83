"""Debugging before tuning: may any figure be believed? Looks for bugs and for leaks, beside the evaluation."""

from __future__ import annotations

from pathlib import Path

from stages.context import Context
from stages.files import write_json
from stages.step import main
from stages.training.bugs import look_for_bugs
from stages.training.candidates import candidate_of
from stages.training.estimators import predict
from stages.training.leakage import look_for_leaks
from stages.training.sampling import Sampling
from stages.training.store import load_model


def run(project: Path) -> None:
    """Write ``models/checks.json``: the findings of every check, as signals, and what may leak."""
    work = Context(project)
    train, valid, schema, task = work.split("train"), work.split("valid"), work.schema, work.task
    sampling = Sampling.of(work.params.training.bootstrap, work.params.seed)
    limits, candidate = work.params.training.checks, candidate_of(work, work.chosen)
    model = load_model(project / "models" / "model.skops")
    leaks = look_for_leaks(train, valid, schema, task, limits, sampling)
    bugs = look_for_bugs(
        candidate,
        lambda rows: predict(model, rows, schema),
        (train, valid),
        schema,
        task,
        limits,
        sampling,
        copied=bool(leaks["copies"]["rows"] and leaks["copies"]["by_chance"] < 0.5),
    )
    write_json(
        project / "models" / "checks.json", {"bug": [item.model_dump(exclude={"evidence"}) for item in bugs], **leaks}
    )


if __name__ == "__main__":
    main(run)
