"""What a candidate scores by its predictions, and from which threshold on it decides best for the charter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from stages.answering import Policy
from stages.context import Context
from stages.importing import import_callable
from stages.metric_names import FAILURES, LOSS, OF_ANSWERS, OFFLINE
from stages.params import PARAMS_FILE
from stages.planning.outcome import brought, with_review
from stages.training.abstaining import abstaining, answered, policy_of
from stages.training.metrics import Array, Flags, Scorer, constant_prediction, names_of
from stages.training.selection import Aim, Scores, by_formula, by_metric, by_weighted_mean
from stages.training.thresholds import FAILED, best_threshold, decides, sweep, threshold_to_abstain_from

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
        promised = [FAILED] if work.max_error is not None else []
        named = [*names_of(work.charter), LOSS[work.task], *promised]
        countable = work.task == "classification" or work.failing.tolerance is not None
        every = [name for name in OFFLINE[work.task] if countable or name not in FAILURES]
        self.names = list(dict.fromkeys([*named, *(every if self.combine["by"] == "formula" else [])]))
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
        """Return ``train`` and ``valid`` scores, ``size_mb``, ``threshold``, ``confidence`` and ``options``.

        ``options`` holds the validation scores at every threshold that was looked at, the one chosen among them. Each
        threshold has a confidence of its own, from which on rows are answered. Where that is to keep ``max_error`` the
        threshold is chosen without it.
        """
        scorer = self.scorer(made, "valid")
        every = self._thresholds(made, scorer, size_mb)
        options, least = self._answering(scorer, every)
        threshold = self._best(scorer, every, options)
        train = self.scorer(made, "train", threshold, least[threshold]).score(self.names)
        valid = {name: options[threshold].get(name) for name in options[threshold] if name != "size_mb"}
        chosen = {"threshold": threshold, "confidence": least[threshold]}
        return {"train": train, "valid": valid, "size_mb": size_mb, **chosen, "options": options}

    def _thresholds(self, made: Predictions, scorer: Scorer, size_mb: float) -> dict[float, Scores]:
        """Return the scores at each threshold that may be decided from, every row being answered."""
        scores: dict[str, float | None] = {**scorer.score(self.names), "size_mb": size_mb}
        asked = self.work.charter.get("decision", {}).get("threshold", "auto")
        if not decides([*self.names], self.work.n_classes):
            return {0.5: scores}
        if asked == "auto":
            return {**sweep(scorer, scores)}
        return {float(asked): {**scores, **self.scorer(made, "valid", float(asked)).score(self.names)}}

    def _best(self, scorer: Scorer, every: dict[float, Scores], options: dict[float, Scores]) -> float:
        """Return the threshold to decide from, of the scores with every row answered and with those that are."""
        if self.work.max_error is None or len(every) == 1:
            return best_threshold(options, self.bounds, self.aim, self.wishes)
        values = self._values(scorer)
        if values is not None:
            brings = with_review(values, scorer.answers, self.work.charter)
            every = {at: {**scores, "outcome": float(brings.mean())} for at, scores in every.items()}
        return threshold_to_abstain_from(every, self.bounds, self.aim, self.wishes)

    def _answering(
        self, scorer: Scorer, options: dict[float, Scores]
    ) -> tuple[dict[float, Scores], dict[float, float]]:
        """Return the scores at each threshold with what is answered then, and the confidence that is answered from."""
        values, least, found = self._values(scorer), dict.fromkeys(options, 0.0), dict[float, Scores]()
        of_answers = [name for name in self.names if name in OF_ANSWERS]
        for threshold, scores in options.items():
            kept = scorer
            if self._which_matters:
                least[threshold], kept = abstaining(self._at(scorer, "valid", threshold), self.work.max_error)
            brings = None if values is None else with_review(values, kept.answers, self.work.charter)
            worth = {} if brings is None else {"outcome": float(brings.mean())}
            found[threshold] = {**scores, **(kept.score(of_answers) if self._which_matters else {}), **worth}
        return found, least

    def scorer(self, made: Predictions, split: str, threshold: float = 0.5, least: float = 0.0) -> Scorer:
        """Return a candidate's scorer on a split, with the rows that it answers."""
        rows = self.splits[split]
        target, blocks = self.work.target(rows), self.work.blocks(rows)
        scorer = Scorer(self.work.task, target, made[split], self.constant, blocks, failing=self.work.failing)
        return self._at(scorer, split, threshold, least)

    def _at(self, scorer: Scorer, split: str, threshold: float, least: float = 0.0) -> Scorer:
        """Return a scorer with another threshold and confidence."""
        policy = replace(self.policy, threshold=threshold, confidence=least, guardrails={})
        kept = self._inside[split] & answered(self.splits[split], scorer.prediction, policy)
        return replace(scorer, threshold=threshold, answered=kept)

    @cached_property
    def policy(self) -> Policy:
        """What a candidate may answer, before its threshold and confidence are chosen."""
        return policy_of(self.work, self.splits["train"])

    @cached_property
    def _inside(self) -> dict[str, Flags]:
        """Which rows of each split lie within the guardrails."""
        guarded = replace(self.policy, prices={})
        return {name: answered(rows, np.zeros(len(rows)), guarded) for name, rows in self.splits.items()}

    @property
    def _which_matters(self) -> bool:
        """Whether it matters for a score which rows are answered."""
        priced = self.work.charter["prices"].get("review") is not None
        return self.work.max_error is not None or priced or bool(OF_ANSWERS & set(self.names))

    def _values(self, scorer: Scorer) -> Array | None:
        """Return what each validation row brings by a model's prediction; None where that is not measured."""
        if not self.work.charter.get("outcome"):
            return None
        return brought(self.work, self.splits["valid"], scorer.target, scorer.prediction)
