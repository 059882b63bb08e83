"""A model beside the release in a server: it answers its share of the rows, or it is a shadow, and never in the way."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flows.serving.metrics import Metrics
from stages.deployment.canary_log import Canary, current_canary
from stages.errors import ProjectError
from stages.production import beside
from stages.production.cells import Cells
from stages.production.log import CANARY, RELEASE, SHADOW, Entry
from stages.production.quick import Answer, Quick
from stages.production.released import read_model

SOURCE = "serve"
logger = logging.getLogger("loopwright.serve")


@dataclass(frozen=True)
class Beside:
    """A model beside a release, ready to answer.

    Attributes
    ----------
    line : Canary
        What put it there.
    release, quick : Quick
        The release, and this model.
    places : tuple of int
        Where in a row of the release its columns stand.
    """

    line: Canary
    release: Quick
    quick: Quick
    places: tuple[int, ...]

    def takes(self, row: Cells) -> bool:
        """Tell whether it answers a row."""
        if self.line.shadow:
            return False
        name = self.release.text_of(row) if row.key is None else row.key
        return beside.takes(name, self.line.sha256, self.line.share)

    def answer(self, rows: Sequence[Cells]) -> list[Answer | None]:
        """Return what it says of each row, None where it fails."""
        its = [Cells(tuple(row.values[at] for at in self.places), row.key, row.time, row.group) for row in rows]
        try:
            return list(self.quick.answer(its)) if its else []
        except Exception as error:  # a model may raise anything
            if len(its) == 1:
                logger.warning("the model beside the release fails: %s", type(error).__name__)
                return [None]
            return [said for row in rows for said in self.answer([row])]


@dataclass
class Sides:
    """Rows of a batch, by who answers them; all that is asked of a release at once.

    Attributes
    ----------
    rows, calls : sequence
        The rows, and what names those without a key.
    at : str
        When.
    """

    rows: Sequence[Cells]
    calls: Sequence[str]
    at: str
    answers: dict[int, tuple[Answer, Entry]] = field(default_factory=dict)

    def ask(self, release: Quick, model: Beside | None, metrics: Metrics) -> list[tuple[Answer, Entry]]:
        """Return what is said of each row, and how it stands in the log: the release answers what the other does not.

        Raises
        ------
        Exception
            Whatever the release's own model raises.
        """
        if model is not None:
            mine = [at for at, row in enumerate(self.rows) if model.takes(row)]
            self._take(mine, model.answer([self.rows[at] for at in mine]), release, model.quick, CANARY, metrics)
        rest = [at for at in range(len(self.rows)) if at not in self.answers]
        if rest:
            self._take(rest, release.answer([self.rows[at] for at in rest]), release, None, RELEASE, metrics)
        return [self.answers[at] for at in range(len(self.rows))]

    def shadow(self, model: Beside, metrics: Metrics) -> list[Entry]:
        """Return how what a shadow says of each row stands in the log; nothing where it fails."""
        self._take(range(len(self.rows)), model.answer(self.rows), model.release, model.quick, SHADOW, metrics)
        return [entry for _, entry in self.answers.values()]

    def _take(
        self, places: Sequence[int], said: Sequence[Answer | None], release: Quick, by: Quick | None, role: str,
        metrics: Metrics,
    ) -> None:  # fmt: skip
        """Keep the answers of one side."""
        known = [(at, answer) for at, answer in zip(places, said, strict=True) if answer is not None]
        if by is not None:
            metrics.besides.labels(role, "said").inc(len(known))
            metrics.besides.labels(role, "failed").inc(len(said) - len(known))
        entries = release.entries(
            [self.rows[at] for at, _ in known],
            [answer for _, answer in known],
            source=SOURCE,
            at=self.at,
            calls=[self.calls[at] for at, _ in known],
            by=by,
            role=role,
        )
        self.answers |= {at: (answer, entry) for (at, answer), entry in zip(known, entries, strict=True)}


def load_beside(project: Path, release: Quick) -> Beside | None:
    """Read what stands beside the release, and let it answer a row; None where nothing does, or it is the release.

    Raises
    ------
    LoopwrightError
        If it is not what was put there, or cannot be asked about the rows of the release.
    """
    line = current_canary(project)
    if line is None or line.sha256 == release.released.sha256:
        return None
    model = read_model(project, line.as_dict())
    why = beside.unlike(release.released, model)
    if why:
        raise ProjectError(
            f"cannot stand beside release {release.released.name}: {why}",
            where=f"the model of iteration {line.iteration}",
            todo="loopwright canary stop --because TEXT",
        )
    names = [*model.contract.features, *model.contract.beside]
    return Beside(line, release, Quick(model, names), beside.places(release.names, names))
