"""The command ``canary`` and those within it: start, stop, promote."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from flows.exits import OK


def add_arguments(canary: argparse.ArgumentParser, add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add what the command takes; ``add`` makes a command within a command, of a name and a summary."""
    canary.add_argument("--json", action="store_true", help="as JSON; null where no model stands there")
    within = canary.add_subparsers(dest="what", metavar="start|stop|promote")
    start = add(within, "start", "Put the model of an iteration beside the release")
    start.add_argument("iteration", type=int)
    start.add_argument(
        "--share", type=float, metavar="S", help="of the rows; 0 is a shadow (default: deployment.canary.share)"
    )
    stop = add(within, "stop", "Take it away")
    promote = add(within, "promote", "Release it, and take it away from there")
    for command in (start, promote):
        command.add_argument(
            "--although-missed", action="store_true", help="also when it does not meet its charter; the log says so"
        )
    for command in (start, stop, promote):
        command.add_argument("--because", required=True, metavar="TEXT", help="the reason; it goes into the log")
        command.add_argument("--by", metavar="NAME", help="who says so (default: Git's user.name)")


def run(args: argparse.Namespace, project: Path) -> int:
    """Do what the command says."""
    from flows.releases import canary_telling as telling

    if args.what == "start":
        telling.tell_start(
            project,
            args.iteration,
            because=args.because,
            share=args.share,
            by=args.by,
            although_missed=args.although_missed,
        )
    elif args.what == "stop":
        telling.tell_stop(project, because=args.because, by=args.by)
    elif args.what == "promote":
        telling.tell_promote(project, because=args.because, by=args.by, although_missed=args.although_missed)
    else:
        telling.tell(project, as_json=args.json)
    return OK
