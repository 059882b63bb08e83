"""Every test of the release candidate as a row of one table, whatever measured it: ``release/tests.json``.

A row has a ``kind``, a ``test`` (its name), a ``verdict``, what it ``says`` and whether it ``passed``: false only where
it holds up the release. Where they are known it has ``rows``, a figure (``value``, ``low``, ``high``), a ``limit`` in
words, and ``worst``: examples for a reader.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stages.deployment.verdicts import FAILED, PASSED, SKIPPED, TOLD, UNSURE
from stages.params import Deployment
from stages.requirements import bound_words, number, surely
from stages.signals import Signal

Row = dict[str, Any]
Found = Mapping[str, Any]
# What `tests_fail` is about; size, latency, slices and the pilot have signals of their own.
OWN_KINDS = ("minimum_functionality", "invariance", "direction", "regression", "fairness", "robustness")
MOST_NAMED = 3
FIGURE = ("value", "low", "high")


def results(
    behaviour: Sequence[Found],
    examined: Found,
    slices: Sequence[Found],
    entries: Sequence[Found],
    settings: Deployment,
) -> list[Row]:
    """Return the table.

    Parameters
    ----------
    behaviour : list of dict
        ``release/behaviour.json``.
    examined : dict
        ``release/examined.json``.
    slices : list of dict
        ``release/slices.json``.
    entries : list of dict
        The requirements and wishes, as the gate has them.
    settings : Deployment
        The limits.
    """
    return [
        *map(_behaviour, behaviour),
        *_fairness(examined["fairness"], settings.fairness.unsure),
        *_robustness(examined["robustness"], settings.robustness.max_rise),
        *_calibration(examined["calibration"], examined["rows"]),
        *_slices(slices, settings.slices.max_excess),
        *(_entry(item, examined["rows"]) for item in entries if item["where"] in ("serving", "pilot")),
    ]


def own(table: Sequence[Row]) -> list[Row]:
    """Return the rows that ``tests_fail`` is about."""
    return [row for row in table if row["kind"] in OWN_KINDS and row["verdict"] != TOLD]


def group_entries(examined: Found, unsure: str) -> list[Row]:
    """Return the requirements between groups as the gate has its others; ``met`` where they hold up no release."""
    between = (examined["fairness"] or {}).get("between", [])
    return [
        {
            **{key: item[key] for key in ("metric", *FIGURE, "bound", "side", "hard")},
            "where": "groups",
            "met": item["verdict"] is True or (item["verdict"] is None and unsure == "release"),
        }
        for item in between
        if "bound" in item
    ]


def counts(tests: Sequence[Row]) -> dict[str, int]:
    """Return how many tests were run, failed, and could not tell."""
    unsure = sum(test.get("verdict") == UNSURE for test in tests)
    return {"run": len(tests), "failed": sum(not test["passed"] for test in tests), "unsure": unsure}


def tests_fail(tests: Sequence[Row], chosen: str, between: Sequence[Row] | None = None) -> Signal:
    """Fire when a behaviour, regression, fairness or robustness test fails; one that cannot tell does not, and says so.

    Parameters
    ----------
    tests : list of dict
        Each with ``test``, ``passed``, and a ``verdict`` where it may be unsure.
    chosen : str
        The candidate under test.
    between : list of dict, optional
        The hard requirements between groups, which may be relaxed as any other.
    """
    failed = [test["test"] for test in tests if not test["passed"]]
    unsure = [test["test"] for test in tests if test["passed"] and test.get("verdict") == UNSURE]
    told = f"{len(failed)} of {len(tests)} tests fail{''.join(f'; {name}' for name in failed)}"
    told += f"; cannot tell: {', '.join(unsure)}" if unsure else ""
    kept = ("kind", "test", "verdict", "says")
    return Signal.measured(
        "tests_fail",
        float(len(failed)),
        threshold=0.0,
        direction="above",
        says=told
        if tests
        else "no test of the model is set (deployment.tests, expectations/cases.csv, requirements between groups)",
        evidence={
            "failed": failed,
            "unsure": unsure,
            "missed": [item for item in between or [] if not item["met"]],
            "met": [item for item in between or [] if item["met"]],
            "results": [{key: test[key] for key in kept if key in test} for test in tests],
            "chosen": chosen,
            "file": "release/tests.json",
        },
    )


def _behaviour(test: Found) -> Row:
    verdict = SKIPPED if test.get("skipped") else PASSED if test["passed"] else FAILED
    failing = test.get("failing") or {}
    row = _row(str(test["kind"]), str(test["test"]), verdict, str(test.get("says") or test.get("skipped")), failing)
    limit, tolerance = test.get("limit"), test.get("tolerance")
    if limit is not None:
        row["limit"] = f"at most {100 * limit:g}% of the rows fail"
    elif tolerance is not None:  # held by the mean over the rows
        row |= dict.fromkeys(FIGURE, test["figure"])
        least = test["kind"] == "direction"
        row["limit"] = f"at least {-tolerance:g} on average" if least else f"at most {tolerance:g} on average"
    return row | {"rows": test["rows"], "worst": test.get("worst", [])}


def _fairness(found: Found | None, unsure: str) -> Iterator[Row]:
    for item in (found or {}).get("between", []):
        left_out = f"; too few rows to be compared: {_listed(item['small'])}" if item["small"] else ""
        says = f"by {item['column']}: {_ends(item)}{left_out}"
        row = _row("fairness", str(item["metric"]), TOLD, says, item)
        if "bound" in item:
            verdict = {True: PASSED, False: FAILED, None: UNSURE}[item["verdict"]]
            held = verdict == UNSURE and unsure == "hold"
            row |= {"verdict": FAILED if held else verdict, "limit": bound_words(item["side"], item["bound"])}
            row["says"] += "; cannot tell, which holds up the release (deployment.fairness.unsure)" if held else ""
            row["passed"] = not (item["hard"] and row["verdict"] == FAILED)
        yield row


def _ends(item: Found) -> str:
    if item.get("largest") is None:
        return str(item["why"])
    ends = f"most in {item['largest']}, least in {item['least']}"
    return f"{ends}; {item['why']}" if "why" in item else ends


def _robustness(found: Found, limit: float | None) -> Iterator[Row]:
    rise, name = found["rise"], f"{100 * found['share']:g}% of all cells missing"
    if "error" in found:
        verdict, says = (TOLD if limit is None else FAILED), f"such rows are not predicted: {found['error']}"
    else:
        says = f"the loss rises by {_percent(rise['value'])} of the constant's"
        verdict = TOLD if limit is None else _against(rise, limit)
    row = _row("robustness", name, verdict, says, rise) | {"rows": found["rows"]}
    yield row | ({} if limit is None else {"limit": f"at most {100 * limit:g}% of the constant's loss"})
    features = found["features"]
    if features:
        worst = [{"feature": item["feature"], **item["rise"]} for item in features[:MOST_NAMED]]
        dear = sum(surely(item["rise"], "above", 0.0) for item in features)
        broken = [item["feature"] for item in features if "error" in item]
        says = f"without {worst[0]['feature']} the loss rises by {_percent(worst[0]['value'])} of the constant's; "
        says += f"{dear} of {len(features)} features are surely missed"
        says += f"; not predicted without {_listed(broken)}" if broken else ""
        row = _row("robustness", "each feature missing as a whole", TOLD, says, features[0]["rise"])
        yield row | {"rows": found["rows"], "worst": worst}


def _calibration(found: Mapping[str, Found], rows: int) -> Iterator[Row]:
    words = {"calibration_error": _gap, "slope": _slope, "intercept": _intercept}
    for name, figure in found.items():
        yield _row("calibration", name, TOLD, words[name](figure), figure) | {"rows": rows}


def _gap(figure: Found) -> str:
    return "gap between the probabilities and what is observed, less what chance makes of it"


def _slope(figure: Found) -> str:
    if surely(figure, "below", 1.0):
        return "the predictions are too far apart: too sure of themselves"
    return (
        "the predictions are not far enough apart"
        if surely(figure, "above", 1.0)
        else "1 would be right, and may be so"
    )


def _intercept(figure: Found) -> str:
    if surely(figure, "above", 0.0):
        return "beside the slope the predictions are too low"
    return (
        "beside the slope the predictions are too high"
        if surely(figure, "below", 0.0)
        else "0 would be right, and may be so"
    )


def _slices(found: Sequence[Found], limit: float) -> Iterator[Row]:
    for column in dict.fromkeys(item["column"] for item in found):
        ours = [item for item in found if item["column"] == column]
        hard = [item for item in ours if surely(item, "above", 0.0) and item["excess"] > limit]
        first = ours[0]
        says = f"{len(hard)} of {len(ours)} are hard; the worst, {first['value']}, "
        says += f"has a loss {_percent(first['excess'])} beside its own mean's"
        figure = {"value": first["excess"], "low": first["low"], "high": first["high"]}
        worst = [{"value": item["value"], "rows": item["rows"], "excess": item["excess"]} for item in ours[:MOST_NAMED]]
        row = _row("slices", f"slices of {column}", TOLD, says, figure)
        yield row | {"rows": sum(item["rows"] for item in ours), "limit": f"{100 * limit:g}%", "worst": worst}


def _entry(item: Found, rows: int) -> Row:
    hard, where = item.get("hard", True), str(item["where"])
    told = number(item["value"]) if item.get("value") is not None else "held, its figure is not versioned"
    says = told if "beat" not in item else f"{told}, beside {item['beat']}"
    if item.get("value") is None and where == "pilot":
        says = "unknown"
    row = _row(
        where, str(item["metric"]), PASSED if item["met"] else FAILED, says + ("" if hard else " (a wish)"), item
    )
    row |= {"limit": bound_words(item["side"], item["bound"]), "passed": bool(item["met"]) or not hard}
    return row | ({"rows": rows} if where == "pilot" else {})


def _row(kind: str, test: str, verdict: str, says: str, figure: Found) -> Row:
    figures = {key: figure.get(key) for key in FIGURE}
    return {"kind": kind, "test": test, "verdict": verdict, "says": says, "passed": verdict != FAILED, **figures}


def _against(figure: Found, limit: float) -> str:
    if surely(figure, "above", limit):
        return FAILED
    low, high = figure["low"], figure["high"]
    return UNSURE if low is None or high is None or high > limit else PASSED


def _percent(value: float | None) -> str:
    return "an unknown share" if value is None else f"{100 * value:+.1f}%"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MOST_NAMED])
    return shown if len(names) <= MOST_NAMED else f"{shown} and {len(names) - MOST_NAMED} more"
