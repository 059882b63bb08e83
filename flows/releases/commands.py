"""The commands of releases: releases, release, rollback, verify."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from flows.exits import NOT_REPRODUCED, OK

Parser = argparse.ArgumentParser


def add_commands(add: Callable[..., Parser]) -> None:
    """Add the parsers of these commands: ``add`` makes one of a name and a summary."""
    add("releases", "List what was released and rolled back").add_argument(
        "--json", action="store_true", help="as JSON"
    )

    release = add("release", "Release the model of an iteration by hand", "It comes out of DVC's cache.")
    release.add_argument("iteration", type=int)
    release.add_argument(
        "--although-missed", action="store_true", help="also when it does not meet its charter; the log says so"
    )
    rollback = add("rollback", "Go back to the release that was in force before the present one")
    rollback.add_argument("--to", type=int, metavar="N", help="to the release of this iteration")
    for command in (release, rollback):
        command.add_argument("--because", required=True, metavar="TEXT", help="the reason; it goes into the log")
        command.add_argument("--by", metavar="NAME", help="who says so (default: Git's user.name)")

    verify = add(
        "verify",
        "Make a release again from its hashes, and compare",
        "In a copy that is removed afterwards; exit code 3 when it differs.",
    )
    verify.add_argument("iteration", type=int, nargs="?", help="of the release (default: the one in force)")
    verify.add_argument("--all", action="store_true", help="every release of the log")


def _releases(args: argparse.Namespace, project: Path) -> int:
    from flows.releases.telling import tell_releases

    tell_releases(project, as_json=args.json)
    return OK


def _release(args: argparse.Namespace, project: Path) -> int:
    from flows.releases.by_hand import tell_release

    tell_release(project, args.iteration, because=args.because, by=args.by, although_missed=args.although_missed)
    return OK


def _rollback(args: argparse.Namespace, project: Path) -> int:
    from flows.releases.rollback import tell_rollback

    tell_rollback(project, because=args.because, to=args.to, by=args.by)
    return OK


def _verify(args: argparse.Namespace, project: Path) -> int:
    from flows.releases.verify import tell_verify

    return OK if tell_verify(project, args.iteration, everything=args.all) else NOT_REPRODUCED


COMMANDS = {"releases": _releases, "release": _release, "rollback": _rollback, "verify": _verify}
