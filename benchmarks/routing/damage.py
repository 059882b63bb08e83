"""What can happen to data: each function returns window and pilot with a fault of a severity in (0, 1]."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray

from benchmarks.routing.charters import reached
from benchmarks.routing.tables import SOURCE, TARGET

Parts = tuple[pd.DataFrame, pd.DataFrame]
Schema = dict[str, Any]
TRIED, GROUPS, ENOUGH = 3, 4, 300
UNITS = (1.609344, 0.453592, 25.4, 3.28084, 1000.0)


def flip_labels(window: pd.DataFrame, pilot: pd.DataFrame, severity: float, random: Generator, schema: Schema) -> Parts:
    """Give up to a quarter of the rows another class at random, in the window and the pilot alike."""
    return _flipped(window, 0.25 * severity, random, schema), _flipped(pilot, 0.25 * severity, random, schema)


def flip_one_class(
    window: pd.DataFrame, pilot: pd.DataFrame, severity: float, random: Generator, schema: Schema
) -> Parts:
    """Give up to 40% of the rows of one class the label of another."""
    one, other = random.choice(len(schema["classes"]), 2, replace=False)
    labels = schema["classes"][one], schema["classes"][other]

    def flipped(frame: pd.DataFrame) -> pd.DataFrame:
        mine = (frame[TARGET] == labels[0]) & (random.random(len(frame)) < 0.4 * severity)
        return frame.assign(**{TARGET: frame[TARGET].mask(mine, labels[1])})

    return flipped(window), flipped(pilot)


def bad_annotator(
    window: pd.DataFrame, pilot: pd.DataFrame, severity: float, random: Generator, schema: Schema
) -> Parts:
    """Let one of the four who label give up to all their rows another class at random."""
    who = f"person{random.integers(4)}"

    def careless(frame: pd.DataFrame) -> pd.DataFrame:
        wrong = _flipped(frame, severity, random, schema)
        return frame.assign(**{TARGET: frame[TARGET].mask(frame[SOURCE] == who, wrong[TARGET])})

    return careless(window), careless(pilot)


def bad_source(window: pd.DataFrame, pilot: pd.DataFrame, severity: float, random: Generator, schema: Schema) -> Parts:
    """Let one of four sources name up to all rows of each class after the next: its coding is off by one."""
    which, classes = f"person{random.integers(4)}", schema["classes"]
    following = dict(zip(classes, [*classes[1:], classes[0]], strict=True))

    def off_by_one(frame: pd.DataFrame) -> pd.DataFrame:
        mine = (frame[SOURCE] == which) & (random.random(len(frame)) < severity)
        return frame.assign(**{TARGET: frame[TARGET].mask(mine, frame[TARGET].map(following))})

    return off_by_one(window), off_by_one(pilot)


def leak_copy(window: pd.DataFrame, pilot: pd.DataFrame, severity: float, random: Generator, schema: Schema) -> Parts:
    """Add a column that is the target but for a few rows, as of a report written afterwards."""
    return _with_column("report", window, pilot, schema, lambda frame: _copied(frame, 0.04 * (1 - severity), random))


def leak_after(window: pd.DataFrame, pilot: pd.DataFrame, severity: float, random: Generator, schema: Schema) -> Parts:
    """Add a number that follows from the outcome, with noise: what was paid, how long it took."""
    spread = 0.25 - 0.2 * severity

    def after(frame: pd.DataFrame) -> NDArray[np.float64]:
        codes = _codes(frame[TARGET], schema)
        return np.asarray(codes + spread * codes.std() * random.standard_normal(len(frame)))

    return _with_column("amount", window, pilot, schema, after)


def shift_covariates(
    window: pd.DataFrame, pilot: pd.DataFrame, severity: float, random: Generator, schema: Schema
) -> Parts:
    """Let the window keep one end of a feature, and the pilot the other: of a few drawn, what costs most skill."""

    def moved(name: str, sign: int) -> Parts:
        middle, spread = window[name].median(), window[name].std()

        def kept(frame: pd.DataFrame, sign: int) -> pd.DataFrame:
            z = (frame[name] - middle) / spread
            chance = (1 / (1 + np.exp(-sign * 5 * severity * z))).to_numpy()
            kept_rows: pd.DataFrame = frame[random.random(len(frame)) < chance]
            return kept_rows

        return kept(window, -sign), kept(pilot, sign)

    names = [name for name, kind in schema["features"].items() if kind == "number" and window[name].nunique() > 5]
    drawn = random.choice(names, min(TRIED, len(names)), replace=False)
    return _worst([moved(str(name), sign) for name in drawn for sign in (-1, 1)], window, schema)


def shift_labels(
    window: pd.DataFrame, pilot: pd.DataFrame, severity: float, random: Generator, schema: Schema
) -> Parts:
    """Let the rare class be up to three times as common in the pilot."""
    counts = window[TARGET].value_counts()
    rare, share = counts.index[-1], counts.iloc[-1] / counts.sum()
    wanted = share + (0.75 - share) * severity
    mine = pilot[pilot[TARGET] == rare]
    others = pilot[pilot[TARGET] != rare]
    left = int(len(mine) * (1 - wanted) / wanted)
    kept = others.iloc[random.permutation(len(others))[:left]]
    return window, pd.concat([mine, kept]).sort_index()


def shift_concept(
    window: pd.DataFrame, pilot: pd.DataFrame, severity: float, random: Generator, schema: Schema
) -> Parts:
    """Let the outcome of up to 60% of the pilot's rows go by other rows' features: the relation is another."""
    moved = random.random(len(pilot)) < 0.6 * severity
    labels = pilot[TARGET].copy()
    labels[moved] = random.permutation(labels[moved].to_numpy())
    return window, pilot.assign(**{TARGET: labels})


def other_population(
    window: pd.DataFrame, pilot: pd.DataFrame, severity: float, random: Generator, schema: Schema
) -> Parts:
    """Keep a group of alike rows out of the window, the one that costs most skill; up to all of the pilot is of it."""
    from sklearn.cluster import KMeans

    numbers = [name for name, kind in schema["features"].items() if kind == "number"]
    both = pd.concat([window, pilot])[numbers].astype(float)
    scaled = ((both - both.mean()) / both.std().replace(0, 1)).fillna(0.0)
    groups = KMeans(GROUPS, n_init=1, random_state=int(random.integers(2**31))).fit_predict(scaled)
    stays = random.random(len(pilot)) > severity

    def without(group: int) -> Parts:
        mine = groups == group
        inside, of_pilot = mine[: len(window)], mine[len(window) :]
        return window[~inside], pilot[of_pilot | stays]

    return _worst([without(group) for group in range(GROUPS)], window, schema)


def change_unit(window: pd.DataFrame, pilot: pd.DataFrame, severity: float, random: Generator, schema: Schema) -> Parts:
    """Let a sensor report in another unit from the pilot on; the higher the severity, the further apart the units."""
    name = strong_column(window, schema, random, varied=True)
    factor = UNITS[min(int(severity * len(UNITS)), len(UNITS) - 1)]
    return window, pilot.assign(**{name: pilot[name] * (factor if random.random() < 0.5 else 1 / factor)})


def burst_share(severity: float) -> float:
    """Return the share of rows that a burst spoils."""
    return 0.5 * severity**3


def lose_values(window: pd.DataFrame, pilot: pd.DataFrame, severity: float, random: Generator, schema: Schema) -> Parts:
    """Lose the values of a strong column in a share of the window's rows, and of the pilot's."""
    name = strong_column(window, schema, random)
    return tuple(  # type: ignore[return-value]
        frame.assign(**{name: frame[name].mask(random.random(len(frame)) < burst_share(severity))})
        for frame in (window, pilot)
    )


def new_category(
    window: pd.DataFrame, pilot: pd.DataFrame, severity: float, random: Generator, schema: Schema
) -> Parts:
    """Let a category appear in the pilot that the suite does not know."""
    names = [name for name, kind in schema["features"].items() if kind == "category" and window[name].nunique() <= 50]
    name = names[int(random.integers(len(names)))]
    share = burst_share(severity)
    return window, pilot.assign(**{name: pilot[name].mask(random.random(len(pilot)) < share, "NEW")})


def hard_slice(window: pd.DataFrame, pilot: pd.DataFrame, severity: float, random: Generator, schema: Schema) -> Parts:
    """Let the outcomes of one category go by nothing, and let it be more common in the pilot."""
    names = [name for name, kind in schema["features"].items() if kind == "category" and window[name].nunique() <= 20]
    name = names[int(random.integers(len(names)))]
    shares = window[name].value_counts(normalize=True)
    value = shares.index[int(np.argmin(np.abs(shares.to_numpy() - 0.15)))]

    def exchanged(frame: pd.DataFrame) -> pd.DataFrame:
        mine = np.flatnonzero((frame[name] == value) & (random.random(len(frame)) < severity))
        labels = frame[TARGET].to_numpy().copy()
        labels[mine] = labels[random.permutation(mine)]
        return frame.assign(**{TARGET: pd.Series(labels, frame.index).astype(frame[TARGET].dtype)})

    rare = (window[name] != value) | (random.random(len(window)) < 0.15 / shares[value])
    common = (pilot[name] == value) | (random.random(len(pilot)) < 0.2)
    return exchanged(window[rare]), exchanged(pilot[common])


def strong_column(window: pd.DataFrame, schema: Schema, random: Generator, *, varied: bool = False) -> str:
    """Return one of the three numeric features that say most about the target, by their F statistic."""
    from sklearn.feature_selection import f_classif, f_regression

    names = [name for name, kind in schema["features"].items() if kind == "number"]
    if varied:
        names = [name for name in names if window[name].nunique() > 20] or names
    values = window[names].astype(float)
    test = f_classif if schema["classes"] else f_regression
    score, _ = test(values.fillna(values.median()), _codes(window[TARGET], schema))
    ranked = np.argsort(-np.nan_to_num(score), kind="stable")
    return str(names[int(ranked[int(random.integers(min(3, len(names))))])])


def _worst(options: list[Parts], window: pd.DataFrame, schema: Schema) -> Parts:
    """Return the parts of which a boosted model loses most from window to pilot, and still learns in the window."""
    model = {"estimator": f"sklearn.ensemble.HistGradientBoosting{'Classifier' if schema['classes'] else 'Regressor'}"}
    params = {
        "seed": 0,
        "planning": {"task": "classification" if schema["classes"] else "regression"},
        "training": {"candidates": {"boosting": model}, "use": ["boosting"]},
    }
    sound = reached(params, schema, window)

    def lost(parts: Parts) -> float:
        if len(parts[0]) < len(window) / 4 or len(parts[1]) < ENOUGH:
            return float("-inf")
        inside = reached(params, schema, parts[0])
        return inside - reached(params, schema, *parts) if inside > sound / 2 else float("-inf")

    return max(options, key=lost)


def _flipped(frame: pd.DataFrame, share: float, random: Generator, schema: Schema) -> pd.DataFrame:
    classes = np.asarray(schema["classes"], dtype=object)
    codes = _codes(frame[TARGET], schema).astype(int)
    other = (codes + random.integers(1, len(classes), len(frame))) % len(classes)
    moved = random.random(len(frame)) < share
    return frame.assign(**{TARGET: pd.Series(classes[np.where(moved, other, codes)], frame.index).astype("str")})


def _copied(frame: pd.DataFrame, wrong: float, random: Generator) -> NDArray[Any]:
    values = frame[TARGET].to_numpy()
    return np.where(random.random(len(frame)) < wrong, random.permutation(values), values)


def _with_column(name: str, window: pd.DataFrame, pilot: pd.DataFrame, schema: Schema, make: Any) -> Parts:
    made = make(window), make(pilot)
    schema["features"][name] = "number" if np.issubdtype(np.asarray(made[0]).dtype, np.number) else "category"
    schema["feature_groups"][name] = [name]
    return window.assign(**{name: made[0]}), pilot.assign(**{name: made[1]})


def _codes(target: pd.Series[Any], schema: Schema) -> NDArray[np.float64]:
    if not schema["classes"]:
        return target.to_numpy(dtype=float)
    return target.map({label: code for code, label in enumerate(schema["classes"])}).to_numpy(dtype=float)
