"""What the page tells, gathered from the record and from what its iterations left behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows import record
from flows.entry import past_of, question_of
from flows.record import Iteration
from flows.report.past import Archive
from flows.transitions import RELEASED
from stages.deployment.release import read_pointer
from stages.deployment.release_log import FOLDER
from stages.errors import LoopwrightError, ProjectError
from stages.files import read_json
from stages.params import Params, check_params, read_params


@dataclass(frozen=True)
class Facts:
    """The iterations of the page, and what else is known of them.

    Attributes
    ----------
    name : str
        Of the project: its folder's.
    items : sequence of Iteration
        What is told, oldest first: the whole record, or one run.
    before : sequence of Iteration
        What the record holds before that.
    """

    project: Path
    name: str
    items: Sequence[Iteration]
    before: Sequence[Iteration]
    archive: Archive
    params: Params

    @property
    def last(self) -> Iteration:
        """The newest iteration told."""
        return self.items[-1]

    @property
    def numbers(self) -> list[int]:
        """The numbers of the iterations, the common axis of the pictures."""
        return [item.iteration for item in self.items]

    @property
    def runs(self) -> list[list[Iteration]]:
        """The iterations by run."""
        names = dict.fromkeys(item.run for item in self.items)
        return [[item for item in self.items if item.run == name] for name in names]

    def worked(self, stage: str) -> list[Iteration]:
        """Return the iterations in which the steps of a stage ran."""
        return [item for item in self.items if item.stage == stage and item.steps]

    @property
    def released(self) -> Iteration | None:
        """The last iteration told that ended in a release."""
        return next((item for item in reversed(self.items) if item.move["to"] == RELEASED), None)

    @property
    def card(self) -> dict[str, Any] | None:
        """The card of `released`, None when there is none or it is gone."""
        if self.released is None:
            return None
        pattern = f"*/card-{released_number(self.released):03d}.json"
        found = sorted((self.project / FOLDER).glob(pattern))
        return dict(read_json(found[-1])) if found else None

    @property
    def in_force(self) -> int | None:
        """The iteration whose release is the project's present one."""
        pointer = read_pointer(self.project)
        return None if pointer is None else int(pointer["iteration"])


def gather(project: Path, archive: Archive, run: str | None = None) -> Facts:
    """Read the record of a project, and the params of the last iteration that is told.

    Raises
    ------
    ProjectError
        If it is no project, nothing ran yet, or there is no such run.
    """
    if not (project / "params.yaml").exists():
        raise ProjectError(
            "is no project", where=str(project), expected="params.yaml", todo="loopwright init DIR --data FILE"
        )
    lines = record.read_record(project)
    if not lines:
        raise ProjectError("no iteration yet, so nothing to report", where="the record", todo="loopwright run")
    items = [item for item in lines if run in (None, item.run)]
    if not items:
        runs = ", ".join(dict.fromkeys(item.run for item in lines))
        raise ProjectError(f"no run {run!r}", where="the record", expected=f"one of {runs}", todo="loopwright history")
    before = [item for item in lines if item.iteration < items[0].iteration]
    return Facts(project, project.name, items, before, archive, _params(project, archive, items[-1]))


def released_number(item: Iteration) -> int:
    """Return the iteration whose model was released by this one: its own, or that whose question it answers."""
    return question_of(item) or item.iteration


def loops(items: Sequence[Iteration]) -> int:
    """Return how many ways back the loop took, of its own accord, in one run."""
    return len(past_of(list(items), items[-1].run))


def evidence(item: Iteration, name: str) -> dict[str, Any] | None:
    """Return one signal of an iteration, None when it was not measured."""
    return next((signal for signal in item.signals if signal["name"] == name), None)


def bounds(item: Iteration) -> dict[str, dict[str, Any]]:
    """Return the requirements that an iteration was held to, by metric: ``value``, ``bound``, ``side``, ``met``."""
    found: dict[str, dict[str, Any]] = {}
    for name in ("requirements_missed", "pilot_fails", "serving_missed", "tests_fail"):
        told = (evidence(item, name) or {}).get("evidence", {})
        for key in ("met", "missed"):
            found |= {str(entry["metric"]): {**entry, "met": key == "met"} for entry in told.get(key, [])}
    return found


def _params(project: Path, archive: Archive, item: Iteration) -> Params:
    """Return the params of an iteration; those in the workspace where the schema no longer knows them."""
    kept = archive.of(item).params
    try:
        return check_params(kept if kept is not None else read_params(project))
    except LoopwrightError:
        return check_params(read_params(project))
