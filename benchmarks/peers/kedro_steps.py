"""Warm seconds a step that Kedro adds: N nodes with a JSON file between each two, run by its SequentialRunner.

From the first step's work to the last one's, over N - 1: so the start of a run is left out.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ["DO_NOT_TRACK"] = "1"
import kedro
from kedro.io import AbstractDataset, DataCatalog, MemoryDataset
from kedro.pipeline import node, pipeline
from kedro.runner import SequentialRunner


class Json(AbstractDataset):
    """A JSON file, without the dependencies of kedro-datasets."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Any:
        """Read the file."""
        return json.loads(self._path.read_text(encoding="utf-8"))

    def save(self, data: Any) -> None:
        """Write the file."""
        self._path.write_text(json.dumps(data), encoding="utf-8")

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._path)}


def step(value: dict[str, Any], seed: int) -> dict[str, Any]:
    """Do the step's own work."""
    return {"step": value["step"] + 1, "seed": seed, "at": time.time()}


def main(steps: int, repeat: int) -> None:
    """Time a warm-up pass and ``repeat`` passes, each with a new seed, and take off a bare loop's seconds."""
    logging.disable(logging.WARNING)
    seconds = []
    lane = pipeline([node(step, [f"s{n}", "seed"], f"s{n + 1}", name=f"step{n + 1}") for n in range(steps)])
    with tempfile.TemporaryDirectory(prefix="kedro-steps-") as folder:
        files = [Json(Path(folder) / f"s{n}.json") for n in range(steps + 1)]
        files[0].save({"step": 0})
        for seed in range(1, repeat + 2):
            started = time.perf_counter()
            for before, after in pairwise(files):
                after.save(step(before.load(), -seed))
            bare = (time.perf_counter() - started) / steps
            catalog = DataCatalog({f"s{n}": file for n, file in enumerate(files)} | {"seed": MemoryDataset(seed)})
            SequentialRunner().run(lane, catalog)
            made = [file.load() for file in files[1:]]
            if any(value["seed"] != seed for value in made):
                raise SystemExit("not every step ran")
            seconds.append((made[-1]["at"] - made[0]["at"]) / (steps - 1) - bare)
    print(json.dumps({"version": kedro.__version__, "seconds_per_step": seconds[1:]}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
