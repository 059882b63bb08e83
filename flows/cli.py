"""The command line. It imports little: heavy modules load in the worker while Prefect starts."""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from stages.errors import LoopwrightError, ParamsError, ProjectError

OK, CRASHED, MISTAKE, NOT_RELEASED, INTERRUPTED = 0, 1, 2, 3, 130
ERROR_LOG = ".loopwright/last-error.log"

EPILOG = """exit codes: 0 done (released, stopped honestly, or nothing to do), 1 crashed, 2 a mistake in the input,
3 not released although --require-release was given, 130 interrupted (run again to resume)."""

# Telemetry of every dependency is off; Prefect's console lines would break into ours, its UI keeps them all.
QUIET = {
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
}


def parser() -> argparse.ArgumentParser:
    """Return the parser of every command."""
    top = argparse.ArgumentParser(
        prog="loopwright", description="The machine-learning lifecycle as a running loop.", epilog=EPILOG
    )
    top.add_argument("--version", action="version", version=f"loopwright {version('loopwright')}")
    commands = top.add_subparsers(dest="command", metavar="command", required=True)

    def add(name: str, summary: str, details: str = "") -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=summary, description=f"{summary}. {details}".strip(), epilog=EPILOG)
        command.add_argument(
            "-C", "--project", type=Path, default=Path(), metavar="DIR", help="the project (default: .)"
        )
        return command

    run = add("run", "Go round the loop until a release or an honest stop", "Resumes a run that was interrupted.")
    _run_options(run)
    run.add_argument("--again", action="store_true", help="go round even when nothing changed since the last run")

    _telling(add)

    restore = add("restore", "Bring back data, params and model of an iteration")
    restore.add_argument("iteration", type=int)
    restore.add_argument("--force", action="store_true", help="even when params.yaml holds edits that no iteration has")

    back = add("back", "Send the loop back to a stage, for a reason of yours, and run on from there")
    back.add_argument("stage", choices=["planning", "data", "training", "deployment"])
    back.add_argument("--because", required=True, metavar="TEXT", help="the reason; it goes into the record")
    back.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a change of params; repeatable")
    _run_options(back)

    expectations = commands.add_parser("expectations", help="Look after the expectations", epilog=EPILOG)
    looked_after = expectations.add_subparsers(dest="action", metavar="action", required=True)
    suggest = looked_after.add_parser(
        "suggest",
        help="Propose a suite from the present window, and show what would change",
        description="Profile the present window into a suite: types, ranges, categories, missing cells, keys, rows. "
        "Expectations that a person wrote or edited always stay.",
        epilog=EPILOG,
    )
    suggest.add_argument("-C", "--project", type=Path, default=Path(), metavar="DIR", help="the project (default: .)")
    suggest.add_argument("--write", action="store_true", help="write the suite and the profile beside it")

    label = commands.add_parser("label", help="Labels by people: export what is asked, import answers", epilog=EPILOG)
    both = label.add_subparsers(dest="what", metavar="export|import", required=True)
    out = both.add_parser("export", help="write the rows that wait for a label", epilog=EPILOG)
    out.add_argument("--format", choices=["csv", "labelstudio"], default="csv", help="default: csv")
    out.add_argument("--out", type=Path, metavar="FILE", help="default: print")
    out.add_argument("-n", type=int, metavar="N", help="at most so many, the most suspect first")
    into = both.add_parser("import", help="take answers in: CSV, or Label Studio's JSON export", epilog=EPILOG)
    into.add_argument("file", type=Path, metavar="FILE")
    into.add_argument(
        "--by", metavar="NAME", help="who labelled, where the file does not say (default: Git's user.name)"
    )
    for command in (out, into):
        command.add_argument("-C", "--project", type=Path, default=Path(), metavar="DIR", help="default: .")

    init = commands.add_parser("init", help="Make a project around a table of your own", epilog=EPILOG)
    init.add_argument("dir", type=Path, metavar="DIR", help="folder to make")
    init.add_argument("--data", type=Path, required=True, metavar="PATH", help="CSV or Parquet file, or a folder")
    init.add_argument("--target", required=True, metavar="COLUMN", help="the column to predict")
    init.add_argument("--task", choices=["classification", "regression"], help="default: told from the target")
    init.add_argument("--time", metavar="COLUMN", help="column that orders the rows; splits follow it")
    init.add_argument("--key", metavar="COLUMN", help="names each row; labels are asked for and joined by it")
    init.add_argument("--drop", metavar="COLUMN", action="append", default=[], help="never a feature; repeatable")
    init.add_argument("--group", metavar="COLUMN", help="column whose values a split must not tear apart")
    return top


def _telling(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
    """Add the commands that only tell."""
    add("status", "Tell where the loop stands").add_argument("--json", action="store_true", help="as JSON")
    history = add("history", "List the iterations")
    history.add_argument("--json", action="store_true", help="as JSON: a list of objects, one an iteration")
    history.add_argument("--run", metavar="ID", help="only the iterations of this run")
    add("why", "Show the evidence behind an iteration's move").add_argument("iteration", type=int)
    map_ = add("map", "Draw the loop with the path taken")
    map_.add_argument("--svg", type=Path, metavar="FILE", help="write an SVG picture instead of text")
    map_.add_argument("--run", metavar="ID", help="only this run (default: the last)")

    report = add("report", "Write the record as one HTML page, for a reader who was not there")
    report.add_argument("--out", type=Path, metavar="FILE", help="the file (default: report.html in the project)")
    report.add_argument("--run", metavar="ID", help="only this run (default: the whole record)")


def _run_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--allow-dirty", action="store_true", help="run with uncommitted changes to tracked files")
    command.add_argument("--require-release", action="store_true", help="exit 3 when the run ends without a release")
    command.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors and the end")


def main(argv: list[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    args = parser().parse_args(argv)
    for key, value in QUIET.items():
        os.environ.setdefault(key, value)
    project = Path(getattr(args, "project", Path())).resolve()
    try:
        code = COMMANDS[args.command](args, project)
    except LoopwrightError as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"[red]error:[/] {_plain(str(error))}")
        code = error.exit_code
    except KeyboardInterrupt:
        print("interrupted; the project is intact: run again to resume", file=sys.stderr)
        code = INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = CRASHED
    except Exception as error:
        code = _crashed(project, error)
    raise SystemExit(code)


def _run(args: argparse.Namespace, project: Path) -> int:
    from flows.running import run

    ended = run(project, quiet=args.quiet, allow_dirty=args.allow_dirty, again=args.again)
    return NOT_RELEASED if args.require_release and ended.move["to"] != "released" else OK


def _back(args: argparse.Namespace, project: Path) -> int:
    from flows.running import back

    patch = dict(_assignment(text) for text in args.set)
    ended = back(project, args.stage, args.because, patch, quiet=args.quiet, allow_dirty=args.allow_dirty)
    return NOT_RELEASED if args.require_release and ended.move["to"] != "released" else OK


def _restore(args: argparse.Namespace, project: Path) -> int:
    from flows.running import restore

    restore(project, args.iteration, force=args.force)
    return OK


def _init(args: argparse.Namespace, project: Path) -> int:
    from flows.init import init

    init(
        args.dir, args.data, args.target, task=args.task, time=args.time, group=args.group, key=args.key, drop=args.drop
    )
    return OK


def _status(args: argparse.Namespace, project: Path) -> int:
    from flows.telling import tell_status

    tell_status(project, as_json=args.json)
    return OK


def _history(args: argparse.Namespace, project: Path) -> int:
    from flows.telling import tell_history

    tell_history(project, run=args.run, as_json=args.json)
    return OK


def _why(args: argparse.Namespace, project: Path) -> int:
    from flows.telling import tell_why

    tell_why(project, args.iteration)
    return OK


def _map(args: argparse.Namespace, project: Path) -> int:
    from flows.telling import tell_map

    tell_map(project, run=args.run, svg=args.svg)
    return OK


def _report(args: argparse.Namespace, project: Path) -> int:
    from flows.report.page import write_report

    print(f"wrote {write_report(project, run=args.run, out=args.out)}")
    return OK


def _expectations(args: argparse.Namespace, project: Path) -> int:
    from flows.expectations import suggest

    suggest(project, write=args.write)
    return OK


def _label(args: argparse.Namespace, project: Path) -> int:
    from flows.labelling import export, take

    if args.what == "export":
        export(project, form=args.format, out=args.out, count=args.n)
    else:
        take(project, args.file, by=args.by)
    return OK


COMMANDS = {
    "run": _run,
    "status": _status,
    "history": _history,
    "why": _why,
    "map": _map,
    "report": _report,
    "restore": _restore,
    "back": _back,
    "init": _init,
    "expectations": _expectations,
    "label": _label,
}


def _assignment(text: str) -> tuple[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    from stages.params import refuse_bare_dates

    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ParamsError(f"{text!r} is no assignment", where="--set", expected="key=value", todo="e.g. --set seed=7")
    try:
        loaded = YAML(typ="safe").load(value)
        refuse_bare_dates(loaded, key.strip())
        json.dumps(loaded, allow_nan=False)
        return key.strip(), loaded
    except (YAMLError, TypeError, ValueError):
        raise ParamsError(
            f"{value!r} is no value for params",
            where=f"--set {key}",
            expected="a number, text, list or mapping in YAML",
        ) from None


def _crashed(project: Path, error: Exception) -> int:
    log = project / ERROR_LOG
    try:
        log.parent.mkdir(exist_ok=True)
        log.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        where = f"; the full trace is in {ERROR_LOG}"
    except OSError:
        traceback.print_exception(error)
        where = ""
    first = str(error).strip().splitlines()
    print(f"crashed: {type(error).__name__}: {first[0] if first else ''}{where}", file=sys.stderr)
    print("nothing recorded was lost: run again to resume", file=sys.stderr)
    return CRASHED


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(" ".join(text.split()))


if __name__ == "__main__":
    main()

__all__ = ["ProjectError", "main", "parser"]
