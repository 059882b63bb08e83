"""The arguments of the command line, command by command."""

from __future__ import annotations

import argparse
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from flows.people import commands as people
from flows.priority.drivers import drivers_help
from flows.releases import canary_commands as canary
from flows.releases import commands as releases
from flows.watching import commands as watching

EPILOG = """exit codes: 0 done (released, stopped honestly, or nothing to do), 1 crashed, 2 a mistake in the input,
3 not released although --require-release was given, not the same when made again (verify), or an alarm although
--require-quiet was given (watch), 130 interrupted
(run again to resume)."""

LAST_PORT = 65535
RANKS = "FILE is YAML; each answer is from 1 (against) to 5 (for), or unknown. Its keys:"

if TYPE_CHECKING:
    Group = argparse._SubParsersAction[argparse.ArgumentParser]


class Commands:
    """Collects commands; each has a project and the exit codes in its help."""

    def __init__(self) -> None:
        self.top = argparse.ArgumentParser(
            prog="loopwright", description="The machine-learning lifecycle as a running loop.", epilog=EPILOG
        )
        self.top.add_argument("--version", action="version", version=f"loopwright {version('loopwright')}")
        self.commands = self.top.add_subparsers(dest="command", metavar="command", required=True)

    def add(self, name: str, summary: str, details: str = "") -> argparse.ArgumentParser:
        """Add a command on a project."""
        return of_project(_added(self.commands, name, summary, details))

    def group(self, name: str, summary: str, dest: str, metavar: str) -> Group:
        """Add a command that has commands of its own."""
        return _added(self.commands, name, summary).add_subparsers(dest=dest, metavar=metavar, required=True)


def parser() -> argparse.ArgumentParser:
    """Return the parser of every command."""
    commands = Commands()
    _going_round(commands)
    _asking(commands)
    _sending_back(commands)
    _data(commands)
    _using(commands)
    _turning(commands)
    _planning(commands)
    return commands.top


def _going_round(commands: Commands) -> None:
    run = commands.add(
        "run",
        "Go round the loop until a release or an honest stop",
        "Resumes a run that was interrupted. Of its signals, ● fires, ○ does not fire, and ◌ cannot tell.",
    )
    _run_options(run)
    run.add_argument("--again", action="store_true", help="go round even when nothing changed since the last run")


def _asking(commands: Commands) -> None:
    commands.add("status", "Tell where the loop stands").add_argument("--json", action="store_true", help="as JSON")
    history = commands.add("history", "List the iterations")
    history.add_argument("--json", action="store_true", help="as JSON: a list of objects, one an iteration")
    history.add_argument("--run", metavar="ID", help="only the iterations of this run")
    commands.add("why", "Show the evidence behind an iteration's move").add_argument("iteration", type=int)
    map_ = commands.add("map", "Draw the loop with the path taken")
    map_.add_argument("--svg", type=Path, metavar="FILE", help="write an SVG picture instead of text")
    map_.add_argument("--run", metavar="ID", help="only this run (default: the last)")
    tests = commands.add("tests", "Show how the model did in its tests")
    tests.add_argument("iteration", type=int, nargs="?", help="default: the last entry of deployment")
    tests.add_argument("--json", action="store_true", help="as JSON")
    tests.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML instead, as CI systems read it")
    report = commands.add("report", "Write the record as one HTML page, for a reader who was not there")
    report.add_argument("--out", type=Path, metavar="FILE", help="the file (default: report.html in the project)")
    report.add_argument("--run", metavar="ID", help="only this run (default: the whole record)")


def _sending_back(commands: Commands) -> None:
    restore = commands.add("restore", "Bring back data, params and model of an iteration")
    restore.add_argument("iteration", type=int)
    restore.add_argument("--force", action="store_true", help="even when params.yaml holds edits that no iteration has")
    people.add_commands(commands.add, _run_options)
    releases.add_commands(commands.add)
    watching.add_commands(commands.add, _going_options)
    beside = commands.add("canary", "A model beside the release, as a canary or a shadow: how it stands")
    canary.add_arguments(beside, lambda *told: of_project(_added(*told), inner=True))


def _data(commands: Commands) -> None:
    looked_after = commands.group("expectations", "Look after the expectations", "action", "action")
    suggest = of_project(
        _added(
            looked_after,
            "suggest",
            "Propose a suite from the present window, and show what would change",
            "Profile the present window into a suite: types, ranges, categories, missing cells, keys, rows. "
            "Expectations that a person wrote or edited always stay.",
        )
    )
    suggest.add_argument("--write", action="store_true", help="write the suite and the profile beside it")

    both = commands.group("label", "Labels by people: export what is asked, import answers", "what", "export|import")
    _sheets(both, "the rows that wait for a label", "the most suspect first")


def _using(commands: Commands) -> None:
    predict = commands.add("predict", "Answer new rows with the released model", "What it leaves to people is queued.")
    predict.add_argument("file", type=Path, metavar="FILE", help="CSV or Parquet, in the form of the project's data")
    predict.add_argument("--out", type=Path, metavar="FILE", help="CSV or Parquet (default: print CSV)")
    predict.add_argument("--dry-run", action="store_true", help="keep nothing in the log")
    predict.add_argument("--json", action="store_true", help="tell what became of the rows as JSON; needs --out")
    serve = commands.add("serve", "Answer over HTTP with the released model", "A new release takes over by itself.")
    serve.add_argument("--host", help="address to listen at (default: deployment.serve.host)")
    serve.add_argument("--port", type=_port, help="port; 0 takes a free one (default: deployment.serve.port)")
    serve.add_argument("--workers", type=int, metavar="N", help="processes (default: deployment.serve.workers)")
    serve.add_argument("--certfile", type=Path, metavar="FILE", help="answer over TLS, with this certificate (PEM)")
    serve.add_argument("--keyfile", type=Path, metavar="FILE", help="its key, where the certificate's file lacks it")
    serve.add_argument("--allow-anyone", action="store_true", help="listen beyond this machine without a key")
    serve.add_argument("-q", "--quiet", action="store_true", help="print only what goes wrong")
    review = commands.add("review", "Rows that the model left to people: how many wait, export them, import labels")
    both = review.add_subparsers(dest="what", metavar="export|import")
    _sheets(both, "the rows that wait for review", "the oldest first").add_argument(
        "--with-suggestion", action="store_true", help="with what the model would say; people then tend to agree"
    )


def _turning(commands: Commands) -> None:
    feedback = commands.add(
        "feedback",
        "Take in what predicted rows turned out to be, as a table",
        "FILE has the columns prediction_id or key, label, and if known by and at. All of it comes in, or nothing.",
    )
    feedback.add_argument("file", type=Path, metavar="FILE", help="CSV or Parquet")
    feedback.add_argument("--by", metavar="NAME", help="who says so, where the table does not (default: truth)")
    feedback.add_argument(
        "--complete", action="store_true", help="the table holds all rows of its time, whatever the model said of them"
    )
    feedback.add_argument(
        "--ignore-unknown", action="store_true", help="leave out rows for which nothing was predicted"
    )
    mine = commands.add(
        "mine",
        "Rank the rows of production that are worth a label, with the reasons and the cost",
        "Without --out nothing is kept. loopwright review import takes the sheet in.",
    )
    mine.add_argument("-n", type=int, metavar="N", help="so many rows (default: deployment.flywheel.rows)")
    mine.add_argument("--out", type=Path, metavar="FILE", help="write a sheet to label")
    mine.add_argument("--format", choices=["csv", "labelstudio"], default="csv", help="of the sheet (default: csv)")
    mine.add_argument("--labelled", action="store_true", help="the worst of the labelled rows, for a second look")
    mine.add_argument("--json", action="store_true", help="as JSON")
    wheel = commands.add(
        "flywheel", "Measure whether more use brings more data, more data a better model, and that a better outcome"
    )
    wheel.add_argument("--json", action="store_true", help="as JSON")


def _sheets(both: Group, rows: str, order: str) -> argparse.ArgumentParser:
    """Add the two commands of labelling, by a file that goes out and comes back; return the first."""
    out = of_project(_added(both, "export", f"write {rows}"), inner=True)
    out.add_argument("--format", choices=["csv", "labelstudio"], default="csv", help="default: csv")
    out.add_argument("--out", type=Path, metavar="FILE", help="default: print")
    out.add_argument("-n", type=int, metavar="N", help=f"at most so many, {order}")
    into = of_project(_added(both, "import", "take labels in: CSV, or Label Studio's JSON export"), inner=True)
    into.add_argument("file", type=Path, metavar="FILE")
    into.add_argument(
        "--by", metavar="NAME", help="who labelled, where the file does not say (default: Git's user.name)"
    )
    return out


def _planning(commands: Commands) -> None:
    init = _added(commands.commands, "init", "Make a project around a table of your own")
    init.add_argument("dir", type=Path, metavar="DIR", help="folder to make")
    init.add_argument("--data", type=Path, required=True, metavar="PATH", help="CSV or Parquet file, or a folder")
    init.add_argument("--target", required=True, metavar="COLUMN", help="the column to predict")
    init.add_argument("--task", choices=["classification", "regression"], help="default: told from the target")
    init.add_argument("--time", metavar="COLUMN", help="column that orders the rows; splits follow it")
    init.add_argument("--key", metavar="COLUMN", help="names each row; labels are asked for and joined by it")
    init.add_argument("--drop", metavar="COLUMN", action="append", default=[], help="never a feature; repeatable")
    init.add_argument("--group", metavar="COLUMN", help="column whose values a split must not tear apart")
    commands.add("upgrade", "Bring the pipeline of a project to this version of loopwright")
    ranks = f"{RANKS}\n\n{drivers_help()}"
    prioritise = _added(commands.commands, "prioritise", "Rank candidate projects by impact and feasibility", ranks)
    prioritise.formatter_class = argparse.RawDescriptionHelpFormatter
    prioritise.add_argument("file", type=Path, nargs="?", metavar="FILE", help="the candidates, as YAML")
    prioritise.add_argument("--template", action="store_true", help="print a file to fill in, everything unknown")
    prioritise.add_argument("--json", action="store_true", help="as JSON")
    prioritise.add_argument("--svg", type=Path, metavar="OUT", help="also draw the two-by-two picture")
    plan = commands.add("plan", "Write or edit the charter, question by question")
    plan.add_argument("--from", dest="source", type=Path, metavar="FILE", help="take the answers from a YAML file")
    plan.add_argument("--show", action="store_true", help="print the charter and what is still open")


def of_project(command: argparse.ArgumentParser, *, inner: bool = False) -> argparse.ArgumentParser:
    """Let a command be told which project; an inner one leaves what its outer one was told."""
    default = argparse.SUPPRESS if inner else Path()
    command.add_argument("-C", "--project", type=Path, default=default, metavar="DIR", help="the project (default: .)")
    return command


def _run_options(command: argparse.ArgumentParser) -> None:
    _going_options(command)
    command.add_argument("--require-release", action="store_true", help="exit 3 when the run ends without a release")


def _going_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--allow-dirty", action="store_true", help="run with uncommitted changes to tracked files")
    command.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors and the end")


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; expected 0 to {LAST_PORT}")
    return int(text)


def _added(commands: Group, name: str, summary: str, details: str = "") -> argparse.ArgumentParser:
    return commands.add_parser(name, help=summary, description=f"{summary}. {details}".strip(), epilog=EPILOG)
