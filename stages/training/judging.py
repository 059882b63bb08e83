"""What a candidate scores by its predictions, and from which threshold on it decides best for the charter."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import pandas as pd

from stages.context import Context
from stages.importing import import_callable
from stages.metric_names import LOSS, OFFLINE
from stages.params import PARAMS_FILE
from stages.planning.outcome import outcome_of
from stages.training.metrics import Array, Scorer, constant_prediction, names_of
from stages.training.selection import Aim, Scores, by_formula, by_metric, by_weighted_mean
from stages.training.thresholds import best_threshold, decides, sweep

Predictions = Mapping[str, Array]  # of each split, as `predict` returns them


class Judge:
    """Scores candidates on the training and validation rows, by the charter.

    Parameters
    ----------
    work : Context
        The project.
    """

    def __init__(self, work: Context) -> None:
        self.work = work
        self.splits = {name: work.split(name) for name in ("train", "valid")}
        self.constant = constant_prediction(work.task, work.target(self.splits["train"]), work.n_classes)
        self.combine: dict[str, Any] = work.charter.get("combine", {"by": "threshold"})
        named = [*names_of(work.charter), LOSS[work.task]]
        self.names = list(dict.fromkeys([*named, *(OFFLINE[work.task] if self.combine["by"] == "formula" else [])]))
        # Latency is measured in deployment, on the chosen model alone; size is known here.
        self.bounds, self.wishes = (
            {name: bound for name, bound in asked.items() if name in OFFLINE[work.task] or name == "size_mb"}
            for asked in (work.requirements, work.wishes)
        )

    @cached_property
    def aim(self) -> Aim:
        """What is to be as large as possible among candidates that meet the requirements."""
        match self.combine["by"]:
            case "weighted_mean":
                return by_weighted_mean(self.combine["weights"], self.work.task)
            case "formula":
                path = str(self.combine["call"])
                where = f"{PARAMS_FILE}: planning.combine.call"
                return by_formula(import_callable(self.work.project, path, where), path)
            case "outcome":
                return lambda scores: float(scores["outcome"] or 0.0)
        return by_metric(str(self.work.charter["optimise"]), self.work.task)

    @property
    def axes(self) -> list[str]:
        """The metrics that candidates are compared in: the one optimised, those required and those wished for."""
        return list(dict.fromkeys([str(self.work.charter["optimise"]), *self.bounds, *self.wishes]))

    def judge(self, made: Predictions, size_mb: float) -> dict[str, Any]:
        """Return what a candidate scores: ``train``, ``valid``, ``size_mb``, ``threshold`` and ``options``.

        ``options`` holds the validation scores at every threshold that was looked at, the one chosen among them.
        """
        scorer = self._scorer(made, "valid")
        scores: dict[str, float | None] = {**scorer.score(self.names), "size_mb": size_mb}
        outcome = outcome_of(self.work.project, self.work.charter)
        if outcome is not None:
            rows = self.splits["valid"][list(self.work.schema["features"])]
            scores["outcome"] = float(outcome(rows, scorer.target, scorer.prediction).mean())
        asked = self.work.charter.get("decision", {}).get("threshold", "auto")
        options: dict[float, Scores] = {0.5: scores}
        if decides([*self.names], self.work.n_classes):
            options = {**sweep(scorer, scores)}
            if asked != "auto":
                fixed = self._scorer(made, "valid", float(asked)).score(self.names)
                options = {float(asked): {**scores, **fixed}}
        threshold = best_threshold(options, self.bounds, self.aim, self.wishes)
        train = self._scorer(made, "train", threshold).score(self.names)
        valid = {name: options[threshold].get(name) for name in [*self.names, *(["outcome"] * ("outcome" in scores))]}
        return {"train": train, "valid": valid, "size_mb": size_mb, "threshold": threshold, "options": options}

    def _scorer(self, made: Predictions, split: str, threshold: float = 0.5) -> Scorer:
        rows: pd.DataFrame = self.splits[split]
        return Scorer(self.work.task, self.work.target(rows), made[split], self.constant, threshold=threshold)
