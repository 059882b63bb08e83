"""Warm seconds a step that ZenML adds: a pipeline of N steps in a line on its default local stack, without a server.

From the first step's work to the last one's, over N - 1: so the start of a pipeline run is left out.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

FOLDER = Path(tempfile.mkdtemp(prefix="zenml-steps-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
os.environ |= {
    "ZENML_CONFIG_PATH": str(FOLDER / "config"),
    "ZENML_ANALYTICS_OPT_IN": "false",
    "ZENML_LOGGING_VERBOSITY": "ERROR",
    "ZENML_ENABLE_RICH_TRACEBACK": "false",
    "AUTO_OPEN_DASHBOARD": "false",
}
import zenml  # noqa: E402


def work(number: int, seed: int) -> int:
    """Do the step's own work; return its number, by which ZenML orders the steps."""
    before = json.loads((FOLDER / f"s{number - 1}.json").read_text(encoding="utf-8"))
    value = {"step": before["step"] + 1, "seed": seed, "at": time.time()}
    (FOLDER / f"s{number}.json").write_text(json.dumps(value), encoding="utf-8")
    return number


@zenml.step(enable_cache=False)
def lane_step(before: int, seed: int) -> int:
    """Follow the step ``before``."""
    return work(before + 1, seed)


@zenml.pipeline(enable_cache=False)
def lane(steps: int, seed: int) -> None:
    """Run the steps one after the other."""
    last: int = 0
    for _ in range(steps):
        last = lane_step(last, seed)


def main(steps: int, repeat: int) -> None:
    """Time a warm-up pass and ``repeat`` passes, each with a new seed, and take off a bare loop's seconds."""
    seconds = []
    (FOLDER / "s0.json").write_text('{"step": 0}', encoding="utf-8")
    for seed in range(1, repeat + 2):
        started = time.perf_counter()
        for number in range(1, steps + 1):
            work(number, -seed)
        bare = (time.perf_counter() - started) / steps
        lane(steps=steps, seed=seed)
        made = [json.loads((FOLDER / f"s{n}.json").read_text(encoding="utf-8")) for n in range(1, steps + 1)]
        if any(value["seed"] != seed for value in made):
            raise SystemExit("not every step ran")
        seconds.append((made[-1]["at"] - made[0]["at"]) / (steps - 1) - bare)
    print(json.dumps({"version": zenml.__version__, "seconds_per_step": seconds[1:]}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
