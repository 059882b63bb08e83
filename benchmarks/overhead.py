"""What the loop costs beside the work it runs: seconds a step, an iteration, a start and a rerun.

``python benchmarks/overhead.py --peers`` prints one table; see benchmarks/README.md for what each line means.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))

STARTS = 3
FIRST_OUTPUT = "charter/charter.json"
REQUIREMENTS = HERE / "requirements-peers.txt"
PEERS = ("zenml", "metaflow", "kedro")

STEP = '''"""Step {number} of {steps}."""

import json
import time
from pathlib import Path


def run(project: Path) -> None:
    """Read the former step's file and write this one's."""
    before = json.loads((project / "out" / "s{before}.json").read_text(encoding="utf-8"))
    seed = int((project / "params.yaml").read_text(encoding="utf-8").split(":")[1])
    value = {{"step": before["step"] + 1, "seed": seed, "at": time.time()}}
    (project / "out" / "s{number}.json").write_text(json.dumps(value), encoding="utf-8")


if __name__ == "__main__":
    run(Path.cwd())
'''
STAGE = """  s{number}:
    cmd: python -m toy.s{number}
    deps: [out/s{before}.json]
    params: [seed]
    outs: [out/s{number}.json]
"""


@dataclass(frozen=True)
class Figure:
    """One line of the table: what was measured, on whom, and the seconds of each repetition."""

    group: str
    who: str
    seconds: list[float]
    reason: str = ""

    def line(self) -> str:
        """Return the line as it is printed."""
        if not self.seconds:
            return f"  {self.who:<34} not measured: {self.reason}"
        middle, low, high = statistics.median(self.seconds), min(self.seconds), max(self.seconds)
        return f"  {self.who:<34} {middle:>9.4f}   {low:.4f}..{high:.4f}   n={len(self.seconds)}"


class Failed(RuntimeError):  # noqa: N818
    """A command or a check of the benchmark went wrong; the message is the reason to print."""


def main() -> None:
    """Measure, and print as it goes."""
    args = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="loopwright-overhead-", ignore_cleanup_errors=True) as folder:
        scratch = Path(folder)
        _isolate(scratch)
        figures: list[Figure] = []

        def tell(new: list[Figure]) -> None:
            for figure in new:
                if not args.json:
                    if not figures or figures[-1].group != figure.group:
                        print(f"\n{figure.group}\n  {'':<34} {'median':>9}   min..max")
                    print(figure.line(), flush=True)
                figures.append(figure)

        tell(measure_steps(scratch, args.steps, args.repeat))
        if args.peers:
            tell(measure_peers((args.peers_env or scratch / "peers").resolve(), scratch, args.steps, args.repeat))
        tell(measure_project(scratch, args.repeat))
        if args.json:
            print(json.dumps([vars(figure) for figure in figures], indent=1))


def measure_steps(scratch: Path, steps: int, repeat: int) -> list[Figure]:
    """Time the toy lifecycle in a bare loop, in our engine, and by ``dvc repro``."""
    group = f"(a) seconds a step beyond its own work, {steps} steps"
    project = make_toy(scratch / "toy", steps)
    bare = bare_loop(project, steps, repeat)
    own = statistics.median(bare)
    figures = [Figure(group, "bare Python loop (the work itself)", bare)]
    try:
        first, *warm = (value - own for value in engine_passes(project, steps, repeat))
        figures.append(Figure(group, "loopwright, warm engine", warm))
        figures.append(Figure(group, "loopwright, first pass", [first]))
    except Exception as error:
        figures.append(Figure(group, "loopwright", [], _reason(error)))
    try:
        figures.append(Figure(group, "dvc repro", [value - own for value in repro_passes(project, steps, repeat)]))
    except Exception as error:
        figures.append(Figure(group, "dvc repro", [], _reason(error)))
    return figures


def make_toy(project: Path, steps: int) -> Path:
    """Make a Git and DVC project of trivial steps, each after the former."""
    (project / "toy").mkdir(parents=True)
    (project / "out").mkdir()
    (project / ".loopwright").mkdir()
    (project / "toy" / "__init__.py").touch()
    (project / "out" / "s0.json").write_text('{"step": 0}', encoding="utf-8")
    for number in range(1, steps + 1):
        text = STEP.format(number=number, before=number - 1, steps=steps)
        (project / "toy" / f"s{number}.py").write_text(text, encoding="utf-8")
    stages = "".join(STAGE.format(number=number, before=number - 1) for number in range(1, steps + 1))
    (project / "dvc.yaml").write_text(f"stages:\n{stages}", encoding="utf-8")
    set_seed(project, 0)
    _command(["git", "init", "--quiet"], project)
    _command([*_dvc(), "init", "--quiet"], project)
    return project


def set_seed(project: Path, seed: int) -> None:
    """Change the param on which every step depends, so that each really runs."""
    (project / "params.yaml").write_text(f"seed: {seed}\n", encoding="utf-8")


def bare_loop(project: Path, steps: int, repeat: int) -> list[float]:
    """Call the steps one after the other in this process: seconds a step, after a warm-up pass."""
    from importlib import import_module

    sys.path.insert(0, str(project))
    modules = [import_module(f"toy.s{number}") for number in range(1, steps + 1)]
    seconds = []
    for seed in range(repeat + 1):
        set_seed(project, -seed)
        started = time.perf_counter()
        for module in modules:
            module.run(project)
        seconds.append((time.perf_counter() - started) / steps)
    return seconds[1:]


def engine_passes(project: Path, steps: int, repeat: int) -> list[float]:
    """Run the steps in one engine: seconds a step of each pass; the first is the warm-up, the others are warm.

    The worker imports the libraries of real steps in between, as it does in a run.
    """
    from flows.engine import Engine

    seconds = []
    with Engine(project) as engine:
        for seed in range(1000, 1001 + repeat):
            set_seed(project, seed)
            done = [engine.run(f"s{number}") for number in range(1, steps + 1)]
            if any(step.how != "ran" for step in done):
                raise Failed(f"not every step ran: {[step.how for step in done]}")
            seconds.append(_between_steps(project, steps, seed))
            engine.result(engine.preload())
    return seconds


def repro_passes(project: Path, steps: int, repeat: int) -> list[float]:
    """Run ``dvc repro`` from the shell: seconds a step, after a warm-up pass."""
    seconds = []
    for seed in range(2000, 2001 + repeat):
        set_seed(project, seed)
        _command([*_dvc(), "repro", "--quiet"], project)
        seconds.append(_between_steps(project, steps, seed))
    return seconds[1:]


def measure_peers(environment: Path, scratch: Path, steps: int, repeat: int) -> list[Figure]:
    """Install the peers in an environment of their own and let each time itself."""
    group = f"(a) of other tools, on the same {steps} steps"
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    reasons = _install(environment, python)
    figures = []
    for peer in PEERS:
        if peer in reasons:
            figures.append(Figure(group, peer, [], reasons[peer]))
            continue
        try:
            script = HERE / "peers" / f"{peer}_steps.py"
            said = _command([str(python), str(script), str(steps), str(repeat)], scratch, first_on_path=python.parent)
            found = json.loads(said.strip().splitlines()[-1])
            figures.append(Figure(group, f"{peer} {found['version']}", found["seconds_per_step"]))
        except (Failed, ValueError, KeyError, IndexError) as error:
            figures.append(Figure(group, peer, [], _reason(error)))
    return figures


def _install(environment: Path, python: Path) -> dict[str, str]:
    """Return why a peer could not be installed, by peer."""
    lines = [line.strip() for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines()]
    wanted = {line.split("==")[0].split("[")[0]: line for line in lines if line and not line.startswith("#")}
    reasons = {}
    if not python.exists():
        try:
            venv.create(environment, with_pip=True)
        except (OSError, subprocess.CalledProcessError) as error:
            return dict.fromkeys(wanted, _reason(error))
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        _command([*pip, "-r", str(REQUIREMENTS)], environment)
    except Failed:
        for peer, requirement in wanted.items():
            try:
                _command([*pip, requirement], environment)
            except Failed as error:
                reasons[peer] = _reason(error)
    return reasons


def measure_project(scratch: Path, repeat: int) -> list[Figure]:
    """Time what needs the real project: recording an iteration, the start, and a rerun in which nothing changed."""
    recorded = "(b) seconds an iteration: snapshot, record, patch of params"
    start = "(c) seconds from the command to the first step finished"
    rerun = "(d) seconds of a rerun in which nothing changed"
    figures: list[Figure] = []

    def add(group: str, who: str, measured: Callable[[], list[float]]) -> None:
        try:
            figures.append(Figure(group, who, measured()))
        except Exception as error:
            figures.append(Figure(group, who, [], _reason(error)))

    finished = copy_repository(scratch / "finished")
    whole: Exception | None = None
    try:
        _command(_loopwright("run"), finished)
    except Failed as error:
        whole = error

    def after_whole_run(measured: Callable[[], list[float]]) -> Callable[[], list[float]]:
        def measure() -> list[float]:
            if whole is not None:
                raise whole
            return measured()

        return measure

    def unchanged(command: list[str], said: str) -> Callable[[], list[float]]:
        return after_whole_run(lambda: [time_unchanged(finished, command, said) for _ in range(STARTS)])

    starts = {"loopwright run": _loopwright("run"), "dvc repro": [*_dvc(), "repro"]}
    answers = {"loopwright run": "nothing changed since iteration", "dvc repro": "up to date"}
    reruns = [(who, unchanged(command, answers[who])) for who, command in starts.items()]
    for who, command in starts.items():
        add(start, who, lambda command=command: [time_start(scratch, command) for _ in range(STARTS)])  # type: ignore[misc]
    for who, measured in reruns:
        add(rerun, who, measured)
    add(recorded, "loopwright", after_whole_run(lambda: record_iterations(finished, repeat)))
    return sorted(figures, key=lambda figure: figure.group)


def copy_repository(to: Path) -> Path:
    """Copy this repository's tracked files to a new Git repository; it has not run yet."""
    for name in _command(["git", "ls-files", "-z"], ROOT).split("\0"):
        if name and name != "dvc.lock" and (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, to / name)
    identity = ["-c", "user.name=Benchmark", "-c", "user.email=benchmark@localhost"]
    _command(["git", "init", "--quiet"], to)
    _command(["git", "add", "--all"], to)
    _command(["git", *identity, "commit", "--quiet", "-m", "Copy"], to)
    return to


def time_start(scratch: Path, command: list[str]) -> float:
    """Return the seconds until the first step's output appears in a fresh copy; then the command is killed."""
    project = copy_repository(Path(tempfile.mkdtemp(prefix="fresh-", dir=scratch)))
    with (project.parent / f"{project.name}.log").open("w+", encoding="utf-8") as log:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=project, stdout=log, stderr=log, start_new_session=True)
        try:
            while not (project / FIRST_OUTPUT).exists():
                if process.poll() is not None or time.perf_counter() - started > 300:
                    log.seek(0)
                    raise Failed(f"no {FIRST_OUTPUT}: {log.read().strip()[-300:]}")
                time.sleep(0.01)
            return time.perf_counter() - started
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def time_unchanged(project: Path, command: list[str], expected: str) -> float:
    """Return the seconds of a command that has nothing to do and says so."""
    started = time.perf_counter()
    said = _command(command, project)
    seconds = time.perf_counter() - started
    if expected not in " ".join(said.split()):
        raise Failed(f"something was run: {said.strip()[-300:]}")
    return seconds


def record_iterations(project: Path, repeat: int) -> list[float]:
    """Record the last real iteration again, and patch one key back and forth: seconds of each time."""
    from flows import patching, record, snapshots

    seconds = []
    last = record.read_record(project)[-1]
    for number in range(repeat + 1):
        line = last.model_copy(update={"iteration": last.iteration + 1 + number})
        started = time.perf_counter()
        snapshots.save(project, f"benchmark-{number}", "benchmark")
        record.append(project, line)
        patching.apply(project, {"seed": 1 + number})
        seconds.append(time.perf_counter() - started)
    return seconds[1:]


def _between_steps(project: Path, steps: int, seed: int) -> float:
    """Return the seconds a step of the last pass, from the first step's work to the last one's, once all ran."""
    made = [json.loads((project / "out" / f"s{n}.json").read_text(encoding="utf-8")) for n in range(1, steps + 1)]
    if any(value["seed"] != seed for value in made):
        raise Failed(f"not every step ran with the seed {seed}")
    return float(made[-1]["at"] - made[0]["at"]) / (steps - 1)


def _command(command: list[str], folder: Path, *, first_on_path: Path = Path(sys.executable).parent) -> str:
    """Run a command and return what it printed; Failed with its last words when it fails."""
    env = {**os.environ, "PATH": f"{first_on_path}{os.pathsep}{os.environ['PATH']}"}
    try:
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=900)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(str(error)) from None
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise Failed(f"{Path(command[0]).name} {' '.join(command[1:4])}: exit {done.returncode}: {last[:300]}")
    return done.stdout


def _isolate(scratch: Path) -> None:
    """Keep Prefect's database, DVC's site cache and the user's settings out of it; telemetry off."""
    for name in [name for name in os.environ if name.startswith(("PREFECT_", "PYTHONPATH"))]:
        del os.environ[name]
    os.environ |= {
        "PREFECT_HOME": str(scratch / "prefect"),
        "DVC_SITE_CACHE_DIR": str(scratch / "dvc-site"),
        "DVC_NO_ANALYTICS": "1",
        "DO_NOT_TRACK": "1",
        "COLUMNS": "200",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }


def _loopwright(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "flows.cli", *arguments]


def _dvc() -> list[str]:
    return [sys.executable, "-m", "dvc"]


def _reason(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=_at_least_two, default=12, help="steps of the toy lifecycle (default: 12)")
    parser.add_argument("--repeat", type=int, default=5, help="timed passes after the warm-up (default: 5)")
    parser.add_argument("--peers", action="store_true", help="also time ZenML, Metaflow and Kedro (installs them)")
    parser.add_argument("--peers-env", type=Path, metavar="DIR", help="their environment (default: a temporary one)")
    parser.add_argument("--json", action="store_true", help="print JSON: a list of figures with all seconds")
    return parser


def _at_least_two(text: str) -> int:
    if int(text) < 2:
        raise argparse.ArgumentTypeError("at least 2, since seconds are taken between steps")
    return int(text)


if __name__ == "__main__":
    main()
