"""The memory of a process that serves the model: ``python -m stages.deployment.footprint`` in the project's folder.

A process of its own, because the one that runs the steps holds the data, and an allocator gives nothing back. What a
library allocates by itself is seen too, where ``tracemalloc`` sees Python's own memory only.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from stages.errors import ProjectError

BATCH = 1000
MODULE = "stages.deployment.footprint"


def peak_memory_mb(project: Path) -> float:
    """Return the largest resident memory of a fresh process that loads the model and predicts a batch, MB.

    Python and the libraries are part of it, as they are of any process that serves the model.

    Raises
    ------
    ProjectError
        If the process fails.
    """
    done = subprocess.run([sys.executable, "-m", MODULE], cwd=project, capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines() or ["no message"]
        raise ProjectError(f"the model cannot be loaded in a process of its own: {last[-1]}", where=MODULE)
    return float(done.stdout.split()[-1])


def main() -> None:
    """Load the released candidate of this folder, predict a batch, and print the peak in MB."""
    from stages.context import Context
    from stages.training.estimators import predict
    from stages.training.store import load_model

    work = Context(Path.cwd())
    model = load_model(work.project / work.release_model)
    predict(model, work.split("test").head(BATCH), work.schema)
    print(_peak() / 1e6)


def _peak() -> float:
    """Return the largest resident set so far, bytes."""
    if sys.platform == "win32":
        import psutil

        return float(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else 1024 * peak)


if __name__ == "__main__":
    main()
