"""The command line. It imports little: heavy modules load in the worker while Prefect starts."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType

from rich.console import Console

from flows.arguments import parser
from flows.exits import CRASHED, INTERRUPTED, OK, exit_code
from flows.people import commands as people
from flows.releases import canary_commands as canary
from flows.releases import commands as releases
from flows.watching import commands as watching
from stages.errors import LoopwrightError, PriorityError, ProjectError

ERROR_LOG = ".loopwright/last-error.log"

# Telemetry of every dependency is off; Prefect's console lines would break into ours, its UI keeps them all.
QUIET = {
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
}


def main(argv: list[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    args = parser().parse_args(argv)
    for key, value in QUIET.items():
        os.environ.setdefault(key, value)
    project = Path(getattr(args, "project", Path())).resolve()
    struck = _notice_ctrl_c()
    try:
        code = COMMANDS[args.command](args, project)
    except LoopwrightError as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"[red]error:[/] {_plain(str(error))}")
        code = error.exit_code
    except KeyboardInterrupt:
        code = _interrupted()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = CRASHED
    except Exception as error:
        code = _interrupted() if struck else _crashed(project, error)
    raise SystemExit(code)


def _notice_ctrl_c() -> list[int]:
    """Return a list that is empty until Ctrl-C is struck.

    Extension modules turn a KeyboardInterrupt that comes while they call Python into an error of their own.
    """
    struck: list[int] = []

    def strike(number: int, frame: FrameType | None) -> None:
        struck.append(number)
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, strike)
    return struck


def _interrupted() -> int:
    print("interrupted; the project is intact: run again to resume", file=sys.stderr)
    return INTERRUPTED


def _run(args: argparse.Namespace, project: Path) -> int:
    from flows.running import run

    ended = run(project, quiet=args.quiet, allow_dirty=args.allow_dirty, again=args.again)
    return exit_code(ended, require_release=args.require_release)


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


def _upgrade(args: argparse.Namespace, project: Path) -> int:
    from flows.code import upgrade
    from flows.project import check_project

    check_project(project, allow_dirty=True)
    changed = upgrade(project)
    print(f"{', '.join(changed)}: of this version now; git commit -a" if changed else "nothing to upgrade")
    return OK


def _plan(args: argparse.Namespace, project: Path) -> int:
    from flows.plan import plan, show

    if args.show:
        show(project)
    else:
        plan(project, source=args.source)
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


def _prioritise(args: argparse.Namespace, project: Path) -> int:
    from flows.priority.telling import prioritise
    from flows.priority.template import template

    if args.template:
        print(template(), end="")
        return OK
    if args.file is None:
        raise PriorityError("no file is named", expected="FILE", todo="loopwright prioritise --template prints one")
    prioritise(args.file, as_json=args.json, svg=args.svg)
    return OK


def _tests(args: argparse.Namespace, project: Path) -> int:
    from flows.modeltests import tell_tests

    tell_tests(project, args.iteration, as_json=args.json, junit=args.junit)
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
    from flows.people.labelling import export, take

    if args.what == "export":
        export(project, form=args.format, out=args.out, count=args.n)
    else:
        take(project, args.file, by=args.by)
    return OK


def _predict(args: argparse.Namespace, project: Path) -> int:
    from flows.predicting import predict

    predict(project, args.file, out=args.out, dry_run=args.dry_run, as_json=args.json)
    return OK


def _feedback(args: argparse.Namespace, project: Path) -> int:
    from flows.people.truth import tell_feedback

    tell_feedback(project, args.file, by=args.by, complete=args.complete, ignore_unknown=args.ignore_unknown)
    return OK


def _mine(args: argparse.Namespace, project: Path) -> int:
    from flows.flywheel.mining import tell_mine, tell_worst

    tell = tell_worst if args.labelled else tell_mine
    tell(project, count=args.n, out=args.out, form=args.format, as_json=args.json)
    return OK


def _flywheel(args: argparse.Namespace, project: Path) -> int:
    from flows.flywheel.conditions import tell_flywheel

    tell_flywheel(project, as_json=args.json)
    return OK


def _serve(args: argparse.Namespace, project: Path) -> int:
    from flows.serving.command import serve

    try:
        serve(
            project,
            host=args.host,
            port=args.port,
            workers=args.workers,
            certfile=args.certfile,
            keyfile=args.keyfile,
            anyone=args.allow_anyone,
            quiet=args.quiet,
        )
    except KeyboardInterrupt:
        print("stopped; everything that was answered is in the log", file=sys.stderr)
        return INTERRUPTED
    return OK


def _review(args: argparse.Namespace, project: Path) -> int:
    from flows.people import reviewing

    if args.what == "export":
        reviewing.export(project, form=args.format, out=args.out, count=args.n, suggest=args.with_suggestion)
    elif args.what == "import":
        reviewing.take(project, args.file, by=args.by)
    else:
        reviewing.tell(project)
    return OK


COMMANDS = {
    "run": _run,
    "status": _status,
    "history": _history,
    "why": _why,
    "map": _map,
    "tests": _tests,
    "report": _report,
    "restore": _restore,
    **people.COMMANDS,
    **releases.COMMANDS,
    **watching.COMMANDS,
    "canary": canary.run,
    "init": _init,
    "prioritise": _prioritise,
    "plan": _plan,
    "upgrade": _upgrade,
    "expectations": _expectations,
    "label": _label,
    "predict": _predict,
    "review": _review,
    "feedback": _feedback,
    "mine": _mine,
    "flywheel": _flywheel,
    "serve": _serve,
}


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
