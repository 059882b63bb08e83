"""The command ``watch``: its arguments, and what it prints."""

from __future__ import annotations

import argparse
import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

from flows.exits import NOT_RELEASED, OK
from stages.errors import ProjectError

Parser = argparse.ArgumentParser


def add_commands(add: Callable[..., Parser], run_options: Callable[[Parser], None]) -> None:
    """Add the parser of the command: ``add`` makes one of a name and a summary."""
    watch = add(
        "watch",
        "Look at the next window of production, and loop back when a signal fires",
        "Quiet when all is well. Exit code 3 with --require-quiet when it is not.",
    )
    which = watch.add_mutually_exclusive_group()
    which.add_argument(
        "--log", action="store_true", help="at what `predict` and `serve` have answered since the last look"
    )
    which.add_argument("--until", type=_day, metavar="DAY", help="window after window up to this day, e.g. 2013-12-31")
    watch.add_argument("--looks", action="store_true", help="only list the looks so far")
    watch.add_argument("--json", action="store_true", help="with --looks: as JSON")
    watch.add_argument("--require-quiet", action="store_true", help="exit code 3 when a look raised an alarm")
    run_options(watch)


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; expected YYYY-MM-DD") from None


def _watch(args: argparse.Namespace, project: Path) -> int:
    if args.json and not args.looks:
        raise ProjectError("is for the list of looks", where="--json", expected="--looks --json")
    if args.looks:
        _tell_looks(project, as_json=args.json)
        return OK
    from flows.watching.going import watch

    looks = watch(project, until=args.until, log=args.log, quiet=args.quiet, allow_dirty=args.allow_dirty)
    return NOT_RELEASED if args.require_quiet and any(look.alarm for look in looks) else OK


def _tell_looks(project: Path, *, as_json: bool) -> None:
    from flows.watching.looks import read_looks
    from flows.watching.telling import tell_looks

    found = read_looks(project)
    if as_json:
        print(json.dumps([look.model_dump(mode="json") for look in found], indent=1))
    else:
        tell_looks(found)


COMMANDS = {"watch": _watch}
