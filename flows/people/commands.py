"""The commands of people in the loop: back, approve, choose, reject; and up and down, by which Prefect runs it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flows.exits import OK, exit_code
from stages.errors import ParamsError

Parser = argparse.ArgumentParser


def add_commands(add: Callable[..., Parser], run_options: Callable[[Parser], None]) -> None:
    """Add the parsers of these commands: ``add`` makes one of a name and a summary."""
    back = add("back", "Send the loop back to a stage, for a reason of yours, and run on from there")
    back.add_argument("stage", choices=["planning", "data", "training", "deployment"])
    back.add_argument("--because", required=True, metavar="TEXT", help="the reason; it goes into the record")
    back.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a change of params; repeatable")
    back.add_argument("--by", metavar="NAME", help="who sends it back (default: Git's user.name)")
    run_options(back)

    approve = add("approve", "Answer the decision that waits: yes to the first option", "The loop then goes on.")
    choose = add("choose", "Answer the decision that waits: another option, or changes of your own")
    choose.add_argument("option", type=int, nargs="?", metavar="N", help="which option (loopwright status)")
    choose.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="changes of your own instead")
    reject = add("reject", "Answer the decision that waits: no; the run stops")
    for command in (approve, choose, reject):
        reason = "the reason; it goes into the record"
        command.add_argument("--because", default="", required=command is reject, metavar="TEXT", help=reason)
        command.add_argument("--by", metavar="NAME", help="who decides (default: Git's user.name)")
        run_options(command)

    up = add("up", "Start Prefect's server, a worker and the deployments of prefect.yaml")
    up.add_argument("--port", type=int, default=4200, metavar="N", help="of the server, if free (default: 4200)")
    add("down", "End what up started")


def _back(args: argparse.Namespace, project: Path) -> int:
    from flows.running import back

    patch = dict(_assignment(text) for text in args.set)
    ended = back(project, args.stage, args.because, patch, by=args.by, quiet=args.quiet, allow_dirty=args.allow_dirty)
    return exit_code(ended, require_release=args.require_release)


def _decide(args: argparse.Namespace, project: Path) -> int:
    from flows.people.deciding import decide_and_go_on

    patch = dict(_assignment(text) for text in getattr(args, "set", []))
    option = {"approve": 1, "choose": getattr(args, "option", None), "reject": None}[args.command]
    if args.command == "choose" and (option is None) == (not patch):
        raise ParamsError("one answer is needed", where="loopwright choose", expected="an option, or --set KEY=VALUE")
    ended = decide_and_go_on(
        project,
        option=option,
        patch=patch,
        reject=args.command == "reject",
        because=args.because,
        by=args.by,
        quiet=args.quiet,
        allow_dirty=args.allow_dirty,
    )
    return exit_code(ended, require_release=args.require_release)


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


def _up(args: argparse.Namespace, project: Path) -> int:
    from flows.up.service import up

    up(project, port=args.port)
    return OK


def _down(args: argparse.Namespace, project: Path) -> int:
    from flows.up.service import down

    down(project)
    return OK


COMMANDS = {"back": _back, "approve": _decide, "choose": _decide, "reject": _decide, "up": _up, "down": _down}
