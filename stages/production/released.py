"""The released model: what it says of new rows, how sure it is, and which rows it leaves to a person."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.answering import ANSWERED, Policy, confidence, reasons
from stages.data.sources.raw import Raw
from stages.deployment.release import current, input_of
from stages.deployment.release_log import Release, whole
from stages.errors import ProjectError
from stages.files import read_json
from stages.production.rows import Contract, Rows, read_rows

PROBABILITY = "probability_"


@dataclass(frozen=True)
class Released:
    """A release, read once. Make it with `load_released`.

    Attributes
    ----------
    model : estimator
        The fitted pipeline.
    sha256 : str
        The model's hash.
    iteration : int
        The iteration that released it.
    features : dict
        Column -> "number" or "category".
    classes : list or None
        The labels as the user knows them, in the order of the probabilities; None for a regression.
    policy : Policy
        What it answers.
    contract : Contract
        What it takes in.
    seen : dict
        What it learned from, as `stages.answering.limits` tells; the guardrails where its card does not tell.
    """

    model: Any
    sha256: str
    iteration: int
    features: dict[str, str]
    classes: list[Any] | None
    policy: Policy
    contract: Contract
    seen: dict[str, dict[str, Any]]

    @property
    def name(self) -> str:
        """The release's name: the first twelve digits of the model's hash."""
        return self.sha256[:12]

    @property
    def edition(self) -> str:
        """A text that is another one when another model, or another policy, answers."""
        return f"{self.sha256} {json.dumps(self.policy.to_json(), sort_keys=True)}"

    def read(self, raw: Raw) -> Rows:
        """Check and clean new rows; see `stages.production.rows.read_rows`."""
        return read_rows(raw, self.contract)

    def predict(self, rows: pd.DataFrame) -> NDArray[np.float64]:
        """Return probabilities, (n, n_classes), or values, (n,), for rows that have its features."""
        from stages.training.estimators import predict

        return predict(self.model, rows, {"features": self.features, "classes": self.classes})

    def answer(self, rows: Rows) -> pd.DataFrame:
        """Return what the model says of each row.

        Returns
        -------
        DataFrame of n rows
            ``suggestion`` (the likeliest class by its label, or the value), ``confidence`` (the probability of that
            class; missing for values), ``answered``, ``reason`` (why not; see `stages.answering`), of classes the
            ``probability_LABEL`` of each, and ``release``. A suggestion is no answer where ``answered`` is false.
        """
        from stages.training.metrics import decide

        prediction = self.predict(rows.frame)
        why = reasons(rows.frame, prediction, self.policy)
        found: dict[str, Any] = {"suggestion": prediction, "confidence": np.full(len(rows), np.nan)}
        if self.classes is not None:
            codes = decide(prediction, self.policy.threshold)
            found = {
                "suggestion": labels_of(codes, self.classes),
                "confidence": confidence(prediction, self.policy.threshold),
            }
        found |= {"answered": why == ANSWERED, "reason": pd.array(why, dtype="str")}
        for code, label in enumerate(self.classes or []):
            found[f"{PROBABILITY}{label}"] = prediction[:, code]
        return pd.DataFrame(found | {"release": self.name}, index=rows.frame.index)


def labels_of(codes: NDArray[np.intp], classes: list[Any]) -> Any:
    """Return the labels of class codes as the user knows them: whole numbers, numbers or text."""
    labels = pd.Series(classes).convert_dtypes()
    return labels.take(codes).array


def load_released(project: Path, line: Release | None = None) -> Released:
    """Read the release of a project: the one in force, or the one of a line of its log.

    Raises
    ------
    ProjectError
        If nothing is released, or the file is not what was released.
    """
    if line is not None and not whole(project, line):
        raise ProjectError(
            "is missing or not what was released", where=line.path, todo="loopwright releases lists them"
        )
    pointer = current(project) if line is None else line.as_dict()
    if pointer is None:
        raise ProjectError("nothing is released", where=str(project), todo="loopwright run")
    return read_model(project, pointer)


def read_model(project: Path, pointer: Mapping[str, Any]) -> Released:
    """Read the model and the card that a pointer names, its hash being checked already."""
    from stages.training.store import load_model

    card = read_json(project / str(pointer["card"]))
    return Released(
        model=load_model(project / str(pointer["path"])),
        sha256=str(pointer["sha256"]),
        iteration=int(pointer["iteration"]),
        features=dict(card["features"]),
        classes=card["classes"],
        policy=policy_of(card),
        contract=contract_of(project, card),
        seen=dict(card.get("seen") or policy_of(card).guardrails),
    )


def policy_of(card: dict[str, Any]) -> Policy:
    """Return what a release answers; by a card that does not tell, all of the project's scope."""
    told = dict(card.get("policy") or {"threshold": card.get("threshold", 0.5)})
    told["scope"] = told.get("scope") or (card.get("scope") or {}).get("conditions", [])
    return Policy(**told)


def contract_of(project: Path, card: dict[str, Any]) -> Contract:
    """Return what a release takes in; where its card does not tell, by the project as it is now."""
    named = [str(item["column"]) for item in policy_of(card).scope]
    kinds = (card.get("scope") or {}).get("columns", {})
    told = card.get("input") or input_of(project) | {"written_as": None}
    return Contract(
        kind=told["kind"],
        features=dict(card["features"]),
        written_as=told["written_as"],
        beside={name: kinds.get(name, "category") for name in named if name not in card["features"]},
        time=told["time"],
        group=told["group"],
        key=told["key"],
        rename=told.get("rename", {}),
        scale=told.get("scale", []),
    )
