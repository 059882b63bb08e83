"""The release candidate: the chosen model fitted again on the whole window, the latest rows included.

Training keeps the latest rows for its choices. Once a model is chosen, they are the rows most like those to come, and
nothing is to be chosen any more; what this model is worth is told by the pilot, which it has not seen.
Rows that people reviewed are learned from here too where they lie among the latest.
"""

from __future__ import annotations

from pathlib import Path

from stages.context import Context
from stages.step import main
from stages.training.candidates import fit_candidate
from stages.training.estimators import deciding
from stages.training.store import save_model


def run(project: Path) -> None:
    """Write ``release/model.skops``; it decides from the threshold on that was chosen with it."""
    work = Context(project)
    rows = work.learned()
    model = fit_candidate(work, work.chosen, rows)
    if work.threshold != 0.5:
        model = deciding(model, work.threshold, rows, work.schema)
    save_model(project / work.release_model, model)


if __name__ == "__main__":
    main(run)
