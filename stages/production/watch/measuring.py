"""Everything that is measured at a look, held against what the release was judged on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from stages.data.brought import brought_in_production
from stages.deployment.outcome import outcome_low
from stages.deployment.release_log import Release
from stages.errors import DataError, LoopwrightError
from stages.params import Params
from stages.planning.outcome import with_review
from stages.production.released import load_released
from stages.production.watch import performance, quality
from stages.production.watch.levels import figures, level_of, mean_figure
from stages.production.watch.reference import Reference
from stages.production.watch.seen import Seen
from stages.production.watch.speed import production_latency
from stages.production.watch.stale import production_stale
from stages.shift.detector import detect
from stages.shift.measure import Task, measure
from stages.shift.sides import Sides
from stages.shift.verdicts import covariate_shift, shift
from stages.signals import Signal
from stages.training.metrics import Figure, Scorer

ALARMS = 10  # signals that may alarm at a look


@dataclass(frozen=True)
class Past:
    """What earlier looks and releases have to do with this look.

    Attributes
    ----------
    number : int
        Of the look, from 1, while this release is in force.
    losses : list of float
        What `performance.advantage` gave at the looks before, oldest first.
    earlier : Release or None
        The release that was in force before this one, of another model.
    rows : int
        Rows that came at the looks before.
    """

    number: int
    losses: list[float]
    earlier: Release | None
    rows: int = 0


@dataclass
class Measured:
    """What a look gave: signals, and the figures beside them; see `flows.watching.looks.Look`."""

    signals: list[Signal] = field(default_factory=list)
    labelled: int = 0
    figures: dict[str, Figure] = field(default_factory=dict)
    expected: Figure | None = None
    outcome: Figure | None = None
    losses: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Looking:
    """Measures the rows of one look.

    Parameters
    ----------
    project : Path
        The project, with its present params and suite.
    params : Params
        The present params.
    reference : Reference
        The release, and what it was judged on.
    past : Past
        The looks before.
    """

    def __init__(self, project: Path, params: Params, reference: Reference, past: Past) -> None:
        self.project, self.params, self.reference, self.past = project, params, reference, past
        self.settings, self.limits = params.deployment.watch, params.deployment.shift
        self.level = level_of(self.settings.alpha, past.number, ALARMS)
        self.sampling: dict[str, Any] = {"level": self.level, "seed": params.seed}

    def measure(
        self, seen: Seen, before: Callable[[], pd.DataFrame] | None = None, usual: pd.Series[Any] | None = None
    ) -> Measured:
        """Return what the rows tell.

        Parameters
        ----------
        seen : Seen
            The rows, and those whose labels are due.
        before : callable, optional
            Gives the labelled rows between the release's pilot and these, where they can be had.
        usual : Series of moments, optional
            When rows came in the days of the pilot, labelled or not, where the source tells.
        """
        found = Measured([quality.production_data(self.project, self.reference, seen, self.params, level=self.level)])
        most = self.settings.max_volume_change
        volume = quality.production_volume(self.reference, seen, most, level=self.level, usual=usual)
        found.signals += [volume] if volume is not None else []
        target = str(self.reference.work.schema["target"])
        rows = seen.sample(target, self.settings.labels, self.params.seed)
        found.labelled = len(rows)
        found.expected = performance.estimated(self.reference, seen.frame, **self.sampling)
        judged = len(rows) > 0 and float(seen.ripe[target].notna().mean()) >= self.settings.min_labelled
        if self.settings.label_days or not judged:
            found.signals += [self._expected(found.expected), self._inputs(seen.frame)]
        if judged:
            self._judge(rows, found, before)
        return found

    def latency(self, rows: Sequence[dict[str, Any]]) -> list[Signal]:
        """Return ``production_latency`` by what the server counted, where it did and the charter has a bound."""
        found = production_latency(rows, self.reference.work.requirements, level=self.level)
        return [] if found is None else [found]

    def silent(self, start: dt.date, end: dt.date, usual: pd.Series[Any] | None = None) -> Measured:
        """Return what a window tells in which no row came, though later ones did."""
        nothing, most = self.reference.learned.iloc[:0], self.settings.max_volume_change
        seen = Seen(start, end, nothing, nothing)
        volume = quality.production_volume(self.reference, seen, most, level=self.level, usual=usual)
        return Measured([] if volume is None else [volume])

    def _judge(self, rows: pd.DataFrame, found: Measured, before: Callable[[], pd.DataFrame] | None) -> None:
        """Add what labels tell."""
        reference, limits = self.reference, self.limits
        scorer = reference.scorer(rows)
        wanted = performance.rowwise(reference.work.requirements, reference.work.task)
        names = list(dict.fromkeys([*wanted, reference.work.row_metric]))
        each = 1 - (1 - self.level) / max(1, len(wanted))  # any of the requirements may alarm (Bonferroni)
        found.figures = figures(scorer, names, level=each, seed=self.params.seed)
        found.losses = performance.advantage(scorer)
        worse = performance.production_worse(found.figures, wanted, len(rows))
        found.signals += [self.production_shift(rows, broken=worse.fires is True), worse]
        if before is not None:
            found.signals.append(self._stale(before, scorer, rows))
        later, alpha = [*self.past.losses, *found.losses], self.settings.alpha / ALARMS
        usual, constant = performance.advantage(reference.usual), reference.usual_constant_loss
        found.signals.append(performance.production_risk(usual, later, constant, limits, alpha))
        found.signals += self._outcome(rows, scorer, found)
        found.signals += self._regressed(rows)

    def _stale(self, before: Callable[[], pd.DataFrame], scorer: Scorer, rows: pd.DataFrame) -> Signal:
        """Return ``production_stale``; one unreadable cell of an earlier window ends no later look."""
        least = self.settings.min_gain
        try:
            return production_stale(self.reference, before(), scorer, rows, least, level=self.level)
        except DataError as error:
            says = f"rows since the release cannot be learned from: {error.where}"
            return Signal(name="production_stale", threshold=least, says=says)

    def _regressed(self, rows: pd.DataFrame) -> list[Signal]:
        """Return ``release_regressed`` where there is an earlier release that can be asked."""
        if self.past.earlier is None:
            return []
        try:
            earlier = load_released(self.project, self.past.earlier)
        except LoopwrightError as error:
            says = f"the release before cannot be asked: {error.where} {error.what}"
            return [Signal(name="release_regressed", threshold=0.0, says=says)]
        found = performance.release_regressed(self.reference, earlier, rows, **self.sampling)
        return [] if found is None else [found]

    def _expected(self, expected: Figure) -> Signal:
        reference = self.reference
        usual, constant = float(reference.usual.losses.mean()), reference.usual_constant_loss
        return performance.production_estimated(expected, usual, constant, self.limits, reference.loss)

    def _inputs(self, rows: pd.DataFrame) -> Signal:
        """Return how the inputs moved, where no labels tell whether that does harm; told, and no alarm."""
        reference = self.reference
        blocks = (reference.blocks(reference.learned), reference.blocks(rows))
        sides = Sides(reference.learned, rows, reference.released.features, blocks)
        told = covariate_shift(detect(sides, **self.sampling), self.limits)
        return told.model_copy(update={"name": "production_inputs"})

    def production_shift(self, rows: pd.DataFrame, *, broken: bool) -> Signal:
        """Return ``shift`` of labelled rows beside those that the release learned from, and its pilot."""
        work, released = self.reference.work, self.reference.released
        blocks = self.reference.blocks(rows)
        learned, held = (
            Sides(before, rows, released.features, (self.reference.blocks(before), blocks))
            for before in (self.reference.learned, self.reference.judged)
        )
        task = Task(work.task, str(work.schema["target"]), work.schema["classes"], released.predict)
        found = shift(measure(learned, held, task, **self.sampling), self.limits, broken=broken)
        return found.model_copy(update={"name": "production_shift"})

    def _outcome(self, rows: pd.DataFrame, scorer: Scorer, found: Measured) -> list[Signal]:
        """Return ``outcome_low`` where the charter says what the outcome has to be."""
        work, charter = self.reference.work, self.reference.work.charter
        wanted = charter.get("outcome") or {}
        values, why = brought_in_production(self.project, charter, work.schema, rows, scorer.target, scorer.prediction)
        found.notes += [why] if why else []
        if values is None:
            return []
        found.outcome = mean_figure(with_review(values, scorer.answers, charter), scorer.blocks, self.level)
        if wanted.get("at_least") is None:
            return []
        signal = outcome_low(found.outcome, float(wanted["at_least"]), str(wanted.get("unit", "")), met=True)
        return [signal.model_copy(update={"says": signal.says.replace("the pilot", "production")})]
