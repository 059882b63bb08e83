"""Warm seconds a step that Metaflow adds: a flow of N steps in a line, each a process of its own as Metaflow runs it.

From the first step's work to the last one's, over N - 1: so the start of ``flow.py run`` is left out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

HEAD = """
import json, pathlib, time
from metaflow import FlowSpec, Parameter, step


def work(number, seed):
    before = json.loads(pathlib.Path(f"s{number - 1}.json").read_text(encoding="utf-8"))
    value = {"step": before["step"] + 1, "seed": seed, "at": time.time()}
    pathlib.Path(f"s{number}.json").write_text(json.dumps(value), encoding="utf-8")


class Lane(FlowSpec):
    seed = Parameter("seed", type=int, default=0)
"""
STEP = """
    @step
    def {name}(self):
        work({number}, self.seed)
        {then}
"""


def flow_text(steps: int) -> str:
    """Write the flow; Metaflow wants its first step called start and its last one end."""
    names = ["start", *(f"step{n}" for n in range(2, steps)), "end"]
    thens = [*(f"self.next(self.{name})" for name in names[1:]), "pass"]
    lane = zip(names, thens, strict=True)
    texts = [STEP.format(name=name, number=n, then=then) for n, (name, then) in enumerate(lane, start=1)]
    return HEAD + "".join(texts) + '\n\nif __name__ == "__main__":\n    Lane()\n'


def main(steps: int, repeat: int) -> None:
    """Time a warm-up pass and ``repeat`` passes, each with a new seed, and take off a bare loop's seconds."""
    seconds = []
    with tempfile.TemporaryDirectory(prefix="metaflow-steps-") as folder:
        os.chdir(folder)
        private = {"METAFLOW_USER": "benchmark", "METAFLOW_HOME": folder, "METAFLOW_DATASTORE_SYSROOT_LOCAL": folder}
        env = {**os.environ, **private}
        Path("s0.json").write_text('{"step": 0}', encoding="utf-8")
        Path("flow.py").write_text(flow_text(steps), encoding="utf-8")
        program: dict[str, object] = {"__name__": "flow"}
        exec(
            HEAD.split("class Lane", maxsplit=1)[0].replace("from metaflow import FlowSpec, Parameter, step", ""),
            program,
        )
        for seed in range(1, repeat + 2):
            started = time.perf_counter()
            for number in range(1, steps + 1):
                program["work"](number, -seed)  # type: ignore[operator]
            bare = (time.perf_counter() - started) / steps
            command = [sys.executable, "flow.py", "--quiet", "run", "--seed", str(seed)]
            subprocess.run(command, env=env, check=True, stdout=sys.stderr)
            made = [json.loads(Path(f"s{n}.json").read_text(encoding="utf-8")) for n in range(1, steps + 1)]
            if any(value["seed"] != seed for value in made):
                raise SystemExit("not every step ran")
            seconds.append((made[-1]["at"] - made[0]["at"]) / (steps - 1) - bare)
    print(json.dumps({"version": version("metaflow"), "seconds_per_step": seconds[1:]}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
