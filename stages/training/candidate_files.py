"""What a fitted candidate leaves on disk: its model, and its predictions, from which it is judged without either.

Predictions say nothing of the charter, so they stay as they are when a requirement changes.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from stages.files import read_parquet, write_parquet
from stages.training.metrics import Array

FOLDER = Path("models") / "candidates"
JUDGED_ON = ("train", "valid")
SPLIT, VALUE = "split", "value"


def model_file(name: str) -> Path:
    """Return where a candidate's model lies in the project."""
    return FOLDER / f"{name}.skops"


def predictions_file(name: str) -> Path:
    """Return where a candidate's predictions lie in the project."""
    return FOLDER / f"{name}.parquet"


def write_predictions(project: Path, name: str, made: Mapping[str, Array]) -> None:
    """Write probabilities, (n, n_classes), or values, (n,), of each split in `JUDGED_ON`; they come back to the bit."""
    parts = []
    for split in JUDGED_ON:
        found = made[split]
        columns = [VALUE] if found.ndim == 1 else [str(code) for code in range(found.shape[1])]
        parts.append(pd.DataFrame(found.reshape(len(found), -1), columns=columns).assign(**{SPLIT: split}))
    write_parquet(project / predictions_file(name), pd.concat(parts, ignore_index=True))


def read_predictions(project: Path, name: str) -> dict[str, Array]:
    """Return what `write_predictions` wrote."""
    frame = read_parquet(project / predictions_file(name))
    values, split = frame.drop(columns=SPLIT), frame[SPLIT].to_numpy()
    made = values[VALUE].to_numpy() if VALUE in values else np.ascontiguousarray(values.to_numpy())
    return {name: made[split == name] for name in JUDGED_ON}


def remove_others(project: Path, names: Collection[str]) -> None:
    """Remove the files of candidates that are not among these.

    DVC leaves the outputs of a stage where they are when the stage is gone, and the folder of all candidates is what
    the choice depends on: with another one's file in it, its hash would tell where the loop has been.
    """
    kept = {file(name).name for name in names for file in (model_file, predictions_file)}
    for path in (project / FOLDER).iterdir():
        if path.name not in kept:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
