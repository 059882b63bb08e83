"""Requests a second and latencies of ``loopwright serve`` beside its peers', on the same model; see README.md here.

``python benchmarks/serving/run.py PROJECT --peers`` serves the release of a finished project.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd
import psutil

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from stages.production.released import Released, load_released  # noqa: E402
from stages.training.estimators import features_of  # noqa: E402

PEERS = ("mlflow", "bentoml")
ROWS = 500
START = 120
ALONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # small batches are slower on several threads


def main() -> None:
    """Measure each server in turn, and print a table."""
    args = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="loopwright-serving-") as scratch:
        folder = Path(scratch)
        released, rows = _rows(args.project, folder)
        pythons = environments((args.peers_env or folder / "peers").resolve()) if args.peers else {}
        servers = {"loopwright": ours(args.project, folder)}
        if "mlflow" in pythons:
            servers["mlflow"] = mlflow(pythons["mlflow"], args.project, folder, rows)
        if "bentoml" in pythons:
            servers["bentoml"] = bentoml(pythons["bentoml"], "predict", args.project, folder, released)
            servers["bentoml, batches"] = bentoml(pythons["bentoml"], "predict_batch", args.project, folder, released)
        print(f"release {released.name}, {len(released.features)} features; {os.cpu_count()} cores")
        print("server | connections | requests/s | p50 ms | p99 ms | not answered | load average before")
        for turn in range(args.repeat):
            for name, (command, path, body, environment) in servers.items():
                with serving(command, environment, folder / f"{name}.log") as url:
                    measure(name, url + path, folder / body, args.connections, args.seconds, turn)


def measure(name: str, url: str, body: Path, connections: list[int], seconds: int, turn: int) -> None:
    """Print what wrk finds with each number of connections, after a warm-up."""
    wrk(url, body, 4, 3)
    for count in connections:
        load = os.getloadavg()[0]
        found = wrk(url, body, count, seconds)
        rate = found["requests"] / found["seconds"]
        line = f"{name} | {count} | {rate:.0f} | {found['p50']:.2f} | {found['p99']:.2f} | {found['bad']} | {load:.1f}"
        print(line + (f" | round {turn + 1}" if turn else ""), flush=True)


def wrk(url: str, body: Path, connections: int, seconds: int) -> dict[str, Any]:
    """Return what one run of wrk found."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", HERE / "post.lua", url]
    told = subprocess.run(
        [*map(str, command)], env={**os.environ, "ROWS": str(body)}, capture_output=True, text=True, check=True
    ).stdout
    return dict(json.loads(told.partition("RESULT ")[2]))


Server = tuple[list[str], str, str, dict[str, str]]


def ours(project: Path, folder: Path) -> Server:
    """Return how `loopwright serve` is started, its path, its bodies and its environment; its log is a fresh file."""
    copy = folder / "project"
    shutil.copytree(project, copy, ignore=shutil.ignore_patterns(".loopwright", ".git", ".dvc", "data", "models"))
    command = [sys.executable, "-m", "flows.cli", "serve", "-C", str(copy), "--quiet", "--port", "PORT"]
    return command, "/predict", "rows.jsonl", {"PYTHONPATH": str(HERE.parents[1])}


def mlflow(python: Path, project: Path, folder: Path, rows: pd.DataFrame) -> Server:
    """Return how MLflow's server is started; the model is saved in its format, as skops."""
    sample = folder / "sample.parquet"
    rows.to_parquet(sample)
    saved = folder / "mlflow-model"
    _run([python, HERE / "peer_mlflow.py", _model(project), sample, saved])
    command = [
        python,
        "-m",
        "mlflow",
        "models",
        "serve",
        "-m",
        saved,
        "--env-manager",
        "local",
        "-w",
        "1",
        "-p",
        "PORT",
    ]
    path = f"{python.parent}:{os.environ['PATH']}"
    return [*map(str, command)], "/invocations", "records.jsonl", {"PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true"}


def bentoml(python: Path, api: str, project: Path, folder: Path, released: Released) -> Server:
    """Return how BentoML's server is started."""
    kinds = "\n".join(f"{name}={kind}" for name, kind in released.features.items())
    environment = {
        "MODEL": str(_model(project)),
        "KINDS": kinds,
        "DO_NOT_TRACK": "True",
        "BENTOML_DO_NOT_TRACK": "True",
    }
    environment |= {"PATH": f"{python.parent}:{os.environ['PATH']}", "BENTOML_HOME": str(folder / "bento")}
    command = [python, "-m", "bentoml", "serve", "peer_bentoml:Model", "--working-dir", HERE, "-p", "PORT"]
    body = "wrapped.jsonl" if api == "predict" else "many.jsonl"
    return [*map(str, command)], f"/{api}", body, environment


@contextmanager
def serving(command: list[str], environment: dict[str, str], log: Path) -> Iterator[str]:
    """Run a server, and yield its address once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    with log.open("w") as told:
        process = subprocess.Popen(
            [part.replace("PORT", port) for part in command],
            env={**os.environ, **ALONE, **environment},
            stdout=told,
            stderr=told,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + START
        while not _answers(f"{url}/health") and not _answers(f"{url}/healthz"):
            if time.monotonic() > end or process.poll() is not None:
                raise SystemExit(f"the server does not answer: {log.read_text()[-2000:]}")
            time.sleep(0.5)
        yield url
    finally:
        _end(process)


def environments(root: Path) -> dict[str, Path]:
    """Make, or take up again, an environment for each peer; one that cannot be made is named with the reason."""
    found = {}
    for name in PEERS:
        python = root / name / "bin" / "python"
        try:
            if not python.exists():
                venv.create(root / name, with_pip=True)
            _run([python, "-m", "pip", "install", "-q", "-r", HERE / f"requirements-{name}.txt"])
            found[name] = python
        except subprocess.CalledProcessError as error:
            print(f"{name}: cannot be installed: {(error.stderr or '').strip().splitlines()[-1:]}")
    return found


def _rows(project: Path, folder: Path) -> tuple[Released, pd.DataFrame]:
    """Write the bodies that each server is sent, of the same rows; return the release and the rows."""
    released = load_released(project)
    pilot = pd.read_parquet(project / "data" / "splits" / "pilot.parquet").head(ROWS)
    rows = features_of(pilot, {"features": released.features})
    found = rows.to_dict(orient="records")
    records = [{str(name): None if pd.isna(cell) else cell for name, cell in row.items()} for row in found]
    bodies: dict[str, list[dict[str, Any]]] = {
        "rows.jsonl": records,
        "records.jsonl": [{"dataframe_records": [row]} for row in records],
        "wrapped.jsonl": [{"row": row} for row in records],
        "many.jsonl": [{"rows": [row]} for row in records],
    }
    for name, lines in bodies.items():
        (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return released, rows


def _model(project: Path) -> Path:
    pointer = json.loads((project / "releases" / "current.json").read_text())
    return (project / str(pointer["path"])).resolve()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a server and its workers, which may be in sessions of their own."""
    top = psutil.Process(process.pid)
    for one in [*top.children(recursive=True), top]:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _run(command: list[Any]) -> None:
    subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", type=Path, help="a project with a release, and the splits that it was judged on")
    parser.add_argument("--peers", action="store_true", help="also MLflow and BentoML")
    parser.add_argument("--peers-env", type=Path, help="folder that keeps their environments")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--repeat", type=int, default=3)
    return parser


if __name__ == "__main__":
    main()
