"""Fit candidates on the training rows, and predict the rows that they are judged on; a DVC stage a candidate.

What the charter asks for is left to the step `choose`: a fit is a function of the rows, the candidate and the seed, so
that DVC fits the new one alone when a candidate is added, and none when a requirement changes.
"""

from __future__ import annotations

from pathlib import Path

from stages.context import Context
from stages.errors import ParamsError
from stages.params import PARAMS_FILE
from stages.step import main
from stages.training.candidate_files import JUDGED_ON, model_file, write_predictions
from stages.training.candidates import candidate_of, fitted
from stages.training.estimators import predict
from stages.training.store import save_model


def run(project: Path, *names: str) -> None:
    """Write the model and the predictions of the named candidates; of all in use when none is named."""
    work = Context(project)
    frames = {split: work.split(split) for split in JUDGED_ON}
    # The task is the charter's too, but the charter changes more often.
    task, seed = work.params.planning.task, work.params.seed
    for name in names or work.params.training.use:
        where = f"{PARAMS_FILE}: training.candidates.{name}"
        if name not in work.params.training.candidates:
            raise ParamsError("there is no such candidate", where=where, todo="name one of training.use")
        candidate = candidate_of(work, name)
        try:
            model = fitted(candidate, frames["train"], work.schema, task, seed, name)
        except (ValueError, TypeError) as error:
            raise ParamsError(
                f"{candidate.estimator} cannot be fitted: {str(error).splitlines()[0]}",
                where=where,
                expected="params that fit together, and an estimator that takes this table",
                todo="correct it, or take it out of training.use",
            ) from error
        save_model(project / model_file(name), model)
        write_predictions(project, name, {split: predict(model, frames[split], work.schema) for split in JUDGED_ON})


if __name__ == "__main__":
    main(run)
