"""Where the requirements hold: found where it was planted, honest where nothing was, and never by a sensitive group."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.context import Context
from stages.params import Minimum, Requirement, Within
from stages.scope import within
from stages.training.narrow import parts
from stages.training.narrowing import OUTCOME, Asked, Left, Side, narrowed
from stages.training.sampling import Sampling
from stages.training.swapping import swaps

AUC = {"roc_auc": Requirement(at_least=0.8)}
SITES = ("a", "b", "c", "d")


def side(rows: int, seed: int, *, noisy: str = "d", signal: float = 2.0) -> Side:
    """Rows of four sites; what is predicted is as good as the signal, but for one site, where it is chance."""
    random = np.random.default_rng(seed)
    site = random.choice(SITES, rows)
    age = random.uniform(0, 100, rows)
    logit = signal * random.normal(size=rows)
    target = (random.random(rows) < 1 / (1 + np.exp(-logit))).astype(float)
    logit = np.where(site == noisy, random.permutation(logit), logit)
    logit = np.where(age > 80, random.permutation(logit), logit) if noisy == "old" else logit
    second = 1 / (1 + np.exp(-logit))
    frame = pd.DataFrame({"site": site, "age": age, "floor": (age // 10).round(), "y": target})
    return Side(frame, target, np.column_stack([1 - second, second]))


def asked(bounds: dict[str, Requirement], **changed: Any) -> Asked:
    return Asked("classification", 2, bounds, sampling=Sampling(n=100), **changed)


def found(choose: Side, estimate: Side, columns: list[str], bounds: dict[str, Requirement], **more: Any) -> Any:
    return narrowed(columns, choose, estimate, Left(choose.rows, choose.target, estimate.rows), asked(bounds, **more))


def test_the_part_without_the_noisy_values_is_found_and_judged_on_other_rows() -> None:
    choose, estimate = side(4000, 0), side(2000, 1)
    (item,) = found(choose, estimate, ["site"], AUC)
    assert item["condition"] == {"column": "site", "values": ["a", "b", "c"]}
    assert item["without"] == ["d"]
    inside = within(estimate.rows, [Within(**item["condition"])])
    assert (item["rows"], item["share"]) == (int(inside.sum()), pytest.approx(inside.mean()))
    (figure,) = item["figures"]
    assert figure["was"] < 0.8 < figure["value"]
    assert figure["low"] < figure["value"] < figure["high"]
    other = side(2000, 2)
    again = found(choose, other, ["site"], AUC)
    assert again[0]["condition"] == item["condition"]
    assert again[0]["figures"][0]["value"] != figure["value"]  # the estimate is the other rows' own


def test_numbers_are_cut_into_runs_of_quintiles() -> None:
    (item,) = found(side(6000, 0, noisy="old"), side(3000, 1, noisy="old"), ["age"], AUC)
    assert item["condition"] == {"column": "age", "at_most": pytest.approx(80, abs=2)}
    (item,) = found(side(6000, 0, noisy="old"), side(3000, 1, noisy="old"), ["floor"], AUC)
    assert set(item["without"]) <= {8, 9}
    assert sorted([*item["condition"]["values"], *item["without"]]) == list(range(10))


def test_nothing_is_offered_where_nothing_is_enough_or_too_little_is_left() -> None:
    choose, estimate = side(4000, 0), side(2000, 1)
    assert found(choose, estimate, ["site"], {"roc_auc": Requirement(at_least=0.95)}) == []
    assert found(choose, estimate, ["site"], AUC, min_rows=1900) == []
    assert found(choose, estimate, ["site"], AUC, minimum=Minimum(rows=3900)) == []
    assert found(choose, estimate, ["site"], AUC, minimum=Minimum(per_class=1900)) == []
    assert found(choose, estimate, [], AUC) == []


def test_chance_is_not_sold_as_a_part_and_what_is_told_is_not_flattered() -> None:
    """No site differs. On the choosing rows the best looking part gains; on the others it gains nothing on average."""
    offered, flattered = 0, []
    for seed in range(30):
        choose, estimate = side(1500, 2 * seed, noisy="none"), side(1500, 2 * seed + 1, noisy="none")
        whole = np.ones(len(estimate.rows), dtype=bool)
        bound = found_auc(estimate, whole) + 0.005
        parts_found = found(choose, estimate, ["site"], {"roc_auc": Requirement(at_least=bound)})
        offered += len(parts_found)
        flattered += [item["figures"][0]["value"] - item["figures"][0]["was"] for item in parts_found]
    assert offered <= 6
    assert all(gain < 0.05 for gain in flattered)


def found_auc(one: Side, part: Any) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(one.target[part], one.prediction[part, 1]))


def test_what_predictions_bring_is_narrowed_by_too() -> None:
    def brings(one: Side) -> Side:
        right = ((one.prediction[:, 1] > 0.5) == one.target).astype(float)
        return Side(one.rows, one.target, one.prediction, one.blocks, right - 0.5)

    choose, estimate = brings(side(4000, 0)), brings(side(2000, 1))
    (item,) = found(choose, estimate, ["site"], {OUTCOME: Requirement(at_least=0.22)})
    assert item["condition"]["values"] == ["a", "b", "c"]
    assert item["figures"][0]["value"] >= 0.22


def test_a_sensitive_group_is_never_narrowed_to(tmp_path: Path) -> None:
    (tmp_path / "charter").mkdir()
    (tmp_path / "data").mkdir()
    charter = {"task": "classification", "ethics": {"sensitive": ["site"]}, "requirements": {}, "optimise": "roc_auc"}
    (tmp_path / "charter/charter.json").write_text(json.dumps(charter))
    (tmp_path / "data/schema.json").write_text(json.dumps({"target": "y", "time": None, "key": None}))
    work = Context(tmp_path)
    work.params = minimal_params(["site", "floor"])
    choose, estimate = side(4000, 0), side(2000, 1)
    told = parts(work, choose, estimate, Left(choose.rows, choose.target, estimate.rows), asked(AUC))
    assert told["columns"] == ["floor"]
    assert told["refused"] == ["site"]
    assert told["parts"] == []
    assert parts(work, None, estimate, Left(choose.rows, choose.target, estimate.rows), asked(AUC))["parts"] == []


def minimal_params(columns: list[str]) -> Any:
    from flows.patching import patched
    from stages.params import check_params, read_params
    from tests.conftest import ROOT

    return check_params(patched(read_params(ROOT), {"deployment.slices.columns": columns}))


OPTIONS = {
    "one": [{"threshold": None, "log_loss": 0.50, "roc_auc": 0.70, "recall": 0.60}],
    "two": [{"threshold": None, "log_loss": 0.55, "roc_auc": 0.76, "recall": 0.61}],
    "three": [{"threshold": None, "log_loss": 0.52, "roc_auc": 0.79, "recall": 0.40}],
}
WANTED = {"roc_auc": Requirement(at_least=0.75), "recall": Requirement(at_least=0.5)}
TASK: dict[str, Any] = {"task": "classification", "optimise": "log_loss"}


def test_a_swap_is_what_would_be_chosen_by_the_missed_metric() -> None:
    (item,) = swaps(OPTIONS, WANTED, ["roc_auc"], chosen=("one", 0.5), **TASK)
    assert (item["candidate"], item["value"], item["was"]) == ("two", 0.76, 0.70)  # three misses recall
    assert item["instead_of"] == {"metric": "log_loss", "side": "at_most", "value": 0.55, "was": 0.50}
    assert swaps(OPTIONS, WANTED, ["roc_auc"], chosen=("two", 0.5), **TASK) == []
    assert len(swaps(OPTIONS, WANTED, ["roc_auc"], chosen=("two", 0.5), searched=True, **TASK)) == 1
    assert swaps(OPTIONS, WANTED, ["latency_p99_ms", "log_loss"], chosen=("one", 0.5), **TASK) == []
    assert swaps(OPTIONS, {**WANTED, "size_mb": Requirement(at_most=1)}, ["roc_auc"], chosen=("one", 0.5), **TASK) == []
