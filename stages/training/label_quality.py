"""How many labels are wrong, where they concentrate, and which to ask again first. Changes nothing by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from stages.context import Context
from stages.data.blocks import Blocks
from stages.files import read_json, read_parquet, write_json, write_text
from stages.params import Candidate
from stages.step import main
from stages.training.candidates import fit_candidate
from stages.training.estimators import build, fit, predict
from stages.training.label_audit import overruled
from stages.training.label_noise import NoiseRate, noise_rate
from stages.training.label_sources import source_rates
from stages.training.metrics import Array, row_losses
from stages.training.suspects import pairs, suspects

# Few rows want large folds to learn from; from 2,000 on three are enough, and cheaper.
MANY_FOLDS, FEW_FOLDS, ENOUGH, MAX_ROWS = 5, 3, 2000, 6000
# A second opinion: what a weak candidate contradicts may be its own fault. Each tree sees at most 2,000 rows, so that
# it costs the same on any table.
FOREST, MAX_TREE_ROWS = "sklearn.ensemble.RandomForestClassifier", 2000
# A third, too coarse to follow single rows, says whether there are rows between the plateaus of the score.
SMOOTH_LEAF, MIN_LEAF = 0.03, 10
UNKNOWN = {"value": None, "low": None, "high": None}
COLUMNS = ["key", "split", "label", "suggested", "quality", "source"]


def run(project: Path) -> None:
    """Write ``metrics/label_quality.json`` and ``models/suspects.csv``."""
    work = Context(project)
    if work.task == "regression":
        _write(project, {"noise_rate": UNKNOWN, "why": "wrong labels are told for classes, not for numbers"}, None)
        return
    rows = pd.concat([work.split(name).assign(__split__=name) for name in ("train", "valid")], ignore_index=True)
    rows = rows.iloc[sample(len(rows), work.blocks(rows), MAX_ROWS, work.params.seed)].reset_index(drop=True)
    codes, blocks = work.target(rows).astype(np.intp), work.blocks(rows)
    folds = assign_folds(codes, blocks, work.params.seed)
    if folds is None:
        _write(project, {"noise_rate": UNKNOWN, "why": "too few rows of a class, or days or groups, to hold out"}, None)
        return
    by, prediction = _out_of_fold(work, rows, codes, folds)
    audit = read_json(project / "metrics" / "labels.json").get("relabelled", [])
    told = blocks, _sources(work, rows), work.schema["classes"]
    found = quality(codes, prediction, *told)
    if found["noise_rate"]["low"]:  # the third opinion can only take a claim back
        found = quality(codes, prediction, *told, _coarse(work, rows, folds))
    found |= {"judged_by": by, "audit": audit}
    if overruled(audit):
        found["noise_rate"] = UNKNOWN
    listed = _listed(work, rows, codes, prediction, found["sources"])
    found["keyed"] = bool(work.schema.get("key"))
    found["askable"] = int((listed["key"] != "").sum())
    _write(project, found, listed)


def quality(
    codes: NDArray[np.intp],
    prediction: Array,
    blocks: Blocks | None = None,
    sources: pd.Series[Any] | None = None,
    classes: list[Any] | None = None,
    smooth: Array | None = None,
) -> dict[str, Any]:
    """Return what out-of-fold probabilities tell about labels.

    Parameters
    ----------
    codes : ndarray of shape (n,)
        The labels as they are given.
    prediction : ndarray of shape (n, n_classes)
        Probabilities by a model that has not seen the row.
    blocks : ndarray of shape (n,), optional
        Which rows hang together.
    sources : Series of shape (n,), optional
        Where each label came from.
    classes : list, optional
        Names of the classes, for people.
    smooth : ndarray of shape (n, n_classes), optional
        Probabilities by a coarse model; see `stages.training.label_noise.noise_rate`.

    Returns
    -------
    dict
        ``noise_rate``: value, low, high of the share of wrong labels, the larger of what the shape of contradictions
        and what bad sources show; ``rows``; ``contradicted``, the share of labels that are not the most probable class;
        ``confident_learning``, how many cleanlab lists; ``suspects``, how many the noise rate makes of them;
        ``sources`` and ``class_pairs``, where they concentrate.
    """
    rate = noise_rate(codes, prediction, blocks, smooth)
    places = [] if sources is None else source_rates(codes, prediction, sources, blocks)
    listed, _ = suspects(codes, prediction)
    noise = _larger(rate, places)
    count = min(len(listed), round((noise["value"] or 0.0) * len(codes)))
    names = classes or list(range(prediction.shape[1]))
    return {
        "noise_rate": noise,
        "rows": len(codes),
        "contradicted": rate.contradicted,
        "confident_learning": len(listed),
        "suspects": count,
        "sources": places,
        "class_pairs": pairs(codes, prediction, listed[:count], names) if count else [],
    }


def _larger(rate: NoiseRate, places: list[dict[str, Any]]) -> dict[str, float | None]:
    """Return the noise rate; where sources are bad, at least what they hold."""
    bad = [item for item in places if item["bad"]]
    ends = {"value": rate.value, "low": rate.low, "high": rate.high}
    if not bad:
        return ends
    held = {key: sum(item["share"] * min(item[key], 1.0) for item in bad) for key in ends}
    return {key: max(held[key], ends[key] or 0.0) for key in ends}


def sample(rows: int, blocks: Blocks | None, limit: int, seed: int) -> NDArray[np.intp]:
    """Return the positions of at most ``limit`` rows, ascending, whole blocks where rows hang together."""
    if rows <= limit:
        return np.arange(rows)
    random = np.random.default_rng(seed)
    if blocks is None:
        return np.sort(random.choice(rows, limit, replace=False))
    order = random.permutation(int(blocks.max()) + 1)
    ends = np.cumsum(np.bincount(blocks, minlength=len(order))[order])
    taken = order[: max(1, int(np.searchsorted(ends, limit, side="right")))]
    return np.flatnonzero(np.isin(blocks, taken))


def assign_folds(codes: NDArray[np.intp], blocks: Blocks | None, seed: int) -> NDArray[np.intp] | None:
    """Return the fold of each row, whole blocks in one; None where there are too few of a class or of blocks."""
    counts = np.bincount(codes)
    wanted = MANY_FOLDS if len(codes) < ENOUGH else FEW_FOLDS
    folds = int(min(wanted, counts[counts > 0].min(), wanted if blocks is None else len(np.unique(blocks))))
    if folds < 2 or np.count_nonzero(counts) < 2:
        return None
    options = {"n_splits": folds, "shuffle": True, "random_state": seed}
    cut = StratifiedKFold(**options) if blocks is None else StratifiedGroupKFold(**options)
    found = np.zeros(len(codes), dtype=np.intp)
    for fold, (_, held) in enumerate(cut.split(np.zeros(len(codes)), codes, blocks)):
        found[held] = fold
    return found


def _out_of_fold(
    work: Context, rows: pd.DataFrame, codes: NDArray[np.intp], folds: NDArray[np.intp]
) -> tuple[str, Array]:
    """Return probabilities by models that have not seen the row: the candidate's or the forest's, as loses less."""
    found = {name: np.zeros((len(rows), work.n_classes)) for name in (work.chosen, "a random forest")}
    for fold in np.unique(folds):
        rest, held = rows[folds != fold], rows[folds == fold]
        models = (fit_candidate(work, work.chosen, rest), _forest(work, rest, min_samples_leaf=2))
        for prediction, model in zip(found.values(), models, strict=True):
            prediction[folds == fold] = predict(model, held, work.schema)
    # A probability of 0 for what happened would cost all the rest.
    losses = {
        name: np.minimum(row_losses("classification", codes.astype(float), p), 7.0).mean() for name, p in found.items()
    }
    best = min(losses, key=lambda name: losses[name])
    return best, found[best]


def _coarse(work: Context, rows: pd.DataFrame, folds: NDArray[np.intp]) -> Array:
    """Return probabilities by a forest that has not seen the row, and is too coarse to follow single ones."""
    found = np.zeros((len(rows), work.n_classes))
    for fold in np.unique(folds):
        rest = rows[folds != fold]
        leaf = max(MIN_LEAF, round(SMOOTH_LEAF * min(len(rest), MAX_TREE_ROWS)))
        model = _forest(work, rest, n_estimators=60, min_samples_leaf=leaf, max_features=0.5)
        found[folds == fold] = predict(model, rows[folds == fold], work.schema)
    return found


def _forest(work: Context, rows: pd.DataFrame, **settings: Any) -> Any:
    settings = {"n_estimators": 100, "max_samples": min(len(rows), MAX_TREE_ROWS)} | settings
    candidate = Candidate(estimator=FOREST, params=settings)
    return fit(build("forest", candidate, work.schema, work.task, work.params.seed), rows, work.schema)


def _sources(work: Context, rows: pd.DataFrame) -> pd.Series[Any] | None:
    name = work.schema.get("label_source")
    return rows[name] if name else None


def _listed(
    work: Context, rows: pd.DataFrame, codes: NDArray[np.intp], prediction: Array, sources: list[dict[str, Any]]
) -> pd.DataFrame:
    """Return the suspect rows, the most suspect first; those of a bad source count as more suspect by its rate.

    Rows that were asked again already are left out, and those that people reviewed.
    """
    order, score = suspects(codes, prediction)
    name, key, classes = work.schema.get("label_source"), work.schema.get("key"), work.schema["classes"]
    origin = rows[name].astype("str") if name else pd.Series("", index=rows.index)
    worse = {item["source"]: item["value"] for item in sources if item["bad"]}
    score = score * (1 - np.clip(origin.map(worse).fillna(0.0).to_numpy(dtype=float), 0, 1))
    table = pd.DataFrame(
        {
            "key": rows[key] if key else "",
            "split": rows["__split__"],
            "label": [str(classes[code]) for code in codes],
            "suggested": [str(classes[code]) for code in prediction.argmax(axis=1)],
            "quality": score,
            "source": origin,
        }
    ).iloc[order]
    labels = read_parquet(work.project / "data" / "labels.parquet")
    again = labels["key"][labels["origin"].isin(["answer", "oracle"])]
    reviewed = work.reviewed()
    theirs = reviewed[key] if key and reviewed is not None else []
    return table[~table["key"].isin([*again, *theirs])].sort_values("quality", kind="stable")


def _write(project: Path, found: dict[str, Any], listed: pd.DataFrame | None) -> None:
    table = pd.DataFrame(columns=COLUMNS) if listed is None else listed
    write_text(project / "models" / "suspects.csv", table.to_csv(index=False, float_format="%.6g"))
    write_json(project / "metrics" / "label_quality.json", found)


if __name__ == "__main__":
    main(run)
