"""False alarms, power, seconds and memory of our shift detector beside its peers'; see README.md here.

``python benchmarks/shift/run.py --peers`` makes an environment for each peer, and prints the tables.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE)]

import scenarios  # type: ignore[import-not-found,unused-ignore]  # noqa: E402

PEERS = ("evidently", "nannyml", "deepchecks", "alibi")
ALPHA = 0.05
LEVELS = ("low", "middle", "high")


def main() -> None:
    """Measure, and print as it goes."""
    args = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="loopwright-shift-", ignore_cleanup_errors=True) as scratch:
        folder = (args.keep or Path(scratch)).resolve()
        pythons = {"ours": Path(sys.executable)}
        if args.peers:
            pythons |= environments((args.peers_env or Path(scratch) / "peers").resolve())
        tables = [scenarios.flights(), scenarios.digits()]
        if args.windows:
            windows(folder / "windows", tables, pythons, args.windows, args.seed)
        for rows in args.rows:
            large(folder / f"rows-{rows}", tables[0], rows, pythons)


def environments(root: Path) -> dict[str, Path]:
    """Make, or take up again, an environment for each peer; one that cannot be made is named with the reason."""
    found = {}
    for name in PEERS:
        home = root / name
        python = home / "bin" / "python"
        wanted = HERE / f"requirements-{name}.txt"
        try:
            if not python.exists():
                venv.create(home, with_pip=True)
            _run([python, "-m", "pip", "install", "-q", "-r", wanted])
            found[name] = python
        except subprocess.CalledProcessError as error:
            print(f"{name}: cannot be installed: {_reason(error)}")
    return found


def windows(folder: Path, tables: list[Any], pythons: dict[str, Path], share: float, first: int) -> None:
    """Print false alarms and power, at the tools' own verdicts and at equal false alarms."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = [max(4, round(share * count)) for count in (100, 60, 10)]
    cases = scenarios.write(folder, tables, *counts, first)
    print(f"{len(cases)} pairs of windows: {counts[0]} clean ones a table calibrate, {counts[1]} clean and "
          f"{counts[2]} a shift and severity report")  # fmt: skip
    lines = []
    for name, python in pythons.items():
        answer = ask(name, python, folder, "windows")
        if answer is not None:
            lines += summary(name, cases, answer)
    kinds = list(dict.fromkeys(case["kind"] for case in cases if case["kind"] != "none"))
    heads = ["score", "false", "power", *LEVELS, *kinds, "alarms by default: false", "power", "s a window"]
    _print(heads, lines)


def summary(name: str, cases: list[dict[str, Any]], answer: dict[str, Any]) -> list[list[str]]:
    """Return a line for each of a tool's scores, its threshold set so that 5% of the calibrating windows alarm."""
    found = answer["windows"]
    report = [case for case in cases if case["part"] == "report"]
    lines = []
    for score in next(iter(found.values()))["scores"]:
        limits = {
            table: float(np.quantile([found[i]["scores"][score] for i in ids], 1 - ALPHA, method="higher"))
            for table, ids in _by(cases, "table", part="calibrate").items()
        }

        def alarms(some: Iterable[dict[str, Any]], score: str = score, limits: dict[str, float] = limits) -> float:
            return float(np.mean([found[c["id"]]["scores"][score] > limits[c["table"]] for c in some]))

        shifted = [case for case in report if case["kind"] != "none"]
        kinds = list(dict.fromkeys(case["kind"] for case in shifted))
        levels = {case["id"]: scenarios.SHIFTS[case["kind"]][1].index(case["severity"]) for case in shifted}
        rates = [alarms(c for c in report if c["kind"] == "none"), alarms(shifted)]
        rates += [alarms(c for c in shifted if levels[c["id"]] == level) for level in range(3)]
        rates += [alarms(c for c in shifted if c["kind"] == kind) for kind in kinds]
        rates += [
            float(np.mean([found[c["id"]]["alarms"] for c in report if (c["kind"] == "none") is clean]))
            for clean in (True, False)
        ]
        seconds = answer["seconds"] / len(found)
        lines.append([f"{name}: {score}", *(f"{100 * rate:.0f}%" for rate in rates), f"{seconds:.2f}"])
    return lines


def large(folder: Path, table: Any, rows: int, pythons: dict[str, Path]) -> None:
    """Print seconds and memory of one report on two tables of that many rows."""
    folder.mkdir(parents=True, exist_ok=True)
    scenarios.write_large(folder, table, rows)
    print(f"\n{rows} rows a side, 20 columns; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    lines = []
    for name, python in pythons.items():
        answers = [answer for _ in range(3) if (answer := ask(name, python, folder, "speed")) is not None]
        if answers:
            best = min(answers, key=lambda answer: float(answer["seconds"]))
            seconds = sorted(answer["seconds"] for answer in answers)
            spread = f"{seconds[0]:.2f}..{seconds[-1]:.2f}"
            lines.append([name, f"{best['seconds']:.2f}", spread, f"{best['more_mb']:.0f}", f"{best['peak_mb']:.0f}"])
    _print(["report", "seconds", "of 3", "MB more", "MB in all"], lines)


def ask(name: str, python: Path, folder: Path, what: str) -> dict[str, Any] | None:
    """Return a tool's answer; None, and the reason printed, when it fails."""
    script = HERE / "ours.py" if name == "ours" else HERE.parent / "peers" / f"shift_{name}.py"
    target = folder / f"{name}{'-speed' if what == 'speed' else ''}.json"
    target.unlink(missing_ok=True)
    started = time.perf_counter()
    try:
        _run([python, script, folder, what], threads=1 if what == "windows" else None)
    except subprocess.CalledProcessError as error:
        print(f"{name}: fails: {_reason(error)}")
        return None
    print(f"  {name}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    return dict(json.loads(target.read_text(encoding="utf-8")))


def _by(cases: list[dict[str, Any]], key: str, **only: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for case in cases:
        if all(case[name] == value for name, value in only.items()):
            found.setdefault(case[key], []).append(case["id"])
    return found


def _run(command: list[Any], threads: int | None = None) -> None:
    limits = {} if threads is None else dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True, env=os.environ | limits)


def _reason(error: subprocess.CalledProcessError) -> str:
    lines = [line for line in (error.stderr or "").splitlines() if line.strip()]
    return lines[-1] if lines else str(error)


def _print(heads: list[str], lines: list[list[str]]) -> None:
    print("| " + " | ".join(heads) + " |\n|" + " --- |" * len(heads))
    for line in lines:
        print("| " + " | ".join(line) + " |", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", action="store_true", help="also measure the peers")
    parser.add_argument("--peers-env", type=Path, help="folder of their environments, kept for the next time")
    parser.add_argument("--windows", type=float, default=1.0, help="share of the windows to make; 0 for none")
    parser.add_argument("--seed", type=int, default=0, help="first seed of the windows; other seeds, fresh windows")
    parser.add_argument("--rows", type=int, nargs="*", default=[100_000, 1_000_000], help="rows a side to time")
    parser.add_argument("--keep", type=Path, help="folder to keep the windows and answers in")
    return parser


if __name__ == "__main__":
    main()
