"""The server does what its own OpenAPI description says: Schemathesis asks it, in right ways and in wrong ones."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from stages.production.log import PredictionLog
from tests.flows.serving.conftest import serving

EXAMPLES = 6


def test_every_operation_keeps_to_its_description(shared: Path, tmp_path: Path) -> None:
    with serving(shared) as server:
        tool = [sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json"]
        options = ["--mode", "all", "--max-examples", str(EXAMPLES), "--seed", "1", "--generation-deterministic"]
        options += ["--phases", "examples,coverage,fuzzing", "--no-color"]
        done = subprocess.run([*tool, *options], cwd=tmp_path, capture_output=True, text=True, check=False)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=30) == 0
    assert done.returncode == 0, done.stdout + done.stderr
    assert PredictionLog(shared).counts()[""] > 10  # right ones were answered
